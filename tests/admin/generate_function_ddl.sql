-- Functions and procedures that users made, with their languages.
SELECT n.nspname, p.proname, l.lanname, p.prosrc, r.routine_type, l.lanname IN ('sql', 'plpgsql') AND r.routine_name = p.proname AS ok
FROM pg_proc p
JOIN pg_namespace n ON n.oid = p.pronamespace
JOIN pg_language l ON l.oid = p.prolang
JOIN information_schema.routines r ON r.routine_schema = n.nspname AND r.routine_name = p.proname
WHERE n.nspname = 'shop'
