-- Disk space: what nodes have, what tables use, and the blocks by column.
SELECT p.owner AS node, sum(p.used) AS used_mb, sum(p.capacity) AS capacity_mb, max(d.blocks) AS blocks,
       sum(p.capacity) > sum(p.used) AND max(d.blocks) > 0 AS ok
FROM stv_partitions p
CROSS JOIN (SELECT count(*) AS blocks FROM svv_diskusage WHERE trim(name) = 'sales') d
GROUP BY 1
