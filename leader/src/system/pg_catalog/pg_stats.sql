-- What ANALYZE learned of columns. Superusers only.
--
-- columns:
-- schemaname name, tablename name, attname name, null_frac real, avg_width integer, n_distinct real,
-- most_common_vals varchar(65535), most_common_freqs varchar(65535), histogram_bounds varchar(65535), correlation real
SELECT n.nspname, c.relname, a.attname, s.stanullfrac, s.stawidth, s.stadistinct, NULL, NULL, NULL, NULL
FROM pg_catalog.pg_statistic s
JOIN pg_catalog.pg_class c ON c.oid = s.starelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = s.starelid AND a.attnum = s.staattnum
