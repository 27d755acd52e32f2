-- What was granted on tables and views.
--
-- columns:
-- grantor name, grantee name, table_catalog name, table_schema name, table_name name, privilege_type varchar(128),
-- is_grantable varchar(3), with_hierarchy varchar(3)
SELECT t.tableowner, p.identity_name, current_database(), p.namespace_name, p.relation_name, p.privilege_type,
       CASE WHEN p.admin_option THEN 'YES' ELSE 'NO' END, 'NO'
FROM pg_catalog.svv_relation_privileges p
JOIN (SELECT schemaname, tablename, tableowner FROM pg_catalog.pg_tables
      UNION ALL SELECT schemaname, viewname, viewowner FROM pg_catalog.pg_views) t
  ON t.schemaname = p.namespace_name AND t.tablename = p.relation_name
