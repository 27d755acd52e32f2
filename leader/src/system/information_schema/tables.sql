-- Tables and views that the user may read.
--
-- columns:
-- table_catalog name, table_schema name, table_name name, table_type varchar(128),
-- self_referencing_column_name name, reference_generation varchar(128), user_defined_type_catalog name,
-- user_defined_type_schema name, user_defined_type_name name
SELECT current_database(), n.nspname, c.relname,
       CASE WHEN c.relpersistence = 't' THEN 'LOCAL TEMPORARY' WHEN c.relkind = 'v' THEN 'VIEW' ELSE 'BASE TABLE' END,
       NULL, NULL, NULL, NULL, NULL
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'v') AND pg_catalog.has_table_privilege(c.oid, 'select')
