//! INSERT of constants that need no expression to become what the table stores: rows gathered column by column.
//!
//! Applications send rows one by one, and most of them are a number for a number and a text for a text. A value is
//! taken here only if it means the same in every way of binding; whatever else it is, or whatever is wrong with it,
//! is left to `literal`, and what that leaves to the general way.

use super::literal::{DIGITS_MAX, literal};
use crate::statement::dml::{Insert, InsertSource};
use crate::statement::query::Expression;
use crate::types::SqlType;
use arrow::array::{
    ArrayRef, BooleanBuilder, Date32Builder, Decimal128Builder, Float32Builder, Float64Builder,
    Int16Builder, Int32Builder, Int64Builder, StringViewBuilder, Time64MicrosecondBuilder,
    TimestampMicrosecondBuilder,
};
use chrono::{NaiveDate, NaiveTime};
use datafusion_common::ScalarValue;
use sqlparser::ast::{self, UnaryOperator, Value};
use std::sync::Arc;

/// A column of the table to insert into.
#[derive(Clone, Copy, Debug)]
pub struct ConstantTarget<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its type.
    pub ty: SqlType,
    /// Its DEFAULT, as written.
    pub default: Option<&'a str>,
    /// Whether null may be stored.
    pub is_nullable: bool,
    /// Whether the writer gives its values: an IDENTITY, which no statement gives then.
    pub is_numbered: bool,
}

/// Rows of one table, gathered from any number of statements.
pub struct ConstantRows {
    columns: Vec<Column>,
    /// As long as `columns`.
    values: Vec<Values>,
    rows: usize,
    bytes: usize,
}

struct Column {
    name: String,
    ty: SqlType,
    is_nullable: bool,
    is_numbered: bool,
    /// `None` if it is more than a constant.
    default: Option<ScalarValue>,
}

/// The values of a column so far.
enum Values {
    Boolean(BooleanBuilder),
    SmallInt(Int16Builder),
    Integer(Int32Builder),
    BigInt(Int64Builder),
    Decimal(Decimal128Builder),
    Real(Float32Builder),
    Double(Float64Builder),
    Text(StringViewBuilder),
    Date(Date32Builder),
    Time(Time64MicrosecondBuilder),
    Timestamp(TimestampMicrosecondBuilder),
}

/// A constant: as it was written or bound, and as its column stores it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Constant<'a> {
    Null,
    Boolean(bool),
    Integer(i64),
    /// With the digits after the point.
    Decimal(i128, i8),
    Real(f32),
    Double(f64),
    Text(&'a str),
    Date(i32),
    Time(i64),
    Timestamp(i64),
}

/// Rows of one statement at most: with more, it is faster to compute whole columns.
const STATEMENT_ROWS_MAX: usize = 64;

/// Bytes of text of one statement at most: the rows gathered stay few.
const STATEMENT_TEXT_BYTES_MAX: usize = 16 << 10;

