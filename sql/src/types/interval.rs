//! INTERVAL YEAR TO MONTH, kept as months, and INTERVAL DAY TO SECOND, kept as microseconds.
//!
//! A literal without a qualifier is of neither: it keeps months, days and a time apart, and becomes one of the two
//! where it meets a column. A day has 24 hours.

use arrow::array::{Array, ArrayRef, AsArray, IntervalMonthDayNanoArray};
use arrow::datatypes::{DurationMicrosecondType, IntervalMonthDayNano, IntervalYearMonthType};
use arrow_schema::{DataType, IntervalUnit, TimeUnit};
use std::sync::Arc;

/// Microseconds of a day.
pub const DAY: i64 = 86_400_000_000;
/// Days of a month, where a part of one is meant.
pub const MONTH_DAYS: i64 = 30;

/// The arrow type of INTERVAL YEAR TO MONTH.
pub const MONTHS: DataType = DataType::Interval(IntervalUnit::YearMonth);
/// The arrow type of INTERVAL DAY TO SECOND.
pub const MICROSECONDS: DataType = DataType::Duration(TimeUnit::Microsecond);
/// The arrow type of an interval without a qualifier.
pub const PARTS: DataType = DataType::Interval(IntervalUnit::MonthDayNano);

/// Gives microseconds as days and the rest, both of one sign.
pub fn of_microseconds(microseconds: i64) -> IntervalMonthDayNano {
    IntervalMonthDayNano {
        months: 0,
        days: i32::try_from(microseconds / DAY).unwrap_or(i32::MAX),
        nanoseconds: microseconds % DAY * 1_000,
    }
}

/// Gives an interval as microseconds; `None` if there are too many.
pub fn to_microseconds(parts: IntervalMonthDayNano) -> Option<i64> {
    let days = i64::from(parts.months) * MONTH_DAYS + i64::from(parts.days);
    days.checked_mul(DAY)?
        .checked_add(parts.nanoseconds / 1_000)
}

/// Gives an interval as months: what is less than one is cut off.
pub fn to_months(parts: IntervalMonthDayNano) -> i32 {
    parts.months
}

/// Gives intervals of either kind in parts; `None` if they are no intervals.
pub fn parts(array: &dyn Array) -> Option<ArrayRef> {
    let parts: IntervalMonthDayNanoArray = match array.data_type() {
        DataType::Interval(IntervalUnit::YearMonth) => {
            let months = array.as_primitive::<IntervalYearMonthType>().iter();
            let one = |months| IntervalMonthDayNano::new(months, 0, 0);
            months.map(|months| months.map(one)).collect()
        }
        DataType::Duration(TimeUnit::Microsecond) => {
            let values = array.as_primitive::<DurationMicrosecondType>().iter();
            values.map(|value| value.map(of_microseconds)).collect()
        }
        _ => return None,
    };
    Some(Arc::new(parts))
}

#[cfg(test)]
mod tests {
    use super::{DAY, of_microseconds, to_microseconds, to_months};
    use arrow::datatypes::IntervalMonthDayNano;

    #[test]
    fn parts_and_microseconds_are_the_same_span() {
        for value in [
            0,
            1,
            -1,
            DAY,
            -DAY - 5,
            25 * 3_600_000_000,
            i64::MAX,
            i64::MIN,
        ] {
            assert_eq!(to_microseconds(of_microseconds(value)), Some(value));
        }
        let month = IntervalMonthDayNano::new(1, 1, 0);
        assert_eq!(to_microseconds(month), Some(31 * DAY));
        assert_eq!(to_months(month), 1);
        assert_eq!(to_months(IntervalMonthDayNano::new(-13, -30, 0)), -13);
    }
}
