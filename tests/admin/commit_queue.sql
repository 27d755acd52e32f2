-- How long commits waited and worked, with the statements of their transactions.
SELECT c.xid, c.node, datediff(microsecond, c.startqueue, c.startwork) AS waited, datediff(microsecond, c.startwork, c.endtime) AS worked,
       c.queuelen, q.statements, c.startqueue <= c.startwork AND c.startwork <= c.endtime AND c.endlocal <= c.endtime AND q.statements > 0 AS ok
FROM stl_commit_stats c
JOIN (SELECT xid, count(*) AS statements FROM stl_query GROUP BY xid) q ON q.xid = c.xid
WHERE c.node = -1
ORDER BY waited DESC
LIMIT 100
