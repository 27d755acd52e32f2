//! Rows as bytes: DataRow messages written straight from arrow arrays into one buffer.
//!
//! How a column is written is chosen once a batch; a cell costs one match and no allocation.

mod interval;
mod number;
mod time;

use crate::protocol::wire_type::{Kind, kind};
use crate::session::OutputColumn;
use crate::settings::style::TextStyle;
use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BinaryViewArray, BooleanArray, Date32Array,
    Decimal128Array, DurationMicrosecondArray, Float32Array, Float64Array, Int16Array, Int32Array,
    Int64Array, IntervalMonthDayNanoArray, IntervalYearMonthArray, RecordBatch, StringArray,
    StringViewArray, Time64MicrosecondArray, Time64NanosecondArray, TimestampMicrosecondArray,
};
use arrow::buffer::NullBuffer;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{
    Date32Type, Decimal128Type, DurationMicrosecondType, Float32Type, Float64Type, Int16Type,
    Int32Type, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalYearMonthType,
    Time64MicrosecondType, Time64NanosecondType, TimestampMicrosecondType,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{ArrowError, DataType, IntervalUnit, TimeUnit};
use blueshift_sql::types::interval::of_microseconds;
use blueshift_sql::types::timetz::TimeTz;
use bytes::{BufMut, Bytes};

/// A buffer is handed on when it has so many bytes.
const CHUNK_BYTES: usize = 64 << 10;

/// Rows ready for the socket.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    /// DataRow messages.
    pub(super) bytes: Bytes,
    /// Where each row ends in `bytes`.
    pub(super) row_ends: Vec<u32>,
}

/// Writes batches of one answer.
pub(super) struct Encoder {
    columns: Vec<(Kind, bool)>,
    style: TextStyle,
}

impl Encoder {
    /// Chooses how columns are written; `binary` has one entry a column.
    pub(super) fn new(columns: &[OutputColumn], binary: &[bool], style: TextStyle) -> Self {
        let binary = binary.iter().copied().chain(std::iter::repeat(false));
        let columns = columns
            .iter()
            .map(|column| kind(column.ty, &column.arrow))
            .zip(binary)
            .collect();
        Self { columns, style }
    }

