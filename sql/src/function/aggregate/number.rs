//! The numbers SUM and AVG take, the totals they keep, and how a total becomes a result.

use crate::error::Error;
use crate::function::adapter::failure;
use crate::sqlstate::SqlState;
use crate::types::SqlType;
use arrow::array::{ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray};
use arrow::datatypes::{
    Decimal128Type, DurationMicrosecondType, Float64Type, Int64Type, IntervalYearMonthType,
};
use arrow_schema::{DataType, IntervalUnit, TimeUnit};
use datafusion_common::{DataFusionError, Result, internal_datafusion_err};

/// Digits of the widest decimal; sums and averages of decimals have as many.
pub(super) const DIGITS_MAX: u8 = 38;

/// One more than the greatest value of 38 digits.
const DECIMAL_END: i128 = 10_i128.pow(DIGITS_MAX as u32);

/// Groups up to which totals of a batch are kept apart from the totals of all.
const FEW_GROUPS: usize = 64;
/// Neighbouring rows are often of one group: each adds to another place, so that none waits for the one before.
const LANES: usize = 4;

/// A type that sums are kept in.
pub(super) trait Total: ArrowPrimitiveType {
    /// Adds in place and tells whether it overflowed.
    fn add(total: &mut Self::Native, value: Self::Native) -> bool;
    /// Takes away in place and tells whether it overflowed.
    fn subtract(total: &mut Self::Native, value: Self::Native) -> bool;
    /// Tells whether a finished total is a value of the result type.
    fn fits(total: Self::Native) -> bool;
    /// Adds each value to the total of its group, and counts it there. `None` if it did nothing, as this pays only for
    /// small values of few groups; else whether a total overflowed. There is a count for each total.
    fn add_grouped(
        totals: &mut [Self::Native],
        counts: &mut [i64],
        groups: &[usize],
        values: impl Iterator<Item = Self::Native> + Clone,
    ) -> Option<bool> {
        let _ = (totals, counts, groups, values);
        None
    }
}

impl Total for Int64Type {
    #[inline]
    fn add(total: &mut i64, value: i64) -> bool {
        let (sum, overflow) = total.overflowing_add(value);
        *total = sum;
        overflow
    }

    fn subtract(total: &mut i64, value: i64) -> bool {
        let (rest, overflow) = total.overflowing_sub(value);
        *total = rest;
        overflow
    }

    fn fits(_total: i64) -> bool {
        true
    }
}

impl Total for DurationMicrosecondType {
    #[inline]
    fn add(total: &mut i64, value: i64) -> bool {
        Int64Type::add(total, value)
    }

    fn subtract(total: &mut i64, value: i64) -> bool {
        Int64Type::subtract(total, value)
    }

    fn fits(_total: i64) -> bool {
        true
    }
}

impl Total for IntervalYearMonthType {
    #[inline]
    fn add(total: &mut i32, value: i32) -> bool {
        let (sum, overflow) = total.overflowing_add(value);
        *total = sum;
        overflow
    }

    fn subtract(total: &mut i32, value: i32) -> bool {
        let (rest, overflow) = total.overflowing_sub(value);
        *total = rest;
        overflow
    }

    fn fits(_total: i32) -> bool {
        true
    }
}

impl Total for Decimal128Type {
    #[inline]
    fn add(total: &mut i128, value: i128) -> bool {
        let (sum, overflow) = total.overflowing_add(value);
        *total = sum;
        overflow
    }

    fn subtract(total: &mut i128, value: i128) -> bool {
        let (rest, overflow) = total.overflowing_sub(value);
        *total = rest;
        overflow
    }

    fn fits(total: i128) -> bool {
        (1 - DECIMAL_END..DECIMAL_END).contains(&total)
    }

    fn add_grouped(
        totals: &mut [i128],
        counts: &mut [i64],
        groups: &[usize],
        values: impl Iterator<Item = i128> + Clone,
    ) -> Option<bool> {
        if totals.len() > FEW_GROUPS || groups.len() < totals.len() {
            return None;
        }
        let all = values
            .clone()
            .fold(0, |all: i128, value| all | (value ^ (value >> 127)));
        // With its sign, the greatest sum of as many values as these.
        let value_bits = i128::BITS - all.leading_zeros() + 1;
        let rows_bits = usize::BITS - groups.len().leading_zeros();
        if value_bits + rows_bits >= i64::BITS {
            return None;
        }
        let mut sums = [[0_i64; LANES]; FEW_GROUPS];
        let mut rows = [[0_i64; LANES]; FEW_GROUPS];
        for (row, (group, value)) in groups.iter().zip(values).enumerate() {
            // All groups are below the number of them.
            let (group, lane) = (group % FEW_GROUPS, row % LANES);
            sums[group][lane] += value as i64;
            rows[group][lane] += 1;
        }
        let mut overflowed = false;
        let parts = sums.iter().zip(&rows);
        for ((total, count), (sums, rows)) in totals.iter_mut().zip(counts).zip(parts) {
            let sum: i128 = sums.iter().map(|sum| i128::from(*sum)).sum();
            overflowed |= Self::add(total, sum);
            *count += rows.iter().sum::<i64>();
        }
        Some(overflowed)
    }
}

impl Total for Float64Type {
    #[inline]
    fn add(total: &mut f64, value: f64) -> bool {
        *total += value;
        false
    }

    fn subtract(total: &mut f64, value: f64) -> bool {
        *total -= value;
        false
    }

