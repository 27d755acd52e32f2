-- The plans of finished queries.
--
-- columns:
-- user_id integer, query_id bigint, child_query_sequence integer, plan_node_id integer, plan_parent_id integer,
-- plan_node char(400), plan_info char(400)
SELECT userid, query, 1, nodeid, parentid, plannode, info FROM pg_catalog.stl_explain
