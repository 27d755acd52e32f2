-- Which segments ran in which stream; there are no clusters for concurrency scaling.
--
-- columns:
-- userid integer, query integer, stream integer, segment integer
SELECT * FROM pg_catalog.stl_stream_segs
