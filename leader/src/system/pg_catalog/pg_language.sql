-- Languages of functions.
--
-- columns:
-- tableoid oid, oid oid, lanname name, lanowner integer, lanispl boolean, lanpltrusted boolean, lanplcallfoid oid, laninline oid,
-- lanvalidator oid, lanacl varchar(65535)
SELECT 'pg_catalog.pg_language'::regclass, 12, 'internal', 100, false, false, 0, 0, 0, NULL
UNION ALL SELECT 'pg_catalog.pg_language'::regclass, 14, 'sql', 100, false, true, 0, 0, 0, NULL
UNION ALL SELECT 'pg_catalog.pg_language'::regclass, 99998, 'plpgsql', 100, true, true, 0, 0, 0, NULL
