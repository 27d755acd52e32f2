//! Redshift's functions, one file each, declared as data; `declared.rs` and `adapter.rs` meet DataFusion.

pub(crate) mod adapter;
mod aggregate;
pub mod as_is;
pub(crate) mod call;
pub mod chain;
pub mod checked;
pub mod declaration;
mod declared;
pub mod exact;
pub mod folded;
pub(crate) mod interval;
pub(crate) mod moment;
mod now;
pub mod one_row;
mod ordered;
pub(crate) mod quotient;
pub(crate) mod resolve;
pub(crate) mod round_half;
pub mod row_key;
mod scalar;
pub(crate) mod semistructured;
pub mod session;
pub(crate) mod sketch;
pub(crate) mod text_length;
pub mod unpadded;
pub(crate) mod whole;
pub(crate) mod zone;

use crate::error::Result;
use crate::types::SqlType;
use crate::types::interval::{MICROSECONDS, MONTHS, PARTS};
use arrow_schema::{DataType, IntervalUnit, TimeUnit};
use datafusion_common::ScalarValue;
use datafusion_expr::{AggregateUDF, ScalarUDF, WindowUDF};
use declaration::Scalar;
pub(crate) use scalar::with_backslash;
use session::Session;
use std::sync::{Arc, LazyLock};
pub use zone::{ZoneFacts, abbreviations as time_zone_abbreviations, names as time_zone_names};

/// Gives every declared scalar function with its documentation, also those the engine computes.
pub fn declarations() -> impl Iterator<Item = &'static Scalar> {
    scalar::FAMILIES
        .iter()
        .flat_map(|(_, functions)| functions.iter().copied())
}

/// Gives every scalar function of ours. They replace the engine's of the same name.
pub fn scalar_functions() -> Vec<Arc<ScalarUDF>> {
    let mut functions = vec![
        text_length::assign(),
        text_length::cut(),
        text_length::any(),
        round_half::round(),
        whole::whole(),
        quotient::quotient(),
        unpadded::unpadded(),
        as_is::as_is(),
        chain::chain(),
        exact::chain::chain(),
        one_row::one_row(),
        row_key::row_key(),
        folded::folded(),
        folded::ordered(),
        folded::written(),
        now::now(),
    ];
    functions.extend(checked::all());
    functions.extend(exact::all());
    functions.extend(declarations().filter_map(declared::function));
    functions
}

/// Gives every aggregate function of ours.
pub fn aggregate_functions() -> Vec<Arc<AggregateUDF>> {
    let mut all = ordered::functions();
    all.extend(aggregate::functions());
    all
}

/// Gives the function of a total and a count that ends an AVG over values of a type, with the type the total must
/// have; `None` if the type is no number.
pub fn average_finish(argument: &DataType) -> Option<(DataType, ScalarUDF)> {
    aggregate::average_finish(argument)
}

/// Gives every window function of ours.
pub fn window_functions() -> Vec<Arc<WindowUDF>> {
    Vec::new()
}

static READERS: LazyLock<[Option<Arc<ScalarUDF>>; 7]> = LazyLock::new(|| {
    [
        declared::function(&scalar::READ_DATE),
        declared::function(&scalar::READ_TIME),
        declared::function(&scalar::READ_TIMESTAMP),
        declared::function(&scalar::READ_TIMESTAMPTZ),
        declared::function(&scalar::span::TO_TIMETZ),
        declared::function(&scalar::span::TO_MONTHS),
        declared::function(&scalar::span::TO_MICROSECONDS),
    ]
});
static TEXT: LazyLock<Option<Arc<ScalarUDF>>> = LazyLock::new(|| declared::function(&scalar::TEXT));
/// Finds the function that reads a text as a date or time of an arrow type.
pub(crate) fn reader(ty: &DataType) -> Option<Arc<ScalarUDF>> {
    let [
        date,
        time,
        timestamp,
        timestamptz,
        timetz,
        months,
        microseconds,
    ] = &*READERS;
    match ty {
        DataType::Date32 => date.clone(),
        DataType::Time64(TimeUnit::Microsecond) => time.clone(),
        DataType::Time64(TimeUnit::Nanosecond) => timetz.clone(),
        DataType::Interval(IntervalUnit::YearMonth) => months.clone(),
        DataType::Duration(TimeUnit::Microsecond) => microseconds.clone(),
        DataType::Timestamp(TimeUnit::Microsecond, None) => timestamp.clone(),
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => timestamptz.clone(),
        _ => None,
    }
}

