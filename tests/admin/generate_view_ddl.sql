-- CREATE VIEW of every view, and its owner.
SELECT v.schemaname, v.viewname, v.viewowner, 'CREATE VIEW ' || v.schemaname || '.' || v.viewname || ' AS ' || v.definition AS ddl, v.definition ILIKE '%select%' AS ok
FROM pg_views v
WHERE v.schemaname = 'shop'
