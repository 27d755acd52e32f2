-- Plans that were made without statistics, and the tables to ANALYZE.
SELECT trim(s.perm_table_name) AS table_name, count(*) AS queries, max(a.event_time) AS last_seen, max(trim(a.solution)) AS solution,
       bool_and(a.solution LIKE '%ANALYZE%') AND bool_and(q.starttime <= a.event_time) AS ok
FROM stl_alert_event_log a
JOIN stl_scan s ON s.query = a.query AND s.segment = a.segment AND s.step = a.step AND s.slice = 0
JOIN stl_query q ON q.query = a.query
WHERE a.event LIKE 'Missing query planner statistics%'
GROUP BY 1
