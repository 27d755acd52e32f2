-- Tables and views that the user may read.
--
-- columns:
-- table_catalog varchar(128), table_schema varchar(128), table_name varchar(128), table_type varchar(128),
-- remarks varchar(65535)
SELECT current_database(), n.nspname, c.relname,
       CASE WHEN c.relpersistence = 't' THEN 'LOCAL TEMPORARY' WHEN c.relkind = 'v' THEN 'VIEW' ELSE 'BASE TABLE' END,
       pg_catalog.obj_description(c.oid, 'pg_class')
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'v') AND pg_catalog.has_table_privilege(c.oid, 'select')
UNION ALL
SELECT redshift_database_name, schemaname, tablename, 'EXTERNAL TABLE', NULL FROM pg_catalog.svv_external_tables
