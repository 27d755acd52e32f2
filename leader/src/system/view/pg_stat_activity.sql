-- Sessions and what each runs now; the text of others' statements is for superusers.
--
-- columns:
-- datid oid, datname name, procpid integer, usesysid integer, usename name, current_query varchar(65535),
-- query_start timestamp
SELECT d.oid, trim(s.db_name), s.process, u.usesysid, trim(s.user_name),
       CASE WHEN trim(r.status) = 'Running' THEN trim(r.query) ELSE '<IDLE>' END, r.starttime
FROM pg_catalog.stv_sessions s
JOIN pg_catalog.pg_user u ON u.usename = trim(s.user_name)
LEFT JOIN pg_catalog.pg_database d ON d.datname = trim(s.db_name)
LEFT JOIN pg_catalog.stv_recents r ON r.pid = s.process AND trim(r.status) = 'Running'
