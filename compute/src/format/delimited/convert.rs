//! Converts the fields of a block of rows to arrow columns, one column at a time.

use super::problem::{Note, Problem};
use super::text::{TextColumn, TextRule};
use super::time::iso_timestamp;
use super::time_format::{Found, TimeFormat, read_any};
use super::{Fields, number, time};
use arrow::array::BooleanBufferBuilder;
use arrow::array::{ArrayRef, ArrowPrimitiveType, BinaryViewBuilder, BooleanArray, PrimitiveArray};
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::datatypes::{
    Date32Type, Decimal128Type, DurationMicrosecondType, Float32Type, Float64Type, Int16Type,
    Int32Type, Int64Type, IntervalYearMonthType, Time64MicrosecondType, Time64NanosecondType,
    TimestampMicrosecondType,
};
use arrow_schema::ArrowError;
use blueshift_sql::SqlType;
use blueshift_sql::function::session::Session;
use datafusion::common::ScalarValue;
use std::sync::Arc;

/// How dates or timestamps are written.
#[derive(Clone, Debug)]
pub enum TimeRule {
    /// ISO 8601 only, and a date alone where a timestamp is wanted.
    Iso,
    /// By the first of these that fits, after ISO 8601.
    Formats(Vec<TimeFormat>),
    /// By this format only.
    Only(TimeFormat),
    /// Units since 1970, so many microseconds each.
    Epoch(i64),
}

/// How one column is read.
#[derive(Clone, Debug)]
pub struct ColumnRule {
    /// Its place in the table, for notes.
    pub column: u32,
    /// Its place among the fields of a line.
    pub field: usize,
    /// Its type.
    pub ty: SqlType,
    /// Whether null is refused.
    pub not_null: bool,
    /// For texts.
    pub text: TextRule,
    /// For dates.
    pub date: TimeRule,
    /// For timestamps.
    pub timestamp: TimeRule,
    /// ACCEPTANYDATE: null instead of an error.
    pub accept_any_date: bool,
    /// ROUNDEC: rounds decimals instead of cutting.
    pub round_decimals: bool,
}

/// Rows to convert, and what their fields point into.
pub struct Block<'a> {
    /// What fields point into, and what stands behind them.
    pub bytes: &'a [u8],
    /// `bytes` as far as fields reach, if that is all UTF-8.
    pub text: Option<&'a str>,
    /// The fields.
    pub fields: &'a Fields,
    /// Fields of a line.
    pub field_count: usize,
    /// The field that means null.
    pub null_as: &'a [u8],
    /// The rows, by their place among the good ones.
    pub rows: &'a [u32],
}

/// A field: its bytes, and the same with what stands behind them, so that parsers can load whole words.
#[derive(Clone, Copy, Default)]
struct FieldBytes<'a> {
    bytes: &'a [u8],
    ahead: &'a [u8],
}

impl<'a> Block<'a> {
    #[inline(always)]
    fn field(&self, row: u32, field: usize) -> FieldBytes<'a> {
        let found = self.fields.place(row as usize, field);
        let field = found.and_then(|(start, end)| {
            let ahead = self.bytes.get(start..)?;
            let bytes = ahead.get(..end.checked_sub(start)?)?;
            Some(FieldBytes { bytes, ahead })
        });
        field.unwrap_or_default()
    }

    /// Gives a field as text, if all is UTF-8: no need to look at it again.
    #[inline(always)]
    fn text(&self, row: u32, field: usize) -> Option<&'a str> {
        let (start, end) = self.fields.place(row as usize, field)?;
        self.text?.get(start..end)
    }

    #[inline(always)]
    fn is_null(&self, row: u32, field: usize, bytes: &[u8]) -> bool {
        bytes == self.null_as
            && !self
                .fields
                .quoted
                .get(row as usize * self.field_count + field)
                .copied()
                .unwrap_or(false)
    }
}

