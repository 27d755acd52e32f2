-- Open sessions with what they ran last.
SELECT s.process, trim(s.user_name) AS who, trim(s.db_name) AS database, s.starttime, max(q.query) AS last_query, max(q.query) > 0 AND bool_and(d.datname IS NOT NULL) AS ok
FROM stv_sessions s
JOIN stl_query q ON q.pid = s.process
LEFT JOIN pg_database d ON d.datname = trim(s.db_name)
GROUP BY 1, 2, 3, 4
