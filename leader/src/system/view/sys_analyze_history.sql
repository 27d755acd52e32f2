-- What ANALYZE did, asked for or by itself.
--
-- columns:
-- user_id integer, transaction_id bigint, database_name char(30), schema_name char(128), table_name char(128),
-- table_id integer, is_automatic char(1), status char(15), start_time timestamp, end_time timestamp,
-- rows double precision, modified_rows double precision, modified_row_threshold_percent integer
SELECT userid, xid, database, schema_name, table_name, table_id, is_auto, status, starttime, endtime, rows,
       modified_rows, threshold_percent
FROM pg_catalog.stl_analyze
