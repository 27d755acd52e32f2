-- Rows and files that COPY refused.
--
-- columns:
-- user_id integer, query_id bigint, transaction_id bigint, session_id integer, database_name char(64),
-- table_id integer, start_time timestamp, file_name char(256), line_number bigint, column_name char(127),
-- column_type char(10), column_length char(10), position integer, error_code integer, error_message char(512)
SELECT e.userid, e.query, q.xid, e.session, q.database, e.tbl, e.starttime, e.filename, e.line_number, e.colname,
       e.type, e.col_length, e.position, e.err_code, e.err_reason
FROM pg_catalog.stl_load_errors e LEFT JOIN pg_catalog.stl_query q ON q.query = e.query
