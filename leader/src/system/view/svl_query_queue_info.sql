-- What statements waited for, in seconds: the queue, and the queue of commits. Superusers only.
--
-- columns:
-- database char(32), query integer, xid bigint, userid integer, querytxt char(4000), queue_start_time timestamp,
-- exec_start_time timestamp, service_class integer, slots integer, queue_elapsed bigint, exec_elapsed bigint,
-- wlm_total_elapsed bigint, commit_queue_elapsed bigint, commit_exec_time bigint, service_class_name char(64)
SELECT q.database, q.query, q.xid, q.userid, q.querytxt, w.queue_start_time, w.exec_start_time, w.service_class,
       w.slot_count, w.total_queue_time / 1000000, w.total_exec_time / 1000000,
       (w.total_queue_time + w.total_exec_time) / 1000000, datediff(second, c.startqueue, c.startwork),
       datediff(second, c.startwork, c.endtime), w.service_class_name
FROM pg_catalog.stl_query q
JOIN pg_catalog.stl_wlm_query w ON w.query = q.query
LEFT JOIN pg_catalog.stl_commit_stats c ON c.xid = q.xid AND c.node = -1
WHERE (SELECT u.usesuper FROM pg_catalog.pg_user u WHERE u.usename = current_user)
