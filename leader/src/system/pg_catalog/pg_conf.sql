-- Settings by name.
--
-- columns:
-- name varchar(128), value varchar(65535)
SELECT name, setting FROM pg_catalog.pg_settings
