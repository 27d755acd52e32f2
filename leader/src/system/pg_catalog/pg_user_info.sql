-- Users and the limits of their connections.
--
-- columns:
-- usename name, usesysid integer, usecreatedb boolean, usesuper boolean, usecatupd boolean, passwd varchar(8),
-- valuntil timestamp, useconfig varchar(65535), useconnlimit varchar(10)
SELECT u.usename, u.usesysid, u.usecreatedb, u.usesuper, u.usecatupd, u.passwd, u.valuntil, u.useconfig,
       coalesce(i.connection_limit, 'UNLIMITED')
FROM pg_catalog.pg_user u
LEFT JOIN pg_catalog.svv_user_info i ON i.user_id = u.usesysid