static FLOATS: LazyLock<[Option<Arc<ScalarUDF>>; 2]> = LazyLock::new(|| {
    [
        declared::function(&scalar::READ_DOUBLE),
        declared::function(&scalar::READ_REAL),
    ]
});

/// Finds the function that reads a text as a floating-point number of an arrow type; its result is a double.
pub(crate) fn float_reader(ty: &DataType) -> Option<Arc<ScalarUDF>> {
    let [double, real] = &*FLOATS;
    match ty {
        DataType::Float64 => double.clone(),
        DataType::Float32 => real.clone(),
        _ => None,
    }
}

static SKETCH: LazyLock<Option<Arc<ScalarUDF>>> =
    LazyLock::new(|| declared::function(&scalar::SKETCH));

/// Gives the function that reads an HLLSKETCH from its text.
pub(crate) fn sketch_reader() -> Option<Arc<ScalarUDF>> {
    SKETCH.clone()
}

/// Tells whether an arrow type is an interval's.
fn is_span(ty: &DataType) -> bool {
    *ty == PARTS || *ty == MONTHS || *ty == MICROSECONDS
}

/// Finds the function that writes values of an arrow type as a text, if the engine's cast writes them otherwise.
pub(crate) fn writer(ty: &DataType) -> Option<Arc<ScalarUDF>> {
    match ty {
        DataType::Timestamp(..)
        | DataType::Float32
        | DataType::Float64
        | DataType::Time64(TimeUnit::Nanosecond) => TEXT.clone(),
        span if is_span(span) => TEXT.clone(),
        _ => None,
    }
}

static CONVERTERS: LazyLock<[Option<Arc<ScalarUDF>>; 8]> = LazyLock::new(|| {
    [
        declared::function(&scalar::span::TO_PARTS),
        declared::function(&scalar::span::TO_TIME),
        declared::function(&scalar::span::LOCAL),
        declared::function(&scalar::span::LOCAL_DATE),
        declared::function(&scalar::span::LOCAL_TIME),
        declared::function(&scalar::span::ZONED),
        declared::function(&scalar::span::CUT_MONTHS),
        declared::function(&scalar::span::CUT_MICROSECONDS),
    ]
});

/// Finds the function that makes a value of one type of another, where the engine's cast would not or would do wrong:
/// intervals and TIMETZ, and what depends on the zone of the session.
pub(crate) fn converter(from: &DataType, to: &DataType) -> Option<Arc<ScalarUDF>> {
    const TIMETZ: DataType = DataType::Time64(TimeUnit::Nanosecond);
    const TIME: DataType = DataType::Time64(TimeUnit::Microsecond);
    let [parts, time, local, local_date, local_time, zoned, ..] = &*CONVERTERS;
    if from == to {
        return None;
    }
    match (from, to) {
        (DataType::Timestamp(_, Some(_)), DataType::Timestamp(TimeUnit::Microsecond, None)) => {
            return local.clone();
        }
        (DataType::Timestamp(_, Some(_)), DataType::Date32) => return local_date.clone(),
        (DataType::Timestamp(_, Some(_)), DataType::Time64(TimeUnit::Microsecond)) => {
            return local_time.clone();
        }
        (
            DataType::Timestamp(_, None) | DataType::Date32,
            DataType::Timestamp(TimeUnit::Microsecond, Some(_)),
        ) => return zoned.clone(),
        _ => {}
    }
    if to.is_string() {
        return match is_span(from) || *from == TIMETZ {
            true => writer(from),
            false => None,
        };
    }
    if *from == TIMETZ {
        return match *to == TIME {
            true => time.clone(),
            false => None,
        };
    }
    if *to == PARTS {
        return match is_span(from) || from.is_string() {
            true => parts.clone(),
            false => None,
        };
    }
    let to_timetz = *to == TIMETZ && (*from == TIME || matches!(from, DataType::Timestamp(..)));
    match to_timetz || is_span(from) && is_span(to) {
        true => reader(to),
        false => None,
    }
}

