-- What users may do with tables and schemas.
SELECT t.schemaname, t.tablename, u.usename, has_schema_privilege(u.usename, t.schemaname, 'usage') AS usage,
       has_table_privilege(u.usename, t.schemaname || '.' || t.tablename, 'select') AS sel, has_table_privilege(u.usename, t.schemaname || '.' || t.tablename, 'delete') AS del,
       CASE WHEN u.usename = 'clerk' THEN NOT has_table_privilege(u.usename, t.schemaname || '.' || t.tablename, 'delete') ELSE true END AS ok
FROM pg_tables t CROSS JOIN pg_user u
WHERE t.schemaname = 'shop' AND u.usename IN ('admin', 'clerk')
