-- Logins, refused logins, and ends of sessions.
--
-- columns:
-- event char(50), record_time timestamp, remote_host char(45), remote_port char(32), session_id integer,
-- database_name char(50), user_name char(50), auth_method char(32), duration bigint, ssl_version char(50),
-- ssl_cipher char(128), mtu integer, ssl_compression char(64), ssl_expansion char(64), iam_auth_guid char(36),
-- application_name char(250), driver_version char(64), os_version char(64), plugin_name char(32),
-- protocol_version integer, global_session_id char(36), compression char(8)
SELECT event, recordtime, remotehost, remoteport, pid, dbname, username, authmethod, duration, sslversion, sslcipher,
       mtu, sslcompression, sslexpansion, iamauthguid, application_name, driver_version, os_version, plugin_name,
       protocol_version, sessionid, compression
FROM pg_catalog.stl_connection_log
