//! Text as a date or time: what a cast and a comparison with a date or time do, in every form Redshift takes.

use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use crate::function::moment;
use crate::function::zone::Zone;
use arrow::array::ArrayRef;
use arrow::datatypes::{Date32Type, Time64MicrosecondType, TimestampMicrosecondType};

const ARGUMENTS: &[(&str, &str)] = &[
    ("text", "a date or time in a form of the manual"),
    (
        "or_null",
        "whether what is none gives null, as TRY_CAST does",
    ),
];

macro_rules! reader {
    ($name:literal, $kind:expr, $volatility:expr, $code:expr, $summary:literal, $syntax:literal, $returns:literal, $examples:expr) => {
        Scalar {
            name: $name,
            aliases: &[],
            forms: &[Form::with_optional(&[Kind::Text], &[Kind::Boolean], $kind)],
            volatility: $volatility,
            nulls: Nulls::Propagate,
            documentation: Documentation {
                summary: $summary,
                syntax: $syntax,
                arguments: ARGUMENTS,
                returns: $returns,
                examples: $examples,
            },
            code: Code::Own($code),
        }
    };
}

pub(in crate::function) const READ_DATE: Scalar = reader!(
    "blueshift_read_date",
    Kind::Date,
    Volatility::Immutable,
    date,
    "Reads a date from a text, as CAST(text AS DATE)",
    "BLUESHIFT_READ_DATE(text [, or_null])",
    "DATE",
    &[
        ("'January 8, 1999'::date", "1999-01-08"),
        ("'1/8/1999'::date", "1999-01-08"),
        ("'01/02/00'::date", "2000-01-02"),
        ("'31-Jan-2000'::date", "2000-01-31"),
        ("'080215'::date", "2008-02-15"),
        ("'2008.366'::date", "2008-12-31"),
        ("try_cast('no date' as date)", "NULL"),
        ("date '1999-01-08' = '8 Jan 1999'", "t"),
    ]
);

pub(in crate::function) const READ_TIME: Scalar = reader!(
    "blueshift_read_time",
    Kind::Time,
    Volatility::Immutable,
    time,
    "Reads a time from a text, as CAST(text AS TIME)",
    "BLUESHIFT_READ_TIME(text [, or_null])",
    "TIME",
    &[
        ("'040506'::time", "04:05:06"),
        ("'04:05 PM'::time", "16:05:00"),
        ("time '16:05:06.789'", "16:05:06.789"),
    ]
);

pub(in crate::function) const READ_TIMESTAMP: Scalar = reader!(
    "blueshift_read_timestamp",
    Kind::Timestamp,
    Volatility::Immutable,
    timestamp,
    "Reads a timestamp from a text, as CAST(text AS TIMESTAMP); its time zone counts for nothing",
    "BLUESHIFT_READ_TIMESTAMP(text [, or_null])",
    "TIMESTAMP",
    &[
        ("'Jun 1,2008 09:59:59'::timestamp", "2008-06-01 09:59:59"),
        ("timestamp '20080601 09:59'", "2008-06-01 09:59:00"),
        (
            "'2008-06-01 09:59:59 EST'::timestamp",
            "2008-06-01 09:59:59"
        ),
        ("timestamp '6/1/2008'", "2008-06-01 00:00:00"),
        ("try_cast('no time' as timestamp)", "NULL"),
    ]
);

pub(in crate::function) const READ_TIMESTAMPTZ: Scalar = reader!(
    "blueshift_read_timestamptz",
    Kind::TimestampTz,
    Volatility::Stable,
    timestamptz,
    "Reads a timestamp with its time zone from a text, as CAST(text AS TIMESTAMPTZ)",
    "BLUESHIFT_READ_TIMESTAMPTZ(text [, or_null])",
    "TIMESTAMPTZ; without a zone it is one of the session's",
    &[
        (
            "'Jun 1,2008 09:59:59 EST'::timestamptz",
            "2008-06-01 14:59:59+00"
        ),
        (
            "timestamptz '2008-06-01 09:59:59 US/Pacific'",
            "2008-06-01 16:59:59+00"
        ),
    ]
);

/// Keeps a failure unless null is wanted for it.
fn kept<T>(read: Result<T>, or_null: bool) -> Result<Option<T>> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(_) if or_null => Ok(None),
        Err(error) => Err(error),
    }
}

fn or_null(call: &Call<'_>) -> Result<bool> {
    Ok(call.count() > 1 && call.boolean(1)?.at(0) == Some(true))
}

fn date(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, or_null) = (call.text(0)?, or_null(call)?);
    call.build::<Date32Type>(|row| match texts.at(row) {
        Some(text) => kept(moment::read_date(text, call.order), or_null),
        None => Ok(None),
    })
}

fn time(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, or_null) = (call.text(0)?, or_null(call)?);
    call.build::<Time64MicrosecondType>(|row| match texts.at(row) {
        Some(text) => kept(moment::read_time(text), or_null),
        None => Ok(None),
    })
}

fn timestamp(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, or_null) = (call.text(0)?, or_null(call)?);
    call.build::<TimestampMicrosecondType>(|row| match texts.at(row) {
        Some(text) => kept(moment::read_timestamp(text, call.order), or_null),
        None => Ok(None),
    })
}

fn timestamptz(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, or_null) = (call.text(0)?, or_null(call)?);
    let zone = Zone::parse(call.zone)?;
    call.build::<TimestampMicrosecondType>(|row| match texts.at(row) {
        Some(text) => kept(moment::read_timestamptz(text, zone, call.order), or_null),
        None => Ok(None),
    })
}
