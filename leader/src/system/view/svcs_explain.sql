-- The plans of finished queries; there are no clusters for concurrency scaling.
--
-- columns:
-- userid integer, query integer, nodeid integer, parentid integer, plannode char(400), info char(400)
SELECT * FROM pg_catalog.stl_explain