impl ConstantRows {
    /// Begins without rows; `None` if a column has a type whose values are never plain.
    pub fn new<'a>(targets: impl Iterator<Item = ConstantTarget<'a>>) -> Option<Self> {
        let mut values = Vec::new();
        let columns = targets.map(|target| {
            values.push(Values::new(target.ty)?);
            Some(Column {
                name: target.name.to_owned(),
                ty: target.ty,
                is_nullable: target.is_nullable || target.is_numbered,
                is_numbered: target.is_numbered,
                default: match target.default {
                    _ if target.is_numbered => Some(ScalarValue::Null),
                    None => Some(ScalarValue::Null),
                    Some(text) => literal(&Expression::parse(text).ok()?.tree, &[]),
                },
            })
        });
        Some(Self {
            columns: columns.collect::<Option<_>>()?,
            values,
            rows: 0,
            bytes: 0,
        })
    }

    /// Tells whether a statement is few enough rows of VALUES.
    pub fn may_take(insert: &Insert) -> bool {
        matches!(&insert.source, InsertSource::Values(rows) if rows.len() <= STATEMENT_ROWS_MAX)
    }

    /// Counts the rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Gives about the bytes of the rows in memory.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds the rows of a statement, and gives their count; `None`, and no row is added, if they are not as plain as
    /// this takes them.
    pub fn push(&mut self, insert: &Insert, parameters: &[ScalarValue]) -> Option<usize> {
        let rows = match &insert.source {
            InsertSource::Values(rows) if Self::may_take(insert) => rows,
            _ => return None,
        };
        let width = rows.first()?.len();
        if rows.iter().any(|row| row.len() != width) {
            return None;
        }
        let places = self.places(insert, width)?;
        let mut numbered = self.columns.iter().zip(&places);
        if numbered.any(|(column, place)| column.is_numbered && place.is_some()) {
            return None;
        }
        let mut texts = 0;
        let mut stored = Vec::with_capacity(rows.len() * places.len());
        for row in rows {
            for (column, place) in self.columns.iter().zip(&places) {
                let value = match place.and_then(|place| row.get(place)?.as_ref()) {
                    Some(cell) => written(&cell.tree, parameters)?,
                    None => bound(column.default.as_ref()?)?,
                };
                if let Constant::Text(text) = value {
                    texts += text.len();
                }
                stored.push(column.stored(value)?);
            }
        }
        if texts > STATEMENT_TEXT_BYTES_MAX {
            return None;
        }
        for row in stored.chunks(places.len().max(1)) {
            for (values, value) in self.values.iter_mut().zip(row) {
                self.bytes += values.push(*value);
            }
        }
        self.rows += rows.len();
        Some(rows.len())
    }

    /// Gives for each column of the table which value of a row it takes.
    fn places(&self, insert: &Insert, width: usize) -> Option<Vec<Option<usize>>> {
        let count = self.columns.len();
        if insert.columns.is_empty() {
            let place = |column: usize| (column < width).then_some(column);
            return (width <= count).then(|| (0..count).map(place).collect());
        }
        let mut places = vec![None; count];
        for (place, name) in insert.columns.iter().enumerate() {
            let column = self
                .columns
                .iter()
                .position(|column| column.name == *name)?;
            if places.get_mut(column)?.replace(place).is_some() {
                return None;
            }
        }
        let is_right = width == insert.columns.len();
        is_right.then_some(places)
    }

    /// Gives the columns of all rows, in table order and of the table's types, and begins anew.
    pub fn finish(&mut self) -> Vec<ArrayRef> {
        (self.rows, self.bytes) = (0, 0);
        self.values.iter_mut().map(Values::finish).collect()
    }
}

impl Column {
    /// Converts a value as an assignment does, if that is plain and the value is right.
    fn stored<'a>(&self, value: Constant<'a>) -> Option<Constant<'a>> {
        Some(match (self.ty, value) {
            (_, Constant::Null) => return self.is_nullable.then_some(value),
            (SqlType::SmallInt, Constant::Integer(number)) => {
                return i16::try_from(number).is_ok().then_some(value);
            }
            (SqlType::Integer, Constant::Integer(number)) => {
                return i32::try_from(number).is_ok().then_some(value);
            }
            (SqlType::Decimal { precision, scale }, Constant::Integer(number)) => {
                decimal(i128::from(number), 0, precision, scale)?
            }
            (SqlType::Decimal { precision, scale }, Constant::Decimal(number, own)) => {
                decimal(number, own, precision, scale)?
            }
            (SqlType::Double, Constant::Integer(number)) => Constant::Double(number as f64),
            (SqlType::Varchar(length), Constant::Text(text)) => {
                return (text.len() <= length as usize).then_some(value);
            }
            (SqlType::Char(length), Constant::Text(text)) => {
                let is_plain =
                    text.len() <= length as usize && !text.ends_with(' ') && text.is_ascii();
                return is_plain.then_some(value);
            }
            (SqlType::Date, Constant::Text(text)) => Constant::Date(date(text)?),
            (SqlType::Timestamp, Constant::Text(text)) => Constant::Timestamp(timestamp(text)?),
            (SqlType::Boolean, Constant::Boolean(_))
            | (SqlType::BigInt, Constant::Integer(_))
            | (SqlType::Real, Constant::Real(_))
            | (SqlType::Double, Constant::Double(_))
            | (SqlType::Date, Constant::Date(_))
            | (SqlType::Time, Constant::Time(_))
            | (SqlType::Timestamp, Constant::Timestamp(_)) => value,
            _ => return None,
        })
    }
}

