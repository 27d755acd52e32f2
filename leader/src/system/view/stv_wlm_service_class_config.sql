-- The one queue, in which statements share the memory as they need it: -1 as in queues that the server manages.
-- Superusers only.
--
-- columns:
-- service_class integer, queueing_strategy char(32), num_query_tasks integer, target_num_query_tasks integer,
-- evictable char(8), eviction_threshold bigint, query_working_mem integer, target_query_working_mem integer,
-- min_step_mem integer, name char(64), max_execution_time bigint, user_group_wild_card char(8),
-- query_group_wild_card char(8), concurrency_scaling char(20), query_priority char(20), user_role_wild_card char(8)
SELECT 100, NULL, -1, -1, 'false', 0, -1, -1, NULL, 'Default queue', 0, 'false', 'false', 'off', 'n/a', 'false'
FROM pg_catalog.pg_user u
WHERE u.usename = current_user AND u.usesuper
