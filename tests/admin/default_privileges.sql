-- Privileges that new objects will have.
SELECT pg_get_userbyid(d.defacluser) AS who, n.nspname, d.defaclobjtype, array_to_string(d.defaclacl, ',') AS acl, array_to_string(d.defaclacl, ',') LIKE '%group staff=r%' AS ok
FROM pg_default_acl d
LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace
