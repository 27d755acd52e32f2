//! Chooses the form of a call and converts its arguments to the types of that form.

use super::declaration::{Form, Kind, Returns, Scalar};
use super::interval::Interval;
use super::moment;
use super::scalar::semistructured;
use super::scalar::semistructured::value::quote;
use super::session::Session;
use super::zone::Zone;
use crate::error::{Error, Result};
use crate::sqlstate::SqlState;
use crate::types::interval::{self, MICROSECONDS, MONTHS, PARTS};
use crate::types::timetz::TimeTz;
use crate::types::{SqlType, TIMESTAMP_ZONE, write_text};
use arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, IntervalMonthDayNanoArray, StringViewArray,
    StringViewBuilder, Time64MicrosecondArray, TimestampMicrosecondArray,
};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{
    DurationMicrosecondType, Float32Type, Float64Type, IntervalMonthDayNano,
    IntervalMonthDayNanoType, IntervalYearMonthType, Time64NanosecondType,
    TimestampMicrosecondType,
};
use arrow_schema::{ArrowError, DataType, Field, FieldRef, TimeUnit};
use datafusion_common::ScalarValue;
use std::sync::Arc;

/// Gives the form that takes arguments of these types at the least cost.
pub(super) fn form(declaration: &Scalar, types: &[DataType]) -> Result<&'static Form> {
    let forms: &'static [Form] = declaration.forms;
    let cost = |form: &'static Form| {
        if !form.takes(types.len()) {
            return None;
        }
        let costs = types.iter().enumerate();
        let cost: Option<u32> = costs
            .map(|(argument, ty)| cost(form.kind(argument)?, ty))
            .sum();
        Some((cost?, form))
    };
    let fitting = forms.iter().filter_map(cost);
    match fitting.min_by_key(|(cost, _)| *cost) {
        Some((_, form)) => Ok(form),
        None => Err(mismatch(declaration, types)),
    }
}

/// Refuses a call whose sketches are texts that are none.
pub(super) fn ensure_sketches(
    declaration: &Scalar,
    form: &Form,
    fields: &[FieldRef],
) -> Result<()> {
    let types = fields.iter().map(|field| SqlType::from_field(field));
    let fits = fields.iter().enumerate().all(|(argument, field)| {
        let is_one =
            field.data_type().is_null() || SqlType::from_field(field) == SqlType::HllSketch;
        form.kind(argument) != Some(Kind::Sketch) || is_one
    });
    match fits {
        true => Ok(()),
        false => {
            let shown = types.map(|ty| ty.short_name().to_owned());
            Err(absent(declaration, shown.collect()))
        }
    }
}

fn mismatch(declaration: &Scalar, types: &[DataType]) -> Error {
    let shown = types.iter().map(|ty| match ty {
        DataType::Null => "unknown".to_owned(),
        ty => SqlType::from_arrow(ty).short_name().to_owned(),
    });
    absent(declaration, shown.collect())
}

fn absent(declaration: &Scalar, shown: Vec<String>) -> Error {
    let shown = shown.join(", ");
    Error::new(
        SqlState::UNDEFINED_FUNCTION,
        format!("function {}({shown}) does not exist", declaration.name),
    )
    .with_hint(format!("Write {}", declaration.documentation.syntax))
}

/// The types of the arguments after conversion.
pub(super) fn converted(form: &Form, types: &[DataType]) -> Vec<DataType> {
    let each = types.iter().enumerate();
    each.map(|(argument, ty)| {
        let kind = form.kind(argument).unwrap_or(Kind::Any);
        target(kind, ty)
    })
    .collect()
}

/// The type of the result of a form for arguments of these types.
pub(super) fn result(
    form: &Form,
    types: &[DataType],
    constants: &[Option<&ScalarValue>],
) -> Result<DataType> {
    match form.returns {
        Returns::Kind(kind) => Ok(kind.arrow().unwrap_or(DataType::Decimal128(38, 0))),
        Returns::Types(compute) => compute(&converted(form, types), constants),
    }
}

fn target(kind: Kind, ty: &DataType) -> DataType {
    match (kind.arrow(), kind, ty) {
        (Some(ty), _, _) => ty,
        (None, Kind::Number, text) if text.is_string() => DataType::Float64,
        (None, Kind::Number | Kind::Decimal, DataType::Null) => DataType::Int32,
        (None, Kind::Decimal, ty) => whole(ty).unwrap_or_else(|| ty.clone()),
        (None, _, DataType::Utf8 | DataType::LargeUtf8) => DataType::Utf8View,
        (None, _, DataType::Timestamp(unit, zone)) if *unit != TimeUnit::Microsecond => {
            DataType::Timestamp(TimeUnit::Microsecond, zone.clone())
        }
        (None, _, ty) => ty.clone(),
    }
}

/// The decimal that holds every value of an integer type.
fn whole(ty: &DataType) -> Option<DataType> {
    let digits = match ty {
        DataType::Int8 | DataType::UInt8 => 3,
        DataType::Int16 | DataType::UInt16 => 5,
        DataType::Int32 | DataType::UInt32 => 10,
        DataType::Int64 => 19,
        DataType::UInt64 => 20,
        _ => return None,
    };
    Some(DataType::Decimal128(digits, 0))
}

/// What it costs to see a value of a type as of a kind; `None` if it cannot be.
///
/// Text costs most, because a literal is text until something else is asked for; the order among the kinds says what
/// a literal is taken for where a function has several forms.
fn cost(kind: Kind, ty: &DataType) -> Option<u32> {
    if *ty == DataType::Null {
        return Some(1);
    }
    let text = ty.is_string();
    let decimal = matches!(
        ty,
        DataType::Decimal32(..)
            | DataType::Decimal64(..)
            | DataType::Decimal128(..)
            | DataType::Decimal256(..)
    );
    let float = matches!(ty, DataType::Float32 | DataType::Float64);
    let integer = ty.is_integer();
    let zoned = matches!(ty, DataType::Timestamp(_, Some(_)));
    let timestamp = matches!(ty, DataType::Timestamp(_, None));
    Some(match kind {
        Kind::Boolean if *ty == DataType::Boolean => 0,
        Kind::Integer | Kind::BigInt | Kind::Double | Kind::Date
            if kind.arrow().as_ref() == Some(ty) =>
        {
            0
        }
        Kind::Integer if integer => 3,
        Kind::BigInt if integer => 2,
        Kind::Integer | Kind::BigInt if decimal => 26,
        Kind::Integer | Kind::BigInt if float => 27,
        Kind::Double if float => 1,
        Kind::Double if decimal => 3,
        Kind::Double if integer => 5,
        Kind::Decimal if decimal => 0,
        Kind::Decimal if integer => 2,
        Kind::Number if decimal || float || integer => 0,
        Kind::Timestamp if timestamp => 0,
        Kind::TimestampTz if zoned => 0,
        Kind::Timestamp if *ty == DataType::Date32 => 2,
        Kind::TimestampTz if timestamp => 4,
        Kind::TimestampTz if *ty == DataType::Date32 => 5,
        Kind::Timestamp if zoned => 6,
        Kind::Date if timestamp || zoned => 8,
        Kind::TimeTz | Kind::YearToMonth | Kind::DayToSecond
            if kind.arrow().as_ref() == Some(ty) =>
        {
            0
        }
        Kind::Time if *ty == DataType::Time64(TimeUnit::Nanosecond) => 2,
        Kind::TimeTz if matches!(ty, DataType::Time64(_)) => 1,
        Kind::Time if matches!(ty, DataType::Time32(_) | DataType::Time64(_)) => 0,
        Kind::YearToMonth | Kind::DayToSecond if *ty == PARTS => 1,
        Kind::Interval if matches!(ty, DataType::Interval(_) | DataType::Duration(_)) => 0,
        Kind::Varbyte
            if matches!(
                ty,
                DataType::Binary | DataType::LargeBinary | DataType::BinaryView
            ) =>
        {
            0
        }
        Kind::Any | Kind::Super => 1,
        Kind::Text | Kind::Sketch if text => 0,
        Kind::Timestamp if text => 15,
        Kind::TimestampTz if text => 16,
        Kind::Date if text => 18,
        Kind::Time if text => 19,
        Kind::Double if text => 20,
        Kind::Number if text => 21,
        Kind::BigInt if text => 22,
        Kind::Integer if text => 23,
        Kind::Interval if text => 24,
        Kind::Boolean if text => 25,
        Kind::Text if !matches!(kind_of_bytes(ty), Some(())) => 30,
        _ => return None,
    })
}

/// Bytes have no text of their own: they are not taken for one.
fn kind_of_bytes(ty: &DataType) -> Option<()> {
    matches!(
        ty,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView
    )
    .then_some(())
}

