-- Queues: rules, slots, memory, and what runs and ran in them.
SELECT c.service_class, trim(c.name) AS name, c.num_query_tasks, c.query_working_mem, r.condition, s.num_executing_queries, s.num_executed_queries,
       s.num_executed_queries = w.queries AND r.action_service_class = c.service_class AS ok
FROM stv_wlm_service_class_config c
JOIN stv_wlm_classification_config r ON r.action_service_class = c.service_class
JOIN stv_wlm_service_class_state s ON s.service_class = c.service_class
JOIN (SELECT service_class, count(*) AS queries FROM stl_wlm_query GROUP BY service_class) w ON w.service_class = c.service_class
