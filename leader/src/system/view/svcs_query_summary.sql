-- The steps of finished queries, all slices together; there are no clusters for concurrency scaling.
--
-- columns:
-- userid integer, query integer, stm integer, seg integer, step integer, maxtime bigint, avgtime bigint, rows bigint,
-- bytes bigint, rate_row double precision, rate_byte double precision, label char(256), is_diskbased char(1),
-- workmem bigint, is_rrscan char(1), is_delayed_scan char(1), rows_pre_filter bigint
SELECT * FROM pg_catalog.svl_query_summary