/// Converts an argument to the type its form wants.
///
/// A timestamp without a time zone is one of the session's zone, and shows what its clocks show.
pub(super) fn convert(
    array: ArrayRef,
    kind: Kind,
    field: &Field,
    session: Session<'_>,
) -> Result<ArrayRef> {
    let ty = array.data_type();
    let to = target(kind, ty);
    let is_super = ty.is_string() && SqlType::from_field(field) == SqlType::Super;
    if kind == Kind::Super {
        return match is_super {
            true => Ok(array),
            false => as_super(&array, field),
        };
    }
    if is_super && kind != Kind::Any {
        let plain = Field::new("", DataType::Utf8View, true);
        return convert(scalar_text(&array)?, kind, &plain, session);
    }
    if *ty == to {
        return Ok(array);
    }
    if to == DataType::Utf8View && !ty.is_string() && *ty != DataType::Null {
        return Ok(Arc::new(shown(array.as_ref(), SqlType::from_field(field))));
    }
    if ty.is_string()
        && let Some(read) = moments(&array, kind, session)
    {
        return read;
    }
    if *ty == DataType::Time64(TimeUnit::Microsecond) && kind == Kind::TimeTz {
        return super::scalar::span::with_zone(&array, session.zone);
    }
    if let Some(parts) = spans(&array, &to)? {
        return Ok(parts);
    }
    let whole = to.is_integer();
    let is_zoned = |ty: &DataType| matches!(ty, DataType::Timestamp(_, Some(_)));
    if !ty.is_string() && ty.is_temporal() && to.is_temporal() && is_zoned(ty) != is_zoned(&to) {
        return across_zones(&array, &to, session.zone);
    }
    let array: ArrayRef = match ty {
        // As a cast does: decimals round half away from zero, doubles half to even.
        DataType::Decimal128(_, scale) if whole && *scale > 0 => {
            cast(&array, &DataType::Decimal128(38, 0))?
        }
        DataType::Float64 if whole => Arc::new(
            array
                .as_primitive::<Float64Type>()
                .unary::<_, Float64Type>(f64::round_ties_even),
        ),
        DataType::Float32 if whole => Arc::new(
            array
                .as_primitive::<Float32Type>()
                .unary::<_, Float32Type>(f32::round_ties_even),
        ),
        _ => array,
    };
    cast(&array, &to)
}

/// Converts between the kinds of intervals, and a TIMETZ to the TIME its clock shows; `None` for other types.
fn spans(array: &ArrayRef, to: &DataType) -> Result<Option<ArrayRef>> {
    let from = array.data_type();
    if *from == DataType::Time64(TimeUnit::Nanosecond)
        && *to == DataType::Time64(TimeUnit::Microsecond)
    {
        let times = array.as_primitive::<Time64NanosecondType>();
        let clock = |packed| TimeTz::unpacked(packed).local;
        let times: Time64MicrosecondArray = times.unary(clock);
        return Ok(Some(Arc::new(times)));
    }
    if *to == PARTS {
        return Ok(interval::parts(array.as_ref()));
    }
    if *from != PARTS || (*to != MONTHS && *to != MICROSECONDS) {
        return Ok(None);
    }
    let parts = array.as_primitive::<IntervalMonthDayNanoType>();
    if *to == MONTHS {
        let months = parts.unary::<_, IntervalYearMonthType>(interval::to_months);
        return Ok(Some(Arc::new(months)));
    }
    let overflow = || Error::new(SqlState::DATETIME_FIELD_OVERFLOW, "interval out of range");
    let microseconds = |parts| interval::to_microseconds(parts).ok_or_else(overflow);
    let microseconds = parts.try_unary::<_, DurationMicrosecondType, _>(microseconds)?;
    Ok(Some(Arc::new(microseconds)))
}

/// Writes values as JSON: numbers and truth values as they are, anything else as a text.
fn as_super(array: &ArrayRef, field: &Field) -> Result<ArrayRef> {
    let ty = array.data_type();
    if *ty == DataType::Null {
        return cast(array, &DataType::Utf8View);
    }
    if ty.is_temporal() || kind_of_bytes(ty).is_some() {
        let name = SqlType::from_field(field);
        return Err(Error::unsupported(
            format!("{name} as SUPER"),
            "Cast the value to VARCHAR",
        ));
    }
    let texts = shown(array.as_ref(), SqlType::from_arrow(ty));
    if ty.is_numeric() || *ty == DataType::Boolean {
        return Ok(Arc::new(texts));
    }
    let mut builder = StringViewBuilder::with_capacity(texts.len());
    let mut quoted = String::new();
    for text in &texts {
        quoted.clear();
        match text {
            Some(text) => {
                quote(text, &mut quoted);
                builder.append_value(&quoted);
            }
            None => builder.append_null(),
        }
    }
    Ok(Arc::new(builder.finish()))
}

/// Gives the texts of SUPER values as a cast reads them.
fn scalar_text(array: &ArrayRef) -> Result<ArrayRef> {
    let texts = cast(array, &DataType::Utf8View)?;
    let mut builder = StringViewBuilder::with_capacity(texts.len());
    let mut text = String::new();
    for value in texts.as_string_view() {
        text.clear();
        match value {
            None | Some("null") => builder.append_null(),
            // As a cast to VARCHAR: only JSON_SERIALIZE writes these.
            Some(value) if value.starts_with(['[', '{']) => builder.append_null(),
            Some(value) => {
                semistructured::value::of(value).write(&mut text);
                builder.append_value(&text);
            }
        }
    }
    Ok(Arc::new(builder.finish()))
}

