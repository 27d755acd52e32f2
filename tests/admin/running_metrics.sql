-- May be empty: what running queries took so far.
SELECT m.query, m.segment, m.step_type, m.rows, m.cpu_time, m.blocks_read, m.run_time, m.slices > 0 AS ok
FROM stv_query_metrics m
JOIN stv_wlm_query_state s ON s.query = m.query
