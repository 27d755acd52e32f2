//! Analyzes: what each looked at.

use super::statistics::Analyzed;
use super::{History, push};
use blueshift_compute::maintain::analyze::Image;
use blueshift_storage::store::version::TableVersion;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// An ANALYZE of one table: STL_ANALYZE.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct AnalyzeEvent {
    /// The user's oid.
    pub userid: u32,
    /// The transaction id.
    pub xid: i64,
    /// The table's oid.
    pub table: u32,
    /// Its schema's name.
    pub schema_name: String,
    /// Its name.
    pub name: String,
    /// `Full`, `Skipped`, `PredicateColumn`.
    pub status: Cow<'static, str>,
    /// Rows of the table.
    pub rows: u64,
    /// Rows added and deleted since the last.
    pub modified_rows: u64,
    /// The threshold it ran under.
    pub threshold_percent: f64,
    /// Predicate columns of the table.
    pub predicate_columns: usize,
    /// Of those, the ones queries began to ask by since they were last analyzed.
    pub new_predicate_columns: usize,
    /// Microseconds since 1970.
    pub starttime_us: i64,
    /// Microseconds since 1970.
    pub endtime_us: i64,
    /// When the one before ended.
    pub prevtime_us: Option<i64>,
    /// Whether the server did it by itself.
    pub is_auto: bool,
    /// Whether nobody's statement did it.
    pub is_background: bool,
}

impl History {
    /// Adds a row to STL_ANALYZE; `analyzed` is what the table is like now, unless it was skipped.
    pub fn analyze(&self, event: AnalyzeEvent, analyzed: Option<Analyzed>) {
        if let Some(analyzed) = analyzed {
            self.statistics.analyzed(event.table, analyzed);
        }
        push(&self.analyzes, event);
    }

    /// Records an ANALYZE that the server did by itself: of a table as it is now, all columns. `event` says which table
    /// and when it began.
    pub fn analyze_automatically(&self, event: AnalyzeEvent, version: &TableVersion) {
        let last = self.statistics.last_analyze(event.table);
        let rows = version.row_count();
        let endtime_us = super::now_us();
        let modified = last
            .as_ref()
            .map_or(rows, |last| last.image.rows_changed(version));
        let event = AnalyzeEvent {
            status: "Full".into(),
            rows,
            modified_rows: modified,
            endtime_us,
            prevtime_us: last.map(|last| last.at_us),
            is_auto: true,
            ..event
        };
        let analyzed = Analyzed {
            image: Image::of(version),
            rows,
            at_us: endtime_us,
        };
        self.analyze(event, Some(analyzed));
    }
}