/// Reads dates and times; `None` for other kinds.
fn moments(array: &ArrayRef, kind: Kind, session: Session<'_>) -> Option<Result<ArrayRef>> {
    let ty = kind.arrow()?;
    let texts = match cast(array, &DataType::Utf8View) {
        Ok(texts) => texts,
        Err(error) => return Some(Err(error)),
    };
    let texts = texts.as_string_view();
    let order = session.order;
    Some(match kind {
        Kind::Date => texts
            .iter()
            .map(|text| text.map(|text| moment::read_date(text, order)).transpose())
            .collect::<Result<Date32Array>>()
            .map(|read| Arc::new(read) as ArrayRef),
        Kind::Time => texts
            .iter()
            .map(|text| text.map(moment::read_time).transpose())
            .collect::<Result<Time64MicrosecondArray>>()
            .map(|read| Arc::new(read) as ArrayRef),
        Kind::Timestamp => texts
            .iter()
            .map(|text| {
                text.map(|text| moment::read_timestamp(text, order))
                    .transpose()
            })
            .collect::<Result<TimestampMicrosecondArray>>()
            .map(|read| Arc::new(read) as ArrayRef),
        Kind::Interval => texts
            .iter()
            .map(|text| text.map(read_interval).transpose())
            .collect::<Result<IntervalMonthDayNanoArray>>()
            .map(|read| Arc::new(read) as ArrayRef),
        Kind::TimestampTz => Zone::parse(session.zone).and_then(|zone| {
            let read = |text| moment::read_timestamptz(text, zone, order);
            texts
                .iter()
                .map(|text| text.map(read).transpose())
                .collect::<Result<TimestampMicrosecondArray>>()
                .map(|read| Arc::new(read.with_data_type(ty)) as ArrayRef)
        }),
        _ => return None,
    })
}

fn read_interval(text: &str) -> Result<IntervalMonthDayNano> {
    let read = Interval::parse(text, None)?;
    Ok(IntervalMonthDayNano::new(
        read.months,
        read.days,
        read.nanoseconds,
    ))
}

/// From what clocks show to an instant, or the other way.
fn across_zones(array: &ArrayRef, to: &DataType, zone: &str) -> Result<ArrayRef> {
    let zone = Zone::parse(zone)?;
    if array.data_type() == &DataType::Null || matches!(to, DataType::Time64(_)) {
        return cast(array, to);
    }
    let to_instant = matches!(to, DataType::Timestamp(_, Some(_)));
    let plain = if to_instant {
        cast(array, &DataType::Timestamp(TimeUnit::Microsecond, None))?
    } else {
        cast(
            array,
            &DataType::Timestamp(TimeUnit::Microsecond, Some(TIMESTAMP_ZONE.into())),
        )?
    };
    let times = plain.as_primitive::<TimestampMicrosecondType>();
    let moved = times.iter().map(|time| match time {
        None => Ok(None),
        Some(time) if to_instant => zone.instant(time).map(Some),
        Some(time) => zone.local(time).map(Some),
    });
    let moved = moved.collect::<Result<TimestampMicrosecondArray>>()?;
    if to_instant {
        return Ok(Arc::new(moved.with_data_type(to.clone())));
    }
    cast(&(Arc::new(moved) as ArrayRef), to)
}

fn cast(array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    cast_with_options(array, to, &options).map_err(|error| not_a_value(array, to, &error))
}

/// Says which text is not a value of the type.
fn not_a_value(array: &ArrayRef, to: &DataType, error: &ArrowError) -> Error {
    let ty = SqlType::from_arrow(to);
    if !array.data_type().is_string() {
        return Error::new(
            SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
            format!("value out of range for type {ty}"),
        );
    }
    let code = match ty {
        SqlType::Date | SqlType::Time | SqlType::Timestamp | SqlType::TimestampTz => {
            SqlState::INVALID_DATETIME_FORMAT
        }
        _ => SqlState::INVALID_TEXT_REPRESENTATION,
    };
    let text = error.to_string();
    let value = text.split('\'').nth(1).unwrap_or_default();
    Error::new(
        code,
        format!("invalid input syntax for type {ty}: \"{value}\""),
    )
}

/// The text of every value, as a cast to VARCHAR gives it.
pub(crate) fn shown(array: &dyn Array, ty: SqlType) -> StringViewArray {
    let mut builder = StringViewBuilder::with_capacity(array.len());
    let mut text = String::new();
    for row in 0..array.len() {
        if array.is_null(row) {
            builder.append_null();
            continue;
        }
        text.clear();
        match array.as_boolean_opt() {
            Some(truth) => text.push_str(if truth.value(row) { "true" } else { "false" }),
            None => write_text(array, row, ty, &mut text),
        }
        builder.append_value(&text);
    }
    builder.finish()
}
