-- Files that COPY read.
--
-- columns:
-- user_id integer, query_id bigint, slice integer, session_id integer, transaction_id bigint, file_name char(256),
-- bytes_scanned bigint, lines_scanned bigint, splits_scanned integer, record_time timestamp, start_time timestamp,
-- end_time timestamp
SELECT s.userid, s.query, s.slice, q.pid, q.xid, s.name, s.bytes, s.lines, 1, s.curtime, q.starttime, q.endtime
FROM pg_catalog.stl_file_scan s
LEFT JOIN pg_catalog.stl_query q ON q.query = s.query
