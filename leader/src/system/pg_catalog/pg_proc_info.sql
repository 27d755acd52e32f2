-- Functions and procedures, with the arguments they give back.
--
-- columns:
-- prooid oid, proname name, pronamespace oid, proowner integer, prolang oid, proisagg boolean, prosecdef boolean,
-- proisstrict boolean, proretset boolean, provolatile char(1), prokind char(1), pronargs smallint, prorettype oid,
-- proargtypes varchar(65535), proallargtypes varchar(65535), proargmodes varchar(65535), proargnames varchar(65535),
-- prosrc varchar(65535), probin varchar(65535), proacl varchar(65535)
SELECT oid, proname, pronamespace, proowner, prolang, proisagg, prosecdef, proisstrict, proretset, provolatile, prokind,
       pronargs, prorettype, proargtypes, proallargtypes, proargmodes, proargnames, prosrc, probin, proacl
FROM pg_catalog.pg_proc
