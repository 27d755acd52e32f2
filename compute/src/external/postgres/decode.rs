//! Rows of `COPY ... TO STDOUT (FORMAT binary)` as arrays.
//!
//! Each message holds one row: the number of fields, then each field's length and bytes; -1 is null. The first message
//! begins with a header, and the last row has -1 fields.

use super::catalog::Wire;
use crate::error::{Error, Result};
use arrow::array::{
    ArrayRef, BooleanBuilder, Date32Builder, Decimal128Builder, Float32Builder, Float64Builder,
    Int16Builder, Int32Builder, Int64Builder, RecordBatch, RecordBatchOptions, StringViewBuilder,
    TimestampMicrosecondBuilder,
};
use arrow_schema::{DataType, SchemaRef, TimeUnit};
use blueshift_sql::{SqlState, SqlType};
use std::sync::Arc;

/// What a copy begins with.
const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
/// Days from 1970 to 2000, from when PostgreSQL counts.
const DAYS_TO_2000: i32 = 10_957;
/// Microseconds of a day.
const DAY_US: i64 = 86_400_000_000;

/// A column that is being received.
struct Field {
    name: String,
    wire: Wire,
    ty: DataType,
    /// Bytes of a text at most.
    bytes_max: usize,
    values: Values,
}

/// Values so far.
enum Values {
    Bool(BooleanBuilder),
    Int16(Int16Builder),
    Int32(Int32Builder),
    Int64(Int64Builder),
    Float32(Float32Builder),
    Float64(Float64Builder),
    Decimal(Decimal128Builder, u8, i8),
    Text(StringViewBuilder),
    Date(Date32Builder),
    Timestamp(TimestampMicrosecondBuilder),
}

/// Makes batches of rows.
pub(super) struct Decoder {
    schema: SchemaRef,
    fields: Vec<Field>,
    rows: usize,
    bytes: usize,
    has_begun: bool,
}

impl Decoder {
    /// Begins, with what each column of the schema is on its way.
    pub(super) fn new(schema: SchemaRef, wires: &[Wire]) -> Result<Self> {
        let fields = schema.fields().iter().zip(wires).map(|(field, wire)| {
            let ty = field.data_type();
            let values = Values::of(ty).ok_or_else(|| {
                Error::Internal(format!("no values of {ty} come from PostgreSQL"))
            })?;
            let bytes_max = match SqlType::from_field(field) {
                SqlType::Char(bytes) | SqlType::Varchar(bytes) => bytes as usize,
                _ => usize::MAX,
            };
            Ok(Field {
                name: field.name().clone(),
                wire: *wire,
                ty: ty.clone(),
                bytes_max,
                values,
            })
        });
        Ok(Self {
            fields: fields.collect::<Result<_>>()?,
            schema: Arc::clone(&schema),
            rows: 0,
            bytes: 0,
            has_begun: false,
        })
    }

    /// Rows that wait to be taken.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Bytes that they came in.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes a message.
    pub(super) fn message(&mut self, message: &[u8]) -> Result<()> {
        self.bytes += message.len();
        let mut rest = Bytes(message);
        if !self.has_begun {
            self.has_begun = true;
            let is_signed = rest.take(SIGNATURE.len()) == Some(SIGNATURE);
            let extension = rest.take(4).and_then(|_| rest.length());
            if !is_signed || extension.and_then(|bytes| rest.take(bytes)).is_none() {
                return Err(broken());
            }
        }
        while !rest.0.is_empty() {
            let count = rest.i16().ok_or_else(broken)?;
            if count == -1 {
                return Ok(());
            }
            if usize::try_from(count) != Ok(self.fields.len()) {
                return Err(broken());
            }
            for field in &mut self.fields {
                let bytes = rest.i32().ok_or_else(broken)?;
                let value = match bytes {
                    -1 => None,
                    bytes => {
                        let bytes = usize::try_from(bytes).map_err(|_| broken())?;
                        Some(rest.take(bytes).ok_or_else(broken)?)
                    }
                };
                field.append(value)?;
            }
            self.rows += 1;
        }
        Ok(())
    }

