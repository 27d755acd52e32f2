-- Columns of the tables and views that the user may read, with their physical design.
--
-- columns:
-- database_name varchar(128), schema_name varchar(128), table_name varchar(128), column_name varchar(128),
-- ordinal_position integer, data_type varchar(128), column_default varchar(65535), is_nullable varchar(3),
-- encoding varchar(128), distkey boolean, sortkey integer, column_acl varchar(128), remarks varchar(65535)
SELECT current_database(), n.nspname, c.relname, a.attname, a.attnum, pg_catalog.format_type(a.atttypid, a.atttypmod),
       d.adsrc, CASE WHEN a.attnotnull THEN 'NO' ELSE 'YES' END, pg_catalog.format_encoding(a.attencodingtype),
       a.attisdistkey, a.attsortkeyord, NULL, pg_catalog.col_description(c.oid, a.attnum)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE c.relkind IN ('r', 'v') AND pg_catalog.has_table_privilege(c.oid, 'select')
