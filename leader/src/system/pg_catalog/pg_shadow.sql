-- Users, for superusers.
--
-- columns:
-- usename name, usesysid integer, usecreatedb boolean, usesuper boolean, usecatupd boolean, passwd varchar(8),
-- valuntil timestamp, useconfig varchar(65535)
SELECT usename, usesysid, usecreatedb, usesuper, usecatupd, passwd, valuntil, useconfig
FROM pg_catalog.pg_user
WHERE (SELECT bool_or(me.usesuper) FROM pg_catalog.pg_user me WHERE me.usename = current_user)
