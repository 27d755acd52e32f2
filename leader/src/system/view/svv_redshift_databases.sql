-- Databases.
--
-- columns:
-- database_name varchar(128), database_owner integer, database_type varchar(32), database_acl varchar(128),
-- database_options varchar(128), database_isolation_level varchar(128)
SELECT datname, datdba, 'local', NULL, NULL,
    CASE datconfig WHEN '{concurrency_model=2}' THEN 'Serializable' ELSE 'Snapshot Isolation' END
FROM pg_catalog.pg_database
