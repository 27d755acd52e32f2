-- Views that the user may read, and their queries.
--
-- columns:
-- table_catalog name, table_schema name, table_name name, view_definition varchar(65535),
-- check_option varchar(128), is_updatable varchar(3), is_insertable_into varchar(3)
SELECT current_database(), n.nspname, c.relname, pg_catalog.pg_get_viewdef(c.oid), 'NONE', 'NO', 'NO'
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'v' AND pg_catalog.has_table_privilege(c.oid, 'select')
