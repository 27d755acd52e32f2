-- Columns of the tables and views that the user may read, of every kind.
--
-- columns:
-- database_name varchar(128), schema_name varchar(128), table_name varchar(128), column_name varchar(128),
-- ordinal_position integer, column_default varchar(65535), is_nullable varchar(3), data_type varchar(128),
-- character_maximum_length integer, numeric_precision integer, numeric_scale integer, remarks varchar(65535)
SELECT table_catalog, table_schema, table_name, column_name, ordinal_position, column_default, is_nullable, data_type,
       character_maximum_length, numeric_precision, numeric_scale, remarks
FROM pg_catalog.svv_columns
