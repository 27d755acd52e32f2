-- Tables and views that the user may read.
--
-- columns:
-- database_name varchar(128), schema_name varchar(128), table_name varchar(128), table_type varchar(128),
-- table_acl varchar(128), remarks varchar(65535)
SELECT table_catalog, table_schema, table_name, CASE table_type WHEN 'VIEW' THEN 'VIEW' ELSE 'TABLE' END, NULL, remarks
FROM pg_catalog.svv_tables
WHERE table_type <> 'EXTERNAL TABLE'
