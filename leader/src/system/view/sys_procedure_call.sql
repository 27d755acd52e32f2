-- Calls of procedures that ended.
--
-- columns:
-- user_id integer, session_user_id integer, query_id bigint, query_text char(4000), start_time timestamp,
-- end_time timestamp, duration bigint, session_id integer, transaction_id bigint, database_name char(128),
-- status char(10), caller_procedure_query_id bigint
SELECT userid, session_userid, query, querytxt, starttime, endtime, datediff(microsecond, starttime, endtime), pid, xid,
       trim(database), CASE aborted WHEN 0 THEN 'success' ELSE 'failed' END, from_sp_call
FROM pg_catalog.svl_stored_proc_call
