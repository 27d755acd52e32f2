//! A configuration in plain words: what each queue is for, and what each rule will do.

use super::config::{Mode, Names, QueueConfig, WlmConfig};
use super::rule::{Action, Operator, Predicate, Rule};

/// Explains a configuration, a sentence per line.
pub fn text(config: &WlmConfig) -> String {
    let mut lines = Vec::new();
    lines.push(match config.mode {
        Mode::Automatic => "Automatic queues: the server decides how many statements run at once, by the memory and \
                            processors it sees used. Priorities decide who is next."
            .to_owned(),
        Mode::Manual => "Manual queues: each has its slots and its share of the memory, and is served in order of coming."
            .to_owned(),
    });
    lines.push(
        "Service class 5, \"Service class for super user\": statements of superusers with query_group superuser; 1 at a time."
            .to_owned(),
    );
    for queue in &config.queues {
        lines.push(of_queue(config, queue));
        if queue.max_execution_ms > 0 {
            let seconds = seconds(queue.max_execution_ms as f64 / 1_000.0);
            lines.push(format!(
                "  After {seconds} of running a query or CREATE TABLE AS goes on to the next queue that is for it, or is \
                 canceled if there is none; INSERT, UPDATE, DELETE and UNLOAD are canceled; COPY, ANALYZE and VACUUM go on."
            ));
        }
        lines.extend(queue.rules.iter().map(of_rule));
    }
    lines.push(match config.short {
        None => "Short query acceleration is off.".to_owned(),
        Some(short) => {
            let most = match short.max_execution_ms {
                Some(ms) => format!("run for {} at most", seconds(ms as f64 / 1_000.0)),
                None => "be short, as the server learns what short is".to_owned(),
            };
            format!(
                "Service class 14: queries and CREATE TABLE AS that would wait, and are predicted to {most}, run beside the \
                 queues. One that takes longer is moved to its own queue."
            )
        }
    });
    let notes = config.notes.iter().map(|note| format!("Note: {note}."));
    lines.extend(notes);
    lines.join("\n") + "\n"
}

fn of_queue(config: &WlmConfig, queue: &QueueConfig) -> String {
    let mut kinds = Vec::new();
    let named = [
        ("users in group", &queue.user_groups),
        ("users with role", &queue.user_roles),
        ("statements with query_group", &queue.query_groups),
    ];
    for (what, names) in named {
        if !names.names.is_empty() {
            kinds.push(format!("{what} {}", list(names)));
        }
    }
    let whom = match kinds.is_empty() {
        false => kinds.join("; "),
        true => "everything that no other queue is for".to_owned(),
    };
    let how = match config.mode {
        Mode::Automatic => format!("priority {}", queue.priority.name().to_lowercase()),
        Mode::Manual => {
            let (slots, percent) = (queue.concurrency, queue.memory_percent);
            let each = f64::from(percent) / f64::from(slots.max(1));
            format!("{slots} at a time, each with {each:.1} % of the memory")
        }
    };
    format!(
        "Service class {}, \"{}\": {whom}; {how}.",
        queue.class, queue.name
    )
}

fn list(names: &Names) -> String {
    let quoted: Vec<String> = names
        .names
        .iter()
        .map(|name| format!("\"{name}\""))
        .collect();
    match names.wild_card {
        true => format!("{} (* and ? stand for others)", quoted.join(", ")),
        false => quoted.join(", "),
    }
}

fn of_rule(rule: &Rule) -> String {
    let conditions: Vec<String> = rule.predicates.iter().map(condition).collect();
    let conditions = conditions.join(", and ");
    let done = match rule.action {
        Action::Log => "it is noted in STL_WLM_RULE_ACTION, once".to_owned(),
        Action::Abort => "it is canceled, unless it is COPY, ANALYZE or VACUUM".to_owned(),
        Action::Hop => "a query or CREATE TABLE AS goes on to the next queue that is for it, or is canceled if there is \
                        none"
            .to_owned(),
        Action::ChangePriority(to) => format!("its priority becomes {}", to.name().to_lowercase()),
    };
    format!(
        "  Rule \"{}\": if a statement has {conditions}, {done}.",
        rule.name
    )
}

fn condition(predicate: &Predicate) -> String {
    let operator = match predicate.operator() {
        Operator::Less => "less than",
        Operator::Equal => "exactly",
        Operator::Greater => "more than",
    };
    match predicate {
        Predicate::Number(metric, _, value) => {
            format!("{operator} {value} {} ({})", metric.about, metric.name)
        }
        Predicate::Priority(operator, priority) => {
            let word = match operator {
                Operator::Less => "below",
                Operator::Equal => "of",
                Operator::Greater => "above",
            };
            format!("a priority {word} {}", priority.name().to_lowercase())
        }
    }
}

fn seconds(seconds: f64) -> String {
    match seconds == 1.0 {
        true => "1 second".to_owned(),
        false => format!("{seconds} seconds"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_queue_and_rule_is_told() {
        let config = WlmConfig::parse(
            r#"[{"query_group":["dash*"],"query_group_wild_card":1,"query_concurrency":4,"memory_percent_to_use":40,
                 "max_execution_time":1500,
                 "rules":[{"rule_name":"big","predicate":[{"metric_name":"scan_row_count","operator":">","value":1000}],
                           "action":"abort"}]},
                {"name":"rest"},{"short_query_queue":true,"max_execution_time":3000}]"#,
        )
        .unwrap();
        let told = text(&config);
        for part in [
            "Service class 6, \"Queue 1\": statements with query_group \"dash*\" (* and ? stand for others); 4 at a time, \
             each with 10.0 % of the memory.",
            "After 1.5 seconds of running",
            "Rule \"big\": if a statement has more than 1000 rows that the largest scan looked at (scan_row_count), it is \
             canceled",
            "Service class 7, \"rest\": everything that no other queue is for; 5 at a time, each with 12.0 %",
            "predicted to run for 3 seconds at most",
        ] {
            assert!(told.contains(part), "{part}\n{told}");
        }
    }
}
