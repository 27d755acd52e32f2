//! Analyzes: what each looked at, and what tables were like then, so that an unchanged table is skipped.

use super::{History, lock, push};
use blueshift_compute::maintain::analyze::Image;
use blueshift_compute::scan::ColumnValues;
use blueshift_storage::store::version::TableVersion;
use std::sync::Arc;

/// An ANALYZE of one table: STL_ANALYZE.
#[derive(Clone, Debug, Default)]
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
    pub status: &'static str,
    /// Rows of the table.
    pub rows: u64,
    /// Rows added and deleted since the last.
    pub modified_rows: u64,
    /// The threshold it ran under.
    pub threshold_percent: f64,
    /// Predicate columns of the table.
    pub predicate_columns: usize,
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

/// The last ANALYZE of a table.
#[derive(Clone, Debug)]
pub struct Analyzed {
    /// What it was like.
    pub image: Image,
    /// Rows then.
    pub rows: u64,
    /// Microseconds since 1970.
    pub at_us: i64,
}

impl Analyzed {
    /// Tells how far statistics are off, in percent: `stats_off` of SVV_TABLE_INFO.
    pub fn percent_off(&self, version: &TableVersion) -> f64 {
        let changed = self.image.rows_changed(version) as f64;
        (changed / self.rows.max(1) as f64 * 100.0).min(100.0)
    }
}

impl History {
    /// Finds the last ANALYZE of a table since the server started.
    pub fn last_analyze(&self, table: u32) -> Option<Analyzed> {
        lock(&self.analyzed).get(&table).cloned()
    }

    /// Adds a row to STL_ANALYZE; `analyzed` is what the table is like now, unless it was skipped.
    pub fn analyze(&self, event: AnalyzeEvent, analyzed: Option<Analyzed>) {
        if let Some(analyzed) = analyzed {
            lock(&self.analyzed).insert(event.table, analyzed);
        }
        push(&self.analyzes, event);
    }

    /// Records an ANALYZE that the server did by itself: of a table as it is now, all columns. `event` says which table
    /// and when it began.
    pub fn analyze_automatically(&self, event: AnalyzeEvent, version: &TableVersion) {
        let last = self.last_analyze(event.table);
        let rows = version.row_count();
        let endtime_us = super::now_us();
        let modified = last
            .as_ref()
            .map_or(rows, |last| last.image.rows_changed(version));
        let event = AnalyzeEvent {
            status: "Full",
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

    /// Keeps what ANALYZE learned of the values of columns, by column id; what it could not learn is forgotten.
    pub fn learn_values(&self, table: u32, learned: Vec<(u32, Option<ColumnValues>)>) {
        let mut values = lock(&self.values);
        for (column, learned) in learned {
            match learned {
                Some(learned) => values.insert((table, column), Arc::new(learned)),
                None => values.remove(&(table, column)),
            };
        }
    }

    /// Gives what is known of the values of columns.
    pub fn values_of(&self, table: u32, columns: &[u32]) -> Vec<Option<Arc<ColumnValues>>> {
        let values = lock(&self.values);
        let columns = columns.iter();
        columns
            .map(|column| values.get(&(table, *column)).cloned())
            .collect()
    }

    /// Follows a vacuum, which writes rows again but changes none.
    pub fn vacuumed(&self, table: u32, before: &TableVersion, after: &TableVersion) {
        if let Some(analyzed) = lock(&self.analyzed).get_mut(&table) {
            analyzed.image = analyzed.image.vacuumed(before, after);
        }
    }
}
