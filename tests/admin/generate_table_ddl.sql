-- CREATE TABLE of every table, from the catalogs.
SELECT n.nspname, c.relname, 'CREATE TABLE ' || quote_ident(n.nspname) || '.' || quote_ident(c.relname) || ' ('
       || listagg(quote_ident(a.attname) || ' ' || upper(format_type(a.atttypid, a.atttypmod))
                  || CASE WHEN d.adsrc IS NOT NULL THEN ' DEFAULT ' || d.adsrc ELSE '' END
                  || ' ENCODE ' || format_encoding(a.attencodingtype::integer)
                  || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END
                  || CASE WHEN a.attisdistkey THEN ' DISTKEY' ELSE '' END, ', ') WITHIN GROUP (ORDER BY a.attnum)
       || ') DISTSTYLE ' || CASE max(c.reldiststyle) WHEN 0 THEN 'EVEN' WHEN 1 THEN 'KEY' WHEN 8 THEN 'ALL' ELSE 'AUTO' END AS ddl,
       max(k.definition) AS constraints, max(o.description) AS remark,
       max(CASE WHEN c.relname = 'sales' THEN 1 ELSE 0 END) = 0 OR max(k.definition) LIKE 'PRIMARY KEY%' AS ok
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
LEFT JOIN (SELECT conrelid, pg_get_constraintdef(oid) AS definition FROM pg_constraint WHERE contype = 'p') k ON k.conrelid = c.oid
LEFT JOIN pg_description o ON o.objoid = c.oid AND o.objsubid = 0
WHERE c.relkind = 'r' AND n.nspname = 'shop'
GROUP BY 1, 2
ORDER BY 1, 2