/// Converts one column of a block. Fields that do not convert become null and leave a note.
pub fn column(
    block: &Block<'_>,
    rule: &ColumnRule,
    notes: &mut Vec<Note>,
) -> Result<ArrayRef, ArrowError> {
    match rule.ty {
        SqlType::SmallInt => fixed::<Int16Type>(block, rule, notes, small),
        SqlType::Integer => fixed::<Int32Type>(block, rule, notes, small),
        SqlType::BigInt | SqlType::Oid => fixed::<Int64Type>(block, rule, notes, integer),
        SqlType::Decimal { precision, scale } => {
            decimal_column(block, rule, notes, precision, scale)
        }
        SqlType::Real => {
            fixed::<Float32Type>(block, rule, notes, |FieldBytes { bytes, .. }| {
                let value: f32 =
                    fast_float2::parse(bytes.trim_ascii()).map_err(|_| Problem::Float)?;
                in_range(value.is_infinite(), bytes).map(|()| value)
            })
        }
        SqlType::Double => {
            fixed::<Float64Type>(block, rule, notes, |FieldBytes { bytes, .. }| {
                let value: f64 =
                    fast_float2::parse(bytes.trim_ascii()).map_err(|_| Problem::Float)?;
                in_range(value.is_infinite(), bytes).map(|()| value)
            })
        }
        SqlType::Boolean => boolean_column(block, rule, notes),
        SqlType::Date => fixed::<Date32Type>(block, rule, notes, |field| date(field.bytes, rule)),
        SqlType::Time => fixed::<Time64MicrosecondType>(block, rule, notes, |field| {
            time::clock(field.bytes.trim_ascii()).ok_or(Problem::Time)
        }),
        SqlType::TimeTz => {
            fixed::<Time64NanosecondType>(block, rule, notes, |field| {
                match scalar(field.bytes, rule.ty) {
                    Some(ScalarValue::Time64Nanosecond(Some(value))) => Ok(value),
                    _ => Err(Problem::Time),
                }
            })
        }
        SqlType::YearToMonth(_) => fixed::<IntervalYearMonthType>(block, rule, notes, |field| {
            match scalar(field.bytes, rule.ty) {
                Some(ScalarValue::IntervalYearMonth(Some(value))) => Ok(value),
                _ => Err(Problem::Interval),
            }
        }),
        SqlType::DayToSecond(_) => fixed::<DurationMicrosecondType>(block, rule, notes, |field| {
            match scalar(field.bytes, rule.ty) {
                Some(ScalarValue::DurationMicrosecond(Some(value))) => Ok(value),
                _ => Err(Problem::Interval),
            }
        }),
        SqlType::Timestamp => fixed::<TimestampMicrosecondType>(block, rule, notes, |field| {
            timestamp(field.bytes, rule, false)
        }),
        SqlType::TimestampTz => {
            let array = fixed::<TimestampMicrosecondType>(block, rule, notes, |field| {
                timestamp(field.bytes, rule, true)
            })?;
            arrow::compute::cast(&array, &SqlType::TimestampTz.arrow())
        }
        SqlType::Varbyte(bytes_max) => bytes_column(block, rule, notes, bytes_max as usize),
        SqlType::Super => made_column(block, rule, notes, |bytes| {
            let text = str::from_utf8(bytes).map_err(|_| Problem::Utf8)?;
            let mut written = String::with_capacity(text.len());
            match blueshift_sql::function::read_super(text, &mut written) {
                true => Ok(written),
                false => Err(Problem::Json),
            }
        }),
        SqlType::HllSketch => made_column(block, rule, notes, |bytes| {
            match scalar(bytes, SqlType::HllSketch) {
                Some(ScalarValue::Utf8View(Some(text))) => Ok(text),
                _ => Err(Problem::Sketch),
            }
        }),
        SqlType::Char(_) | SqlType::Varchar(_) | SqlType::Name | SqlType::Unknown => {
            text_column(block, rule, notes)
        }
    }
}

/// Reads a value of a type that files seldom hold.
fn scalar(bytes: &[u8], ty: SqlType) -> Option<ScalarValue> {
    let text = std::str::from_utf8(bytes.trim_ascii()).ok()?;
    blueshift_sql::function::read_scalar(text, ty, Session::PLAIN).ok()
}

