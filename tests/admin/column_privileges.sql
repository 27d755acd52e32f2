-- Privileges on single columns.
SELECT c.relname, a.attname, array_to_string(a.attacl, ',') AS acl, array_to_string(a.attacl, ',') LIKE '%clerk%' AS ok
FROM pg_attribute_info a
JOIN pg_class c ON c.oid = a.attrelid
WHERE a.attacl IS NOT NULL
