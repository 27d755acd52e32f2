-- Rows of tables, and the changes since they were counted: counts are exact, so there are none.
--
-- columns:
-- stairelid oid, stairows double precision, staiins double precision, staidels double precision
SELECT oid, reltuples, 0, 0 FROM pg_catalog.pg_class WHERE relkind = 'r' AND oid >= 100000
