-- Keys, as PostgreSQL shows the indexes behind them.
--
-- columns:
-- schemaname name, tablename name, indexname name, tablespace name, indexdef varchar(65535)
SELECT n.nspname, c.relname, i.relname, NULL, pg_catalog.pg_get_indexdef(i.oid)
FROM pg_catalog.pg_index x
JOIN pg_catalog.pg_class c ON c.oid = x.indrelid
JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
