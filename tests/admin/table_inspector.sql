-- Table inspector: blocks of each table by slice against all slices, and how many slices have any.
SELECT n.nspname, c.relname, c.reldiststyle, count(DISTINCT b.slice) AS slices_used, max(s.slices) AS slices,
       count(*) AS blocks, sum(b.num_values) AS values_stored, count(DISTINCT b.slice) <= max(s.slices) AND sum(b.num_values) > 0 AS ok
FROM stv_blocklist b
JOIN pg_class c ON c.oid = b.tbl
JOIN pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN (SELECT count(*) AS slices FROM stv_slices) s
WHERE n.nspname = 'shop' AND b.num_values > 0
GROUP BY 1, 2, 3
ORDER BY 6 DESC
