-- Vacuums of tables, with what they found and left. Superusers only.
--
-- columns:
-- user_id integer, transaction_id bigint, query_id bigint, database_name varchar(128), schema_name varchar(128),
-- table_name varchar(128), table_id integer, vacuum_type varchar(30), is_automatic boolean, status varchar(50),
-- start_time timestamp, end_time timestamp, record_time timestamp, duration bigint, rows_before_vacuum bigint,
-- size_before_vacuum bigint, reclaimable_rows bigint, reclaimed_rows bigint, reclaimed_blocks bigint,
-- sortedrows_before_vacuum bigint, sortedrows_after_vacuum bigint
SELECT b.userid, b.xid, q.query, coalesce(trim(q.database), CASE WHEN c.oid IS NOT NULL THEN current_database() END),
       n.nspname, c.relname, b.table_id,
       CASE WHEN b.is_recluster = 1 THEN 'RECLUSTER' WHEN b.status LIKE '%Sort Only%' THEN 'SORT ONLY'
           WHEN b.status LIKE '%Delete Only%' THEN 'DELETE ONLY' WHEN b.status LIKE '%Reindex%' THEN 'REINDEX'
           ELSE 'FULL' END,
       b.status LIKE '[VacuumBG]%',
       CASE WHEN b.status LIKE '%Skipped%' THEN replace(trim(b.status), '[VacuumBG] ', '')
           WHEN e.eventtime IS NULL THEN 'Running' ELSE 'Finished' END,
       b.eventtime, coalesce(e.eventtime, CASE WHEN b.status LIKE '%Skipped%' THEN b.eventtime END),
       coalesce(e.eventtime, b.eventtime), datediff(microsecond, b.eventtime, e.eventtime), b.rows, b.blocks,
       b.reclaimable_rows, b.reclaimable_rows - e.reclaimable_rows, b.blocks - e.blocks, b.sortedrows, e.sortedrows
FROM pg_catalog.stl_vacuum b
LEFT JOIN pg_catalog.stl_vacuum e ON e.xid = b.xid AND e.table_id = b.table_id AND e.status LIKE '%Finished'
LEFT JOIN pg_catalog.stl_query q ON q.xid = b.xid AND q.userid = b.userid
LEFT JOIN pg_catalog.pg_class c ON c.oid = b.table_id
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE b.status NOT LIKE '%Finished'
