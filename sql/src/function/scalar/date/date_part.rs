//! DATE_PART: a part of a date or time, seconds with their fraction.

use super::calendar::SECOND;
use super::part::{Part, Parts, not_supported};
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use crate::types::timetz::TimeTz;
use arrow::array::ArrayRef;
use arrow::datatypes::{Float64Type, Time64MicrosecondType, Time64NanosecondType};
use arrow_schema::{DataType, TimeUnit};

pub(super) const DATE_PART: Scalar = Scalar {
    name: "date_part",
    aliases: &["pgdate_part", "datepart"],
    forms: &[
        Form::new(&[Kind::Text, Kind::Timestamp], Kind::Double),
        Form::new(&[Kind::Text, Kind::TimestampTz], Kind::Double),
        Form::new(&[Kind::Text, Kind::Time], Kind::Double),
        Form::new(&[Kind::Text, Kind::TimeTz], Kind::Double),
        Form::new(&[Kind::Text, Kind::Interval], Kind::Double),
    ],
    volatility: Volatility::Stable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Gives a part of a date, time, timestamp or interval",
        syntax: "DATE_PART(part, date)",
        arguments: &[
            (
                "part",
                "a part of a date or time, as a word or a string: month, day, hour, dow, epoch, ...",
            ),
            ("date", "a date, timestamp, time or interval"),
        ],
        returns: "DOUBLE PRECISION; seconds have their fraction, milliseconds and microseconds are of the last second",
        examples: &[
            (
                "date_part(minute, timestamp '2023-01-04 04:05:06.789')",
                "5",
            ),
            ("date_part(week, timestamp '2022-05-02 04:05:06.789')", "18"),
            (
                "date_part(dayofweek, timestamp '2022-05-02 04:05:06.789')",
                "1",
            ),
            (
                "date_part('century', timestamp '2022-05-02 04:05:06.789')",
                "21",
            ),
            (
                "date_part(millennium, timestamp '2022-05-02 04:05:06.789')",
                "3",
            ),
            (
                "date_part(microsecond, timestamp '2022-05-02 04:05:06.789')",
                "789000",
            ),
            (
                "date_part(sec, timestamp '2009-09-21 11:10:03.189717')",
                "3.189717",
            ),
            ("date_part(month, date '2022-05-02')", "5"),
            (
                "date_part(epoch, timestamp '2008-01-01 20:00:00')",
                "1199217600",
            ),
            ("date_part(w, '2008-06-17 09:44:54')", "25"),
            ("pgdate_part(dow, date '2008-01-05')", "6"),
            ("date_part(hour, time '18:25:33.123456')", "18"),
            ("date_part(minute, timetz '18:25:33.123456+05:30')", "25"),
            ("date_part(day, interval '2' day)", "2"),
        ],
    },
    code: Code::Own(eval),
};

#[expect(
    clippy::cast_precision_loss,
    reason = "a part of a date and microseconds of a minute are far below 2^53"
)]
fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let parts = Parts::new(call)?;
    if matches!(call.ty(1), DataType::Interval(_)) {
        let values = call.interval(1)?;
        return call.build::<Float64Type>(|row| {
            let (Some(part), Some(value)) = (parts.at(row)?, values.at(row)) else {
                return Ok(None);
            };
            let part = super::extract::of_interval(part, value)?;
            Ok(Some(part as f64))
        });
    }
    let of = |part: Part, time: i64| match part {
        Part::Second => (time.rem_euclid(60 * SECOND)) as f64 / SECOND as f64,
        part => part.of(time) as f64,
    };
    if matches!(call.ty(1), DataType::Time64(TimeUnit::Nanosecond)) {
        let times = call.primitive::<Time64NanosecondType>(1)?;
        return call.build::<Float64Type>(|row| {
            let (Some(part), Some(time)) = (parts.at(row)?, times.at(row)) else {
                return Ok(None);
            };
            let time = TimeTz::unpacked(time);
            Ok(Some(match part {
                Part::Second => of(part, time.local),
                part => super::extract::of_timetz(part, time)? as f64,
            }))
        });
    }
    if matches!(call.ty(1), DataType::Time64(_)) {
        let times = call.primitive::<Time64MicrosecondType>(1)?;
        return call.build::<Float64Type>(|row| {
            let (Some(part), Some(time)) = (parts.at(row)?, times.at(row)) else {
                return Ok(None);
            };
            if !part.is_of_time() {
                return Err(not_supported(part, "time"));
            }
            Ok(Some(of(part, time)))
        });
    }
    let times = super::extract::Local::new(call)?;
    call.build::<Float64Type>(|row| {
        let (Some(part), Some(time)) = (parts.at(row)?, times.at(row)?) else {
            return Ok(None);
        };
        Ok(Some(match times.offset(part, row)? {
            Some(offset) => offset as f64,
            None if part == Part::Epoch => {
                times.instant(row).unwrap_or(0).div_euclid(SECOND) as f64
            }
            None => of(part, time),
        }))
    })
}
