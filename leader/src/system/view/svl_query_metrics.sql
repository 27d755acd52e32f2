-- What finished queries took: times in seconds, a row for the query, for each segment and for each step.
--
-- columns:
-- userid integer, query integer, service_class integer, dimension varchar(24), segment integer, step integer,
-- step_label varchar(30), query_cpu_time bigint, query_blocks_read bigint, query_execution_time bigint,
-- query_cpu_usage_percent numeric(38,2), query_temp_blocks_to_disk bigint, segment_execution_time bigint,
-- cpu_skew numeric(38,2), io_skew numeric(38,2), scan_row_count bigint, join_row_count bigint,
-- nested_loop_join_row_count bigint, return_row_count bigint, spectrum_scan_row_count bigint,
-- spectrum_scan_size_mb bigint, query_queue_time bigint, service_class_name char(64)
SELECT m.userid, m.query, m.service_class,
       CASE WHEN m.step_type >= 0 THEN 'step' WHEN m.segment >= 0 THEN 'segment' ELSE 'query' END,
       CASE WHEN m.segment >= 0 THEN m.segment END, CASE WHEN m.step_type >= 0 THEN m.step END,
       CASE m.step_type WHEN 1 THEN 'scan' WHEN 2 THEN 'insert' WHEN 3 THEN 'aggr' WHEN 6 THEN 'sort'
           WHEN 7 THEN 'merge' WHEN 8 THEN 'dist' WHEN 9 THEN 'bcast' WHEN 10 THEN 'hjoin' WHEN 11 THEN 'mjoin'
           WHEN 12 THEN 'save' WHEN 14 THEN 'hash' WHEN 15 THEN 'nloop' WHEN 16 THEN 'project' WHEN 17 THEN 'limit'
           WHEN 18 THEN 'unique' WHEN 20 THEN 'delete' WHEN 29 THEN 'window' WHEN 37 THEN 'return'
           WHEN 38 THEN 'return' END,
       CASE WHEN m.segment = -1 THEN m.cpu_time / 1000000 END, CASE WHEN m.segment = -1 THEN m.blocks_read END,
       CASE WHEN m.segment = -1 THEN m.max_run_time / 1000000 END,
       CASE WHEN m.segment = -1 THEN m.cpu_time * 100.0::float8 / nullif(m.max_run_time * m.slices, 0) END,
       CASE WHEN m.segment = -1 THEN m.blocks_to_disk END,
       CASE WHEN m.segment >= 0 AND m.step_type = -1 THEN m.max_run_time / 1000000 END,
       CASE WHEN m.segment >= 0 AND m.step_type = -1 THEN m.max_cpu_time * m.slices * 1.0::float8 / nullif(m.cpu_time, 0) END,
       CASE WHEN m.segment >= 0 AND m.step_type = -1 THEN m.max_blocks_read * m.slices * 1.0::float8 / nullif(m.blocks_read, 0) END,
       CASE WHEN m.step_type = 1 THEN m.rows END, CASE WHEN m.step_type IN (10, 11) THEN m.rows END,
       CASE WHEN m.step_type = 15 THEN m.rows END, CASE WHEN m.step_type = 38 THEN m.rows END, NULL, NULL,
       m.query_queue_time / 1000000, m.service_class_name
FROM pg_catalog.stl_query_metrics m
