-- The greatest figures of each finished query: times in seconds.
--
-- columns:
-- userid integer, query integer, service_class integer, query_cpu_time bigint, query_blocks_read bigint,
-- query_execution_time bigint, query_cpu_usage_percent numeric(38,2), query_temp_blocks_to_disk bigint,
-- segment_execution_time bigint, cpu_skew numeric(38,2), io_skew numeric(38,2), scan_row_count bigint,
-- join_row_count bigint, nested_loop_join_row_count bigint, return_row_count bigint, spectrum_scan_row_count bigint,
-- spectrum_scan_size_mb bigint, query_queue_time bigint, service_class_name char(64)
SELECT m.userid, m.query, m.service_class, max(m.query_cpu_time), max(m.query_blocks_read),
       max(m.query_execution_time), max(m.query_cpu_usage_percent), max(m.query_temp_blocks_to_disk),
       max(m.segment_execution_time), max(m.cpu_skew), max(m.io_skew), max(m.scan_row_count), max(m.join_row_count),
       max(m.nested_loop_join_row_count), max(m.return_row_count), max(m.spectrum_scan_row_count),
       max(m.spectrum_scan_size_mb), max(m.query_queue_time), max(m.service_class_name)
FROM pg_catalog.svl_query_metrics m
GROUP BY m.userid, m.query, m.service_class
