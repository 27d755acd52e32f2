//! What configurations mean, and what is wrong with them.

use super::*;
use crate::wlm::rule::Action;

fn failure(text: &str) -> String {
    let error = WlmConfig::parse(text).expect_err(text);
    match error.hint {
        Some(hint) => format!("{} {}: {hint}", error.code.0, error.message),
        None => format!("{} {}", error.code.0, error.message),
    }
}

#[test]
fn nothing_is_one_automatic_queue() {
    for text in [DEFAULT, "[]", r#"[{"short_query_queue":true}]"#] {
        let config = WlmConfig::parse(text).unwrap();
        assert_eq!(config.mode, Mode::Automatic, "{text}");
        let classes: Vec<_> = config.queues.iter().map(|queue| queue.class).collect();
        assert_eq!(classes, [100], "{text}");
        assert_eq!(&*config.queues[0].name, "Default queue");
        assert!(config.short.is_some());
        assert!(!config.wants_principals() && !config.has_rules() && !config.can_hop());
    }
}

#[test]
fn manual_queues_have_slots_and_share_the_memory() {
    let text = r#"[
        {"query_group": ["dash*"], "query_group_wild_card": 1, "query_concurrency": 10,
         "memory_percent_to_use": 40, "max_execution_time": 5000, "name": "dashboards"},
        {"user_group": ["etl"], "user_role": ["loader"], "rules": [
            {"rule_name": "r1", "predicate": [{"metric_name": "query_cpu_time", "operator": ">", "value": 100}],
             "action": "hop"}]},
        {"query_concurrency": 3},
        {"short_query_queue": true, "max_execution_time": 5000}
    ]"#;
    let config = WlmConfig::parse(text).unwrap();
    assert_eq!(config.mode, Mode::Manual);
    let queues: Vec<_> = config
        .queues
        .iter()
        .map(|queue| {
            let name = queue.name.to_string();
            (queue.class, name, queue.concurrency, queue.memory_percent)
        })
        .collect();
    assert_eq!(
        queues,
        [
            (6, "dashboards".into(), 10, 40),
            (7, "Queue 2".into(), 5, 30),
            (8, "Default queue".into(), 3, 30),
        ]
    );
    assert_eq!(config.queues[0].max_execution_ms, 5_000);
    assert!(config.queues[0].query_groups.wild_card);
    assert_eq!(config.queues[1].rules[0].action, Action::Hop);
    let short = config.short.unwrap();
    assert_eq!(short.max_execution_ms, Some(5_000));
    assert!(config.wants_principals() && config.has_rules() && config.can_hop());
}

#[test]
fn a_default_queue_is_added_behind_queues_that_are_for_some() {
    let text = r#"[{"user_group":["ingest"],"priority":"highest","queue_type":"auto"},
                   {"user_group":["analytics"],"priority":"low","queue_type":"auto","auto_wlm":true}]"#;
    let config = WlmConfig::parse(text).unwrap();
    let queues = config.queues.iter();
    let queues: Vec<_> = queues.map(|queue| (queue.class, queue.priority)).collect();
    assert_eq!(
        queues,
        [
            (100, Priority::Highest),
            (101, Priority::Low),
            (102, Priority::Normal)
        ]
    );
    assert_eq!(config.default_class(), 102);
}

