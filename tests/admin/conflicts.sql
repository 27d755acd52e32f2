-- Transactions that were refused, with the table and the session.
SELECT f.xact_id, f.process_id, f.abort_time, c.relname, trim(l.username) AS who, f.xact_start_ts <= f.abort_time AS ok
FROM stl_tr_conflict f
JOIN pg_class c ON c.oid = f.table_id
JOIN stl_connection_log l ON l.pid = f.process_id AND l.event LIKE 'authenticated%'
