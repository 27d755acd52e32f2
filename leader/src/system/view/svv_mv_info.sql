-- Materialized views, and whether they show all of their tables.
--
-- columns:
-- database_name char(128), schema_name char(128), user_name char(128), name char(128), is_stale char(1),
-- state integer, autorefresh char(1), autorewrite char(1)
SELECT db_name, schema, owner_user_name, name, is_stale, state, autorefresh, autorewrite
FROM pg_catalog.stv_mv_info