/// The validity of a column in the making: nothing is kept while no null has come.
struct Validity {
    rows: usize,
    bits: Option<BooleanBufferBuilder>,
}

impl Validity {
    fn new(rows: usize) -> Self {
        Self { rows, bits: None }
    }

    fn null_at(&mut self, row: usize) {
        let rows = self.rows;
        let bits = self.bits.get_or_insert_with(|| {
            let mut bits = BooleanBufferBuilder::new(rows);
            bits.append_n(rows, true);
            bits
        });
        bits.set_bit(row, false);
    }

    fn finish(self) -> Option<NullBuffer> {
        self.bits.map(|mut bits| NullBuffer::new(bits.finish()))
    }
}

/// What to do with a field that did not convert: null if it means null, else a note.
#[cold]
fn unconverted(
    block: &Block<'_>,
    rule: &ColumnRule,
    row: u32,
    bytes: &[u8],
    problem: Problem,
    notes: &mut Vec<Note>,
) {
    let problem = if bytes.trim_ascii().is_empty() || block.is_null(row, rule.field, bytes) {
        if !rule.not_null {
            return;
        }
        Problem::Null
    } else if rule.accept_any_date
        && matches!(problem, Problem::Date | Problem::Timestamp)
        && !rule.not_null
    {
        return;
    } else {
        problem
    };
    notes.push(Note {
        row,
        column: rule.column,
        problem,
    });
}

