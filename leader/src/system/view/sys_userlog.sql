-- Users made, changed, renamed and dropped. Superusers only.
--
-- columns:
-- user_id integer, user_name char(50), original_user_name char(50), action char(10), has_create_db_privs integer,
-- is_superuser integer, has_update_catalog_privs integer, password_expiration timestamp, session_id integer,
-- transaction_id bigint, record_time timestamp
SELECT userid, username, oldusername, action, usecreatedb, usesuper, usecatupd, valuntil, pid, xid, recordtime
FROM pg_catalog.stl_userlog
