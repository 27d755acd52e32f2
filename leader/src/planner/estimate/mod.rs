//! What a plan is expected to give: rows, distinct values, widths.
//!
//! One arithmetic serves the logical plan, where join order is chosen, and the physical one, where sides are chosen
//! and EXPLAIN prints: `logical.rs` and `physical.rs` only translate. All of it is guesses over exact counts; nothing
//! here may change an answer.

pub mod logical;
pub mod physical;
pub mod predicate;

use blueshift_compute::scan::ColumnValues;
use datafusion::arrow::array::Array;
use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, JoinType, ScalarValue, Statistics};
use std::sync::Arc;

/// Rows assumed for an input nobody knows anything about.
pub const ROWS_UNKNOWN: f64 = 1000.0;

/// Width in bytes assumed for a value of variable length.
const TEXT_BYTES: f64 = 24.0;

/// The share of rows a condition keeps that nothing is known about.
pub const SELECTIVITY_UNKNOWN: f64 = 1.0 / 3.0;

/// What is expected of one column.
#[derive(Clone, Debug)]
pub struct ColumnEstimate {
    /// Distinct values of the column's *domain*: shrunk by conditions on the column itself, not by conditions on
    /// others. Joins divide by it; see [`Estimate::distinct_present`] for what is really left.
    pub distinct: f64,
    /// The least value as a number, see [`number_of`].
    pub low: Option<f64>,
    /// The greatest value as a number.
    pub high: Option<f64>,
    /// Share of nulls, 0 to 1.
    pub null_fraction: f64,
    /// Bytes of one value.
    pub bytes: f64,
    /// Rows of the stored table the column comes from; infinite if it was computed.
    pub table_rows: f64,
    /// How its values are spread, if ANALYZE looked and no condition changed it.
    pub values: Option<Arc<ColumnValues>>,
}

/// What is expected of a plan.
#[derive(Clone, Debug)]
pub struct Estimate {
    /// Rows.
    pub rows: f64,
    /// One for each output column.
    pub columns: Vec<ColumnEstimate>,
    /// Whether every table below had statistics.
    pub known: bool,
}

impl ColumnEstimate {
    /// Makes the estimate of a computed column.
    pub fn computed(data_type: &DataType, distinct: f64) -> Self {
        Self {
            distinct: distinct.max(1.0),
            low: None,
            high: None,
            null_fraction: 0.0,
            bytes: width_of(data_type),
            table_rows: f64::INFINITY,
            values: None,
        }
    }
}

impl Estimate {
    /// Makes the estimate of a plan with this many rows about which nothing else is known.
    pub fn unknown(schema: &Schema, rows: f64) -> Self {
        let columns = schema
            .fields()
            .iter()
            .map(|field| ColumnEstimate::computed(field.data_type(), rows))
            .collect();
        Self {
            rows,
            columns,
            known: false,
        }
    }

    /// Reads the statistics of a table or a scan.
    pub fn of_statistics(schema: &Schema, statistics: &Statistics) -> Self {
        let Some(&rows) = statistics.num_rows.get_value() else {
            return Self::unknown(schema, ROWS_UNKNOWN);
        };
        let rows = rows as f64;
        let columns = schema
            .fields()
            .iter()
            .enumerate()
            .map(
                |(index, field)| match statistics.column_statistics.get(index) {
                    Some(column) => column_of_statistics(field.data_type(), column, rows),
                    None => ColumnEstimate::computed(field.data_type(), rows),
                },
            )
            .collect();
        Self {
            rows,
            columns,
            known: true,
        }
    }

    /// Takes in what ANALYZE learned of the columns of a stored table.
    pub fn with_values(mut self, values: &[Option<Arc<ColumnValues>>]) -> Self {
        for (column, values) in self.columns.iter_mut().zip(values) {
            column.values.clone_from(values);
        }
        self
    }

    /// Bytes of one row.
    pub fn width(&self) -> f64 {
        self.columns
            .iter()
            .map(|column| column.bytes)
            .sum::<f64>()
            .max(1.0)
    }

    /// Distinct values of a column among the rows that are left: drawing `rows` times from `distinct` values.
    pub fn distinct_present(&self, column: usize) -> f64 {
        let domain = self
            .columns
            .get(column)
            .map_or(self.rows, |column| column.distinct);
        drawn(domain, self.rows)
    }

    /// Keeps only these columns, in this order.
    pub fn project(&self, columns: &[usize]) -> Self {
        let columns = columns
            .iter()
            .filter_map(|&index| self.columns.get(index).cloned())
            .collect();
        Self {
            rows: self.rows,
            columns,
            known: self.known,
        }
    }

    /// Groups by these columns; aggregates follow the keys.
    pub fn group(&self, keys: Vec<ColumnEstimate>, aggregates: Vec<ColumnEstimate>) -> Self {
        let mut groups = 1.0_f64;
        for key in &keys {
            groups *= drawn(key.distinct, self.rows) + f64::from(u8::from(key.null_fraction > 0.0));
        }
        let rows = if keys.is_empty() {
            1.0
        } else {
            groups.min(self.rows).max(1.0)
        };
        let mut columns = keys;
        columns.extend(aggregates.into_iter().map(|column| ColumnEstimate {
            distinct: rows,
            ..column
        }));
        Self {
            rows,
            columns,
            known: self.known,
        }
    }

