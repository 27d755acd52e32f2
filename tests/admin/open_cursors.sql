-- Open cursors with their sessions.
SELECT trim(c.name) AS cursor, c.pid, c.fetched_rows, trim(s.user_name) AS who, c.fetched_rows = 2 AND s.process = c.pid AS ok
FROM stv_active_cursors c
JOIN stv_sessions s ON s.process = c.pid
