//! What ANALYZE learned of tables, and which of their columns queries ask by. Kept by storage, a file for each table.
//!
//! All of it may be lost: a plan gets worse, no answer changes. So what fails here after a commit is told in the log,
//! and only an ANALYZE, which does nothing else, fails with it.

use super::{lock, now_us};
use crate::error::Result;
use blueshift_compute::maintain::analyze::{Changes, Image};
use blueshift_compute::scan::ColumnValues;
use blueshift_storage::store::Store;
use blueshift_storage::store::version::TableVersion;
use blueshift_storage::{AnalyzedColumn, AnalyzedTable, TableId, TableStatistics};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

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

/// What is known of one column.
#[derive(Clone, Debug, Default)]
pub struct KnownColumn {
    /// When ANALYZE last looked at it, in microseconds since 1970.
    pub analyzed_us: Option<i64>,
    /// When a query first filtered, joined or grouped by it, in microseconds since 1970.
    pub first_predicate_us: Option<i64>,
    /// Queries that compared it with constants: what SORTKEY AUTO chooses by.
    pub filtered: u64,
    /// How its values are spread.
    values: Option<Arc<ColumnValues>>,
}

/// What is known of one table.
#[derive(Debug, Default)]
struct Known {
    analyzed: Option<Analyzed>,
    /// By column id.
    columns: BTreeMap<u32, KnownColumn>,
    /// Whether some of it is not kept yet.
    is_new: bool,
}

/// What is known of all tables, by oid.
#[derive(Debug, Default)]
pub struct Statistics {
    tables: Mutex<HashMap<u32, Known>>,
    /// Held while a file is written, so that what was learned last is what stays.
    keeping: Mutex<()>,
}

impl Statistics {
    /// Begins with what an earlier run kept.
    pub fn of_kept(kept: Vec<TableStatistics>) -> Self {
        let tables = kept.into_iter().filter_map(|table| {
            let oid = u32::try_from(table.table.0).ok()?;
            Some((oid, known(table)))
        });
        Self {
            tables: Mutex::new(tables.collect()),
            keeping: Mutex::default(),
        }
    }

    /// Finds the last ANALYZE of a table.
    pub fn last_analyze(&self, table: u32) -> Option<Analyzed> {
        lock(&self.tables).get(&table)?.analyzed.clone()
    }

    /// Notes what a table is like after an ANALYZE.
    pub fn analyzed(&self, table: u32, analyzed: Analyzed) {
        let mut tables = lock(&self.tables);
        let known = tables.entry(table).or_default();
        known.analyzed = Some(analyzed);
        known.is_new = true;
    }

    /// Notes what ANALYZE learned of the values of columns, by column id; what it could not learn is forgotten.
    pub fn learn_values(&self, table: u32, learned: Vec<(u32, Option<ColumnValues>)>) {
        let now = now_us();
        let mut tables = lock(&self.tables);
        let known = tables.entry(table).or_default();
        known.is_new |= !learned.is_empty();
        for (id, values) in learned {
            let column = known.columns.entry(id).or_default();
            column.analyzed_us = Some(now);
            column.values = values.map(Arc::new);
        }
    }

    /// Gives what is known of the values of columns.
    pub fn values_of(&self, table: u32, columns: &[u32]) -> Vec<Option<Arc<ColumnValues>>> {
        let tables = lock(&self.tables);
        let known = tables.get(&table);
        let of = |id: &u32| known?.columns.get(id)?.values.clone();
        columns.iter().map(of).collect()
    }

    /// Gives what is known of the columns of a table, by column id.
    pub fn columns_of(&self, table: u32) -> BTreeMap<u32, KnownColumn> {
        let tables = lock(&self.tables);
        let known = tables.get(&table);
        known.map_or_else(BTreeMap::new, |known| known.columns.clone())
    }

    /// Notes that a query filters, joins or groups by columns, named by table and column id.
    pub fn note_predicates(&self, columns: impl IntoIterator<Item = (u32, u32)>) {
        let mut tables = lock(&self.tables);
        for (table, id) in columns {
            let known = tables.entry(table).or_default();
            let column = known.columns.entry(id).or_default();
            if column.first_predicate_us.is_none() {
                column.first_predicate_us = Some(now_us());
                known.is_new = true;
            }
        }
    }

    /// Counts a query for each column that it compares with constants, named by table and column id.
    pub fn note_filtered(&self, columns: impl IntoIterator<Item = (u32, u32)>) {
        let mut tables = lock(&self.tables);
        for (table, id) in columns {
            let known = tables.entry(table).or_default();
            let column = known.columns.entry(id).or_default();
            column.filtered = column.filtered.saturating_add(1);
            known.is_new = true;
        }
    }

    /// Gives how many queries compared a column with constants.
    pub fn filtered_by(&self, table: u32, column: u32) -> u64 {
        let tables = lock(&self.tables);
        let column = tables
            .get(&table)
            .and_then(|known| known.columns.get(&column));
        column.map_or(0, |column| column.filtered)
    }

    /// Begins with what was known of a table elsewhere.
    pub fn adopt(&self, table: u32, kept: TableStatistics) {
        let adopted = Known {
            is_new: true,
            ..known(kept)
        };
        lock(&self.tables).insert(table, adopted);
    }