    /// Keeps at most this many rows.
    pub fn limit(mut self, rows: usize) -> Self {
        self.rows = self.rows.min(rows as f64);
        self
    }
}

/// The two sides of one equality of a join.
pub struct JoinKey<'a> {
    /// The left side's expression.
    pub left: &'a ColumnEstimate,
    /// The right side's.
    pub right: &'a ColumnEstimate,
}

/// Estimates the rows an inner join of these keys gives. Without keys it is the cross product.
pub fn inner_rows(left_rows: f64, right_rows: f64, keys: &[JoinKey<'_>]) -> f64 {
    if keys.is_empty() {
        return left_rows * right_rows;
    }
    let nulls: f64 = keys
        .iter()
        .map(|key| (1.0 - key.left.null_fraction) * (1.0 - key.right.null_fraction))
        .product();
    left_rows * right_rows * nulls / key_domain(keys)
}

/// The number of different keys both sides draw from.
fn key_domain(keys: &[JoinKey<'_>]) -> f64 {
    let product = |side: fn(&JoinKey<'_>) -> f64| keys.iter().map(side).product::<f64>().max(1.0);
    let least = |side: fn(&JoinKey<'_>) -> f64| keys.iter().map(side).fold(f64::INFINITY, f64::min);
    let (left, right) = (
        product(|key| key.left.distinct),
        product(|key| key.right.distinct),
    );
    if keys.len() == 1 {
        return left.max(right);
    }
    // Columns of one table are correlated: there are no more combinations than the table has rows. Where both sides
    // reach that bound, the smaller one is the referenced key and holds every combination there is.
    let left_bound = left.min(least(|key| key.left.table_rows));
    let right_bound = right.min(least(|key| key.right.table_rows));
    if left_bound < left || right_bound < right {
        left_bound.min(right_bound).max(1.0)
    } else {
        left_bound.max(right_bound)
    }
}

/// Estimates the share of left rows that have a partner on the right.
pub fn semi_selectivity(right_rows: f64, keys: &[JoinKey<'_>]) -> f64 {
    if keys.is_empty() {
        return if right_rows >= 1.0 { 1.0 } else { right_rows };
    }
    let domain = key_domain(keys);
    let present: f64 = keys
        .iter()
        .map(|key| drawn(key.right.distinct, right_rows))
        .product::<f64>()
        .min(right_rows);
    (present / domain).clamp(0.0, 1.0)
}

/// Estimates the output of a join. `filter` is the selectivity of what is not an equality.
pub fn join(
    left: &Estimate,
    right: &Estimate,
    keys: &[JoinKey<'_>],
    filter: f64,
    join_type: JoinType,
) -> Estimate {
    let inner = (inner_rows(left.rows, right.rows, keys) * filter).max(0.0);
    // One condition more lets fewer rows find a partner, but many partners make up for it.
    let partners = if filter < 1.0 { filter.sqrt() } else { 1.0 };
    let left_share = || semi_selectivity(right.rows, keys) * partners;
    let right_share = || {
        let swapped: Vec<_> = keys
            .iter()
            .map(|key| JoinKey {
                left: key.right,
                right: key.left,
            })
            .collect();
        semi_selectivity(left.rows, &swapped) * partners
    };
    // Few rows always remain where none are expected: estimates are averages.
    let remaining = |rows: f64, share: f64| rows * (1.0 - share).max(0.05);
    let (rows, sides) = match join_type {
        JoinType::Inner => (inner, Sides::Both),
        JoinType::Left => (inner.max(left.rows), Sides::Both),
        JoinType::Right => (inner.max(right.rows), Sides::Both),
        JoinType::Full => (inner.max(left.rows).max(right.rows), Sides::Both),
        JoinType::LeftSemi => (left.rows * left_share(), Sides::Left),
        JoinType::RightSemi => (right.rows * right_share(), Sides::Right),
        JoinType::LeftAnti => (remaining(left.rows, left_share()), Sides::Left),
        JoinType::RightAnti => (remaining(right.rows, right_share()), Sides::Right),
        JoinType::LeftMark => (left.rows, Sides::LeftMark),
        JoinType::RightMark => (right.rows, Sides::RightMark),
    };
    let mark = || ColumnEstimate::computed(&DataType::Boolean, 2.0);
    let columns = match sides {
        Sides::Both => left.columns.iter().chain(&right.columns).cloned().collect(),
        Sides::Left => left.columns.clone(),
        Sides::Right => right.columns.clone(),
        Sides::LeftMark => left.columns.iter().cloned().chain([mark()]).collect(),
        Sides::RightMark => right.columns.iter().cloned().chain([mark()]).collect(),
    };
    Estimate {
        rows: rows.max(0.001),
        columns,
        known: left.known && right.known,
    }
}

enum Sides {
    Both,
    Left,
    Right,
    LeftMark,
    RightMark,
}

/// Expected distinct values among `rows` draws from `domain` values.
pub fn drawn(domain: f64, rows: f64) -> f64 {
    let domain = domain.max(1.0);
    if rows >= domain * 8.0 {
        return domain;
    }
    if domain >= rows * 100.0 {
        return rows;
    }
    (domain * (1.0 - (-rows / domain).exp())).clamp(0.0, rows.max(1.0))
}

fn column_of_statistics(
    data_type: &DataType,
    statistics: &ColumnStatistics,
    rows: f64,
) -> ColumnEstimate {
    let number = |value: &Precision<ScalarValue>| value.get_value().and_then(number_of);
    let (low, high) = (number(&statistics.min_value), number(&statistics.max_value));
    let nulls = statistics
        .null_count
        .get_value()
        .map_or(0.0, |&count| count as f64);
    let distinct = match statistics.distinct_count.get_value() {
        Some(&count) => count as f64,
        // Whole numbers in a range have no more distinct values than the range.
        None => match (low, high) {
            (Some(low), Some(high)) if data_type.is_integer() => (high - low + 1.0).min(rows),
            _ => rows,
        },
    };
    let bytes = match statistics.byte_size.get_value() {
        Some(&bytes) if rows >= 1.0 && bytes > 0 => bytes as f64 / rows,
        _ => width_of(data_type),
    };
    ColumnEstimate {
        distinct: distinct.max(1.0),
        low,
        high,
        null_fraction: if rows > 0.0 {
            (nulls / rows).clamp(0.0, 1.0)
        } else {
            0.0
        },
        bytes,
        table_rows: rows,
        values: None,
    }
}

fn width_of(data_type: &DataType) -> f64 {
    match data_type {
        DataType::Boolean => 1.0,
        other => other
            .primitive_width()
            .map_or(TEXT_BYTES, |bytes| bytes as f64),
    }
}

/// Places a value on the number line, so that ranges can be compared: instants in seconds, text by its first bytes.
pub fn number_of(value: &ScalarValue) -> Option<f64> {
    const SECONDS_PER_DAY: f64 = 86_400.0;
    Some(match value {
        ScalarValue::Boolean(Some(value)) => f64::from(u8::from(*value)),
        ScalarValue::Int8(Some(value)) => f64::from(*value),
        ScalarValue::Int16(Some(value)) => f64::from(*value),
        ScalarValue::Int32(Some(value)) => f64::from(*value),
        ScalarValue::Int64(Some(value)) => *value as f64,
        ScalarValue::UInt8(Some(value)) => f64::from(*value),
        ScalarValue::UInt16(Some(value)) => f64::from(*value),
        ScalarValue::UInt32(Some(value)) => f64::from(*value),
        ScalarValue::UInt64(Some(value)) => *value as f64,
        ScalarValue::Float32(Some(value)) => f64::from(*value),
        ScalarValue::Float64(Some(value)) => *value,
        ScalarValue::Decimal32(Some(value), _, scale) => scaled(f64::from(*value), *scale),
        ScalarValue::Decimal64(Some(value), _, scale) => scaled(*value as f64, *scale),
        ScalarValue::Decimal128(Some(value), _, scale) => scaled(*value as f64, *scale),
        ScalarValue::Date32(Some(days)) => f64::from(*days) * SECONDS_PER_DAY,
        ScalarValue::Date64(Some(milliseconds)) => *milliseconds as f64 / 1e3,
        ScalarValue::TimestampSecond(Some(seconds), _) => *seconds as f64,
        ScalarValue::TimestampMillisecond(Some(value), _) => *value as f64 / 1e3,
        ScalarValue::TimestampMicrosecond(Some(value), _) => *value as f64 / 1e6,
        ScalarValue::TimestampNanosecond(Some(value), _) => *value as f64 / 1e9,
        ScalarValue::Utf8(Some(text))
        | ScalarValue::Utf8View(Some(text))
        | ScalarValue::LargeUtf8(Some(text)) => text
            .bytes()
            .chain(std::iter::repeat(0))
            .take(TEXT_PLACE_BYTES)
            .fold(0.0, |number, byte| number * 256.0 + f64::from(byte)),
        ScalarValue::Dictionary(_, inner) => return number_of(inner),
        _ => return None,
    })
}

/// Places the values of a column that are not null on the number line, and tells whether equal numbers are equal
/// values: of a long text only its beginning has a place.
pub fn numbers_of(array: &dyn Array) -> (Vec<f64>, bool) {
    let mut is_exact = true;
    let mut numbers = Vec::with_capacity(array.len());
    for row in 0..array.len() {
        let Ok(value) = ScalarValue::try_from_array(array, row) else {
            return (Vec::new(), false);
        };
        if let ScalarValue::Utf8View(Some(text)) = &value {
            is_exact &= text.len() <= TEXT_PLACE_BYTES;
        }
        numbers.extend(number_of(&value));
    }
    (numbers, is_exact)
}

/// The bytes of a text that have a place on the number line.
const TEXT_PLACE_BYTES: usize = 6;

fn scaled(unscaled: f64, scale: i8) -> f64 {
    unscaled / 10_f64.powi(i32::from(scale))
}
