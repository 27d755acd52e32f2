-- Columns that primary and unique keys hold and foreign keys refer to.
--
-- columns:
-- table_catalog name, table_schema name, table_name name, column_name name, constraint_catalog name,
-- constraint_schema name, constraint_name name
SELECT current_database(), tn.nspname, t.relname, a.attname, current_database(), kn.nspname, k.conname
FROM pg_catalog.pg_constraint k
JOIN pg_catalog.pg_namespace kn ON kn.oid = k.connamespace
JOIN pg_catalog.pg_class t ON t.oid = CASE WHEN k.contype = 'f' THEN k.confrelid ELSE k.conrelid END
JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid
WHERE a.attnum = ANY(CASE WHEN k.contype = 'f' THEN k.confkey ELSE k.conkey END)
  AND pg_catalog.has_table_privilege(t.oid, 'select')
