-- CREATE SCHEMA of every schema with its owner.
SELECT n.nspname, 'CREATE SCHEMA ' || quote_ident(n.nspname) || ' AUTHORIZATION ' || quote_ident(u.usename) AS ddl, n.nspname = 'shop' AS ok
FROM pg_namespace n JOIN pg_user u ON u.usesysid = n.nspowner
WHERE n.nspname = 'shop'
