-- Refreshes of materialized views.
--
-- columns:
-- user_id integer, session_user_id integer, transaction_id bigint, database_name char(128), schema_name char(128),
-- mv_name char(128), refresh_type char(32), status varchar(65535), start_time timestamp, end_time timestamp,
-- duration bigint
SELECT userid, userid, xid, db_name, schema_name, mv_name, refresh_type, status, starttime, endtime,
       datediff(microsecond, starttime, endtime)
FROM pg_catalog.svl_mv_refresh_status
