//! Counts since the start, for whoever watches the server: one relaxed addition each, kept also when the history is off.

use blueshift_compute::figures::Total;

/// What a statement is, as it is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StatementKind {
    /// SELECT, also through cursors.
    Select,
    /// INSERT.
    Insert,
    /// UPDATE.
    Update,
    /// DELETE and TRUNCATE.
    Delete,
    /// MERGE.
    Merge,
    /// COPY, also of jobs.
    Copy,
    /// UNLOAD.
    Unload,
    /// CALL.
    Call,
    /// What makes, changes and drops objects and rights.
    Definition,
    /// BEGIN, COMMIT and ROLLBACK.
    Transaction,
    /// VACUUM, ANALYZE, snapshots.
    Maintenance,
    /// SET, SHOW, EXPLAIN and the rest.
    #[default]
    Other,
}

impl StatementKind {
    /// Every kind, in the order of their declaration.
    pub const ALL: [Self; 12] = [
        Self::Select,
        Self::Insert,
        Self::Update,
        Self::Delete,
        Self::Merge,
        Self::Copy,
        Self::Unload,
        Self::Call,
        Self::Definition,
        Self::Transaction,
        Self::Maintenance,
        Self::Other,
    ];

    /// Gives the word it is shown by.
    pub fn word(self) -> &'static str {
        match self {
            Self::Select => "select",
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Merge => "merge",
            Self::Copy => "copy",
            Self::Unload => "unload",
            Self::Call => "call",
            Self::Definition => "definition",
            Self::Transaction => "transaction",
            Self::Maintenance => "maintenance",
            Self::Other => "other",
        }
    }
}

/// How a statement ended, as it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatementOutcome {
    /// Well.
    Succeeded,
    /// By an error, or without its rows having been fetched.
    Failed,
    /// It was canceled or took too long.
    Canceled,
}

impl StatementOutcome {
    /// Every outcome, in the order of their declaration.
    pub const ALL: [Self; 3] = [Self::Succeeded, Self::Failed, Self::Canceled];

    /// Gives the word it is shown by.
    pub fn word(self) -> &'static str {
        match self {
            Self::Succeeded => "success",
            Self::Failed => "error",
            Self::Canceled => "canceled",
        }
    }
}

/// Upper bounds of the classes that statements are counted in by how long they took, in microseconds.
pub const DURATIONS_US: [u64; 16] = [
    500,
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    60_000_000,
    600_000_000,
];

/// Events of the log tables that made room for newer ones before their days were over; of the process.
pub static EVENTS_DROPPED: Total = Total::new();

/// Statements of a few milliseconds whose plans were not read for the log tables, as there were too many; of the process.
pub static PLANS_UNREAD: Total = Total::new();

/// What happened since the start.
#[derive(Debug, Default)]
pub struct Figures {
    /// Sessions that were opened.
    pub sessions_opened: Total,
    /// Sessions that a limit of a user or database kept out.
    pub sessions_refused: Total,
    /// By kind and outcome.
    statements: [[Total; StatementOutcome::ALL.len()]; StatementKind::ALL.len()],
    /// By class of [`DURATIONS_US`], the last of what took longer.
    durations: [Total; DURATIONS_US.len() + 1],
    duration_us: Total,
    /// Transactions that changed something and are durable.
    pub commits: Total,
    /// Transactions that changed something and were undone.
    pub rollbacks: Total,
    /// Transactions that were refused for what another has done.
    pub conflicts: Total,
    /// COPY commands that loaded.
    pub loads: Total,
    /// COPY commands that failed.
    pub loads_failed: Total,
    /// Rows they loaded.
    pub load_rows: Total,
    /// Bytes of text they read, after decompression.
    pub load_bytes: Total,
    /// Files they read.
    pub load_files: Total,
    /// Rows they refused.
    pub load_rows_refused: Total,
    /// UNLOAD commands that wrote their files.
    pub unloads: Total,
    /// UNLOAD commands that failed.
    pub unloads_failed: Total,
    /// Rows they wrote.
    pub unload_rows: Total,
    /// Bytes of their files.
    pub unload_bytes: Total,
    /// Their files.
    pub unload_files: Total,
}

impl Figures {
    /// Counts a statement that ended.
    pub fn statement(&self, kind: StatementKind, outcome: StatementOutcome, took_us: i64) {
        let by_outcome = self.statements.get(kind as usize);
        if let Some(count) = by_outcome.and_then(|counts| counts.get(outcome as usize)) {
            count.add(1);
        }
        let took_us = u64::try_from(took_us).unwrap_or(0);
        let class = DURATIONS_US.partition_point(|bound| *bound < took_us);
        if let Some(count) = self.durations.get(class) {
            count.add(1);
        }
        self.duration_us.add(took_us);
    }

    /// Gives how many statements of a kind had an outcome.
    pub fn statements(&self, kind: StatementKind, outcome: StatementOutcome) -> u64 {
        let by_outcome = self.statements.get(kind as usize);
        let count = by_outcome.and_then(|counts| counts.get(outcome as usize));
        count.map_or(0, Total::get)
    }

    /// Gives how many statements took as long as each class of [`DURATIONS_US`] and not as the one before, and how many
    /// took longer.
    pub fn durations(&self) -> impl Iterator<Item = u64> {
        self.durations.iter().map(Total::get)
    }

    /// Gives how long all statements took, in microseconds.
    pub fn duration_us(&self) -> u64 {
        self.duration_us.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_counted_by_kind_outcome_and_duration() {
        let figures = Figures::default();
        for (place, kind) in StatementKind::ALL.into_iter().enumerate() {
            assert_eq!(place, kind as usize);
            figures.statement(kind, StatementOutcome::Failed, 1_000);
            assert_eq!(figures.statements(kind, StatementOutcome::Failed), 1);
            assert_eq!(figures.statements(kind, StatementOutcome::Canceled), 0);
        }
        figures.statement(StatementKind::Select, StatementOutcome::Succeeded, 1_001);
        figures.statement(StatementKind::Select, StatementOutcome::Succeeded, i64::MAX);
        let classes: Vec<u64> = figures.durations().collect();
        assert_eq!(classes.len(), DURATIONS_US.len() + 1);
        assert_eq!((classes[1], classes[2], classes[16]), (12, 1, 1));
        assert_eq!(classes.iter().sum::<u64>(), 14);
    }
}
