-- Statements by hour and queue: how many, how long they waited and ran.
SELECT date_trunc('hour', w.service_class_start_time) AS hour, w.service_class, count(*) AS queries, sum(w.total_queue_time) / 1000000 AS waited, sum(w.total_exec_time) / 1000000 AS ran,
       count(*) > 0 AND bool_and(w.queue_start_time <= w.exec_start_time) AS ok
FROM stl_wlm_query w
GROUP BY 1, 2
