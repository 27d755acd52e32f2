-- Foreign keys and the keys they refer to.
--
-- columns:
-- constraint_catalog name, constraint_schema name, constraint_name name, unique_constraint_catalog name,
-- unique_constraint_schema name, unique_constraint_name name, match_option varchar(128),
-- update_rule varchar(128), delete_rule varchar(128)
SELECT current_database(), n.nspname, k.conname, current_database(), un.nspname, u.relname, 'NONE', 'NO ACTION', 'NO ACTION'
FROM pg_catalog.pg_constraint k
JOIN pg_catalog.pg_namespace n ON n.oid = k.connamespace
LEFT JOIN pg_catalog.pg_class u ON u.oid = k.conindid
LEFT JOIN pg_catalog.pg_namespace un ON un.oid = u.relnamespace
WHERE k.contype = 'f' AND pg_catalog.has_table_privilege(k.conrelid, 'select')
