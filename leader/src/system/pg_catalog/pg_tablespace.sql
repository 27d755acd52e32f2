-- The one place tables are kept in.
--
-- columns:
-- oid oid, spcname name, spcowner integer, spclocation varchar(256), spcacl varchar(65535), spcoptions varchar(65535)
SELECT 1663, 'pg_default', 100, '', NULL, NULL
