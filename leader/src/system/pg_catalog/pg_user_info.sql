-- Users and the limits of their connections.
--
-- columns:
-- usename name, usesysid integer, usecreatedb boolean, usesuper boolean, usecatupd boolean, passwd varchar(8),
-- valuntil timestamp, useconfig varchar(65535), useconnlimit varchar(10)
SELECT usename, usesysid, usecreatedb, usesuper, usecatupd, passwd, valuntil, useconfig, 'UNLIMITED'
FROM pg_catalog.pg_user
