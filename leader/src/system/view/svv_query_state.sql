-- The steps of statements that run, all slices together: times in microseconds, rates per second.
--
-- columns:
-- userid integer, query integer, seg integer, step integer, maxtime bigint, avgtime bigint, rows bigint, bytes bigint,
-- cpu bigint, memory bigint, rate_row double precision, rate_byte double precision, label char(25),
-- is_diskbased char(1), workmem bigint, num_parts integer, is_rrscan char(1), is_delayed_scan char(1)
SELECT userid, query, segment, step, max(datediff(microsecond, starttime, currenttime)),
       avg(datediff(microsecond, starttime, currenttime)), sum(rows), sum(bytes), NULL, sum(workmem) / 1048576,
       sum(rows) * 1000000.0::float8 / nullif(max(datediff(microsecond, starttime, currenttime)), 0),
       sum(bytes) * 1000000.0::float8 / nullif(max(datediff(microsecond, starttime, currenttime)), 0),
       left(max(label), 25), max(is_diskbased), sum(workmem), max(num_parts), max(is_rrscan), max(is_delayed_scan)
FROM pg_catalog.stv_exec_state
GROUP BY userid, query, segment, step
