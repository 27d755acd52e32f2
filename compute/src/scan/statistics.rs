//! What the planner may know of a table without reading it.

use super::StoredTable;
use super::constant::scalar;
use crate::error::scan_error;
use blueshift_storage::ColumnType;
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, Statistics};
use datafusion::error::Result;

/// Gives row count, extremes, nulls and distinct values of `columns` (indexes in the table's schema), from the
/// footers of its row groups. Extremes are exact only where no row is deleted and the column keeps whole
/// values in its footer, since MIN and MAX may be answered from them.
pub(super) fn table_statistics(table: &StoredTable, columns: &[usize]) -> Result<Statistics> {
    let version = &table.version;
    let whole = version
        .row_groups
        .iter()
        .all(|group| group.deleted.is_none());
    let rows = count(version.row_count());
    let mut bytes = 0_usize;
    let mut column_statistics = Vec::with_capacity(columns.len());
    for &column in columns {
        let Some(layout) = version.layout.columns.get(column) else {
            // The row id.
            bytes = bytes.saturating_add(rows.saturating_mul(size_of::<i64>()));
            column_statistics.push(row_id_statistics(rows));
            continue;
        };
        let stored = version
            .column_statistics(&table.store, column)
            .map_err(scan_error)?;
        let exact_ends = whole && whole_extremes(layout.ty);
        let end = |value: Option<&_>| match value.and_then(|value| scalar(layout.ty, value)) {
            Some(value) if exact_ends => Precision::Exact(value),
            Some(value) => Precision::Inexact(value),
            None => Precision::Absent,
        };
        let nulls = count(stored.nulls);
        let column_bytes = column_bytes(layout.ty, rows, &stored);
        bytes = bytes.saturating_add(column_bytes);
        column_statistics.push(
            ColumnStatistics::new_unknown()
                .with_null_count(if whole {
                    Precision::Exact(nulls)
                } else {
                    Precision::Inexact(nulls)
                })
                .with_min_value(end(stored.min.as_ref()))
                .with_max_value(end(stored.max.as_ref()))
                .with_distinct_count(Precision::Inexact(count(stored.distinct).min(rows)))
                .with_byte_size(Precision::Inexact(column_bytes)),
        );
    }
    Ok(Statistics {
        num_rows: Precision::Exact(rows),
        total_byte_size: Precision::Inexact(bytes),
        column_statistics,
    })
}

fn row_id_statistics(rows: usize) -> ColumnStatistics {
    ColumnStatistics::new_unknown()
        .with_null_count(Precision::Exact(0))
        .with_distinct_count(Precision::Exact(rows))
}

/// Estimates the memory of a column's values.
fn column_bytes(
    ty: ColumnType,
    rows: usize,
    stored: &blueshift_storage::statistics::ColumnStatistics,
) -> usize {
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
