-- Which statements go to which queue: all to the one. Superusers only.
--
-- columns:
-- id integer, condition char(128), action_seq integer, action char(64), action_service_class integer
SELECT 1, '(querytype: any)', 0, 'assign', c.service_class
FROM pg_catalog.stv_wlm_service_class_config c
