-- Advice on queries; there are no clusters for concurrency scaling.
--
-- columns:
-- userid integer, query integer, slice integer, segment integer, step integer, pid integer, xid bigint,
-- event char(1024), solution char(1024), event_time timestamp
SELECT * FROM pg_catalog.stl_alert_event_log
