-- The segments of finished queries: all are run by code that is there already, so none is compiled.
--
-- columns:
-- userid integer, xid bigint, pid integer, query integer, segment integer, locus integer, starttime timestamp,
-- endtime timestamp, compile integer
SELECT r.userid, q.xid, q.pid, r.query, r.segment, CASE WHEN max(r.slice) = 12811 THEN 2 ELSE 1 END, NULL, NULL, 0
FROM pg_catalog.svl_query_report r
JOIN pg_catalog.stl_query q ON q.query = r.query
GROUP BY r.userid, q.xid, q.pid, r.query, r.segment
