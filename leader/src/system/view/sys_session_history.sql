-- Sessions that are open, and those that ended.
--
-- columns:
-- user_id integer, session_id integer, database_name varchar(128), status varchar(32), session_timeout integer,
-- start_time timestamp, end_time timestamp
SELECT userid, process, trim(db_name), 'disconnected', NULL, starttime, endtime FROM pg_catalog.stl_sessions
UNION ALL
SELECT u.usesysid, s.process, trim(s.db_name), 'active', NULL, s.starttime, NULL
FROM pg_catalog.stv_sessions s LEFT JOIN pg_catalog.pg_user u ON u.usename = trim(s.user_name)
