//! `wlm_json_configuration`: the queues, as Redshift writes them down.
//!
//! What is wrong is told with its place, as `[0].rules[1].action`. The manual's bounds hold: eight queues, fifty slots,
//! a hundred percent of memory, 25 rules. If the last queue names who it is for, a default queue is added behind it.
//! Source: Redshift's guide, WLM, and its management guide, Configuring workload management.

mod read;
#[cfg(test)]
mod tests;

use super::priority::Priority;
use super::rule::Rule;
use blueshift_sql::Result;
use std::sync::Arc;

/// The parameter.
pub const PARAMETER: &str = "wlm_json_configuration";
/// What holds if nothing is said.
pub const DEFAULT: &str = r#"[{"auto_wlm":true}]"#;
/// The service class of superusers' own queue.
pub const SUPERUSER_CLASS: i32 = 5;
/// The first service class of manual queues.
pub const MANUAL_CLASS: i32 = 6;
/// The service class of short statements.
pub const SHORT_CLASS: i32 = 14;
/// The first service class of automatic queues.
pub const AUTO_CLASS: i32 = 100;
/// The name of the queue of [`SUPERUSER_CLASS`].
pub const SUPERUSER_NAME: &str = "Service class for super user";
/// The name of the queue of [`SHORT_CLASS`].
pub const SHORT_NAME: &str = "Short query queue";
/// Queues at most.
pub const QUEUES_MAX: usize = 8;
/// Slots of all queues together at most.
pub const SLOTS_MAX: u32 = 50;
/// Slots of a manual queue if nothing is said.
pub const SLOTS: u32 = 5;
/// Rules of all queues together at most.
pub const RULES_MAX: usize = 25;
/// Predicates of a rule at most.
pub const PREDICATES_MAX: usize = 3;
/// Bytes of a configuration at most.
pub const BYTES_MAX: usize = 64 << 10;

/// Who decides how many statements run at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The server, by the memory and processors it sees used.
    Automatic,
    /// Slots of each queue.
    Manual,
}

/// The queues.
#[derive(Clone, Debug)]
pub struct WlmConfig {
    /// As it was written.
    pub text: Arc<str>,
    /// Who decides how many statements run at once.
    pub mode: Mode,
    /// In order of assignment; the last is the default queue.
    pub queues: Vec<Arc<QueueConfig>>,
    /// Short query acceleration, if it is on.
    pub short: Option<ShortQueries>,
    /// What was written and changes nothing, as in Redshift.
    pub notes: Vec<String>,
}

/// Short query acceleration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShortQueries {
    /// How long a statement may run in the short queue, in milliseconds; `None` if the server finds it out.
    pub max_execution_ms: Option<u64>,
}

/// Names that queues are for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// The names, or patterns.
    pub names: Vec<String>,
    /// Whether `*` and `?` in them stand for others.
    pub wild_card: bool,
}

/// A queue.
#[derive(Clone, Debug)]
pub struct QueueConfig {
    /// Its service class.
    pub class: i32,
    /// Its name.
    pub name: Arc<str>,
    /// Groups of users it is for.
    pub user_groups: Names,
    /// Roles it is for.
    pub user_roles: Names,
    /// Query groups it is for.
    pub query_groups: Names,
    /// Slots; 0 in automatic mode.
    pub concurrency: u32,
    /// Its share of the memory in percent; 0 in automatic mode.
    pub memory_percent: u32,
    /// How long a statement may run, in milliseconds; 0 for ever.
    pub max_execution_ms: u64,
    /// The priority of its statements, in automatic mode.
    pub priority: Priority,
    /// Its rules.
    pub rules: Vec<Rule>,
}

impl QueueConfig {
    /// Makes the superusers' own queue: one slot, no rules.
    pub fn of_superusers() -> Self {
        Self {
            class: SUPERUSER_CLASS,
            name: SUPERUSER_NAME.into(),
            user_groups: Names::default(),
            user_roles: Names::default(),
            query_groups: Names::default(),
            concurrency: 1,
            memory_percent: 0,
            max_execution_ms: 0,
            priority: Priority::Highest,
            rules: Vec::new(),
        }
    }

    /// Makes the queue of short statements.
    pub fn of_short(slots: u32) -> Self {
        Self {
            class: SHORT_CLASS,
            name: SHORT_NAME.into(),
            concurrency: slots,
            priority: Priority::Normal,
            ..Self::of_superusers()
        }
    }

    /// Tells whether it is for some statements only.
    pub fn is_for_some(&self) -> bool {
        let all = [&self.user_groups, &self.user_roles, &self.query_groups];
        all.iter().any(|names| !names.names.is_empty())
    }
}

impl WlmConfig {
    /// Reads a configuration. Fails with 22023, or 0A000 for what is not built, and the place.
    pub fn parse(text: &str) -> Result<Self> {
        read::config(text)
    }

    /// Gives the queue of a service class.
    pub fn queue(&self, class: i32) -> Option<&Arc<QueueConfig>> {
        self.queues.iter().find(|queue| queue.class == class)
    }

    /// Gives the service class of the default queue.
    pub fn default_class(&self) -> i32 {
        self.queues.last().map_or(AUTO_CLASS, |queue| queue.class)
    }

    /// Tells whether statements must say in which groups their user is, and which roles they have.
    pub fn wants_principals(&self) -> bool {
        let names = |queue: &Arc<QueueConfig>| {
            !queue.user_groups.names.is_empty() || !queue.user_roles.names.is_empty()
        };
        self.queues.iter().any(names)
    }

    /// Tells whether any queue has rules.
    pub fn has_rules(&self) -> bool {
        self.queues.iter().any(|queue| !queue.rules.is_empty())
    }

    /// Tells whether statements may be sent to another queue while they run.
    pub fn can_hop(&self) -> bool {
        let hops = |queue: &Arc<QueueConfig>| {
            let rules = queue.rules.iter();
            let mut actions = rules.map(|rule| rule.action);
            queue.max_execution_ms > 0 || actions.any(|action| action == super::rule::Action::Hop)
        };
        self.mode == Mode::Manual && self.queues.iter().any(hops)
    }
}
