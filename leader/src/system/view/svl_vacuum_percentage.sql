-- The blocks a vacuum freed, in percent of those the table had.
--
-- columns:
-- xid bigint, table_id integer, percentage bigint
SELECT b.xid, b.table_id, round(100.0 * (b.blocks - f.blocks) / nullif(b.blocks, 0))
FROM (SELECT xid, table_id, max(blocks) AS blocks FROM pg_catalog.stl_vacuum WHERE status LIKE '%Started%' GROUP BY 1, 2) b
JOIN (SELECT xid, table_id, min(blocks) AS blocks FROM pg_catalog.stl_vacuum WHERE status LIKE '%Finished%' GROUP BY 1, 2) f
  ON f.xid = b.xid AND f.table_id = b.table_id
