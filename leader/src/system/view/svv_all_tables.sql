-- Tables and views that the user may read, of every kind.
--
-- columns:
-- database_name varchar(128), schema_name varchar(128), table_name varchar(128), table_acl varchar(128),
-- table_type varchar(128), remarks varchar(65535)
SELECT table_catalog, table_schema, table_name, NULL, CASE WHEN table_type IN ('VIEW', 'EXTERNAL TABLE') THEN table_type ELSE 'TABLE' END, remarks
FROM pg_catalog.svv_tables
