-- Users, as PostgreSQL shows roles that may log in.
--
-- columns:
-- oid oid, rolname name, rolsuper boolean, rolinherit boolean, rolcreaterole boolean, rolcreatedb boolean,
-- rolcatupdate boolean, rolcanlogin boolean, rolreplication boolean, rolconnlimit integer, rolpassword varchar(8),
-- rolvaliduntil timestamp, rolbypassrls boolean, rolconfig varchar(65535)
SELECT usesysid, usename, usesuper, true, usesuper, usecreatedb, usecatupd, true, false, -1, passwd, valuntil, usesuper,
       useconfig
FROM pg_catalog.pg_user
