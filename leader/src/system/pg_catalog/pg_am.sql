-- How relations are kept: keys are said to have trees.
--
-- columns:
-- oid oid, amname name, amhandler oid, amtype char(1), amcanorder boolean
SELECT 403, 'btree', 0, 'i', true
