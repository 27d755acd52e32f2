-- The steps of the slowest queries: the summary, the report by slice, and the plan beside them.
SELECT s.query, s.stm, s.seg, s.step, trim(s.label) AS label, s.rows, s.maxtime, r.slices, e.nodes,
       s.rows = r.rows AND e.nodes > 0 AS ok
FROM svl_query_summary s
JOIN (SELECT query, segment, step, count(DISTINCT slice) AS slices, sum(rows) AS rows FROM svl_query_report GROUP BY 1, 2, 3) r
  ON r.query = s.query AND r.segment = s.seg AND r.step = s.step
JOIN (SELECT query, count(*) AS nodes FROM stl_explain GROUP BY query) e ON e.query = s.query
ORDER BY s.query, s.seg, s.step
