-- Columns of primary, unique and foreign keys, in the order of the key.
--
-- columns:
-- constraint_catalog name, constraint_schema name, constraint_name name, table_catalog name, table_schema name,
-- table_name name, column_name name, ordinal_position integer, position_in_unique_constraint integer
SELECT current_database(), kn.nspname, k.conname, current_database(), tn.nspname, t.relname, a.attname,
       pg_catalog.blueshift_array_place(k.conkey, a.attnum),
       CASE k.contype WHEN 'f' THEN pg_catalog.blueshift_array_place(x.indkey,
           pg_catalog.blueshift_array_number(k.confkey, pg_catalog.blueshift_array_place(k.conkey, a.attnum))) END
FROM pg_catalog.pg_constraint k
JOIN pg_catalog.pg_namespace kn ON kn.oid = k.connamespace
JOIN pg_catalog.pg_class t ON t.oid = k.conrelid
JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid
LEFT JOIN pg_catalog.pg_index x ON x.indexrelid = k.conindid
WHERE a.attnum = ANY(k.conkey) AND pg_catalog.has_table_privilege(t.oid, 'select')
