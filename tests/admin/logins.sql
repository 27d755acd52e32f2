-- Logins by user and client, and refused ones.
SELECT trim(l.username) AS who, trim(l.event) AS event, count(*) AS times, max(l.recordtime) AS last, count(*) > 0 AND bool_and(l.remotehost LIKE '%127.0.0.1%') AS ok
FROM stl_connection_log l
GROUP BY 1, 2
