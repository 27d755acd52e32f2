-- All finished statements, in pieces of 200 bytes.
--
-- columns:
-- userid integer, xid bigint, pid integer, label varchar(320), starttime timestamp, endtime timestamp,
-- sequence integer, type varchar(10), text varchar(200)
SELECT userid, xid, pid, label, starttime, endtime, sequence, 'DDL', text FROM pg_catalog.stl_ddltext
UNION ALL
SELECT userid, xid, pid, label, starttime, endtime, sequence, 'UTILITY', text FROM pg_catalog.stl_utilitytext
UNION ALL
SELECT t.userid, t.xid, t.pid, q.label, q.starttime, q.endtime, t.sequence, 'QUERY', t.text
FROM pg_catalog.stl_querytext t JOIN pg_catalog.stl_query q ON q.query = t.query
