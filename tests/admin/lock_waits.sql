-- Who holds locks and who waits for them, with what their sessions run.
SELECT t.xid, t.pid, t.lock_mode, t.granted, c.relname, trim(s.user_name) AS who, trim(r.query) AS runs, l.mode,
       s.process = t.pid AND l.pid = t.pid AS ok
FROM svv_transactions t
JOIN stv_sessions s ON s.process = t.pid
JOIN pg_class c ON c.oid = t.relation
LEFT JOIN stv_recents r ON r.pid = t.pid AND r.status = 'Running'
JOIN pg_locks l ON l.pid = t.pid AND l.relation = t.relation
WHERE c.relname = 'sales'
