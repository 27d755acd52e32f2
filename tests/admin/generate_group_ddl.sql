-- CREATE GROUP of every group with its users.
SELECT g.groname, 'CREATE GROUP ' || quote_ident(g.groname) || ' WITH USER ' || listagg(quote_ident(u.usename), ', ') WITHIN GROUP (ORDER BY u.usename) AS ddl, count(*) = 1 AS ok
FROM pg_group g
JOIN pg_user u ON u.usesysid = ANY (g.grolist)
GROUP BY 1
