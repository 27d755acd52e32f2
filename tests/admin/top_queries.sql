-- The slowest queries with their text, alerts, and what they read and returned.
SELECT q.query, trim(u.usename) AS who, trim(q.database) AS database, l.elapsed, listagg(trim(t.text)) WITHIN GROUP (ORDER BY t.sequence) AS text,
       max(m.query_blocks_read) AS blocks_read, max(m.scan_row_count) AS rows_scanned, max(m.return_row_count) AS rows_returned,
       l.elapsed >= 0 AND max(m.scan_row_count) > 0 AND max(w.total_exec_time) <= l.elapsed AS ok
FROM stl_query q
JOIN stl_querytext t ON t.query = q.query
JOIN svl_qlog l ON l.query = q.query
JOIN pg_user u ON u.usesysid = q.userid
JOIN stl_wlm_query w ON w.query = q.query
JOIN svl_query_metrics_summary m ON m.query = q.query
GROUP BY q.query, u.usename, q.database, l.elapsed
ORDER BY l.elapsed DESC
LIMIT 50
