-- What procedures said with RAISE.
--
-- columns:
-- user_id integer, session_user_id integer, session_id integer, transaction_id bigint, query_id bigint,
-- record_time timestamp, log_level char(12), message char(1024), line_number integer, query_text char(500),
-- status char(10)
SELECT userid, session_userid, pid, xid, query, recordtime, trim(loglevel_text), message, linenum, querytxt,
       CASE aborted WHEN 0 THEN 'success' ELSE 'failed' END
FROM pg_catalog.svl_stored_proc_messages
