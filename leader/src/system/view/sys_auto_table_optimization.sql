-- Sort keys that the server chose by itself. Superusers only.
--
-- columns:
-- table_id integer, alter_table_type varchar(32), status varchar(128), event_time timestamp, alter_from varchar(200)
SELECT table_id, trim(type), trim(status), eventtime, trim(previous_state) FROM pg_catalog.svl_auto_worker_action
