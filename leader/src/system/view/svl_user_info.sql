-- Users and what they may do, under the names of older tools.
--
-- columns:
-- usename varchar(128), usesysid integer, usecreatedb boolean, usesuper boolean, usecatupd boolean,
-- useconnlimit varchar(10), syslogaccess varchar(16), last_ddl_ts timestamp, sessiontimeout integer,
-- external_id varchar(128)
SELECT user_name, user_id, createdb, superuser, catalog_update, connection_limit, syslog_access, last_ddl_timestamp,
       session_timeout, external_user_id
FROM pg_catalog.svv_user_info
