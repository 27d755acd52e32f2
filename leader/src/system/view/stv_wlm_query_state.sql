-- Statements that run now, as the one queue sees them: nothing waits in it.
--
-- columns:
-- xid integer, task integer, query integer, service_class integer, slot_count integer, wlm_start_time timestamp,
-- state char(16), queue_time bigint, exec_time bigint, query_priority char(20)
SELECT i.xid, i.query, i.query, 100, 1, i.starttime, 'Running', 0,
       datediff(microsecond, i.starttime, timezone('utc', getdate()::timestamptz)), 'n/a'
FROM pg_catalog.stv_inflight i
