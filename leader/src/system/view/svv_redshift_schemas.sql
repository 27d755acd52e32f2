-- Schemas that the user may use.
--
-- columns:
-- database_name varchar(128), schema_name varchar(128), schema_owner integer, schema_type varchar(128),
-- schema_acl varchar(128), schema_option varchar(128)
SELECT current_database(), n.nspname, n.nspowner, 'local', NULL, NULL
FROM pg_catalog.pg_namespace n
WHERE pg_catalog.has_schema_privilege(n.oid, 'usage')
  AND n.oid NOT IN (SELECT esoid FROM pg_catalog.pg_external_schema)
