-- Materialized views that read others.
--
-- columns:
-- database_name char(128), schema_name char(128), name char(128), dependent_database_name char(128),
-- dependent_schema_name char(128), dependent_name char(128)
SELECT db_name, schema, name, ref_database_name, ref_schema, ref_name
FROM pg_catalog.stv_mv_deps
