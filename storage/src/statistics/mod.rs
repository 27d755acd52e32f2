//! Sketches behind ANALYZE: distinct counts, widths, extremes.

use crate::table::predicate::Value;

/// What is known of one column, of one row group or merged over many.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ColumnStatistics {
    /// Rows looked at, nulls included, deleted rows included.
    pub rows: u64,
    /// Nulls among them.
    pub nulls: u64,
    /// The least value; absent if all are null. Exact for fixed-width types; for text a whole value
    /// or a prefix no greater than the least.
    pub min: Option<Value>,
    /// The greatest value; for text a whole value or a bound not less than the greatest.
    pub max: Option<Value>,
    /// Estimated distinct non-null values.
    pub distinct: u64,
    /// Total bytes of the values in memory, for average widths of text.
    pub value_bytes: u64,
    /// Bytes on disk of the column's blocks.
    pub encoded_bytes: u64,
    /// Blocks of the column.
    pub blocks: u64,
}

/// A mergeable sketch of one column of one row group: extremes, counts and a HyperLogLog.
#[derive(Clone, Debug, Default)]
pub struct ColumnSketch {
    _todo: (),
}

impl ColumnSketch {
    /// Takes in another sketch of the same column.
    pub fn merge(&mut self, other: &ColumnSketch) {
        let _ = other;
        todo!("H1")
    }

    /// Gives the figures.
    pub fn statistics(&self) -> ColumnStatistics {
        todo!("H1")
    }
}
