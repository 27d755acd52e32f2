-- Primary, unique and foreign keys.
--
-- columns:
-- constraint_catalog name, constraint_schema name, constraint_name name, table_catalog name, table_schema name,
-- table_name name, constraint_type varchar(128), is_deferrable varchar(3), initially_deferred varchar(3)
SELECT current_database(), n.nspname, k.conname, current_database(), n.nspname, c.relname,
       CASE k.contype WHEN 'p' THEN 'PRIMARY KEY' WHEN 'u' THEN 'UNIQUE' ELSE 'FOREIGN KEY' END, 'NO', 'NO'
FROM pg_catalog.pg_constraint k
JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE pg_catalog.has_table_privilege(c.oid, 'select')