    /// Gives the rows taken so far.
    pub(super) fn finish(&mut self) -> Result<RecordBatch> {
        let fields = self.fields.iter_mut();
        let arrays: Vec<ArrayRef> = fields.map(|field| field.finish()).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        (self.rows, self.bytes) = (0, 0);
        let schema = Arc::clone(&self.schema);
        Ok(RecordBatch::try_new_with_options(schema, arrays, &options)?)
    }
}

fn broken() -> Error {
    Error::Sql(blueshift_sql::Error::new(
        SqlState::PROTOCOL_VIOLATION,
        "PostgreSQL sent rows that cannot be read",
    ))
}

/// Bytes that are taken from the front.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn i16(&mut self) -> Option<i16> {
        Some(i16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    fn i32(&mut self) -> Option<i32> {
        Some(i32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    fn length(&mut self) -> Option<usize> {
        usize::try_from(self.i32()?).ok()
    }
}

impl Values {
    fn of(ty: &DataType) -> Option<Self> {
        Some(match ty {
            DataType::Boolean => Self::Bool(BooleanBuilder::new()),
            DataType::Int16 => Self::Int16(Int16Builder::new()),
            DataType::Int32 => Self::Int32(Int32Builder::new()),
            DataType::Int64 => Self::Int64(Int64Builder::new()),
            DataType::Float32 => Self::Float32(Float32Builder::new()),
            DataType::Float64 => Self::Float64(Float64Builder::new()),
            DataType::Decimal128(precision, scale) => {
                let builder = Decimal128Builder::new().with_data_type(ty.clone());
                Self::Decimal(builder, *precision, *scale)
            }
            DataType::Utf8View => Self::Text(StringViewBuilder::new()),
            DataType::Date32 => Self::Date(Date32Builder::new()),
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                let builder = TimestampMicrosecondBuilder::new();
                Self::Timestamp(builder.with_data_type(ty.clone()))
            }
            _ => return None,
        })
    }
}

fn array<const N: usize>(bytes: &[u8]) -> Result<[u8; N]> {
    bytes.try_into().map_err(|_| broken())
}

impl Field {
    fn append(&mut self, value: Option<&[u8]>) -> Result<()> {
        macro_rules! null {
            ($builder:expr) => {{
                $builder.append_null();
                return Ok(());
            }};
        }
        let Some(bytes) = value else {
            match &mut self.values {
                Values::Bool(builder) => null!(builder),
                Values::Int16(builder) => null!(builder),
                Values::Int32(builder) => null!(builder),
                Values::Int64(builder) => null!(builder),
                Values::Float32(builder) => null!(builder),
                Values::Float64(builder) => null!(builder),
                Values::Decimal(builder, ..) => null!(builder),
                Values::Text(builder) => null!(builder),
                Values::Date(builder) => null!(builder),
                Values::Timestamp(builder) => null!(builder),
            }
        };
        let (name, wire) = (&self.name, self.wire);
        match &mut self.values {
            Values::Bool(builder) => builder.append_value(bytes == [1]),
            Values::Int16(builder) => builder.append_value(whole(wire, bytes, name)?),
            Values::Int32(builder) => builder.append_value(whole(wire, bytes, name)?),
            Values::Int64(builder) => builder.append_value(whole(wire, bytes, name)?),
            Values::Float32(builder) => builder.append_value(f32::from_be_bytes(array(bytes)?)),
            Values::Float64(builder) => builder.append_value(f64::from_be_bytes(array(bytes)?)),
            Values::Decimal(builder, precision, scale) => {
                let value = match wire {
                    Wire::Numeric => numeric(bytes, *scale, name)?,
                    _ => scaled(whole(wire, bytes, name)?, *scale, name)?,
                };
                if value.unsigned_abs() >= 10_u128.pow(u32::from(*precision)) {
                    return Err(out_of_range(name));
                }
                builder.append_value(value);
            }
            Values::Text(builder) => {
                let text = std::str::from_utf8(bytes).map_err(|_| not_utf8(name))?;
                let text = match wire {
                    Wire::Char => text.trim_end_matches(' '),
                    _ => text,
                };
                if text.len() > self.bytes_max {
                    return Err(too_long(name, self.bytes_max));
                }
                builder.append_value(text);
            }
            Values::Date(builder) => {
                let days = i32::from_be_bytes(array(bytes)?);
                let is_finite = days != i32::MAX && days != i32::MIN;
                let days = days.checked_add(DAYS_TO_2000).filter(|_| is_finite);
                builder.append_value(days.ok_or_else(|| no_moment(name))?);
            }
            Values::Timestamp(builder) => {
                let micros = i64::from_be_bytes(array(bytes)?);
                let is_finite = micros != i64::MAX && micros != i64::MIN;
                let since_1970 = micros.checked_add(i64::from(DAYS_TO_2000) * DAY_US);
                let since_1970 = since_1970.filter(|_| is_finite);
                builder.append_value(since_1970.ok_or_else(|| no_moment(name))?);
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> ArrayRef {
        match &mut self.values {
            Values::Bool(builder) => Arc::new(builder.finish()),
            Values::Int16(builder) => Arc::new(builder.finish()),
            Values::Int32(builder) => Arc::new(builder.finish()),
            Values::Int64(builder) => Arc::new(builder.finish()),
            Values::Float32(builder) => Arc::new(builder.finish()),
            Values::Float64(builder) => Arc::new(builder.finish()),
            Values::Decimal(builder, ..) => {
                // Finishing forgets the type.
                let done = builder.finish();
                *builder = Decimal128Builder::new().with_data_type(self.ty.clone());
                Arc::new(done)
            }
            Values::Text(builder) => Arc::new(builder.finish()),
            Values::Date(builder) => Arc::new(builder.finish()),
            Values::Timestamp(builder) => {
                let done = builder.finish();
                *builder = TimestampMicrosecondBuilder::new().with_data_type(self.ty.clone());
                Arc::new(done)
            }
        }
    }
}

/// Reads a whole number of any width, also a `numeric`.
fn whole<T: TryFrom<i128>>(wire: Wire, bytes: &[u8], name: &str) -> Result<T> {
    let value: i128 = match wire {
        Wire::Int2 => i16::from_be_bytes(array(bytes)?).into(),
        Wire::Int4 => i32::from_be_bytes(array(bytes)?).into(),
        Wire::Int8 => i64::from_be_bytes(array(bytes)?).into(),
        Wire::Numeric => numeric(bytes, 0, name)?,
        _ => return Err(broken()),
    };
    T::try_from(value).map_err(|_| out_of_range(name))
}

fn scaled(value: i128, scale: i8, name: &str) -> Result<i128> {
    let factor = u32::try_from(scale)
        .ok()
        .and_then(|scale| 10_i128.checked_pow(scale));
    factor
        .and_then(|factor| value.checked_mul(factor))
        .ok_or_else(|| out_of_range(name))
}

/// Reads a `numeric`: groups of four digits, the weight of the first, a sign, and how many digits are shown. What is
/// behind the scale is rounded half away from zero.
fn numeric(bytes: &[u8], scale: i8, name: &str) -> Result<i128> {
    let mut rest = Bytes(bytes);
    let mut word = || rest.i16().ok_or_else(broken);
    let (count, weight, sign, _shown) = (word()?, word()?, word()?, word()?);
    let is_negative = match sign as u16 {
        0x0000 => false,
        0x4000 => true,
        _ => {
            return Err(Error::Sql(
                blueshift_sql::Error::new(
                    SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
                    format!("column \"{name}\" holds NaN or infinity, which no DECIMAL can"),
                )
                .with_hint("Leave such rows out with a view in PostgreSQL."),
            ));
        }
    };
    let mut value: i128 = 0;
    for place in 0..i32::from(count) {
        let group = i128::from(word()?);
        // The power of ten that the group's last digit stands for, in units of the scale.
        let power = 4 * (i32::from(weight) - place) + i32::from(scale);
        let part = match power {
            0.. => u32::try_from(power)
                .ok()
                .and_then(|power| 10_i128.checked_pow(power))
                .and_then(|factor| group.checked_mul(factor)),
            -4..0 => {
                let divisor = 10_i128.pow(power.unsigned_abs());
                let up = i128::from(group % divisor * 2 >= divisor);
                Some(group / divisor + up)
            }
            _ => Some(0),
        };
        let next = part.and_then(|part| value.checked_add(part));
        value = next.ok_or_else(|| out_of_range(name))?;
    }
    Ok(if is_negative { -value } else { value })
}

fn out_of_range(name: &str) -> Error {
    Error::Sql(blueshift_sql::Error::new(
        SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
        format!("a number of column \"{name}\" in PostgreSQL does not fit its type"),
    ))
}

fn no_moment(name: &str) -> Error {
    Error::Sql(
        blueshift_sql::Error::new(
            SqlState::DATETIME_FIELD_OVERFLOW,
            format!("column \"{name}\" in PostgreSQL holds infinity or a moment out of range"),
        )
        .with_hint(
            "Leave such rows out with a condition on the column, or with a view in PostgreSQL.",
        ),
    )
}

fn not_utf8(name: &str) -> Error {
    Error::Sql(blueshift_sql::Error::new(
        SqlState::CHARACTER_NOT_IN_REPERTOIRE,
        format!("column \"{name}\" in PostgreSQL holds bytes that are no text in UTF-8"),
    ))
}

fn too_long(name: &str, bytes: usize) -> Error {
    Error::Sql(
        blueshift_sql::Error::new(
            SqlState::STRING_DATA_RIGHT_TRUNCATION,
            format!("a text of column \"{name}\" in PostgreSQL has more than {bytes} bytes"),
        )
        .with_hint("Leave the column out, or cut it with a view in PostgreSQL."),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes a number as PostgreSQL sends it.
    fn sent(weight: i16, sign: u16, groups: &[i16]) -> Vec<u8> {
        let count = i16::try_from(groups.len()).expect("few");
        let head = [count, weight, sign as i16, 0];
        let words = head.iter().chain(groups);
        words.flat_map(|word| word.to_be_bytes()).collect()
    }

    #[test]
    fn numbers_are_read_to_their_scale() {
        let check = |bytes: Vec<u8>, scale: i8, expected: i128| {
            assert_eq!(numeric(&bytes, scale, "x").expect("a number"), expected);
        };
        check(sent(0, 0, &[]), 2, 0);
        // 12.34
        check(sent(0, 0, &[12, 3400]), 2, 1234);
        check(sent(0, 0x4000, &[12, 3400]), 4, -123_400);
        // 12345678
        check(sent(1, 0, &[1234, 5678]), 0, 12_345_678);
        // 10000: a group that is not sent is zero.
        check(sent(1, 0, &[1]), 2, 1_000_000);
        // 0.00005: rounded.
        check(sent(-2, 0, &[5000]), 4, 1);
        check(sent(-2, 0, &[4999]), 4, 0);
        check(sent(-2, 0, &[5000]), 5, 5);
        // 0.9999 9999 to two digits.
        check(sent(-1, 0, &[9999, 9999]), 2, 100);
        check(sent(-1, 0, &[49, 9999]), 2, 0);
        assert!(numeric(&sent(0, 0xc000, &[]), 2, "x").is_err());
        assert!(numeric(&sent(12, 0, &[1]), 2, "x").is_err());
    }

    #[test]
    fn what_is_cut_off_is_no_row() {
        let schema = arrow_schema::Schema::new(vec![SqlType::Integer.field("a", true)]);
        let mut decoder = Decoder::new(Arc::new(schema), &[Wire::Int4]).expect("a decoder");
        let mut message = SIGNATURE.to_vec();
        message.extend([0; 8]);
        message.extend([0, 1, 0, 0, 0, 4, 0, 0, 0, 7]);
        decoder.message(&message).expect("a row");
        decoder
            .message(&[0, 1, 255, 255, 255, 255])
            .expect("a null");
        assert!(decoder.message(&[0, 1, 0, 0, 0, 4, 0]).is_err());
        assert!(decoder.message(&[0, 2]).is_err());
    }
}
