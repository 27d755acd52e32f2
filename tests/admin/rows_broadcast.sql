-- Small tables that are sent whole to all slices: candidates for DISTSTYLE ALL.
SELECT b.query, sum(b.rows) AS rows_sent, max(trim(e.plannode)) AS plannode, sum(b.rows) > 0 AS ok
FROM stl_bcast b
JOIN stl_explain e ON e.query = b.query AND e.plannode LIKE '%DS_BCAST_INNER%'
GROUP BY b.query
