-- Table design: size, skew, sort order and missing statistics of every table.
SELECT i."schema" || '.' || i."table" AS name, i.diststyle, i.sortkey1, i.encoded, i.size, i.tbl_rows, i.unsorted, i.stats_off,
       i.skew_rows, i.pct_used, t.stored AS rows_stored, i.tbl_rows = t.stored AND i.size > 0 AS ok
FROM svv_table_info i
JOIN (SELECT id, sum(rows) AS stored, count(DISTINCT slice) AS slices FROM stv_tbl_perm GROUP BY id) t ON t.id = i.table_id
WHERE i."schema" = 'shop'
ORDER BY i.size DESC
