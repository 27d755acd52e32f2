-- How often tables are scanned, by how much, and by whom last.
SELECT i."schema", i."table", count(DISTINCT s.query) AS scans, sum(s.rows_pre_filter) AS rows_read, max(s.endtime) AS last_scan,
       count(DISTINCT q.userid) AS users, count(DISTINCT s.query) > 0 AND sum(s.rows_pre_filter) > 0 AS ok
FROM svv_table_info i
JOIN stl_scan s ON s.tbl = i.table_id AND s.type = 2
JOIN stl_query q ON q.query = s.query
WHERE i."schema" = 'shop'
GROUP BY 1, 2
