//! Values as text, into bytes: what `SqlType`'s text out gives, chosen once a column and without a `String` a value.
//!
//! Floating-point numbers differ in one thing: those that 15 digits do not tell apart (6 of REAL) get the digits that
//! do, so that what is loaded again is what was unloaded.

use crate::error::Result;
use arrow::array::{
    Array, ArrayRef, AsArray, BinaryViewArray, BooleanArray, Date32Array, Decimal128Array,
    Float32Array, Float64Array, Int16Array, Int32Array, Int64Array, StringViewArray,
    Time64MicrosecondArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
    Time64MicrosecondType, TimestampMicrosecondType,
};
use arrow_schema::{DataType, TimeUnit};
use blueshift_sql::SqlType;
use blueshift_sql::types::write_text;
use std::io::Write;

/// Microseconds of a second and a day.
const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// Casts a column to the form its type has in memory.
pub(super) fn canonical(array: &ArrayRef, ty: SqlType) -> Result<ArrayRef> {
    let wanted = ty.arrow();
    if *array.data_type() == wanted {
        return Ok(array.clone());
    }
    Ok(arrow::compute::cast(array, &wanted)?)
}

/// A column, in the form of [`canonical`].
pub(super) enum Cells<'a> {
    Bool(&'a BooleanArray),
    Int16(&'a Int16Array),
    Int32(&'a Int32Array),
    Int64(&'a Int64Array),
    Real(&'a Float32Array),
    Double(&'a Float64Array),
    Decimal(&'a Decimal128Array, usize),
    Text(&'a StringViewArray),
    /// JSON, whose null is not SQL's.
    Super(&'a StringViewArray),
    Bytes(&'a BinaryViewArray),
    Date(&'a Date32Array),
    Time(&'a Time64MicrosecondArray),
    /// Whether it has a zone.
    Timestamp(&'a TimestampMicrosecondArray, bool),
    Other(&'a dyn Array, SqlType),
}

impl<'a> Cells<'a> {
    pub(super) fn new(array: &'a dyn Array, ty: SqlType) -> Self {
        match array.data_type() {
            DataType::Boolean => Self::Bool(array.as_boolean()),
            DataType::Int16 => Self::Int16(array.as_primitive::<Int16Type>()),
            DataType::Int32 => Self::Int32(array.as_primitive::<Int32Type>()),
            DataType::Int64 => Self::Int64(array.as_primitive::<Int64Type>()),
            DataType::Float32 => Self::Real(array.as_primitive::<Float32Type>()),
            DataType::Float64 => Self::Double(array.as_primitive::<Float64Type>()),
            DataType::Decimal128(_, scale) if *scale >= 0 => {
                let scale = usize::from(scale.unsigned_abs());
                Self::Decimal(array.as_primitive::<Decimal128Type>(), scale)
            }
            DataType::Utf8View if ty == SqlType::Super => Self::Super(array.as_string_view()),
            DataType::Utf8View => Self::Text(array.as_string_view()),
            DataType::BinaryView => Self::Bytes(array.as_binary_view()),
            DataType::Date32 => Self::Date(array.as_primitive::<Date32Type>()),
            DataType::Time64(TimeUnit::Microsecond) => {
                Self::Time(array.as_primitive::<Time64MicrosecondType>())
            }
            DataType::Timestamp(TimeUnit::Microsecond, zone) => {
                let values = array.as_primitive::<TimestampMicrosecondType>();
                Self::Timestamp(values, zone.is_some())
            }
            _ => Self::Other(array, ty),
        }
    }

    /// Tells whether a row is null.
    #[inline]
    pub(super) fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Bool(array) => array.is_null(row),
            Self::Int16(array) => array.is_null(row),
            Self::Int32(array) => array.is_null(row),
            Self::Int64(array) => array.is_null(row),
            Self::Real(array) => array.is_null(row),
            Self::Double(array) => array.is_null(row),
            Self::Decimal(array, _) => array.is_null(row),
            Self::Text(array) | Self::Super(array) => array.is_null(row),
            Self::Bytes(array) => array.is_null(row),
            Self::Date(array) => array.is_null(row),
            Self::Time(array) => array.is_null(row),
            Self::Timestamp(array, _) => array.is_null(row),
            Self::Other(array, _) => array.is_null(row),
        }
    }

    /// Gives the text of a row, if it is one already.
    #[inline]
    pub(super) fn text(&self, row: usize) -> Option<&'a [u8]> {
        match self {
            Self::Text(array) | Self::Super(array) => Some(array.value(row).as_bytes()),
            _ => None,
        }
    }

    /// Appends the text of a row that is not null.
    #[inline]
    pub(super) fn write(&self, row: usize, out: &mut Vec<u8>) {
        match self {
            Self::Bool(array) => out.push(if array.value(row) { b't' } else { b'f' }),
            Self::Int16(array) => integer(array.value(row).into(), out),
            Self::Int32(array) => integer(array.value(row).into(), out),
            Self::Int64(array) => integer(array.value(row), out),
            Self::Real(array) => real(array.value(row), out),
            Self::Double(array) => double(array.value(row), out),
            Self::Decimal(array, scale) => decimal(array.value(row), *scale, out),
            Self::Text(array) | Self::Super(array) => {
                out.extend_from_slice(array.value(row).as_bytes());
            }
            Self::Bytes(array) => hex(array.value(row), out),
            Self::Date(array) => {
                if date(array.value(row).into(), out) {
                    out.extend_from_slice(b" BC");
                }
            }
            Self::Time(array) => time(array.value(row), out),
            Self::Timestamp(array, zone) => timestamp(array.value(row), *zone, out),
            Self::Other(array, ty) => {
                let mut text = String::new();
                write_text(*array, row, *ty, &mut text);
                out.extend_from_slice(text.as_bytes());
            }
        }
    }
}

/// `00` to `99`.
const PAIRS: &[u8; 200] = b"0001020304050607080910111213141516171819\
2021222324252627282930313233343536373839\
4041424344454647484950515253545556575859\
6061626364656667686970717273747576777879\
8081828384858687888990919293949596979899";

/// Appends two digits of a number below 100.
#[inline]
fn two(value: u64, out: &mut Vec<u8>) {
    let at = (value % 100) as usize * 2;
    out.extend_from_slice(&[PAIRS[at], PAIRS[at + 1]]);
}

#[inline]
fn integer(value: i64, out: &mut Vec<u8>) {
    if value < 0 {
        out.push(b'-');
    }
    natural(value.unsigned_abs(), 1, out);
}

/// Appends a number with so many digits at least.
#[inline]
fn natural(value: u64, digits_min: usize, out: &mut Vec<u8>) {
    let mut digits = [b'0'; 20];
    let mut at = digits.len();
    let mut rest = value;
    while rest >= 100 {
        at -= 2;
        let pair = (rest % 100) as usize * 2;
        digits[at] = PAIRS[pair];
        digits[at + 1] = PAIRS[pair + 1];
        rest /= 100;
    }
    if rest >= 10 {
        at -= 2;
        digits[at] = PAIRS[rest as usize * 2];
        digits[at + 1] = PAIRS[rest as usize * 2 + 1];
    } else if rest > 0 || value == 0 {
        at -= 1;
        digits[at] = b'0' + rest as u8;
    }
    let at = at.min(digits.len() - digits_min.min(digits.len()));
    out.extend_from_slice(&digits[at..]);
}

fn decimal(value: i128, scale: usize, out: &mut Vec<u8>) {
    if value < 0 {
        out.push(b'-');
    }
    let digits = value.unsigned_abs();
    if let (Ok(digits), Some(unit)) = (u64::try_from(digits), ten_to(scale)) {
        natural(digits / unit, 1, out);
        if scale > 0 {
            out.push(b'.');
            natural(digits % unit, scale, out);
        }
        return;
    }
    let text = digits.to_string();
    let text = format!("{text:0>width$}", width = scale + 1);
    let (whole, fraction) = text.as_bytes().split_at(text.len() - scale);
    out.extend_from_slice(whole);
    if scale > 0 {
        out.push(b'.');
        out.extend_from_slice(fraction);
    }
}

fn ten_to(power: usize) -> Option<u64> {
    10_u64.checked_pow(u32::try_from(power).ok()?)
}

fn real(value: f32, out: &mut Vec<u8>) {
    match odd_float(value.into()) {
        Some(text) => out.extend_from_slice(text),
        None => general(&format!("{value:e}"), 6, out),
    }
}

fn double(value: f64, out: &mut Vec<u8>) {
    match odd_float(value) {
        Some(text) => out.extend_from_slice(text),
        None => general(&format!("{value:e}"), 15, out),
    }
}

/// What has no digits, and zero.
fn odd_float(value: f64) -> Option<&'static [u8]> {
    Some(match value {
        _ if value.is_nan() => b"NaN",
        f64::INFINITY => b"Infinity",
        f64::NEG_INFINITY => b"-Infinity",
        _ if value == 0.0 && value.is_sign_negative() => b"-0",
        _ if value == 0.0 => b"0",
        _ => return None,
    })
}

/// Puts the shortest digits that are the number, as `1.25e-7`, in the form of C's `%.15g`: an exponent only when far from
/// 1, of two digits at least.
fn general(shortest: &str, digits: i32, out: &mut Vec<u8>) {
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((shortest, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => (&b"-"[..], rest),
        None => (&b""[..], mantissa),
    };
    out.extend_from_slice(sign);
    if !(-4..digits).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        out.extend_from_slice(mantissa.as_bytes());
        // Writing to a vector does not fail.
        let _ = write!(out, "e{sign}{:02}", exponent.abs());
        return;
    }
    let (first, rest) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    match usize::try_from(exponent) {
        Ok(places) => {
            out.extend_from_slice(first.as_bytes());
            let whole = rest.len().min(places);
            let (whole, fraction) = rest.as_bytes().split_at(whole);
            out.extend_from_slice(whole);
            out.extend(std::iter::repeat_n(b'0', places - whole.len()));
            if !fraction.is_empty() {
                out.push(b'.');
                out.extend_from_slice(fraction);
            }
        }
        Err(_) => {
            let zeros = usize::try_from(-1 - exponent).unwrap_or(0);
            out.extend_from_slice(b"0.");
            out.extend(std::iter::repeat_n(b'0', zeros));
            out.extend_from_slice(first.as_bytes());
            out.extend_from_slice(rest.as_bytes());
        }
    }
}

fn hex(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 15)]);
    }
}

/// Appends a day and tells whether ` BC` must follow. The calendar is the proleptic Gregorian one (Howard Hinnant's
/// algorithm).
fn date(days: i64, out: &mut Vec<u8>) -> bool {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let is_before_christ = year <= 0;
    let year = if is_before_christ { 1 - year } else { year };
    natural(year.unsigned_abs(), 4, out);
    out.push(b'-');
    two(month.unsigned_abs(), out);
    out.push(b'-');
    two(day.unsigned_abs(), out);
    is_before_christ
}

fn time(microseconds: i64, out: &mut Vec<u8>) {
    let seconds = microseconds.div_euclid(SECOND).unsigned_abs();
    natural(seconds / 3_600, 2, out);
    out.push(b':');
    two(seconds / 60 % 60, out);
    out.push(b':');
    two(seconds % 60, out);
    let fraction = microseconds.rem_euclid(SECOND).unsigned_abs();
    if fraction > 0 {
        out.push(b'.');
        natural(fraction, 6, out);
        while out.last() == Some(&b'0') {
            out.pop();
        }
    }
}

fn timestamp(microseconds: i64, has_zone: bool, out: &mut Vec<u8>) {
    let is_before_christ = date(microseconds.div_euclid(DAY), out);
    out.push(b' ');
    time(microseconds.rem_euclid(DAY), out);
    if is_before_christ {
        out.extend_from_slice(b" BC");
    }
    if has_zone {
        out.extend_from_slice(b"+00");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Decimal128Array, StringViewArray};
    use proptest::prelude::*;
    use std::sync::Arc;

    fn check(array: ArrayRef, ty: SqlType) {
        let cells = Cells::new(array.as_ref(), ty);
        for row in 0..array.len() {
            let (mut out, mut expected) = (Vec::new(), String::new());
            cells.write(row, &mut out);
            write_text(array.as_ref(), row, ty, &mut expected);
            assert_eq!(String::from_utf8_lossy(&out), expected, "{ty}");
        }
    }

    proptest! {
        #[test]
        fn texts_are_those_of_the_types(
            small in any::<i16>(), int in any::<i32>(), big in any::<i64>(),
            units in -10_i128.pow(38) + 1..10_i128.pow(38), scale in 0_i8..38,
            days in -1_000_000_i32..3_000_000, moment in -60_000_000_000_000_000_i64..250_000_000_000_000_000,
            clock in 0..DAY, is_whole in any::<bool>(),
        ) {
            check(Arc::new(Int16Array::from(vec![small, 0, 9, 10, 99, 100])), SqlType::SmallInt);
            check(Arc::new(Int32Array::from(vec![int, i32::MIN])), SqlType::Integer);
            check(Arc::new(Int64Array::from(vec![big, i64::MIN, i64::MAX])), SqlType::BigInt);
            let ty = SqlType::Decimal { precision: 38, scale };
            let few = units % 100_000;
            let array = Decimal128Array::from(vec![units, few, 0, -1]);
            check(Arc::new(array.with_precision_and_scale(38, scale).expect("a decimal")), ty);
            check(Arc::new(Date32Array::from(vec![days])), SqlType::Date);
            let second = if is_whole { 1_000_000 } else { 1 };
            let moment = moment / second * second;
            check(Arc::new(TimestampMicrosecondArray::from(vec![moment])), SqlType::Timestamp);
            check(Arc::new(Time64MicrosecondArray::from(vec![clock / second * second])), SqlType::Time);
        }

        #[test]
        fn floats_read_back(double in any::<f64>(), real in any::<f32>(), digits in 0_i64..1_000_000_000_000_000, power in -30..30) {
            let written = |write: &dyn Fn(&mut Vec<u8>)| {
                let mut out = Vec::new();
                write(&mut out);
                String::from_utf8_lossy(&out).into_owned()
            };
            let text = written(&|out| super::double(double, out));
            prop_assert!(double.is_nan() || text.parse() == Ok(double), "{}", text);
            let text = written(&|out| super::real(real, out));
            prop_assert!(real.is_nan() || text.parse() == Ok(real), "{}", text);
            // Numbers of 15 digits look as they always do.
            let double: f64 = format!("{digits}e{power}").parse().expect("a number");
            check(Arc::new(Float64Array::from(vec![double, -double])), SqlType::Double);
        }
    }

    #[test]
    fn texts_of_the_other_types() {
        check(
            Arc::new(BooleanArray::from(vec![true, false])),
            SqlType::Boolean,
        );
        check(
            Arc::new(Float64Array::from(vec![
                0.1,
                1e20,
                1e15,
                1e14,
                1e-5,
                0.0,
                -0.0,
                f64::NAN,
                f64::INFINITY,
            ])),
            SqlType::Double,
        );
        check(
            Arc::new(Float32Array::from(vec![0.1, 1e20, 1e6, 123_456.0, 1e-5])),
            SqlType::Real,
        );
        check(
            Arc::new(BinaryViewArray::from(vec![&b"\x00\xff"[..], b""])),
            SqlType::Varbyte(4),
        );
        check(
            Arc::new(StringViewArray::from(vec!["a|b"])),
            SqlType::Varchar(9),
        );
    }
}
