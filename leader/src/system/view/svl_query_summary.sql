-- The steps of finished queries, all slices together: times in microseconds, rates per second.
--
-- columns:
-- userid integer, query integer, stm integer, seg integer, step integer, maxtime bigint, avgtime bigint, rows bigint,
-- bytes bigint, rate_row double precision, rate_byte double precision, label char(256), is_diskbased char(1),
-- workmem bigint, is_rrscan char(1), is_delayed_scan char(1), rows_pre_filter bigint
SELECT r.userid, r.query, s.stream, r.segment, r.step, max(r.elapsed_time), avg(r.elapsed_time), sum(r.rows),
       sum(r.bytes), sum(r.rows) * 1000000.0::float8 / nullif(max(r.elapsed_time), 0),
       sum(r.bytes) * 1000000.0::float8 / nullif(max(r.elapsed_time), 0), max(r.label), max(r.is_diskbased),
       sum(r.workmem), max(r.is_rrscan), max(r.is_delayed_scan), sum(r.rows_pre_filter)
FROM pg_catalog.svl_query_report r
JOIN pg_catalog.stl_stream_segs s ON s.query = r.query AND s.segment = r.segment
GROUP BY r.userid, r.query, s.stream, r.segment, r.step
