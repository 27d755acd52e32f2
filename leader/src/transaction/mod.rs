//! Begin, read view, locks, conflict check, commit.

/// Write locks per table and the way to the commit log.
#[derive(Debug, Default)]
pub struct Transactions {}
