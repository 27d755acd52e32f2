-- Rows that were sent between slices: distributions and broadcasts by query, with the join that asked for it and its cost.
SELECT moved.query, moved.kind, moved.rows, moved.bytes, trim(e.plannode) AS plannode, p.totalcost, moved.rows > 0 AND p.totalcost >= p.startupcost AS ok
FROM (SELECT query, 'dist' AS kind, sum(rows) AS rows, sum(bytes) AS bytes FROM stl_dist GROUP BY query
      UNION ALL SELECT query, 'bcast', sum(rows), sum(bytes) FROM stl_bcast GROUP BY query) moved
JOIN stl_explain e ON e.query = moved.query AND e.plannode LIKE '%DS\\_%' AND e.plannode NOT LIKE '%DS_DIST_NONE%'
JOIN stl_plan_info p ON p.query = e.query AND p.nodeid = e.nodeid
WHERE moved.rows > 0
