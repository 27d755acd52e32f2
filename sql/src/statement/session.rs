//! Statements about the session: transactions, settings, EXPLAIN, prepared statements.

use super::Parsed;
use super::query::Expression;

/// `EXPLAIN [ANALYZE] [VERBOSE] statement`.
#[derive(Clone, Debug)]
pub struct Explain {
    /// Run it and show what happened.
    pub analyze: bool,
    /// Print the plan tree too.
    pub verbose: bool,
    /// What to explain.
    pub statement: Parsed,
}

/// `BEGIN [modes]`.
#[derive(Clone, Debug, Default)]
pub struct Begin {
    /// READ ONLY.
    pub read_only: bool,
}

/// `SET [SESSION | LOCAL] name TO value, ...`.
#[derive(Clone, Debug)]
pub struct Set {
    /// Lower case; `time zone` becomes `timezone`.
    pub name: String,
    /// The values; empty means DEFAULT.
    pub values: Vec<String>,
    /// LOCAL.
    pub local: bool,
}

/// `RESET name | ALL`.
#[derive(Clone, Debug)]
pub struct Reset {
    /// `None` is ALL.
    pub name: Option<String>,
}

/// `SHOW name | ALL`.
#[derive(Clone, Debug)]
pub struct Show {
    /// `None` is ALL.
    pub name: Option<String>,
}

/// `PREPARE name [(types)] AS statement`.
#[derive(Clone, Debug)]
pub struct Prepare {
    /// Its name.
    pub name: String,
    /// What to prepare, with `$n`.
    pub statement: Parsed,
}

/// `EXECUTE name [(values)]`.
#[derive(Clone, Debug)]
pub struct Execute {
    /// Its name.
    pub name: String,
    /// The values.
    pub arguments: Vec<Expression>,
}

/// `DEALLOCATE [PREPARE] name | ALL`.
#[derive(Clone, Debug)]
pub struct Deallocate {
    /// `None` is ALL.
    pub name: Option<String>,
}

/// `DISCARD ALL | TEMP | PLANS`.
#[derive(Clone, Debug)]
pub struct Discard {
    /// Lower case.
    pub what: String,
}
