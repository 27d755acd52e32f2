-- Objects that COPY read from object stores: sizes as they were after decompression, times in microseconds.
--
-- columns:
-- userid integer, query integer, slice integer, recordtime timestamp, pid integer, http_method char(64),
-- bucket char(64), key char(256), transfer_size bigint, data_size bigint, start_time bigint, end_time bigint,
-- transfer_time bigint, compression_time bigint, connect_time bigint, app_connect_time bigint, retries bigint,
-- request_id char(32), extended_request_id char(128), ip_address char(64), is_partial integer, start_offset bigint
SELECT s.userid, s.query, s.slice, s.curtime, q.pid, 'GET', split_part(s.name, '/', 3),
       substring(trim(s.name), 7 + length(split_part(s.name, '/', 3))), NULL, s.bytes, NULL, NULL, s.loadtime,
       NULL, NULL, NULL, NULL, NULL, NULL, NULL, s.is_partial, s.start_offset
FROM pg_catalog.stl_file_scan s
LEFT JOIN pg_catalog.stl_query q ON q.query = s.query
WHERE s.name LIKE 's3://%'