    fn fits(_total: f64) -> bool {
        true
    }
}

/// The average of whole numbers, cut to a whole number.
pub(super) fn average_whole(total: i64, count: i64) -> i64 {
    total.checked_div(count).unwrap_or(0)
}

/// The average of months, cut to a whole month.
pub(super) fn average_months(total: i32, count: i64) -> i32 {
    let average = i64::from(total).checked_div(count).unwrap_or(0);
    i32::try_from(average).unwrap_or(0)
}

/// The average of BIGINTs, cut to a whole number; it lies between them, so it is a BIGINT.
pub(super) fn average_wide(total: i128, count: i64) -> i64 {
    let average = total.checked_div(i128::from(count)).unwrap_or(0);
    i64::try_from(average).unwrap_or(0)
}

/// The average of decimals, rounded half away from zero in the scale they have.
pub(super) fn average_decimal(total: i128, count: i64) -> i128 {
    let count = i128::from(count);
    let whole = total.checked_div(count).unwrap_or(0);
    let rest = total.checked_rem(count).unwrap_or(0).unsigned_abs();
    if rest.saturating_mul(2) >= count.unsigned_abs() && count != 0 {
        whole + total.signum()
    } else {
        whole
    }
}

/// The average of doubles.
#[expect(
    clippy::cast_precision_loss,
    reason = "an average of doubles is inexact"
)]
pub(super) fn average_double(total: f64, count: i64) -> f64 {
    total / count as f64
}

/// The type an argument is read as; `None` if it is no number.
pub(super) fn argument_type(ty: &DataType) -> Option<DataType> {
    Some(match ty {
        DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Float32
        | DataType::Float64
        | DataType::Decimal128(_, _)
        | DataType::Interval(IntervalUnit::YearMonth)
        | DataType::Duration(TimeUnit::Microsecond) => ty.clone(),
        DataType::Null | DataType::Int8 | DataType::UInt8 | DataType::UInt16 | DataType::UInt32 => {
            DataType::Int64
        }
        DataType::UInt64 => DataType::Decimal128(20, 0),
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            DataType::Decimal128(*precision, *scale)
        }
        DataType::Decimal256(_, scale) => DataType::Decimal128(DIGITS_MAX, *scale),
        _ => return None,
    })
}

/// Says that a total is too large for its type.
pub(super) fn overflow(ty: &DataType) -> DataFusionError {
    let message = match ty {
        DataType::Decimal128(_, _) => "Numeric data overflow (result precision)",
        DataType::Interval(_) | DataType::Duration(_) => "interval out of range",
        _ => "bigint out of range",
    };
    failure(
        Error::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, message)
            .with_hint("Cast the argument to a type of more digits"),
    )
}

/// Says that a function takes numbers only.
pub(super) fn not_numbers(name: &str, ty: Option<&DataType>) -> DataFusionError {
    let shown = ty.map_or("", |ty| SqlType::from_arrow(ty).short_name());
    failure(
        Error::new(
            SqlState::UNDEFINED_FUNCTION,
            format!("function {name}({shown}) does not exist"),
        )
        .with_hint("Cast the argument to a number"),
    )
}

/// The argument as an array of its type.
pub(super) fn column<T: ArrowPrimitiveType>(values: &[ArrayRef]) -> Result<&PrimitiveArray<T>> {
    values
        .first()
        .and_then(|array| array.as_primitive_opt::<T>())
        .ok_or_else(|| internal_datafusion_err!("an aggregate met values of another type"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn averages_of_decimals_round_half_away_from_zero() {
        let cases = [
            (10, 4, 3),
            (-10, 4, -3),
            (9, 4, 2),
            (-9, 4, -2),
            (0, 3, 0),
            (5, 1, 5),
        ];
        for (total, count, average) in cases {
            assert_eq!(average_decimal(total, count), average, "{total} / {count}");
        }
    }

    #[test]
    fn totals_of_few_groups_are_those_of_one_value_after_the_other() {
        let groups: Vec<usize> = (0..1_000).map(|row| row * row % 5).collect();
        let of = |greatest: i128| {
            let values: Vec<i128> = (0..1_000).map(|row| greatest - row * 7_919).collect();
            let (mut totals, mut counts) = (vec![1; 6], vec![2; 6]);
            let values = values.iter().copied();
            let done =
                Decimal128Type::add_grouped(&mut totals, &mut counts, &groups, values.clone());
            let (mut wanted, mut wanted_counts) = (vec![1; 6], vec![2; 6]);
            for (group, value) in groups.iter().zip(values) {
                wanted[*group] += value;
                wanted_counts[*group] += 1;
            }
            if done.is_some() {
                assert_eq!((totals, counts), (wanted, wanted_counts));
            }
            done
        };
        assert_eq!(of(-5), Some(false));
        assert_eq!(of((1 << 50) - 1), Some(false));
        assert_eq!(of(1 << 60), None);
        let (mut totals, mut counts) = ([i128::MAX], [0]);
        let done = Decimal128Type::add_grouped(&mut totals, &mut counts, &[0], [1].into_iter());
        assert_eq!(done, Some(true));
    }

    #[test]
    fn averages_of_whole_numbers_are_cut() {
        assert_eq!(average_whole(3, 2), 1);
        assert_eq!(average_whole(-3, 2), -1);
        assert_eq!(average_wide(i128::from(i64::MAX) * 3, 3), i64::MAX);
    }
}