/// Gives a number the scale of its column, rounded half away from zero; `None` if it has too many digits.
fn decimal<'a>(value: i128, own: i8, precision: u8, scale: i8) -> Option<Constant<'a>> {
    let power = |digits: i8| 10_i128.checked_pow(u32::try_from(digits).ok()?);
    let value = match own <= scale {
        true => value.checked_mul(power(scale.checked_sub(own)?)?)?,
        false => {
            let unit = power(own.checked_sub(scale)?)?;
            let (whole, rest) = (value / unit, value % unit);
            whole + i128::from(rest >= unit / 2) - i128::from(rest <= -(unit / 2))
        }
    };
    let limit = 10_i128.checked_pow(u32::from(precision))?;
    (-limit < value && value < limit).then_some(Constant::Decimal(value, scale))
}

/// Reads a constant as the engine does: numbers without a point as BIGINT, with one as DECIMAL.
fn written<'a>(tree: &'a ast::Expr, parameters: &'a [ScalarValue]) -> Option<Constant<'a>> {
    match tree {
        ast::Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => number(digits),
            Value::SingleQuotedString(text) => Some(Constant::Text(text)),
            Value::Boolean(value) => Some(Constant::Boolean(*value)),
            Value::Null => Some(Constant::Null),
            Value::Placeholder(name) => {
                let number: usize = name.strip_prefix('$')?.parse().ok()?;
                bound(parameters.get(number.checked_sub(1)?)?)
            }
            _ => None,
        },
        ast::Expr::UnaryOp {
            op: UnaryOperator::Minus,
            expr,
        } => match (expr.as_ref(), written(expr, &[])?) {
            (ast::Expr::Value(_), Constant::Integer(value)) => Some(Constant::Integer(-value)),
            (ast::Expr::Value(_), Constant::Decimal(value, scale)) => {
                Some(Constant::Decimal(-value, scale))
            }
            _ => None,
        },
        _ => None,
    }
}

fn number<'a>(text: &str) -> Option<Constant<'a>> {
    let is_plain = |byte: u8| byte.is_ascii_digit() || byte == b'.';
    if !text.bytes().all(is_plain) {
        return None;
    }
    let Some((_, fraction)) = text.split_once('.') else {
        return text.parse().ok().map(Constant::Integer);
    };
    if text.len() > DIGITS_MAX {
        return None;
    }
    let mut value = 0_i128;
    for digit in text.bytes().filter(u8::is_ascii_digit) {
        value = value * 10 + i128::from(digit - b'0');
    }
    Some(Constant::Decimal(value, fraction.len() as i8))
}

/// Reads a bound parameter or a DEFAULT.
fn bound(value: &ScalarValue) -> Option<Constant<'_>> {
    Some(match value {
        value if value.is_null() => Constant::Null,
        ScalarValue::Boolean(Some(value)) => Constant::Boolean(*value),
        ScalarValue::Int16(Some(value)) => Constant::Integer(i64::from(*value)),
        ScalarValue::Int32(Some(value)) => Constant::Integer(i64::from(*value)),
        ScalarValue::Int64(Some(value)) => Constant::Integer(*value),
        ScalarValue::Decimal128(Some(value), _, scale) => Constant::Decimal(*value, *scale),
        ScalarValue::Float32(Some(value)) => Constant::Real(*value),
        ScalarValue::Float64(Some(value)) => Constant::Double(*value),
        ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)) => Constant::Text(text),
        ScalarValue::Date32(Some(value)) => Constant::Date(*value),
        ScalarValue::Time64Microsecond(Some(value)) => Constant::Time(*value),
        ScalarValue::TimestampMicrosecond(Some(value), None) => Constant::Timestamp(*value),
        _ => return None,
    })
}

/// Reads `2024-12-31`, and nothing else.
fn date(text: &str) -> Option<i32> {
    let (Some((year, rest)), 10) = (text.split_once('-'), text.len()) else {
        return None;
    };
    let (month, day) = rest.split_once('-')?;
    let (year, month, day) = (digits(year, 4)?, digits(month, 2)?, digits(day, 2)?);
    let date = NaiveDate::from_ymd_opt(
        i32::try_from(year).ok().filter(|year| *year > 0)?,
        month,
        day,
    )?;
    i32::try_from(date.signed_duration_since(NaiveDate::default()).num_days()).ok()
}

