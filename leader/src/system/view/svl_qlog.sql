-- Finished statements, in short: their text cut to 60 characters, how long they took in microseconds, and the query
-- whose result answered them.
--
-- columns:
-- userid integer, query integer, xid bigint, pid integer, starttime timestamp, endtime timestamp, elapsed bigint,
-- aborted integer, label varchar(320), substring varchar(60), source_query integer,
-- concurrency_scaling_status integer, from_sp_call integer
SELECT user_id, query_id, transaction_id, session_id, start_time, end_time, elapsed_time,
       CASE status WHEN 'success' THEN 0 ELSE 1 END, trim(query_label), left(trim(query_text), 60),
       result_cache_query_id, 0, NULL
FROM pg_catalog.sys_query_history
WHERE status <> 'running'
