-- Databases and the limits of their connections.
--
-- columns:
-- datname name, datdba integer, encoding integer, datistemplate boolean, datallowconn boolean, datlastsysoid oid,
-- dattablespace oid, datconfig varchar(65535), datacl varchar(65535), datid oid, datconnlimit varchar(10)
SELECT datname, datdba, encoding, datistemplate, datallowconn, datlastsysoid, dattablespace, datconfig, datacl, oid,
       CASE datconnlimit WHEN -1 THEN 'UNLIMITED' ELSE datconnlimit::varchar(10) END
FROM pg_catalog.pg_database
