-- Schemas.
--
-- columns:
-- catalog_name name, schema_name name, schema_owner name, default_character_set_catalog name,
-- default_character_set_schema name, default_character_set_name name, sql_path varchar(256)
SELECT current_database(), n.nspname, pg_catalog.pg_get_userbyid(n.nspowner), NULL, NULL, NULL, NULL
FROM pg_catalog.pg_namespace n
WHERE pg_catalog.has_schema_privilege(n.oid, 'usage')