#[inline]
fn fixed<T: ArrowPrimitiveType>(
    block: &Block<'_>,
    rule: &ColumnRule,
    notes: &mut Vec<Note>,
    convert: impl Fn(FieldBytes<'_>) -> Result<T::Native, Problem>,
) -> Result<ArrayRef, ArrowError> {
    let mut validity = Validity::new(block.rows.len());
    // A text that means null rarely converts too (NULL AS '-1'); only then is every field compared with it.
    let null = FieldBytes {
        bytes: block.null_as,
        ahead: block.null_as,
    };
    let null_converts = convert(null).is_ok();
    let values = block.rows.iter().enumerate().map(|(place, &row)| {
        let field = block.field(row, rule.field);
        let converted = match null_converts && block.is_null(row, rule.field, field.bytes) {
            true => Err(Problem::Null),
            false => convert(field),
        };
        converted.unwrap_or_else(|problem| {
            validity.null_at(place);
            unconverted(block, rule, row, field.bytes, problem, notes);
            T::Native::default()
        })
    });
    let values: ScalarBuffer<T::Native> = values.collect::<Vec<_>>().into();
    Ok(Arc::new(PrimitiveArray::<T>::try_new(
        values,
        validity.finish(),
    )?))
}

/// Reads an integer; blanks around it are passed over.
#[inline(always)]
fn integer(field: FieldBytes<'_>) -> Result<i64, Problem> {
    match number::integer(field.ahead, field.bytes.len()) {
        Some(value) => Ok(value),
        None => integer_slow(field.bytes),
    }
}

#[cold]
fn integer_slow(bytes: &[u8]) -> Result<i64, Problem> {
    let text = std::str::from_utf8(bytes.trim_ascii()).map_err(|_| Problem::Integer)?;
    text.parse()
        .map_err(|error: std::num::ParseIntError| match error.kind() {
            std::num::IntErrorKind::PosOverflow | std::num::IntErrorKind::NegOverflow => {
                Problem::Overflow
            }
            _ => Problem::Integer,
        })
}

#[inline(always)]
fn small<N: TryFrom<i64>>(field: FieldBytes<'_>) -> Result<N, Problem> {
    N::try_from(integer(field)?).map_err(|_| Problem::Overflow)
}

/// Refuses a number that is infinite only because its type cannot hold it.
fn in_range(is_infinite: bool, bytes: &[u8]) -> Result<(), Problem> {
    match is_infinite && bytes.iter().any(u8::is_ascii_digit) {
        true => Err(Problem::Overflow),
        false => Ok(()),
    }
}

fn decimal_column(
    block: &Block<'_>,
    rule: &ColumnRule,
    notes: &mut Vec<Note>,
    precision: u8,
    scale: i8,
) -> Result<ArrayRef, ArrowError> {
    let scale_digits = usize::try_from(scale).unwrap_or(0);
    let limit = 10_i128.pow(u32::from(precision.min(38)));
    let round = rule.round_decimals;
    let array = fixed::<Decimal128Type>(block, rule, notes, |field| {
        let value = match number::decimal(field.ahead, field.bytes.len(), scale_digits) {
            Some(value) => i128::from(value),
            None => decimal(field.bytes, scale_digits, round)?,
        };
        if value < limit && value > -limit {
            Ok(value)
        } else {
            Err(Problem::Overflow)
        }
    })?;
    arrow::array::AsArray::as_primitive::<Decimal128Type>(&array)
        .clone()
        .with_precision_and_scale(precision, scale)
        .map(|array| Arc::new(array) as ArrayRef)
}

/// Reads any decimal, cutting or rounding what is behind the scale.
#[cold]
fn decimal(bytes: &[u8], scale: usize, round: bool) -> Result<i128, Problem> {
    let text = bytes.trim_ascii();
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let mut value = 0_i128;
    let mut behind: Option<usize> = None;
    let mut any = false;
    let mut up = false;
    for &byte in digits {
        match byte {
            b'.' if behind.is_none() => behind = Some(0),
            b'0'..=b'9' => {
                any = true;
                let place = behind.unwrap_or(0);
                if behind.is_some() {
                    behind = Some(place + 1);
                }
                if place < scale || behind.is_none() {
                    let shifted = value.checked_mul(10).ok_or(Problem::Overflow)?;
                    value = shifted
                        .checked_add(i128::from(byte - b'0'))
                        .ok_or(Problem::Overflow)?;
                } else if place == scale {
                    up = round && byte >= b'5';
                }
            }
            _ => return Err(Problem::Decimal),
        }
    }
    if !any {
        return Err(Problem::Decimal);
    }
    for _ in behind.unwrap_or(0).min(scale)..scale {
        value = value.checked_mul(10).ok_or(Problem::Overflow)?;
    }
    if up {
        value = value.checked_add(1).ok_or(Problem::Overflow)?;
    }
    Ok(if negative { -value } else { value })
}

fn date(bytes: &[u8], rule: &ColumnRule) -> Result<i32, Problem> {
    if !matches!(rule.date, TimeRule::Only(_) | TimeRule::Epoch(_))
        && let Some(days) = time::iso_date(bytes)
    {
        return Ok(days);
    }
    let text = bytes.trim_ascii();
    let found = match &rule.date {
        TimeRule::Iso | TimeRule::Epoch(_) => {
            let us = iso_timestamp(text).map(|(us, _)| us.div_euclid(time::DAY_US));
            return us
                .and_then(|days| i32::try_from(days).ok())
                .ok_or(Problem::Date);
        }
        TimeRule::Formats(formats) => read_any(formats, text),
        TimeRule::Only(format) => format.read(text),
    };
    found.map(|found| found.days).ok_or(Problem::Date)
}

/// Microseconds since 1970; with `zoned` an instant, UTC where the text names no zone, else as written.
fn timestamp(bytes: &[u8], rule: &ColumnRule, zoned: bool) -> Result<i64, Problem> {
    let text = bytes.trim_ascii();
    let instant = |us: i64, offset: Option<i64>| us - if zoned { offset.unwrap_or(0) } else { 0 };
    let of_found = |found: Found| instant(found.timestamp_us(), found.offset_us);
    if !matches!(rule.timestamp, TimeRule::Only(_) | TimeRule::Epoch(_))
        && let Some((us, offset)) = iso_timestamp(text)
    {
        return Ok(instant(us, offset));
    }
    match &rule.timestamp {
        TimeRule::Iso => None,
        TimeRule::Formats(formats) => read_any(formats, text).map(of_found),
        TimeRule::Only(format) => format.read(text).map(of_found),
        TimeRule::Epoch(unit_us) => decimal(text, 6, false).ok().and_then(|millionths| {
            let us = millionths.checked_mul(i128::from(*unit_us))?;
            i64::try_from(us / 1_000_000).ok()
        }),
    }
    .ok_or(Problem::Timestamp)
}

fn boolean_column(
    block: &Block<'_>,
    rule: &ColumnRule,
    notes: &mut Vec<Note>,
) -> Result<ArrayRef, ArrowError> {
    let rows = block.rows.len();
    let mut values = BooleanBufferBuilder::new(rows);
    let mut validity = Validity::new(rows);
    for (place, &row) in block.rows.iter().enumerate() {
        let FieldBytes { bytes, .. } = block.field(row, rule.field);
        let value = match block.is_null(row, rule.field, bytes) {
            true => None,
            false => boolean(bytes.trim_ascii()),
        };
        match value {
            Some(value) => values.append(value),
            None => {
                values.append(false);
                validity.null_at(place);
                unconverted(block, rule, row, bytes, Problem::Boolean, notes);
            }
        }
    }
    Ok(Arc::new(BooleanArray::new(
        values.finish(),
        validity.finish(),
    )))
}

fn boolean(word: &[u8]) -> Option<bool> {
    let is_any = |words: &[&str]| {
        words
            .iter()
            .any(|each| word.eq_ignore_ascii_case(each.as_bytes()))
    };
    if is_any(&["t", "true", "y", "yes", "1"]) {
        return Some(true);
    }
    is_any(&["f", "false", "n", "no", "0"]).then_some(false)
}

fn text_column(
    block: &Block<'_>,
    rule: &ColumnRule,
    notes: &mut Vec<Note>,
) -> Result<ArrayRef, ArrowError> {
    let mut column = TextColumn::new(block.rows.len());
    if rule.text.may_be_long() {
        let lengths = block.rows.iter().map(|&row| {
            let place = block.fields.place(row as usize, rule.field);
            place.map_or(0, |(start, end)| end.saturating_sub(start))
        });
        column.reserve(lengths);
    }
    let mut validity = Validity::new(block.rows.len());
    let null_problem = rule.not_null.then_some(Problem::Null);
    let is_null_nul = block.null_as == [0];
    for (place, &row) in block.rows.iter().enumerate() {
        let FieldBytes { bytes, ahead } = block.field(row, rule.field);
        let pushed = if block.is_null(row, rule.field, bytes) {
            Ok(false)
        } else if is_null_nul && bytes.contains(&0) {
            Err(Problem::NulNotAlone)
        } else {
            match block.text(row, rule.field) {
                Some(text) => column.push(text, ahead, &rule.text),
                None => {
                    let pushed = column.push_unchecked(bytes, &rule.text);
                    if matches!(pushed, Ok(true)) && str::from_utf8(bytes).is_err() {
                        notes.push(Note {
                            row,
                            column: rule.column,
                            problem: Problem::Replaced,
                        });
                    }
                    pushed
                }
            }
        };
        let problem = match pushed {
            Ok(true) => continue,
            Ok(false) => null_problem,
            Err(problem) => Some(problem),
        };
        column.push_null();
        validity.null_at(place);
        notes.extend(problem.map(|problem| Note {
            row,
            column: rule.column,
            problem,
        }));
    }
    column.finish(validity.finish())
}

/// A column of texts that `make` writes from those of the file.
fn made_column(
    block: &Block<'_>,
    rule: &ColumnRule,
    notes: &mut Vec<Note>,
    make: impl Fn(&[u8]) -> Result<String, Problem>,
) -> Result<ArrayRef, ArrowError> {
    let rows = block.rows.len();
    let mut column = TextColumn::new(rows);
    let mut validity = Validity::new(rows);
    for (place, &row) in block.rows.iter().enumerate() {
        let FieldBytes { bytes, .. } = block.field(row, rule.field);
        let parsed = match block.is_null(row, rule.field, bytes) || bytes.trim_ascii().is_empty() {
            true => None,
            false => Some(make(bytes)),
        };
        let pushed = match parsed {
            Some(Ok(value)) => column.push_made(&value),
            Some(Err(problem)) => Err(problem),
            None if rule.not_null => Err(Problem::Null),
            None => Ok(false),
        };
        if let Err(problem) = pushed {
            notes.push(Note {
                row,
                column: rule.column,
                problem,
            });
        }
        if !matches!(pushed, Ok(true)) {
            column.push_null();
            validity.null_at(place);
        }
    }
    column.finish(validity.finish())
}

fn bytes_column(
    block: &Block<'_>,
    rule: &ColumnRule,
    notes: &mut Vec<Note>,
    bytes_max: usize,
) -> Result<ArrayRef, ArrowError> {
    let rows = block.rows.len();
    let mut builder = BinaryViewBuilder::with_capacity(rows);
    for &row in block.rows {
        let FieldBytes { bytes, .. } = block.field(row, rule.field);
        let value = match block.is_null(row, rule.field, bytes) {
            true => None,
            false => unhex(bytes),
        };
        match value {
            Some(value) if value.len() <= bytes_max && !bytes.is_empty() => {
                builder.append_value(value)
            }
            Some(value) if value.len() > bytes_max => {
                builder.append_null();
                notes.push(Note {
                    row,
                    column: rule.column,
                    problem: Problem::TooLong,
                });
            }
            _ => {
                builder.append_null();
                unconverted(block, rule, row, bytes, Problem::Hex, notes);
            }
        }
    }
    Ok(Arc::new(builder.finish()))
}

fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let nibble = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let pairs = text.chunks_exact(2);
    pairs.remainder().is_empty().then_some(())?;
    pairs
        .map(|pair| Some(nibble(*pair.first()?)? << 4 | nibble(*pair.last()?)?))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(ahead: &str, len: usize) -> FieldBytes<'_> {
        let ahead = ahead.as_bytes();
        let bytes = &ahead[..len];
        FieldBytes { bytes, ahead }
    }

    #[test]
    fn integers() {
        let cases: [(&str, Result<i64, Problem>); 8] = [
            ("0", Ok(0)),
            ("-42", Ok(-42)),
            (" 7 ", Ok(7)),
            ("+7", Ok(7)),
            ("-9223372036854775808", Ok(i64::MIN)),
            ("9223372036854775808", Err(Problem::Overflow)),
            ("1x", Err(Problem::Integer)),
            ("", Err(Problem::Integer)),
        ];
        for (text, expected) in cases {
            for behind in ["", "|12345678"] {
                let ahead = [text, behind].concat();
                let field = field(&ahead, text.len());
                assert_eq!(integer(field), expected, "{text}");
            }
        }
        assert_eq!(small::<i16>(field("32768", 5)), Err(Problem::Overflow));
        assert_eq!(small::<i16>(field("-32768", 6)), Ok(i16::MIN));
    }

    #[test]
    fn decimals() {
        let ahead = |text: &str| format!("{text}|12345678901").into_bytes();
        let read = |text: &str, scale, round| match number::decimal(&ahead(text), text.len(), scale)
        {
            Some(value) => {
                assert_eq!(
                    decimal(text.as_bytes(), scale, round),
                    Ok(i128::from(value)),
                    "{text}"
                );
                Ok(i128::from(value))
            }
            None => decimal(text.as_bytes(), scale, round),
        };
        assert_eq!(read("12.34", 2, false), Ok(1_234));
        assert_eq!(read("-12.3", 2, false), Ok(-1_230));
        assert_eq!(read("12", 2, false), Ok(1_200));
        assert_eq!(read("12.", 2, false), Ok(1_200));
        assert_eq!(read(".5", 2, false), Ok(50));
        assert_eq!(read("1.999", 2, false), Ok(199));
        assert_eq!(read("1.995", 2, true), Ok(200));
        assert_eq!(read("-1.995", 2, true), Ok(-200));
        assert_eq!(
            read("12345678901234567890.123", 3, false),
            Ok(12_345_678_901_234_567_890_123)
        );
        for text in ["", ".", "-", "1.2.3", "1e5", "x"] {
            assert_eq!(read(text, 2, false), Err(Problem::Decimal), "{text}");
        }
        let nines = "9".repeat(60);
        assert_eq!(read(&nines, 0, false), Err(Problem::Overflow));
    }

    /// Converts the fields of one column of one-field lines.
    fn convert(
        texts: &[&str],
        ty: SqlType,
        null_as: &str,
        not_null: bool,
    ) -> (ArrayRef, Vec<Note>) {
        let mut fields = Fields {
            cuts: vec![u32::MAX],
            stride: 1,
            rows: texts.len(),
            ..Fields::default()
        };
        let mut bytes = Vec::new();
        for text in texts {
            bytes.extend_from_slice(text.as_bytes());
            fields.cuts.push(bytes.len() as u32);
            bytes.push(b'\n');
        }
        let rows: Vec<u32> = (0..texts.len() as u32).collect();
        let block = Block {
            bytes: &bytes,
            text: str::from_utf8(&bytes).ok(),
            fields: &fields,
            field_count: 1,
            null_as: null_as.as_bytes(),
            rows: &rows,
        };
        let rule = ColumnRule {
            column: 0,
            field: 0,
            ty,
            not_null,
            text: TextRule {
                bytes_max: 9,
                is_char: false,
                trim_blanks: false,
                truncate: false,
                blanks_as_null: false,
                empty_as_null: false,
                replacement: None,
            },
            date: TimeRule::Iso,
            timestamp: TimeRule::Epoch(1_000_000),
            accept_any_date: false,
            round_decimals: true,
        };
        let mut notes = Vec::new();
        let array = column(&block, &rule, &mut notes).expect("a column");
        (array, notes)
    }

    #[test]
    fn a_text_that_means_null_is_null_though_it_converts() {
        let decimal = SqlType::Decimal {
            precision: 5,
            scale: 1,
        };
        let cases = [
            (SqlType::Integer, "-1", "2"),
            (SqlType::Double, "0", "1.5"),
            (decimal, "0", "1.5"),
            (SqlType::Boolean, "n", "no"),
            (SqlType::Date, "1900-01-01", "1900-01-02"),
            (SqlType::Varbyte(4), "ff", "fe"),
            (SqlType::Varchar(9), "none", "some"),
        ];
        for (ty, null, value) in cases {
            let (array, notes) = convert(&[null, value], ty, null, false);
            assert!(
                notes.is_empty() && array.is_null(0) && array.is_valid(1),
                "{ty}"
            );
            let (_, notes) = convert(&[null, value], ty, null, true);
            let problems: Vec<_> = notes.iter().map(|note| (note.row, note.problem)).collect();
            assert_eq!(problems, [(0, Problem::Null)], "{ty}");
        }
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        let widest = SqlType::Decimal {
            precision: 38,
            scale: 0,
        };
        let cases = [
            (SqlType::Double, "1e999", Problem::Overflow),
            (SqlType::Real, "-1e39", Problem::Overflow),
            (
                widest,
                "170141183460469231731687303715884105727.9",
                Problem::Overflow,
            ),
            (
                SqlType::Timestamp,
                "170141183460469231731687303715884",
                Problem::Timestamp,
            ),
        ];
        for (ty, text, problem) in cases {
            let (_, notes) = convert(&[text], ty, "\\N", false);
            let problems: Vec<_> = notes.iter().map(|note| note.problem).collect();
            assert_eq!(problems, [problem], "{ty} {text}");
        }
        let (array, notes) = convert(&["inf", "nan"], SqlType::Double, "\\N", false);
        assert!(notes.is_empty() && array.null_count() == 0);
    }

    #[test]
    fn hexadecimal() {
        assert_eq!(unhex(b"00ffA0"), Some(vec![0, 255, 160]));
        assert_eq!(unhex(b"0"), None);
        assert_eq!(unhex(b"0g"), None);
    }
}
