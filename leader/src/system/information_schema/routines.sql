-- Functions and procedures that users made.
--
-- columns:
-- specific_catalog name, specific_schema name, specific_name name, routine_catalog name, routine_schema name,
-- routine_name name, routine_type varchar(128), data_type varchar(128), routine_body varchar(128),
-- routine_definition varchar(65535), external_language varchar(128), parameter_style varchar(128),
-- is_deterministic varchar(3), sql_data_access varchar(128), is_null_call varchar(3), security_type varchar(128)
SELECT current_database(), n.nspname, p.proname || '_' || p.oid, current_database(), n.nspname, p.proname,
       CASE p.prokind WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END,
       CASE WHEN p.prokind <> 'p' THEN pg_catalog.pg_get_function_result(p.oid) END,
       CASE l.lanname WHEN 'sql' THEN 'SQL' ELSE 'EXTERNAL' END, p.prosrc, upper(l.lanname), 'GENERAL',
       CASE p.provolatile WHEN 'i' THEN 'YES' ELSE 'NO' END, 'MODIFIES',
       CASE WHEN p.proisstrict THEN 'YES' ELSE 'NO' END, CASE WHEN p.prosecdef THEN 'DEFINER' ELSE 'INVOKER' END
FROM pg_catalog.pg_proc p
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
LEFT JOIN pg_catalog.pg_language l ON l.oid = p.prolang
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')