    /// Writes a batch and hands on chunks of about 64 KB, each of whole rows.
    pub(super) fn encode(&self, batch: &RecordBatch) -> Result<Vec<Chunk>, ArrowError> {
        if batch.num_columns() != self.columns.len() {
            return Err(ArrowError::SchemaError(format!(
                "internal error: {} columns answered, {} described",
                batch.num_columns(),
                self.columns.len()
            )));
        }
        let arrays = self.canonical(batch)?;
        let columns: Vec<(Cells<'_>, Option<&NullBuffer>, bool)> = arrays
            .iter()
            .zip(&self.columns)
            .map(|(array, (kind, binary))| Ok((Cells::new(array, *kind)?, array.nulls(), *binary)))
            .collect::<Result<_, ArrowError>>()?;
        let count = u16::try_from(columns.len()).unwrap_or(u16::MAX);
        let mut chunks = Vec::new();
        let empty = || Vec::with_capacity(CHUNK_BYTES + CHUNK_BYTES / 4);
        let mut out = empty();
        let mut row_ends = Vec::new();
        for row in 0..batch.num_rows() {
            out.put_u8(b'D');
            let start = out.len();
            out.put_u32(0);
            out.put_u16(count);
            for (cells, nulls, binary) in &columns {
                match nulls {
                    Some(nulls) if nulls.is_null(row) => out.put_i32(-1),
                    _ if *binary => cells.write_binary(row, &mut out)?,
                    _ => framed(&mut out, |out| cells.write_text(row, &self.style, out))?,
                }
            }
            patch(&mut out, start, 0)?;
            row_ends.push(u32::try_from(out.len()).unwrap_or(u32::MAX));
            if out.len() >= CHUNK_BYTES {
                // A new buffer: one that is split grows by copies.
                chunks.push(Chunk {
                    bytes: Bytes::from(std::mem::replace(&mut out, empty())),
                    row_ends: std::mem::take(&mut row_ends),
                });
            }
        }
        if !row_ends.is_empty() {
            chunks.push(Chunk {
                bytes: Bytes::from(out),
                row_ends,
            });
        }
        Ok(chunks)
    }

    /// Casts the few arrays that are not in the form their kind is written from.
    fn canonical(&self, batch: &RecordBatch) -> Result<Vec<ArrayRef>, ArrowError> {
        let columns = batch.columns().iter().zip(&self.columns);
        columns
            .map(|(array, (kind, _))| canonical(array, *kind))
            .collect()
    }
}

/// Casts an array that is not in the form its kind is written from.
pub(super) fn canonical(array: &ArrayRef, kind: Kind) -> Result<ArrayRef, ArrowError> {
    let strict = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    match form(kind, array.data_type()) {
        Form::AsIs => Ok(array.clone()),
        Form::Cast(to) => cast_with_options(array, &to, &strict),
        Form::Display => display(array),
    }
}

/// Writes every value of a canonical array as its text.
pub(super) fn texts(
    array: &ArrayRef,
    kind: Kind,
    style: &TextStyle,
) -> Result<StringArray, ArrowError> {
    let cells = Cells::new(array, kind)?;
    let mut text = Vec::new();
    let texts = (0..array.len()).map(|row| {
        text.clear();
        array.is_valid(row).then(|| {
            cells.write_text(row, style, &mut text);
            String::from_utf8_lossy(&text).into_owned()
        })
    });
    Ok(texts.collect())
}

/// Writes the length of what was written since the placeholder at `start`; `less` is how many bytes of it do not count.
fn patch(out: &mut [u8], start: usize, less: usize) -> Result<(), ArrowError> {
    let length = out.len() - start - less;
    let length = i32::try_from(length).map_err(|_| ArrowError::OffsetOverflowError(length))?;
    if let Some(place) = out.get_mut(start..start + 4) {
        place.copy_from_slice(&length.to_be_bytes());
    }
    Ok(())
}

enum Form {
    AsIs,
    Cast(DataType),
    Display,
}

/// Tells whether an array is in the form its kind is written from.
fn form(kind: Kind, from: &DataType) -> Form {
    let to = match (kind, from) {
        (Kind::Text | Kind::Char(_), DataType::Utf8 | DataType::Utf8View) => return Form::AsIs,
        (Kind::Text | Kind::Char(_), DataType::LargeUtf8 | DataType::Null) => DataType::Utf8View,
        (Kind::Text | Kind::Char(_), DataType::Dictionary(_, values))
            if matches!(
                **values,
                DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
            ) =>
        {
            DataType::Utf8View
        }
        (Kind::Text | Kind::Char(_), _) => return Form::Display,
        (Kind::Bytes, DataType::Binary | DataType::BinaryView) => return Form::AsIs,
        (Kind::Bytes, _) => DataType::BinaryView,
        (Kind::Numeric, DataType::Decimal128(..)) => return Form::AsIs,
        (Kind::Numeric, DataType::Decimal256(_, scale)) => DataType::Decimal128(38, *scale),
        (
            Kind::Numeric,
            DataType::Decimal64(precision, scale) | DataType::Decimal32(precision, scale),
        ) => DataType::Decimal128(*precision, *scale),
        (Kind::Numeric, _) => DataType::Decimal128(38, 0),
        (Kind::Bool, _) => DataType::Boolean,
        (Kind::Int2, _) => DataType::Int16,
        (Kind::Int4, _) => DataType::Int32,
        (Kind::Int8 | Kind::Oid, _) => DataType::Int64,
        (Kind::Float4, _) => DataType::Float32,
        (Kind::Float8, _) => DataType::Float64,
        (Kind::Date, _) => DataType::Date32,
        (Kind::Time, _) => DataType::Time64(TimeUnit::Microsecond),
        (Kind::Timestamp | Kind::TimestampTz, DataType::Timestamp(TimeUnit::Microsecond, _)) => {
            return Form::AsIs;
        }
        (Kind::Timestamp, _) => DataType::Timestamp(TimeUnit::Microsecond, None),
        (Kind::TimestampTz, DataType::Timestamp(_, zone)) => {
            DataType::Timestamp(TimeUnit::Microsecond, zone.clone())
        }
        (Kind::TimestampTz, _) => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        (Kind::Interval, _) => DataType::Interval(IntervalUnit::MonthDayNano),
        (Kind::TimeTz, _) => DataType::Time64(TimeUnit::Nanosecond),
        (Kind::Months, _) => DataType::Interval(IntervalUnit::YearMonth),
        (Kind::Microseconds, _) => DataType::Duration(TimeUnit::Microsecond),
    };
    if *from == to {
        Form::AsIs
    } else {
        Form::Cast(to)
    }
}

/// Shows values of types the wire has no form for.
fn display(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(array, &options)?;
    let texts = (0..array.len()).map(|row| {
        array
            .is_valid(row)
            .then(|| formatter.value(row).to_string())
    });
    Ok(std::sync::Arc::new(texts.collect::<StringArray>()))
}

/// One column of a batch, typed.
enum Cells<'a> {
    Bool(&'a BooleanArray),
    Int2(&'a Int16Array),
    Int4(&'a Int32Array),
    Int8(&'a Int64Array),
    Oid(&'a Int64Array),
    Float4(&'a Float32Array),
    Float8(&'a Float64Array),
    Numeric(&'a Decimal128Array, i8),
    Text(&'a StringArray, usize),
    TextView(&'a StringViewArray, usize),
    Date(&'a Date32Array),
    Time(&'a Time64MicrosecondArray),
    Timestamp(&'a TimestampMicrosecondArray),
    TimestampTz(&'a TimestampMicrosecondArray),
    Bytes(&'a BinaryArray),
    BytesView(&'a BinaryViewArray),
    Interval(&'a IntervalMonthDayNanoArray),
    TimeTz(&'a Time64NanosecondArray),
    Months(&'a IntervalYearMonthArray),
    Microseconds(&'a DurationMicrosecondArray),
}

impl<'a> Cells<'a> {
    fn new(array: &'a ArrayRef, kind: Kind) -> Result<Self, ArrowError> {
        let width = match kind {
            Kind::Char(width) => width as usize,
            _ => 0,
        };
        let scale = match array.data_type() {
            DataType::Decimal128(_, scale) => *scale,
            _ => 0,
        };
        let view = matches!(array.data_type(), DataType::Utf8View | DataType::BinaryView);
        let cells = match kind {
            Kind::Bool => array.as_boolean_opt().map(Self::Bool),
            Kind::Int2 => array.as_primitive_opt::<Int16Type>().map(Self::Int2),
            Kind::Int4 => array.as_primitive_opt::<Int32Type>().map(Self::Int4),
            Kind::Int8 => array.as_primitive_opt::<Int64Type>().map(Self::Int8),
            Kind::Oid => array.as_primitive_opt::<Int64Type>().map(Self::Oid),
            Kind::Float4 => array.as_primitive_opt::<Float32Type>().map(Self::Float4),
            Kind::Float8 => array.as_primitive_opt::<Float64Type>().map(Self::Float8),
            Kind::Numeric => array
                .as_primitive_opt::<Decimal128Type>()
                .map(|array| Self::Numeric(array, scale)),
            Kind::Text | Kind::Char(_) if view => array
                .as_string_view_opt()
                .map(|array| Self::TextView(array, width)),
            Kind::Text | Kind::Char(_) => array
                .as_string_opt::<i32>()
                .map(|array| Self::Text(array, width)),
            Kind::Date => array.as_primitive_opt::<Date32Type>().map(Self::Date),
            Kind::Time => array
                .as_primitive_opt::<Time64MicrosecondType>()
                .map(Self::Time),
            Kind::Timestamp => array
                .as_primitive_opt::<TimestampMicrosecondType>()
                .map(Self::Timestamp),
            Kind::TimestampTz => array
                .as_primitive_opt::<TimestampMicrosecondType>()
                .map(Self::TimestampTz),
            Kind::Bytes if view => array.as_binary_view_opt().map(Self::BytesView),
            Kind::Bytes => array.as_binary_opt::<i32>().map(Self::Bytes),
            Kind::Interval => array
                .as_primitive_opt::<IntervalMonthDayNanoType>()
                .map(Self::Interval),
            Kind::TimeTz => array
                .as_primitive_opt::<Time64NanosecondType>()
                .map(Self::TimeTz),
            Kind::Months => array
                .as_primitive_opt::<IntervalYearMonthType>()
                .map(Self::Months),
            Kind::Microseconds => array
                .as_primitive_opt::<DurationMicrosecondType>()
                .map(Self::Microseconds),
        };
        cells.ok_or_else(|| {
            ArrowError::SchemaError(format!(
                "internal error: {} cannot be sent",
                array.data_type()
            ))
        })
    }

    fn write_text(&self, row: usize, style: &TextStyle, out: &mut Vec<u8>) {
        let mut digits = itoa::Buffer::new();
        match self {
            Self::Bool(array) => out.put_u8(if array.value(row) { b't' } else { b'f' }),
            Self::Int2(array) => out.put_slice(digits.format(array.value(row)).as_bytes()),
            Self::Int4(array) => out.put_slice(digits.format(array.value(row)).as_bytes()),
            Self::Int8(array) | Self::Oid(array) => {
                out.put_slice(digits.format(array.value(row)).as_bytes());
            }
            Self::Float4(array) => {
                number::float4(array.value(row), style.extra_float_digits, out);
            }
            Self::Float8(array) => {
                number::float8(array.value(row), style.extra_float_digits, out);
            }
            Self::Numeric(array, scale) => number::decimal(array.value(row), *scale, out),
            Self::Text(array, width) => padded(array.value(row), *width, out),
            Self::TextView(array, width) => padded(array.value(row), *width, out),
            Self::Date(array) => time::date(array.value(row), style, out),
            Self::Time(array) => time::time(array.value(row), out),
            Self::Timestamp(array) => time::timestamp(array.value(row), style, out),
            Self::TimestampTz(array) => time::timestamp_tz(array.value(row), style, out),
            Self::Bytes(array) => hex(array.value(row), out),
            Self::BytesView(array) => hex(array.value(row), out),
            Self::Interval(array) => interval::write(array.value(row), style.interval, out),
            Self::TimeTz(array) => time::time_tz(array.value(row), out),
            Self::Months(array) => {
                let months = IntervalMonthDayNano::new(array.value(row), 0, 0);
                interval::write(months, style.interval, out);
            }
            Self::Microseconds(array) => {
                interval::write(of_microseconds(array.value(row)), style.interval, out);
            }
        }
    }

    /// Writes one value in binary with its length before it.
    fn write_binary(&self, row: usize, out: &mut Vec<u8>) -> Result<(), ArrowError> {
        match self {
            Self::Bool(array) => sized([u8::from(array.value(row))], out),
            Self::Int2(array) => sized(array.value(row).to_be_bytes(), out),
            Self::Int4(array) => sized(array.value(row).to_be_bytes(), out),
            Self::Int8(array) => sized(array.value(row).to_be_bytes(), out),
            Self::Oid(array) => {
                let oid = u32::try_from(array.value(row)).unwrap_or(0);
                sized(oid.to_be_bytes(), out);
            }
            Self::Float4(array) => sized(array.value(row).to_be_bytes(), out),
            Self::Float8(array) => sized(array.value(row).to_be_bytes(), out),
            Self::Date(array) => {
                let days = array.value(row).wrapping_sub(time::EPOCH_DAYS);
                sized(days.to_be_bytes(), out);
            }
            Self::Time(array) => sized(array.value(row).to_be_bytes(), out),
            Self::Months(array) => sized(array.value(row).to_be_bytes(), out),
            Self::Microseconds(array) => sized(array.value(row).to_be_bytes(), out),
            Self::Timestamp(array) | Self::TimestampTz(array) => {
                let microseconds = array.value(row).wrapping_sub(time::EPOCH_MICROSECONDS);
                sized(microseconds.to_be_bytes(), out);
            }
            Self::Text(array, 0) => return bytes(array.value(row).as_bytes(), out),
            Self::TextView(array, 0) => return bytes(array.value(row).as_bytes(), out),
            Self::Bytes(array) => return bytes(array.value(row), out),
            Self::BytesView(array) => return bytes(array.value(row), out),
            Self::Numeric(array, scale) => {
                return framed(out, |out| {
                    number::decimal_binary(array.value(row), *scale, out);
                });
            }
            Self::Text(array, width) => {
                return framed(out, |out| padded(array.value(row), *width, out));
            }
            Self::TextView(array, width) => {
                return framed(out, |out| padded(array.value(row), *width, out));
            }
            Self::TimeTz(array) => {
                let value = TimeTz::unpacked(array.value(row));
                return framed(out, |out| {
                    out.put_i64(value.local);
                    // Seconds west of Greenwich.
                    out.put_i32(i32::try_from(value.ahead * -60).unwrap_or(0));
                });
            }
            Self::Interval(array) => {
                let value = array.value(row);
                return framed(out, |out| {
                    out.put_i64(value.nanoseconds / 1_000);
                    out.put_i32(value.days);
                    out.put_i32(value.months);
                });
            }
        }
        Ok(())
    }
}

/// Writes a value of any size with its length before it.
fn framed(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), ArrowError> {
    let start = out.len();
    out.put_u32(0);
    write(out);
    patch(out, start, 4)
}

/// Writes a value of a fixed size, of eight bytes at most, with its length before it, at once: in registers, as bytes put
/// together in memory are read late when they are read wider than they were written.
#[inline(always)]
fn sized<const SIZE: usize>(value: [u8; SIZE], out: &mut Vec<u8>) {
    let mut whole = [0; 8];
    whole[..SIZE].copy_from_slice(&value);
    let length = u128::from(u32::from_le_bytes((SIZE as u32).to_be_bytes()));
    let cell = length | u128::from(u64::from_le_bytes(whole)) << u32::BITS;
    out.extend_from_slice(&cell.to_le_bytes()[..4 + SIZE]);
}

/// Texts up to this size are written with their length in a few moves, which a call for each would take longer than.
const SHORT_BYTES: usize = 32;

/// A length and a short text.
const SHORT_CELL: usize = 4 + SHORT_BYTES;

/// Writes bytes with their length before them.
#[inline(always)]
fn bytes(value: &[u8], out: &mut Vec<u8>) -> Result<(), ArrowError> {
    let length =
        i32::try_from(value.len()).map_err(|_| ArrowError::OffsetOverflowError(value.len()))?;
    if value.len() > SHORT_BYTES {
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(value);
        return Ok(());
    }
    let end = out.len() + 4 + value.len();
    out.extend_from_slice(&[0; SHORT_CELL]);
    if let Some(cell) = out.last_chunk_mut() {
        put_short(value, length, cell);
    }
    out.truncate(end);
    Ok(())
}

#[inline(always)]
fn put_short(value: &[u8], length: i32, cell: &mut [u8; SHORT_CELL]) {
    cell[..4].copy_from_slice(&length.to_be_bytes());
    let _ = ends::<16>(value, cell)
        || ends::<8>(value, cell)
        || ends::<4>(value, cell)
        || ends::<2>(value, cell)
        || ends::<1>(value, cell);
}

/// Puts a value behind the length in a cell by its first and its last `SIZE` bytes, which lie over each other; tells
/// whether it has so many.
#[inline(always)]
fn ends<const SIZE: usize>(value: &[u8], cell: &mut [u8; SHORT_CELL]) -> bool {
    let (Some(first), Some(last)) = (value.first_chunk::<SIZE>(), value.last_chunk::<SIZE>())
    else {
        return false;
    };
    cell[4..4 + SIZE].copy_from_slice(first);
    cell[4 + value.len() - SIZE..4 + value.len()].copy_from_slice(last);
    true
}

/// Writes text, filled with blanks to `width` characters.
fn padded(text: &str, width: usize, out: &mut Vec<u8>) {
    out.put_slice(text.as_bytes());
    if width > text.len() || (width > 0 && !text.is_ascii()) {
        out.put_bytes(b' ', width.saturating_sub(text.chars().count()));
    }
}

/// Writes bytes as Redshift shows VARBYTE: hexadecimal digits alone.
fn hex(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        out.put_u8(DIGITS[usize::from(byte >> 4)]);
        out.put_u8(DIGITS[usize::from(byte & 15)]);
    }
}

#[cfg(test)]
mod tests;
