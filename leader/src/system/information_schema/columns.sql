-- Columns of the tables and views that the user may read.
--
-- columns:
-- table_catalog name, table_schema name, table_name name, column_name name, ordinal_position integer,
-- column_default varchar(65535), is_nullable varchar(3), data_type varchar(128),
-- character_maximum_length integer, character_octet_length integer, numeric_precision integer,
-- numeric_precision_radix integer, numeric_scale integer, datetime_precision integer, interval_type varchar(128),
-- interval_precision varchar(128), character_set_catalog name, character_set_schema name,
-- character_set_name name, collation_catalog name, collation_schema name, collation_name name,
-- domain_catalog name, domain_schema name, domain_name name, udt_catalog name, udt_schema name, udt_name name,
-- scope_catalog name, scope_schema name, scope_name name, maximum_cardinality integer,
-- dtd_identifier varchar(128), is_self_referencing varchar(3)
SELECT current_database(), n.nspname, c.relname, a.attname, a.attnum, d.adsrc,
       CASE WHEN a.attnotnull THEN 'NO' ELSE 'YES' END,
       pg_catalog.format_type(a.atttypid, NULL),
       CASE WHEN a.atttypid IN (1042, 1043, 6551) THEN a.atttypmod - 4 END,
       CASE WHEN a.atttypid IN (1042, 1043, 6551) THEN a.atttypmod - 4 END,
       CASE a.atttypid WHEN 21 THEN 16 WHEN 23 THEN 32 WHEN 20 THEN 64 WHEN 700 THEN 24 WHEN 701 THEN 53
            WHEN 1700 THEN (a.atttypmod - 4) / 65536 END,
       CASE WHEN a.atttypid IN (20, 21, 23, 700, 701) THEN 2 WHEN a.atttypid = 1700 THEN 10 END,
       CASE WHEN a.atttypid IN (20, 21, 23) THEN 0 WHEN a.atttypid = 1700 THEN (a.atttypmod - 4) % 65536 END,
       CASE WHEN a.atttypid = 1082 THEN 0 WHEN a.atttypid IN (1083, 1114, 1184) THEN 6 END,
       NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
       current_database(), 'pg_catalog', t.typname, NULL, NULL, NULL, NULL, a.attnum, 'NO'
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
LEFT JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE c.relkind IN ('r', 'v') AND pg_catalog.has_table_privilege(c.oid, 'select')
