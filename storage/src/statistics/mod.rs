//! Sketches behind ANALYZE: distinct counts, widths, extremes.

pub mod distinct;
pub mod key;

use crate::layout::row_group::{ColumnFooter, SketchRecord};
use crate::schema::{ColumnType, Value};
use distinct::Distinct;

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
    /// Whether a text may end with a blank.
    pub padded: bool,
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
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ColumnSketch {
    /// Rows looked at.
    pub(crate) rows: u64,
    /// Nulls among them.
    pub(crate) nulls: u64,
    /// Bytes of the values in memory.
    pub(crate) value_bytes: u64,
    /// Bytes of the blocks.
    pub(crate) encoded_bytes: u64,
    /// Blocks.
    pub(crate) blocks: u64,
    /// Whether a text may end with a blank.
    pub(crate) padded: bool,
    /// The type, if known; a default sketch learns it from the first it merges.
    pub(crate) ty: Option<ColumnType>,
    /// Extremes as keys.
    pub(crate) range: Option<(i128, i128)>,
    /// Distinct values.
    pub(crate) distinct: Distinct,
}

impl ColumnSketch {
    /// Makes the sketch of no rows.
    pub(crate) fn new(ty: ColumnType) -> Self {
        ColumnSketch {
            ty: Some(ty),
            ..Self::default()
        }
    }

    /// Reads the sketch out of a footer.
    pub(crate) fn from_footer(footer: &ColumnFooter) -> Self {
        let record = &footer.sketch;
        let mut sketch = ColumnSketch {
            rows: record.rows,
            nulls: record.nulls,
            value_bytes: record.value_bytes,
            encoded_bytes: record.encoded_bytes,
            blocks: record.blocks,
            padded: record.padded,
            ..Self::new(footer.ty)
        };
        for (min, max) in footer.zones.iter().filter_map(|zone| zone.range) {
            sketch.widen(min, max);
        }
        for (index, rank) in &record.registers {
            sketch.distinct.set(*index, *rank);
        }
        sketch
    }

    /// Gives what a footer keeps.
    pub(crate) fn to_record(&self) -> SketchRecord {
        SketchRecord {
            rows: self.rows,
            nulls: self.nulls,
            value_bytes: self.value_bytes,
            encoded_bytes: self.encoded_bytes,
            blocks: self.blocks,
            padded: self.padded,
            registers: self.distinct.registers(),
        }
    }

    /// Widens the extremes.
    pub(crate) fn widen(&mut self, min: i128, max: i128) {
        self.range = Some(
            self.range
                .map_or((min, max), |(a, b)| (a.min(min), b.max(max))),
        );
    }

    /// Takes in another sketch of the same column.
    pub fn merge(&mut self, other: &ColumnSketch) {
        self.rows += other.rows;
        self.nulls += other.nulls;
        self.value_bytes += other.value_bytes;
        self.encoded_bytes += other.encoded_bytes;
        self.blocks += other.blocks;
        self.padded |= other.padded;
        self.ty = self.ty.or(other.ty);
        if let Some((min, max)) = other.range {
            self.widen(min, max);
        }
        self.distinct.merge(&other.distinct);
    }

    /// Gives the figures.
    pub fn statistics(&self) -> ColumnStatistics {
        let value = |key: i128, upper| self.ty.map(|ty| key::to_value(ty, key, upper));
        ColumnStatistics {
            rows: self.rows,
            nulls: self.nulls,
            min: self.range.and_then(|(min, _)| value(min, false)),
            max: self.range.and_then(|(_, max)| value(max, true)),
            padded: self.padded,
            distinct: self
                .distinct
                .estimate()
                .min(self.rows - self.nulls.min(self.rows)),
            value_bytes: self.value_bytes,
            encoded_bytes: self.encoded_bytes,
            blocks: self.blocks,
        }
    }
}
