-- ANALYZE, VACUUM, SET and the like, whole.
SELECT t.xid, t.pid, listagg(t.text) WITHIN GROUP (ORDER BY t.sequence) AS text, min(t.sequence) = 0 AND max(t.endtime) >= min(t.starttime) AS ok
FROM stl_utilitytext t
GROUP BY 1, 2, t.starttime
