-- Foreign keys: which tables refer to which.
SELECT c.conname, s.relname AS source, t.relname AS target, s.relname = 'line' AND t.relname = 'sales' AS ok
FROM pg_constraint c
JOIN pg_class s ON s.oid = c.conrelid
JOIN pg_class t ON t.oid = c.confrelid
WHERE c.contype = 'f'
