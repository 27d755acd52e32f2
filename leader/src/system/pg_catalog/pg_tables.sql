-- Tables.
--
-- columns:
-- schemaname name, tablename name, tableowner name, tablespace name, hasindexes boolean, hasrules boolean,
-- hastriggers boolean
SELECT n.nspname, c.relname, pg_catalog.pg_get_userbyid(c.relowner), NULL, c.relhasindex, c.relhasrules, c.relhastriggers
FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r'
