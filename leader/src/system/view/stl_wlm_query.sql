-- Finished statements that read or changed rows, as the one queue saw them: nothing waits in it.
--
-- columns:
-- userid integer, xid integer, task integer, query integer, service_class integer, slot_count integer,
-- service_class_start_time timestamp, queue_start_time timestamp, queue_end_time timestamp, total_queue_time bigint,
-- exec_start_time timestamp, exec_end_time timestamp, total_exec_time bigint, service_class_end_time timestamp,
-- final_state char(16), est_peak_mem bigint, query_priority char(20), service_class_name char(64)
SELECT q.userid, q.xid, q.query, q.query, c.service_class, 1, q.starttime, q.starttime, q.starttime, 0, q.starttime,
       q.endtime, datediff(microsecond, q.starttime, q.endtime), q.endtime, 'Completed', NULL, 'n/a',
       c.service_class_name
FROM pg_catalog.stl_query q
JOIN pg_catalog.stl_querytext t ON t.query = q.query AND t.sequence = 0
CROSS JOIN (SELECT 100 AS service_class, 'Default queue' AS service_class_name) c
