-- Schemas that the user may use, of every kind.
--
-- columns:
-- database_name varchar(128), schema_name varchar(128), schema_owner integer, schema_type varchar(128),
-- schema_acl varchar(128), source_database varchar(128), schema_option varchar(128)
SELECT database_name, schema_name, schema_owner, schema_type, schema_acl, NULL, schema_option
FROM pg_catalog.svv_redshift_schemas
UNION ALL
SELECT current_database(), schemaname, esowner, 'external', NULL, databasename, esoptions
FROM pg_catalog.svv_external_schemas
WHERE pg_catalog.has_schema_privilege(esoid, 'usage')