/// Reads `2024-12-31 23:59:59`, with a fraction of up to six digits, and nothing else.
fn timestamp(text: &str) -> Option<i64> {
    let (day, clock) = text.split_once(' ')?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let (hour, rest) = clock.split_once(':')?;
    let (minute, second) = rest.split_once(':')?;
    let (hour, minute, second) = (digits(hour, 2)?, digits(minute, 2)?, digits(second, 2)?);
    let places = u32::try_from(fraction.len())
        .ok()
        .filter(|places| (1..=6).contains(places))?;
    let micros = digits(fraction, fraction.len())? * 10_u32.pow(6 - places);
    let time = NaiveTime::from_hms_micro_opt(hour, minute, second, micros)?;
    let micros = time
        .signed_duration_since(NaiveTime::MIN)
        .num_microseconds()?;
    Some(i64::from(date(day)?) * 86_400_000_000 + micros)
}

fn digits(text: &str, count: usize) -> Option<u32> {
    let is_plain = text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_plain)
}

impl Values {
    fn new(ty: SqlType) -> Option<Self> {
        Some(match ty {
            SqlType::Boolean => Self::Boolean(BooleanBuilder::new()),
            SqlType::SmallInt => Self::SmallInt(Int16Builder::new()),
            SqlType::Integer => Self::Integer(Int32Builder::new()),
            SqlType::BigInt => Self::BigInt(Int64Builder::new()),
            SqlType::Decimal { precision, scale } => Self::Decimal(
                Decimal128Builder::new()
                    .with_precision_and_scale(precision, scale)
                    .ok()?,
            ),
            SqlType::Real => Self::Real(Float32Builder::new()),
            SqlType::Double => Self::Double(Float64Builder::new()),
            SqlType::Char(_) | SqlType::Varchar(_) => Self::Text(StringViewBuilder::new()),
            SqlType::Date => Self::Date(Date32Builder::new()),
            SqlType::Time => Self::Time(Time64MicrosecondBuilder::new()),
            SqlType::Timestamp => Self::Timestamp(TimestampMicrosecondBuilder::new()),
            _ => return None,
        })
    }

    /// Adds what [`Column::stored`] gave for a column of this type; gives about its bytes.
    fn push(&mut self, value: Constant<'_>) -> usize {
        match (self, value) {
            (Self::Boolean(values), Constant::Boolean(value)) => values.append_value(value),
            (Self::SmallInt(values), Constant::Integer(value)) => {
                values.append_option(i16::try_from(value).ok());
            }
            (Self::Integer(values), Constant::Integer(value)) => {
                values.append_option(i32::try_from(value).ok());
            }
            (Self::BigInt(values), Constant::Integer(value)) => values.append_value(value),
            (Self::Decimal(values), Constant::Decimal(value, _)) => values.append_value(value),
            (Self::Real(values), Constant::Real(value)) => values.append_value(value),
            (Self::Double(values), Constant::Double(value)) => values.append_value(value),
            (Self::Text(values), Constant::Text(value)) => {
                values.append_value(value);
                return size_of::<u128>() + value.len();
            }
            (Self::Date(values), Constant::Date(value)) => values.append_value(value),
            (Self::Time(values), Constant::Time(value)) => values.append_value(value),
            (Self::Timestamp(values), Constant::Timestamp(value)) => values.append_value(value),
            (values, _) => values.push_null(),
        }
        size_of::<i64>()
    }

