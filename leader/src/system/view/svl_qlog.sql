-- Finished statements, in short: their text cut to 60 characters, and how long they took in microseconds.
--
-- columns:
-- userid integer, query integer, xid bigint, pid integer, starttime timestamp, endtime timestamp, elapsed bigint,
-- aborted integer, label varchar(320), substring varchar(60), source_query integer,
-- concurrency_scaling_status integer, from_sp_call integer
SELECT userid, query, xid, pid, starttime, endtime, datediff(microsecond, starttime, endtime), aborted, trim(label),
       left(trim(querytxt), 60), NULL, concurrency_scaling_status, NULL
FROM pg_catalog.stl_query
