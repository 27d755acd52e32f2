-- Statements that read or changed rows, in pieces of 200 bytes.
--
-- columns:
-- user_id integer, query_id bigint, transaction_id bigint, session_id integer, start_time timestamp, sequence integer,
-- text char(200)
SELECT t.userid, t.query, t.xid, t.pid, q.starttime, t.sequence, t.text
FROM pg_catalog.stl_querytext t JOIN pg_catalog.stl_query q ON q.query = t.query
