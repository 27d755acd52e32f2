-- Statements that wait for a lock now; they hold no slots of a queue.
SELECT a.procpid, trim(a.usename) AS who, a.current_query, NOT l.granted AND w.query IS NULL AS ok
FROM pg_stat_activity a
JOIN pg_locks l ON l.pid = a.procpid AND NOT l.granted
JOIN stv_recents r ON r.pid = a.procpid AND r.status = 'Running'
JOIN stv_inflight i ON i.pid = a.procpid
LEFT JOIN stv_wlm_query_state w ON w.query = i.query
