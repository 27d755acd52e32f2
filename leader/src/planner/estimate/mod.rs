//! What a plan is expected to give: rows, distinct values, widths.
//!
//! One arithmetic serves the logical plan, where join order is chosen, and the physical one, where sides are chosen
//! and EXPLAIN prints: `logical.rs` and `physical.rs` only translate. All of it is guesses over exact counts; nothing
//! here may change an answer.

pub mod logical;
pub mod physical;
pub mod predicate;

use blueshift_compute::scan::{ColumnValues, StoredTable};
use datafusion::arrow::array::Array;
use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, JoinType, ScalarValue, Statistics};
use std::collections::BTreeSet;
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

    /// Reads what is known of these columns of a stored table with `rows` rows.
    pub fn of_stored(stored: &StoredTable, rows: usize, used: &BTreeSet<usize>) -> Self {
        let rows = rows as f64;
        let fields = stored.schema.fields().iter().enumerate();
        let columns = fields.map(|(index, field)| {
            let known = match used.contains(&index) {
                true => stored.column_statistics(index).ok().flatten(),
                false => None,
            };
            match known {
                Some(column) => column_of_statistics(field.data_type(), column, rows),
                None => ColumnEstimate::computed(field.data_type(), rows),
            }
        });
        Self {
            rows,
            columns: columns.collect(),
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
        // Columns of one table have no more combinations than the table has rows; one size, one table.
        let mut tables: Vec<(f64, f64)> = Vec::new();
        for key in &keys {
            let values =
                drawn(key.distinct, self.rows) + f64::from(u8::from(key.null_fraction > 0.0));
            match tables.iter_mut().find(|(rows, _)| *rows == key.table_rows) {
                Some((rows, combinations)) => *combinations = (*combinations * values).min(*rows),
                None => tables.push((key.table_rows, values)),
            }
        }
        let groups: f64 = tables
            .iter()
            .map(|(_, combinations)| combinations)
            .product();
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

/// What is expected where the values of the two sides of a key lie in different ranges: a table of all days of two
/// centuries against sales of five years.
struct Overlap {
    /// Distinct values of each side that the other may have.
    distinct: [f64; 2],
    /// The share of each side's rows that have such a value.
    share: [f64; 2],
}

impl Overlap {
    fn of(key: &JoinKey<'_>, rows: [f64; 2]) -> Self {
        let sides = [key.left, key.right];
        let mut overlap = Self {
            distinct: sides.map(|side| side.distinct),
            share: [1.0, 1.0],
        };
        let (Some([left_low, right_low]), Some([left_high, right_high])) = (
            both(sides.map(|side| side.low)),
            both(sides.map(|side| side.high)),
        ) else {
            return overlap;
        };
        let ranges = [(left_low, left_high), (right_low, right_high)];
        let (low, high) = (left_low.max(right_low), left_high.min(right_high));
        for (index, side) in sides.into_iter().enumerate() {
            let (Some((own_low, own_high)), Some(rows)) = (ranges.get(index), rows.get(index))
            else {
                continue;
            };
            let spread = own_high - own_low;
            if spread <= 0.0 {
                continue;
            }
            let within = ((high - low) / spread).clamp(1.0 / side.distinct.max(1.0), 1.0);
            let distinct = (side.distinct * within).max(1.0);
            // Of the rows of a table with this key, few are left, as few as the other side has values: conditions on
            // other columns chose them, and one asks for what there is. More than that lie all over the range.
            let chosen = *rows <= distinct && *rows < 0.9 * side.table_rows;
            if let (Some(kept), Some(share)) = (
                overlap.distinct.get_mut(index),
                overlap.share.get_mut(index),
            ) {
                *kept = distinct;
                *share = if chosen { 1.0 } else { within };
            }
        }
        overlap
    }
}

fn both(values: [Option<f64>; 2]) -> Option<[f64; 2]> {
    match values {
        [Some(left), Some(right)] => Some([left, right]),
        _ => None,
    }
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
    let overlaps = overlaps(left_rows, right_rows, keys);
    let meeting: f64 = overlaps
        .iter()
        .map(|overlap| overlap.share.iter().product::<f64>())
        .product();
    left_rows * right_rows * nulls * meeting / key_domain(keys, &overlaps)
}

fn overlaps(left_rows: f64, right_rows: f64, keys: &[JoinKey<'_>]) -> Vec<Overlap> {
    keys.iter()
        .map(|key| Overlap::of(key, [left_rows, right_rows]))
        .collect()
}

/// The number of different keys both sides draw from.
fn key_domain(keys: &[JoinKey<'_>], overlaps: &[Overlap]) -> f64 {
    let least = |side: fn(&JoinKey<'_>) -> f64| keys.iter().map(side).fold(f64::INFINITY, f64::min);
    let (mut left, mut right) = (1.0_f64, 1.0_f64);
    for Overlap { distinct, .. } in overlaps {
        let [of_left, of_right] = distinct;
        left *= of_left;
        right *= of_right;
    }
    let (left, right) = (left.max(1.0), right.max(1.0));
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
pub fn semi_selectivity(left_rows: f64, right_rows: f64, keys: &[JoinKey<'_>]) -> f64 {
    if keys.is_empty() {
        return if right_rows >= 1.0 { 1.0 } else { right_rows };
    }
    let overlaps = overlaps(left_rows, right_rows, keys);
    let domain = key_domain(keys, &overlaps);
    let present: f64 = keys
        .iter()
        .zip(&overlaps)
        .map(|(key, overlap)| {
            let [left_share, right_share] = overlap.share;
            left_share * drawn(key.right.distinct, right_rows) * right_share
        })
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
    let left_share = || semi_selectivity(left.rows, right.rows, keys) * partners;
    let right_share = || {
        let swapped: Vec<_> = keys
            .iter()
            .map(|key| JoinKey {
                left: key.right,
                right: key.left,
            })
            .collect();
        semi_selectivity(right.rows, left.rows, &swapped) * partners
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A column of whole numbers from `low` to `high`, in a table of this many rows.
    fn column(low: f64, high: f64, distinct: f64, table_rows: f64) -> ColumnEstimate {
        ColumnEstimate {
            low: Some(low),
            high: Some(high),
            table_rows,
            ..ColumnEstimate::computed(&DataType::Int32, distinct)
        }
    }

    fn check(found: f64, expected: f64) {
        assert!(
            (found / expected - 1.0).abs() < 0.05,
            "{found} instead of {expected}"
        );
    }

    #[test]
    fn days_of_two_centuries_meet_sales_of_five_years() {
        let day = column(2_415_022.0, 2_488_070.0, 73_049.0, 73_049.0);
        let sold = column(2_450_816.0, 2_452_642.0, 1_823.0, 2_880_404.0);
        let keys = [JoinKey {
            left: &sold,
            right: &day,
        }];
        let sales = sold.table_rows;
        // Every sale has a day.
        check(inner_rows(sales, day.table_rows, &keys), sales);
        // One year, which is one of the five; one weekday, of all years.
        check(inner_rows(sales, 365.0, &keys), sales / 5.0);
        check(semi_selectivity(sales, 365.0, &keys), 0.2);
        check(inner_rows(sales, 10_436.0, &keys), sales / 7.0);
    }

    #[test]
    fn equal_ranges_and_unknown_ones_are_as_before() {
        let part = column(1.0, 200_000.0, 200_000.0, 200_000.0);
        let line = column(1.0, 200_000.0, 200_000.0, 6_000_000.0);
        let keys = [JoinKey {
            left: &line,
            right: &part,
        }];
        check(inner_rows(6_000_000.0, 1_000.0, &keys), 30_000.0);
        let unknown = ColumnEstimate::computed(&DataType::Int32, 200_000.0);
        let keys = [JoinKey {
            left: &line,
            right: &unknown,
        }];
        check(inner_rows(6_000_000.0, 1_000.0, &keys), 30_000.0);
    }
}
