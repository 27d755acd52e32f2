-- Statements that run now.
--
-- columns:
-- userid integer, slice integer, query integer, pid integer, starttime timestamp, suspended integer, text varchar(200),
-- sequence integer
SELECT userid, slice, query, pid, starttime, suspended, text, 0 FROM pg_catalog.stv_inflight
