-- The nodes of plans with their costs; there are no clusters for concurrency scaling.
--
-- columns:
-- userid integer, query integer, nodeid integer, segment integer, step integer, locus integer, plannode integer,
-- startupcost double precision, totalcost double precision, rows bigint, bytes bigint
SELECT * FROM pg_catalog.stl_plan_info
