-- May be empty: what query rules did; there are none.
SELECT a.query, trim(a.rule) AS rule, trim(a.action) AS action, a.recordtime FROM stl_wlm_rule_action a
