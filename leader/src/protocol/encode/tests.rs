//! Each type against the bytes PostgreSQL writes.

use super::*;
use crate::settings::style::{DateStyle, Zone};
use arrow::array::{Int8Array, LargeStringArray, NullArray, TimestampNanosecondArray, UInt64Array};
use arrow::datatypes::IntervalMonthDayNano;
use blueshift_sql::SqlType;
use blueshift_sql::types::date_order::DateOrder;
use chrono_tz::Tz;
use std::sync::Arc;

/// Encodes one value and gives the bytes of its cell.
fn cell(ty: SqlType, array: ArrayRef, binary: bool, style: TextStyle) -> Option<Vec<u8>> {
    let column = OutputColumn {
        name: "c".into(),
        ty,
        arrow: array.data_type().clone(),
    };
    let batch = RecordBatch::try_from_iter([("c", array)]).unwrap();
    let chunks = Encoder::new(&[column], &[binary], style)
        .encode(&batch)
        .unwrap();
    assert_eq!(chunks.len(), 1);
    let bytes = &chunks[0].bytes;
    assert_eq!(bytes[0], b'D');
    assert_eq!(
        u32::from_be_bytes(bytes[1..5].try_into().unwrap()) as usize,
        bytes.len() - 1
    );
    assert_eq!(&bytes[5..7], &[0, 1]);
    assert_eq!(chunks[0].row_ends, [bytes.len() as u32]);
    let length = i32::from_be_bytes(bytes[7..11].try_into().unwrap());
    (length >= 0).then(|| {
        assert_eq!(bytes.len() - 11, length as usize);
        bytes[11..].to_vec()
    })
}

fn check(ty: SqlType, array: impl Array + 'static, text: &str, binary: &[u8]) {
    let array: ArrayRef = Arc::new(array);
    let written = cell(ty, array.clone(), false, TextStyle::default()).unwrap();
    assert_eq!(String::from_utf8(written).unwrap(), text);
    assert_eq!(
        cell(ty, array, true, TextStyle::default()).unwrap(),
        binary,
        "{text}"
    );
}

fn decimal(value: i128, precision: u8, scale: i8) -> Decimal128Array {
    Decimal128Array::from(vec![value])
        .with_precision_and_scale(precision, scale)
        .unwrap()
}

#[test]
fn integers_and_booleans() {
    check(SqlType::Boolean, BooleanArray::from(vec![true]), "t", &[1]);
    check(SqlType::Boolean, BooleanArray::from(vec![false]), "f", &[0]);
    check(
        SqlType::SmallInt,
        Int16Array::from(vec![-2]),
        "-2",
        &[0xff, 0xfe],
    );
    check(
        SqlType::Integer,
        Int32Array::from(vec![258]),
        "258",
        &[0, 0, 1, 2],
    );
    check(
        SqlType::Integer,
        Int64Array::from(vec![258]),
        "258",
        &[0, 0, 1, 2],
    );
    check(
        SqlType::BigInt,
        Int64Array::from(vec![i64::MIN]),
        "-9223372036854775808",
        &[0x80, 0, 0, 0, 0, 0, 0, 0],
    );
    check(
        SqlType::Oid,
        Int64Array::from(vec![100_001]),
        "100001",
        &[0, 1, 0x86, 0xa1],
    );
    check(
        SqlType::Unknown,
        UInt64Array::from(vec![7]),
        "7",
        &[0, 0, 0, 0, 0, 0, 0, 7],
    );
    check(
        SqlType::Unknown,
        Int8Array::from(vec![-1]),
        "-1",
        &[0xff, 0xff],
    );
}