/// Gives the functions that cut intervals to a unit: of months, of microseconds.
pub(crate) fn interval_cuts() -> (Option<Arc<ScalarUDF>>, Option<Arc<ScalarUDF>>) {
    let [.., months, microseconds] = &*CONVERTERS;
    (months.clone(), microseconds.clone())
}

/// Reads a JSON text as a SUPER: appends it without the blanks between its parts, keys in their order and numbers as they
/// are written. `false` if it is not JSON; nothing is appended then.
pub fn read_super(text: &str, out: &mut String) -> bool {
    match scalar::json::scan::parse(text) {
        Some(value) => {
            scalar::semistructured::value::compact(value.text, out);
            true
        }
        None => false,
    }
}

/// Appends a text as a JSON string, in quotes.
pub fn write_json_string(text: &str, out: &mut String) {
    scalar::semistructured::value::quote(text, out);
}

/// Reads one value from its text as a cast does in a session: dates and times in every form.
pub fn read_scalar(text: &str, ty: SqlType, session: Session<'_>) -> Result<ScalarValue> {
    let parts = || {
        let read = interval::Interval::parse(text, None)?;
        Ok::<_, crate::Error>(arrow::datatypes::IntervalMonthDayNano::new(
            read.months,
            read.days,
            read.nanoseconds,
        ))
    };
    let zone = || zone::Zone::parse(session.zone);
    Ok(match ty {
        SqlType::Date => ScalarValue::Date32(Some(moment::read_date(text, session.order)?)),
        SqlType::Time => ScalarValue::Time64Microsecond(Some(moment::read_time(text)?)),
        SqlType::Timestamp => {
            let time = moment::read_timestamp(text, session.order)?;
            ScalarValue::TimestampMicrosecond(Some(time), None)
        }
        SqlType::TimestampTz => {
            let time = moment::read_timestamptz(text, zone()?, session.order)?;
            let utc = Some(crate::types::TIMESTAMP_ZONE.into());
            ScalarValue::TimestampMicrosecond(Some(time), utc)
        }
        SqlType::TimeTz => {
            ScalarValue::Time64Nanosecond(Some(moment::read_timetz(text, zone()?)?.packed()))
        }
        SqlType::YearToMonth(unit) => {
            let months = crate::types::interval::to_months(parts()?);
            let unit = i32::try_from(unit.months()).unwrap_or(1);
            ScalarValue::IntervalYearMonth(Some(months - months % unit))
        }
        SqlType::DayToSecond(unit) => {
            let value = crate::types::interval::to_microseconds(parts()?).ok_or_else(too_long)?;
            let unit = unit.microseconds();
            ScalarValue::DurationMicrosecond(Some(value - value % unit))
        }
        SqlType::HllSketch => {
            let mut written = String::new();
            sketch::Sketch::read(text)?.write(&mut written);
            ScalarValue::Utf8View(Some(written))
        }
        other => other.read_text(text)?,
    })
}

fn too_long() -> crate::Error {
    crate::Error::new(
        crate::sqlstate::SqlState::DATETIME_FIELD_OVERFLOW,
        "interval out of range",
    )
}

/// Finds a function that only the binder writes.
pub(crate) fn internal(name: &str) -> Option<Arc<ScalarUDF>> {
    match name {
        "blueshift_assign_text" => Some(text_length::assign()),
        "blueshift_any_text" => Some(text_length::any()),
        "blueshift_cut" => Some(text_length::cut()),
        "blueshift_whole" => Some(whole::whole()),
        "blueshift_round" => Some(round_half::round()),
        _ => None,
    }
}
