-- How many statements run in the one queue, and how many of those that are remembered ran. Superusers only.
--
-- columns:
-- service_class integer, service_class_name char(64), num_queued_queries integer, num_executing_queries integer,
-- num_serviced_queries integer, num_executed_queries integer
SELECT c.service_class, c.name, 0, (SELECT count(*) FROM pg_catalog.stv_wlm_query_state),
       (SELECT count(*) FROM pg_catalog.stl_wlm_query), (SELECT count(*) FROM pg_catalog.stl_wlm_query)
FROM pg_catalog.stv_wlm_service_class_config c