    /// Follows a vacuum, which writes rows again but changes none.
    pub fn vacuumed(&self, table: u32, before: &TableVersion, after: &TableVersion) {
        let mut tables = lock(&self.tables);
        if let Some(known) = tables.get_mut(&table)
            && let Some(analyzed) = &mut known.analyzed
        {
            analyzed.image = analyzed.image.vacuumed(before, after);
            known.is_new = true;
        }
    }

    /// Lists the tables of which something is not kept yet.
    pub fn unkept(&self) -> Vec<u32> {
        let tables = lock(&self.tables);
        let unkept = tables.iter().filter(|(_, known)| known.is_new);
        unkept.map(|(table, _)| *table).collect()
    }

    /// Keeps what is known of a table, or forgets it if the table is gone. Blocks.
    pub fn keep(&self, store: &Store, table: u32) -> Result<()> {
        let _turn = lock(&self.keeping);
        let id = TableId(u64::from(table));
        let to_keep = {
            let mut tables = lock(&self.tables);
            if !store.read_view().tables.contains_key(&id) {
                tables.remove(&table);
                return Ok(());
            }
            let Some(known) = tables.get_mut(&table).filter(|known| known.is_new) else {
                return Ok(());
            };
            // One that cannot be kept is tried again with the next that is learned of it.
            known.is_new = false;
            to_keep(id, known)
        };
        Ok(store.keep_statistics(&to_keep)?)
    }

    /// Forgets tables that are gone.
    pub fn retain(&self, is_there: impl Fn(u32) -> bool) {
        lock(&self.tables).retain(|table, _| is_there(*table));
    }
}

fn known(kept: TableStatistics) -> Known {
    let analyzed = kept.analyzed.map(|analyzed| Analyzed {
        image: Image::of_parts(
            &analyzed.row_groups,
            Changes {
                added: analyzed.added_before,
                deleted: analyzed.deleted_before,
            },
        ),
        rows: analyzed.rows,
        at_us: analyzed.at_us,
    });
    let columns = kept.columns.into_iter().map(|column| {
        let common = column.common.into_iter().zip(column.common_shares);
        let known = KnownColumn {
            analyzed_us: column.analyzed_us,
            first_predicate_us: column.first_predicate_us,
            filtered: column.filtered,
            values: ColumnValues::of_parts(column.bounds, common.collect()).map(Arc::new),
        };
        (column.id, known)
    });
    Known {
        analyzed,
        columns: columns.collect(),
        is_new: false,
    }
}

fn to_keep(table: TableId, known: &Known) -> TableStatistics {
    let analyzed = known.analyzed.as_ref().map(|analyzed| AnalyzedTable {
        at_us: analyzed.at_us,
        rows: analyzed.rows,
        added_before: analyzed.image.before().added,
        deleted_before: analyzed.image.before().deleted,
        row_groups: analyzed.image.row_groups(),
    });
    let columns = known.columns.iter().map(|(id, column)| {
        let values = column.values.as_deref();
        let common = values.map_or(&[][..], ColumnValues::common);
        AnalyzedColumn {
            id: *id,
            analyzed_us: column.analyzed_us,
            first_predicate_us: column.first_predicate_us,
            filtered: column.filtered,
            bounds: values.map_or_else(Vec::new, |values| values.bounds().to_vec()),
            common: common.iter().map(|(value, _)| *value).collect(),
            common_shares: common.iter().map(|(_, share)| *share).collect(),
        }
    });
    TableStatistics {
        table,
        analyzed,
        columns: columns.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use blueshift_storage::RowGroupId;

    #[test]
    fn what_is_kept_comes_back() {
        let statistics = Statistics::default();
        let sample = (0..1_000).map(|value| f64::from(value % 7) / 3.0).collect();
        statistics.learn_values(7, vec![(1, ColumnValues::of(sample, true)), (2, None)]);
        statistics.note_predicates([(7, 2), (7, 3)]);
        statistics.note_filtered([(7, 2), (7, 2)]);
        let before = Changes {
            added: 1,
            deleted: 2,
        };
        let groups = [(RowGroupId(3), 10, 1), (RowGroupId(4), 5, 0)];
        let analyzed = Analyzed {
            image: Image::of_parts(&groups, before),
            rows: 14,
            at_us: 99,
        };
        statistics.analyzed(7, analyzed);
        let kept = |statistics: &Statistics| {
            let tables = lock(&statistics.tables);
            to_keep(TableId(7), tables.get(&7).unwrap())
        };
        let first = kept(&statistics);
        let again = Statistics::of_kept(vec![first.clone()]);
        assert_eq!(kept(&again), first);
        assert_eq!(again.unkept(), [0_u32; 0]);
        assert_eq!(
            again.values_of(7, &[1, 2, 9]),
            statistics.values_of(7, &[1, 2, 9])
        );
        assert!(again.values_of(7, &[1])[0].is_some());
        assert_eq!([again.filtered_by(7, 2), again.filtered_by(7, 3)], [2, 0]);
        let columns = again.columns_of(7);
        let used = columns
            .iter()
            .filter(|(_, column)| column.first_predicate_us.is_some());
        assert_eq!(used.map(|(id, _)| *id).collect::<Vec<_>>(), [2, 3]);
    }
}
