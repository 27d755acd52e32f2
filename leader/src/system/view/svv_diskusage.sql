-- The blocks of tables with their names. Superusers only.
-- columns:
-- db_id integer,
-- name char(72),
-- slice integer,
-- col integer,
-- tbl integer,
-- blocknum integer,
-- num_values integer,
-- minvalue bigint,
-- maxvalue bigint,
-- sb_pos bigint,
-- pinned integer,
-- on_disk integer,
-- modified integer,
-- hdr_modified integer,
-- unsorted integer,
-- tombstone integer,
-- preferred_diskno integer,
-- temporary integer,
-- newblock integer
SELECT p.db_id, p.name, b.slice, b.col, b.tbl, b.blocknum, b.num_values, b.minvalue, b.maxvalue, b.sb_pos, b.pinned,
       b.on_disk, b.modified, b.hdr_modified, b.unsorted, b.tombstone, b.preferred_diskno, b.temporary, b.newblock
FROM pg_catalog.stv_blocklist b
JOIN pg_catalog.stv_tbl_perm p ON p.id = b.tbl AND p.slice = b.slice
