//! Query monitoring rules: what a statement must not go beyond, and what is done when it does.

pub mod metric;
pub mod sample;

use super::priority::Priority;
use metric::Metric;
use sample::Sample;
use std::sync::Arc;

/// A rule of a queue.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its name, unique in the configuration.
    pub name: Arc<str>,
    /// All of them must hold.
    pub predicates: Vec<Predicate>,
    /// What is done then.
    pub action: Action,
}

/// How a metric is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `<`
    Less,
    /// `=`
    Equal,
    /// `>`
    Greater,
}

impl Operator {
    /// Gives it as it is written.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::Equal => "=",
            Self::Greater => ">",
        }
    }
}

/// A condition.
#[derive(Clone, Debug)]
pub enum Predicate {
    /// On a number. Equal are numbers of the same whole part, as metrics are whole in Redshift.
    Number(&'static Metric, Operator, f64),
    /// On the priority.
    Priority(Operator, Priority),
}

impl Predicate {
    /// Gives the name of the metric.
    pub fn metric(&self) -> &'static str {
        match self {
            Self::Number(metric, ..) => metric.name,
            Self::Priority(..) => metric::PRIORITY,
        }
    }

    /// Gives the comparison.
    pub fn operator(&self) -> Operator {
        match self {
            Self::Number(_, operator, _) | Self::Priority(operator, _) => *operator,
        }
    }

    /// Gives the value as it is shown.
    pub fn value(&self) -> String {
        match self {
            Self::Number(_, _, value) => value.to_string(),
            Self::Priority(_, priority) => priority.name().to_lowercase(),
        }
    }

    fn holds(&self, sample: &Sample) -> bool {
        match self {
            Self::Number(metric, operator, value) => {
                let now = (metric.of)(sample);
                match operator {
                    Operator::Less => now < *value,
                    Operator::Equal => now.trunc() == value.trunc(),
                    Operator::Greater => now > *value,
                }
            }
            Self::Priority(operator, priority) => {
                sample.priority.is_some_and(|now| match operator {
                    Operator::Less => now < *priority,
                    Operator::Equal => now == *priority,
                    Operator::Greater => now > *priority,
                })
            }
        }
    }
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A row of STL_WLM_RULE_ACTION.
    Log,
    /// The next queue that fits the statement.
    Hop,
    /// Another priority.
    ChangePriority(Priority),
    /// The end of the statement.
    Abort,
}

impl Action {
    /// Gives the word of the configuration.
    pub fn word(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Hop => "hop",
            Self::ChangePriority(_) => "change_query_priority",
            Self::Abort => "abort",
        }
    }

    /// Gives how severe it is; of several that are due, the most severe is done.
    fn severity(self) -> u8 {
        match self {
            Self::Log => 0,
            Self::ChangePriority(_) => 1,
            Self::Hop => 2,
            Self::Abort => 3,
        }
    }
}

impl Rule {
    /// Tells whether all its predicates hold. While a statement waits, only its queue time and its priority are known,
    /// and hopping means nothing.
    pub fn fires(&self, sample: &Sample, is_waiting: bool) -> bool {
        let is_known = |predicate: &Predicate| {
            [metric::QUEUE_TIME, metric::PRIORITY].contains(&predicate.metric())
        };
        if is_waiting && (self.action == Action::Hop || !self.predicates.iter().all(is_known)) {
            return false;
        }
        self.predicates
            .iter()
            .all(|predicate| predicate.holds(sample))
    }
}

/// Gives the rules that fire, the most severe first.
pub fn fired<'r>(rules: &'r [Rule], sample: &Sample, is_waiting: bool) -> Vec<&'r Rule> {
    let mut fired: Vec<&Rule> = rules
        .iter()
        .filter(|rule| rule.fires(sample, is_waiting))
        .collect();
    fired.sort_by_key(|rule| std::cmp::Reverse(rule.action.severity()));
    fired
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(name: &str, predicates: Vec<Predicate>, action: Action) -> Rule {
        Rule {
            name: name.into(),
            predicates,
            action,
        }
    }

    fn over(name: &str, value: f64) -> Predicate {
        Predicate::Number(metric::find(name).unwrap(), Operator::Greater, value)
    }

    #[test]
    fn every_metric_can_fire() {
        let busy = Sample {
            queue_seconds: 2.0,
            execution_seconds: 2.0,
            cpu_seconds: 2.0,
            blocks_read: 2,
            scan_rows: 2,
            join_rows: 2,
            nested_loop_rows: 2,
            returned_rows: 2,
            spilled_mb: 2.0,
            segment_seconds: 2.0,
            cpu_skew: 2.0,
            io_skew: 2.0,
            external_rows: 2,
            external_mb: 2.0,
            ..Sample::default()
        };
        for metric in metric::METRICS {
            let one = rule("r", vec![over(metric.name, 1.0)], Action::Log);
            assert!(one.fires(&busy, false), "{}", metric.name);
            assert!(!one.fires(&Sample::default(), false), "{}", metric.name);
        }
    }

    #[test]
    fn the_most_severe_comes_first_and_all_predicates_must_hold() {
        let sample = Sample {
            scan_rows: 10,
            join_rows: 10,
            ..Sample::default()
        };
        let both = vec![over("scan_row_count", 5.0), over("join_row_count", 50.0)];
        let rules = [
            rule("log", vec![over("scan_row_count", 1.0)], Action::Log),
            rule("never", both, Action::Abort),
            rule("abort", vec![over("scan_row_count", 5.0)], Action::Abort),
            rule("hop", vec![over("scan_row_count", 5.0)], Action::Hop),
        ];
        let names: Vec<_> = fired(&rules, &sample, false)
            .iter()
            .map(|rule| rule.name.to_string())
            .collect();
        assert_eq!(names, ["abort", "hop", "log"]);
    }

    #[test]
    fn while_waiting_only_time_and_priority_count() {
        let sample = Sample {
            queue_seconds: 9.0,
            priority: Some(Priority::High),
            ..Sample::default()
        };
        let waits = vec![
            over(metric::QUEUE_TIME, 5.0),
            Predicate::Priority(Operator::Equal, Priority::High),
        ];
        assert!(rule("r", waits.clone(), Action::Abort).fires(&sample, true));
        assert!(!rule("r", waits, Action::Hop).fires(&sample, true));
        let runs = vec![over("query_execution_time", -1.0)];
        assert!(!rule("r", runs, Action::Abort).fires(&sample, true));
    }
}
