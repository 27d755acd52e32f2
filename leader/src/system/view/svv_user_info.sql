-- Users and what they may do.
--
-- columns:
-- user_name varchar(128), user_id integer, createdb boolean, superuser boolean, catalog_update boolean,
-- connection_limit varchar(10), syslog_access varchar(16), last_ddl_timestamp timestamp, session_timeout integer,
-- external_user_id varchar(128)
SELECT usename, usesysid, usecreatedb, usesuper, usecatupd, useconnlimit,
       CASE WHEN usesuper THEN 'UNRESTRICTED' ELSE 'RESTRICTED' END, NULL, 0, NULL
FROM pg_catalog.pg_user_info
