-- Columns that queries filter, join or group by, and when they were analyzed.
SELECT n.nspname, c.relname, a.attname, s.stadistinct, s.stanullfrac, CASE WHEN s.stakind1 = 10002 THEN s.stavalues1 END AS used, s.stakind1 = 10002 AND s.stawidth > 0 AS ok
FROM pg_statistic s
JOIN pg_class c ON c.oid = s.starelid
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = s.staattnum
WHERE n.nspname = 'shop'
