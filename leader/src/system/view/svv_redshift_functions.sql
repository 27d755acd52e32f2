-- Functions that queries may call.
--
-- columns:
-- database_name varchar(128), schema_name varchar(128), function_name varchar(128), function_type varchar(128),
-- argument_type varchar(512), result_type varchar(128)
SELECT current_database(), n.nspname, p.proname, CASE WHEN p.prokind = 'p' THEN 'STORED PROCEDURE' WHEN p.proisagg THEN 'AGGREGATE FUNCTION' ELSE 'REGULAR FUNCTION' END,
       pg_catalog.pg_get_function_identity_arguments(p.oid), pg_catalog.pg_get_function_result(p.oid)
FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
