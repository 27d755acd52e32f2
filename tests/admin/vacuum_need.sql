-- Tables by need of a vacuum, with the last one.
SELECT i."table", i.unsorted, i.vacuum_sort_benefit, i.estimated_visible_rows, v.last, v.times,
       v.times > 0 AND i.tbl_rows >= i.estimated_visible_rows AS ok
FROM svv_table_info i
JOIN (SELECT table_id, max(eventtime) AS last, count(*) AS times FROM stl_vacuum WHERE status LIKE '%Finished%' GROUP BY table_id) v
  ON v.table_id = i.table_id
WHERE i."schema" = 'shop'
