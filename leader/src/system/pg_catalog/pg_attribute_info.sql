-- Columns, with who may do what with them.
--
-- columns:
-- attrelid oid, attname name, atttypid oid, attstattarget integer, attlen smallint, attnum smallint, attndims integer,
-- attcacheoff integer, atttypmod integer, attbyval boolean, attstorage char(1), attalign char(1), attnotnull boolean,
-- atthasdef boolean, attisdropped boolean, attislocal boolean, attinhcount integer, attisdistkey boolean,
-- attispreloaded boolean, attsortkeyord integer, attencodingtype smallint, attencrypttype smallint,
-- attacl varchar(65535)
SELECT attrelid, attname, atttypid, attstattarget, attlen, attnum, attndims, attcacheoff, atttypmod, attbyval, attstorage,
       attalign, attnotnull, atthasdef, attisdropped, attislocal, attinhcount, attisdistkey, attispreloaded,
       attsortkeyord, attencodingtype, attencrypttype, attacl
FROM pg_catalog.pg_attribute
