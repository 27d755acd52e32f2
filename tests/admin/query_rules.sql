-- Candidates for query rules: the highest figures of finished queries.
SELECT m.service_class, max(m.query_cpu_time) AS cpu_seconds, max(m.query_blocks_read) AS blocks_read, max(m.scan_row_count) AS rows_scanned, max(m.join_row_count) AS rows_joined,
       max(m.cpu_skew) AS cpu_skew, max(m.scan_row_count) > 0 AND max(m.cpu_skew) >= 1 AS ok
FROM svl_query_metrics_summary m
GROUP BY 1
