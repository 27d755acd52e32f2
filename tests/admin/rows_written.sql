-- Rows inserted and deleted by table and query.
SELECT c.relname, sum(w.inserted) AS inserted, sum(w.deleted) AS deleted, count(DISTINCT q.xid) AS transactions,
       sum(w.inserted) > 0 AND count(DISTINCT q.xid) > 0 AS ok
FROM (SELECT query, tbl, rows AS inserted, 0 AS deleted FROM stl_insert UNION ALL SELECT query, tbl, 0, rows FROM stl_delete) w
JOIN stl_query q ON q.query = w.query
JOIN pg_class c ON c.oid = w.tbl
GROUP BY 1
