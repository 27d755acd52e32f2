-- Columns of the tables and views that the user may read.
--
-- columns:
-- table_catalog varchar(128), table_schema varchar(128), table_name varchar(128), column_name varchar(128),
-- ordinal_position integer, column_default varchar(65535), is_nullable varchar(3), data_type varchar(128),
-- character_maximum_length integer, numeric_precision integer, numeric_precision_radix integer,
-- numeric_scale integer, datetime_precision integer, interval_type varchar(128), interval_precision varchar(128),
-- character_set_catalog varchar(128), character_set_schema varchar(128), character_set_name varchar(128),
-- collation_catalog varchar(128), collation_schema varchar(128), collation_name varchar(128),
-- domain_name varchar(128), remarks varchar(65535)
SELECT i.table_catalog, i.table_schema, i.table_name, i.column_name, i.ordinal_position, i.column_default, i.is_nullable,
       i.data_type, i.character_maximum_length, i.numeric_precision, i.numeric_precision_radix, i.numeric_scale,
       i.datetime_precision, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
       pg_catalog.col_description(c.oid, i.ordinal_position)
FROM information_schema.columns i
JOIN pg_catalog.pg_namespace n ON n.nspname = i.table_schema
JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = i.table_name
UNION ALL
SELECT redshift_database_name, schemaname, tablename, columnname, columnnum, NULL, 'YES', external_type,
       NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM pg_catalog.svv_external_columns
