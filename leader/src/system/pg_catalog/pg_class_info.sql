-- Tables and views, with when they were made and how their rows lie.
--
-- columns:
-- reloid oid, relname name, relnamespace oid, reltype oid, relowner integer, relam oid, relfilenode oid,
-- reltablespace oid, relpages integer, reltuples double precision, reltoastrelid oid, relhasindex boolean,
-- relisshared boolean, relkind char(1), relnatts smallint, relchecks smallint, relhasoids boolean, relhaspkey boolean,
-- relhasrules boolean, relhassubclass boolean, relacl varchar(65535), reldiststyle smallint,
-- releffectivediststyle integer, relcreationtime timestamp
SELECT oid, relname, relnamespace, reltype, relowner, relam, relfilenode, reltablespace, relpages, reltuples,
       reltoastrelid, relhasindex, relisshared, relkind, relnatts, relchecks, relhasoids, relhaspkey, relhasrules,
       relhassubclass, relacl, reldiststyle, releffectivediststyle, relcreationtime
FROM pg_catalog.pg_class