#[test]
fn floats_have_the_fewest_digits() {
    let text = |value: f64| {
        String::from_utf8(
            cell(
                SqlType::Double,
                Arc::new(Float64Array::from(vec![value])),
                false,
                TextStyle {
                    extra_float_digits: 1,
                    ..TextStyle::default()
                },
            )
            .unwrap(),
        )
        .unwrap()
    };
    for (value, expected) in [
        (0.0, "0"),
        (-0.0, "-0"),
        (1.0, "1"),
        (0.1, "0.1"),
        (-1.5, "-1.5"),
        (100.0, "100"),
        (123_456.789, "123456.789"),
        (1e14, "100000000000000"),
        (1e15, "1e+15"),
        (1.5e300, "1.5e+300"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (1.25e-7, "1.25e-07"),
        (1.0 / 3.0, "0.3333333333333333"),
        (f64::NAN, "NaN"),
        (f64::NEG_INFINITY, "-Infinity"),
        (123_456_789_012_345_680.0, "1.2345678901234568e+17"),
    ] {
        assert_eq!(text(value), expected);
    }
    check(
        SqlType::Real,
        Float32Array::from(vec![0.1]),
        "0.1",
        &[0x3d, 0xcc, 0xcc, 0xcd],
    );
    check(
        SqlType::Real,
        Float32Array::from(vec![1e6]),
        "1e+06",
        &[0x49, 0x74, 0x24, 0],
    );
    check(
        SqlType::Double,
        Float64Array::from(vec![1.5]),
        "1.5",
        &[0x3f, 0xf8, 0, 0, 0, 0, 0, 0],
    );
}

#[test]
fn decimals_in_text_and_base_10000() {
    let ty = |precision, scale| SqlType::Decimal { precision, scale };
    check(
        ty(12, 2),
        decimal(1_234_567, 12, 2),
        "12345.67",
        &[0, 3, 0, 1, 0, 0, 0, 2, 0, 1, 9, 41, 26, 44],
    );
    check(
        ty(12, 2),
        decimal(-5, 12, 2),
        "-0.05",
        &[0, 1, 255, 255, 64, 0, 0, 2, 1, 244],
    );
    check(
        ty(12, 0),
        decimal(10_000, 12, 0),
        "10000",
        &[0, 1, 0, 1, 0, 0, 0, 0, 0, 1],
    );
    check(
        ty(12, 2),
        decimal(0, 12, 2),
        "0.00",
        &[0, 0, 0, 0, 0, 0, 0, 2],
    );
    check(
        ty(12, 6),
        decimal(1, 12, 6),
        "0.000001",
        &[0, 1, 255, 254, 0, 0, 0, 6, 0, 100],
    );
    check(
        ty(38, 0),
        decimal(99_999_999_999_999_999_999_999_999_999_999_999_999, 38, 0),
        "99999999999999999999999999999999999999",
        &[
            0, 10, 0, 9, 0, 0, 0, 0, 0, 99, 39, 15, 39, 15, 39, 15, 39, 15, 39, 15, 39, 15, 39, 15,
            39, 15, 39, 15,
        ],
    );
}

#[test]
fn text_and_bytes() {
    check(
        SqlType::Varchar(9),
        StringViewArray::from(vec!["häßlich"]),
        "häßlich",
        "häßlich".as_bytes(),
    );
    check(SqlType::Varchar(9), StringArray::from(vec!["a"]), "a", b"a");
    check(
        SqlType::Varchar(9),
        LargeStringArray::from(vec!["a"]),
        "a",
        b"a",
    );
    check(
        SqlType::Char(3),
        StringViewArray::from(vec!["a"]),
        "a  ",
        b"a  ",
    );
    check(
        SqlType::Char(3),
        StringViewArray::from(vec!["abc"]),
        "abc",
        b"abc",
    );
    check(
        SqlType::Super,
        StringViewArray::from(vec!["[1]"]),
        "[1]",
        b"[1]",
    );
    check(
        SqlType::Varbyte(3),
        BinaryViewArray::from(vec![&b"a\xff"[..]]),
        "61ff",
        b"a\xff",
    );
    check(
        SqlType::Unknown,
        Int32Array::from(vec![5]),
        "5",
        &[0, 0, 0, 5],
    );
    assert_eq!(
        cell(
            SqlType::Unknown,
            Arc::new(NullArray::new(1)),
            false,
            TextStyle::default()
        ),
        None
    );
    assert_eq!(
        cell(
            SqlType::Integer,
            Arc::new(Int32Array::from(vec![None])),
            true,
            TextStyle::default()
        ),
        None
    );
}

#[test]
fn dates_and_times() {
    let timestamp = |value| TimestampMicrosecondArray::from(vec![value]);
    check(
        SqlType::Date,
        Date32Array::from(vec![10_957]),
        "2000-01-01",
        &[0, 0, 0, 0],
    );
    check(
        SqlType::Date,
        Date32Array::from(vec![-1]),
        "1969-12-31",
        &[255, 255, 213, 50],
    );
    check(
        SqlType::Date,
        Date32Array::from(vec![19_782]),
        "2024-02-29",
        &[0, 0, 34, 121],
    );
    check(
        SqlType::Date,
        Date32Array::from(vec![-719_529]),
        "0002-12-31 BC",
        &[255, 244, 218, 138],
    );
    check(
        SqlType::Time,
        Time64MicrosecondArray::from(vec![45_296_500_000]),
        "12:34:56.5",
        &45_296_500_000_i64.to_be_bytes(),
    );
    check(
        SqlType::Timestamp,
        timestamp(EPOCH + 1),
        "2000-01-01 00:00:00.000001",
        &[0, 0, 0, 0, 0, 0, 0, 1],
    );
    check(
        SqlType::Timestamp,
        timestamp(-1),
        "1969-12-31 23:59:59.999999",
        &(-EPOCH - 1).to_be_bytes(),
    );
    check(
        SqlType::Unknown,
        TimestampNanosecondArray::from(vec![EPOCH * 1_000]),
        "2000-01-01 00:00:00",
        &[0; 8],
    );
    check(
        SqlType::TimestampTz,
        timestamp(EPOCH).with_timezone("UTC"),
        "2000-01-01 00:00:00+00",
        &[0; 8],
    );
    let zoned = |zone| {
        let style = TextStyle {
            zone: Zone::Named(zone),
            ..TextStyle::default()
        };
        let array: ArrayRef = Arc::new(timestamp(EPOCH).with_timezone("UTC"));
        String::from_utf8(cell(SqlType::TimestampTz, array, false, style).unwrap()).unwrap()
    };
    assert_eq!(zoned(Tz::America__New_York), "1999-12-31 19:00:00-05");
    assert_eq!(zoned(Tz::Asia__Kolkata), "2000-01-01 05:30:00+05:30");
    let interval = IntervalMonthDayNano {
        months: 14,
        days: 3,
        nanoseconds: 14_706_000_000_000,
    };
    check(
        SqlType::Unknown,
        IntervalMonthDayNanoArray::from(vec![interval]),
        "1 year 2 mons 3 days 04:05:06",
        &[0, 0, 0, 3, 108, 139, 192, 128, 0, 0, 0, 3, 0, 0, 0, 14],
    );
}

/// Microseconds from 1970 to 2000.
const EPOCH: i64 = 946_684_800_000_000;

#[test]
fn chunks_hold_whole_rows() {
    let text = "x".repeat(1_000);
    let array: ArrayRef = Arc::new(StringArray::from(vec![text.as_str(); 500]));
    let column = OutputColumn {
        name: "c".into(),
        ty: SqlType::Unknown,
        arrow: DataType::Utf8,
    };
    let batch = RecordBatch::try_from_iter([("c", array)]).unwrap();
    let chunks = Encoder::new(&[column], &[], TextStyle::default())
        .encode(&batch)
        .unwrap();
    assert!(chunks.len() > 5);
    assert_eq!(
        chunks
            .iter()
            .map(|chunk| chunk.row_ends.len())
            .sum::<usize>(),
        500
    );
    assert!(
        chunks
            .iter()
            .all(|chunk| chunk.row_ends.last() == Some(&(chunk.bytes.len() as u32)))
    );
}

#[test]
fn dates_follow_the_style() {
    let instant = EPOCH + 45_296_500_000;
    let check = |date, order, expected: [&str; 3]| {
        let style = TextStyle {
            date,
            order,
            zone: Zone::Named(Tz::Europe__Berlin),
            ..TextStyle::default()
        };
        let text = |ty, array: ArrayRef| {
            String::from_utf8(cell(ty, array, false, style).unwrap()).unwrap()
        };
        let moment = TimestampMicrosecondArray::from(vec![instant]);
        let day = Arc::new(Date32Array::from(vec![11_016]));
        assert_eq!(text(SqlType::Date, day), expected[0]);
        let zoned = Arc::new(moment.clone().with_timezone("UTC"));
        assert_eq!(text(SqlType::Timestamp, Arc::new(moment)), expected[1]);
        assert_eq!(text(SqlType::TimestampTz, zoned), expected[2]);
    };
    check(
        DateStyle::Iso,
        DateOrder::Dmy,
        [
            "2000-02-29",
            "2000-01-01 12:34:56.5",
            "2000-01-01 13:34:56.5+01",
        ],
    );
    check(
        DateStyle::Sql,
        DateOrder::Mdy,
        [
            "02/29/2000",
            "01/01/2000 12:34:56.5",
            "01/01/2000 13:34:56.5 CET",
        ],
    );
    check(
        DateStyle::Sql,
        DateOrder::Dmy,
        [
            "29/02/2000",
            "01/01/2000 12:34:56.5",
            "01/01/2000 13:34:56.5 CET",
        ],
    );
    check(
        DateStyle::German,
        DateOrder::Mdy,
        [
            "29.02.2000",
            "01.01.2000 12:34:56.5",
            "01.01.2000 13:34:56.5 CET",
        ],
    );
    check(
        DateStyle::Postgres,
        DateOrder::Mdy,
        [
            "02-29-2000",
            "Sat Jan 01 12:34:56.5 2000",
            "Sat Jan 01 13:34:56.5 2000 CET",
        ],
    );
}

#[test]
fn floats_have_the_digits_asked_for() {
    let check = |value: f64, extra_float_digits, expected: &str| {
        let style = TextStyle {
            extra_float_digits,
            ..TextStyle::default()
        };
        let array = Arc::new(Float64Array::from(vec![value]));
        let text = cell(SqlType::Double, array, false, style).unwrap();
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    };
    check(0.1 + 0.2, 0, "0.3");
    check(0.1 + 0.2, 2, "0.30000000000000004");
    check(2.0 / 3.0, 0, "0.666666666666667");
    check(2.0 / 3.0, -12, "0.667");
    check(2.0 / 3.0, -15, "0.7");
    check(123_456.7, -12, "1.23e+05");
    check(1e300, 0, "1e+300");
    check(9_007_199_254_740_993.0, 0, "9.00719925474099e+15");
    check(-0.0, 0, "-0");
}

#[test]
fn bytes_of_any_length_have_it_before_them() {
    let value: Vec<u8> = (1..=70).collect();
    for length in 0..=value.len() {
        let mut out = vec![7];
        bytes(&value[..length], &mut out).unwrap();
        let length_bytes = (length as u32).to_be_bytes();
        let expected = [&[7], &length_bytes[..], &value[..length]].concat();
        assert_eq!(out, expected, "{length} bytes");
    }
}