    fn push_null(&mut self) {
        match self {
            Self::Boolean(values) => values.append_null(),
            Self::SmallInt(values) => values.append_null(),
            Self::Integer(values) => values.append_null(),
            Self::BigInt(values) => values.append_null(),
            Self::Decimal(values) => values.append_null(),
            Self::Real(values) => values.append_null(),
            Self::Double(values) => values.append_null(),
            Self::Text(values) => values.append_null(),
            Self::Date(values) => values.append_null(),
            Self::Time(values) => values.append_null(),
            Self::Timestamp(values) => values.append_null(),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Boolean(values) => Arc::new(values.finish()),
            Self::SmallInt(values) => Arc::new(values.finish()),
            Self::Integer(values) => Arc::new(values.finish()),
            Self::BigInt(values) => Arc::new(values.finish()),
            Self::Decimal(values) => Arc::new(values.finish()),
            Self::Real(values) => Arc::new(values.finish()),
            Self::Double(values) => Arc::new(values.finish()),
            Self::Text(values) => Arc::new(values.finish()),
            Self::Date(values) => Arc::new(values.finish()),
            Self::Time(values) => Arc::new(values.finish()),
            Self::Timestamp(values) => Arc::new(values.finish()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::{Statement, parse};

    fn rows(types: &[(SqlType, Option<&'static str>)]) -> ConstantRows {
        let names = ["a", "b", "c"];
        let targets = types
            .iter()
            .zip(names)
            .map(|((ty, default), name)| ConstantTarget {
                name,
                ty: *ty,
                default: *default,
                is_nullable: name != "a",
                is_numbered: false,
            });
        ConstantRows::new(targets).unwrap()
    }

    fn push(rows: &mut ConstantRows, text: &str) -> Option<usize> {
        match &parse(text).unwrap()[0].statement {
            Statement::Insert(insert) => rows.push(insert, &[ScalarValue::Int32(Some(7))]),
            other => panic!("{other:?}"),
        }
    }

    fn shown(rows: &mut ConstantRows) -> Vec<Vec<String>> {
        let columns = rows.finish();
        let cell = |array: &ArrayRef, row| {
            arrow::util::display::array_value_to_string(array, row).unwrap()
        };
        let count = columns[0].len();
        (0..count)
            .map(|row| columns.iter().map(|array| cell(array, row)).collect())
            .collect()
    }

    #[test]
    fn plain_rows_are_gathered_and_all_others_refused_whole() {
        let decimal = SqlType::Decimal {
            precision: 5,
            scale: 2,
        };
        let mut rows = rows(&[
            (SqlType::Integer, None),
            (SqlType::Varchar(3), Some("'x'")),
            (decimal, None),
        ]);
        assert_eq!(
            push(
                &mut rows,
                "insert into t values (1, 'abc', -1.005), (2, null, 7)"
            ),
            Some(2)
        );
        assert_eq!(
            push(&mut rows, "insert into t (c, a) values ($1, 3)"),
            Some(1)
        );
        assert_eq!(
            push(&mut rows, "insert into t values (4, default)"),
            Some(1)
        );
        for refused in [
            "insert into t values (5), (null)",
            "insert into t values (5, 'abcd')",
            "insert into t values (5, 'a', 1000)",
            "insert into t values (5, 'a', 999.995)",
            "insert into t values (3000000000)",
            "insert into t values (1.5)",
            "insert into t values ('5')",
            "insert into t values (1 + 1)",
            "insert into t (a, d) values (1, 2)",
            "insert into t (b) values ('a')",
            "insert into t values (1, 'a', 1, 1)",
            "insert into t select 1",
        ] {
            assert_eq!(push(&mut rows, refused), None, "{refused}");
        }
        let expected = [
            ["1", "abc", "-1.01"],
            ["2", "", "7.00"],
            ["3", "x", "7.00"],
            ["4", "x", ""],
        ];
        assert_eq!(shown(&mut rows), expected);
        assert_eq!(rows.rows(), 0);
    }

    #[test]
    fn days_and_clocks_are_read_in_their_plain_form_only() {
        assert_eq!(date("2000-01-01"), Some(10_957));
        for other in [
            "2000-1-01",
            "2000-02-30",
            "20000101",
            "0000-01-01",
            "2000-01-01x",
        ] {
            assert_eq!(date(other), None, "{other}");
        }
        assert_eq!(timestamp("1970-01-02 00:00:01.5"), Some(86_401_500_000));
        for other in [
            "1970-01-02",
            "1970-01-02 25:00:00",
            "1970-01-02 00:00:00.1234567",
        ] {
            assert_eq!(timestamp(other), None, "{other}");
        }
    }
}