#[test]
fn what_changes_nothing_is_told() {
    let text = r#"[{"auto_wlm":true,"query_concurrency":5,"max_execution_time":10}]"#;
    let config = WlmConfig::parse(text).unwrap();
    assert_eq!(config.notes.len(), 2);
    assert!(config.notes[0].starts_with("[0].query_concurrency"));
    assert_eq!(config.queues[0].max_execution_ms, 0);
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let cases = [
        (
            "[{]",
            "22023 wlm_json_configuration is not JSON: key must be a string at line 1 column 3",
        ),
        (
            "{}",
            "22023 wlm_json_configuration at the top: a list of queues is expected",
        ),
        (
            "[3]",
            "22023 wlm_json_configuration at [0]: an object is expected",
        ),
        (
            r#"[{"user_groups":[]}]"#,
            "22023 wlm_json_configuration at [0]: there is no property \"user_groups\": Perhaps you meant \"user_group\".",
        ),
        (
            r#"[{"user_group":["a",1]}]"#,
            "22023 wlm_json_configuration at [0].user_group[1]: a name is expected",
        ),
        (
            r#"[{"query_concurrency":0}]"#,
            "22023 wlm_json_configuration at [0].query_concurrency: a whole number of 1 to 50 is expected",
        ),
        (
            r#"[{"query_group":["a"],"query_concurrency":50},{}]"#,
            "22023 wlm_json_configuration at the top: query_concurrency of all queues is 55, 50 at most",
        ),
        (
            r#"[{"query_concurrency":5},{}]"#,
            "22023 wlm_json_configuration at [0]: a queue that is for nobody in particular must be the last: the default queue",
        ),
        (
            r#"[{"query_group":["a"],"queue_type":"auto"},{"queue_type":"manual"}]"#,
            "22023 wlm_json_configuration at [1]: automatic and manual queues cannot stand beside each other",
        ),
        (
            r#"[{"priority":"high"}]"#,
            "22023 wlm_json_configuration at [0].priority: only automatic queues have a priority",
        ),
        (
            r#"[{"auto_wlm":true,"priority":"critical"}]"#,
            "22023 wlm_json_configuration at [0].priority: highest, high, normal, low or lowest is expected",
        ),
        (
            r#"[{"concurrency_scaling":"auto"}]"#,
            "0A000 wlm_json_configuration at [0].concurrency_scaling: concurrency scaling is not supported",
        ),
        (
            r#"[{"short_query_queue":true,"max_execution_time":500}]"#,
            "22023 wlm_json_configuration at [0].max_execution_time: 0, or 1000 to 20000 milliseconds are expected",
        ),
        (
            r#"[{"auto_wlm":true,"rules":[{"rule_name":"a b","predicate":[],"action":"log"}]}]"#,
            "22023 wlm_json_configuration at [0].rules[0].rule_name: 1 to 32 letters, digits and underscores are expected",
        ),
        (
            r#"[{"auto_wlm":true,"rules":[{"rule_name":"a","predicate":[],"action":"log"}]}]"#,
            "22023 wlm_json_configuration at [0].rules[0].predicate: 1 to 3 predicates are expected",
        ),
        (
            r#"[{"auto_wlm":true,"rules":[{"rule_name":"a","predicate":[{"metric_name":"query_cpu_tim","operator":">","value":1}],"action":"log"}]}]"#,
            "22023 wlm_json_configuration at [0].rules[0].predicate[0].metric_name: there is no metric \"query_cpu_tim\": Perhaps you meant \"query_cpu_time\".",
        ),
        (
            r#"[{"auto_wlm":true,"rules":[{"rule_name":"a","predicate":[{"metric_name":"io_skew","operator":">=","value":1}],"action":"log"}]}]"#,
            "22023 wlm_json_configuration at [0].rules[0].predicate[0].operator: <, = or > is expected",
        ),
        (
            r#"[{"auto_wlm":true,"rules":[{"rule_name":"a","predicate":[{"metric_name":"io_skew","operator":">","value":100}],"action":"log"}]}]"#,
            "22023 wlm_json_configuration at [0].rules[0].predicate[0].value: a number of 0 to 99 is expected",
        ),
        (
            r#"[{"auto_wlm":true,"rules":[{"rule_name":"a","predicate":[{"metric_name":"io_skew","operator":">","value":1}],"action":"hop"}]}]"#,
            "22023 wlm_json_configuration at [0].rules[0].action: only manual queues can hop",
        ),
        (
            r#"[{"rules":[{"rule_name":"a","predicate":[{"metric_name":"query_queue_time","operator":">","value":1}],"action":"hop"}]}]"#,
            "22023 wlm_json_configuration at [0].rules[0].action: a rule on query_queue_time cannot hop",
        ),
        (
            r#"[{"rules":[{"rule_name":"a","predicate":[{"metric_name":"io_skew","operator":">","value":1}],"action":"change_query_priority","value":"low"}]}]"#,
            "22023 wlm_json_configuration at [0].rules[0].action: only automatic queues have priorities",
        ),
    ];
    for (text, expected) in cases {
        let told = failure(text);
        assert!(told.starts_with(expected), "{text}\n{told}\n{expected}");
    }
}

#[test]
fn names_of_rules_are_unique_and_no_more_than_may_be() {
    let rule = |name: &str| {
        format!(
            r#"{{"rule_name":"{name}","predicate":[{{"metric_name":"io_skew","operator":">","value":1}}],"action":"log"}}"#
        )
    };
    let with = |rules: &[String]| format!(r#"[{{"auto_wlm":true,"rules":[{}]}}]"#, rules.join(","));
    let twice = with(&[rule("one"), rule("ONE")]);
    assert!(failure(&twice).ends_with("two rules are called \"ONE\""));
    let many: Vec<_> = (0..26).map(|number| rule(&format!("r{number}"))).collect();
    assert!(failure(&with(&many)).ends_with("there are 26 rules, 25 at most"));
    assert!(WlmConfig::parse(&with(&many[..25])).is_ok());
}
