-- CREATE DATABASE of every database.
SELECT d.datname, 'CREATE DATABASE ' || quote_ident(d.datname) || ' WITH OWNER ' || quote_ident(u.usename) || coalesce(' CONNECTION LIMIT ' || i.datconnlimit, '') AS ddl, i.datname = d.datname AS ok
FROM pg_database d
JOIN pg_database_info i ON i.datid = d.oid
JOIN pg_user u ON u.usesysid = d.datdba
WHERE d.datname = 'dev'
