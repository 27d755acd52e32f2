-- Files that UNLOAD wrote; there are no clusters for concurrency scaling.
--
-- columns:
-- userid integer, query integer, pid integer, path char(1280), start_time timestamp, end_time timestamp,
-- line_count bigint, transfer_size bigint, file_format char(10)
SELECT userid, query, pid, path, start_time, end_time, line_count, transfer_size, file_format
FROM pg_catalog.stl_unload_log
