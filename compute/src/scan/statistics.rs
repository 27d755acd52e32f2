//! What the planner may know of a table without reading it.

use super::StoredTable;
use super::constant::scalar;
use crate::error::scan_error;
use blueshift_storage::ColumnType;
use blueshift_storage::statistics::ColumnStatistics as Stored;
use blueshift_storage::store::version::{RowGroupEntry, TableVersion};
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, Statistics, internal_datafusion_err};
use datafusion::error::Result;
use std::sync::{Arc, OnceLock};

/// What is known of a version of a table, found once for all statements that read it.
struct VersionFacts {
    rows: usize,
    /// Whether no row is deleted.
    is_whole: bool,
    /// As many as the table has columns.
    columns: Vec<OnceLock<ColumnStatistics>>,
}

impl VersionFacts {
    fn of(version: &TableVersion) -> Self {
        let is_whole = |group: &Arc<RowGroupEntry>| group.deleted.is_none();
        Self {
            rows: count(version.row_count()),
            is_whole: version.row_groups.iter().all(is_whole),
            columns: version
                .layout
                .columns
                .iter()
                .map(|_| OnceLock::new())
                .collect(),
        }
    }
}

/// Gives row count, extremes, nulls and distinct values of `columns` (indexes in the table's schema), from the
/// footers of its row groups. Extremes are exact only where no row is deleted and the column keeps whole
/// values in its footer, since MIN and MAX may be answered from them.
pub(super) fn table_statistics(table: &StoredTable, columns: &[usize]) -> Result<Statistics> {
    let facts = facts(table)?;
    let mut bytes = 0_usize;
    let mut column_statistics = Vec::with_capacity(columns.len());
    for &column in columns {
        let statistics = match column_statistics_of(table, facts, column)? {
            Some(known) => known.clone(),
            None => row_id_statistics(facts.rows),
        };
        let column_bytes = statistics.byte_size.get_value().copied();
        bytes = bytes.saturating_add(column_bytes.unwrap_or(facts.rows.saturating_mul(8)));
        column_statistics.push(statistics);
    }
    Ok(Statistics {
        num_rows: Precision::Exact(facts.rows),
        total_byte_size: Precision::Inexact(bytes),
        column_statistics,
    })
}

/// Gives what is known of a column of a table; `None` of the row id.
pub(super) fn of_column(table: &StoredTable, column: usize) -> Result<Option<&ColumnStatistics>> {
    column_statistics_of(table, facts(table)?, column)
}

/// Counts the rows of a table.
pub(super) fn row_count(table: &StoredTable) -> Result<usize> {
    Ok(facts(table)?.rows)
}

fn facts(table: &StoredTable) -> Result<&VersionFacts> {
    let version = &table.version;
    let known = version.derived.get_or_init(|| VersionFacts::of(version));
    known.ok_or_else(|| internal_datafusion_err!("something else is derived from a table"))
}

fn column_statistics_of<'a>(
    table: &StoredTable,
    facts: &'a VersionFacts,
    column: usize,
) -> Result<Option<&'a ColumnStatistics>> {
    let layout = table.version.layout.columns.get(column);
    let (Some(known), Some(layout)) = (facts.columns.get(column), layout) else {
        return Ok(None);
    };
    if let Some(known) = known.get() {
        return Ok(Some(known));
    }
    let stored = table.version.column_statistics(&table.store, column);
    let stored = stored.map_err(scan_error)?;
    Ok(Some(known.get_or_init(|| read(facts, layout.ty, &stored))))
}

fn read(facts: &VersionFacts, ty: ColumnType, stored: &Stored) -> ColumnStatistics {
    let exact_ends = facts.is_whole && whole_extremes(ty);
    let end = |value: Option<&_>| match value.and_then(|value| scalar(ty, value)) {
        Some(value) if exact_ends => Precision::Exact(value),
        Some(value) => Precision::Inexact(value),
        None => Precision::Absent,
    };
    let nulls = count(stored.nulls);
    let distinct = count(stored.distinct).min(facts.rows);
    ColumnStatistics::new_unknown()
        .with_null_count(match facts.is_whole {
            true => Precision::Exact(nulls),
            false => Precision::Inexact(nulls),
        })
        .with_min_value(end(stored.min.as_ref()))
        .with_max_value(end(stored.max.as_ref()))
        .with_distinct_count(Precision::Inexact(distinct))
        .with_byte_size(Precision::Inexact(column_bytes(ty, facts.rows, stored)))
}

fn row_id_statistics(rows: usize) -> ColumnStatistics {
    ColumnStatistics::new_unknown()
        .with_null_count(Precision::Exact(0))
        .with_distinct_count(Precision::Exact(rows))
}

/// Estimates the memory of a column's values.
fn column_bytes(ty: ColumnType, rows: usize, stored: &Stored) -> usize {
    match ty.arrow().primitive_width() {
        Some(width) => rows.saturating_mul(width),
        // A view of 16 bytes and the bytes behind it, of the rows that remain.
        None => {
            let values =
                u128::from(stored.value_bytes) * rows as u128 / u128::from(stored.rows.max(1));
            rows.saturating_mul(16)
                .saturating_add(usize::try_from(values).unwrap_or(usize::MAX))
        }
    }
}

/// Tells whether footers keep whole values of a type: text may be cut, and floats have NaN and two zeros.
fn whole_extremes(ty: ColumnType) -> bool {
    !matches!(
        ty,
        ColumnType::Text | ColumnType::Bytes | ColumnType::Float32 | ColumnType::Float64
    )
}

fn count(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}
