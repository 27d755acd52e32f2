//! TIMEZONE, AT TIME ZONE: a timestamp seen in a zone.

use super::calendar::{MINUTE, out_of_range};
use crate::error::Result;
use crate::function::call::{Call, Column};
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use crate::function::zone::Zone;
use crate::types::timetz::TimeTz;
use arrow::array::{ArrayRef, StringViewArray};
use arrow::datatypes::{Time64NanosecondType, TimestampMicrosecondType};
use arrow_schema::DataType;

pub(super) const TIMEZONE: Scalar = Scalar {
    name: "timezone",
    aliases: &[],
    forms: &[
        Form::new(&[Kind::Text, Kind::Timestamp], Kind::TimestampTz),
        Form::new(&[Kind::Text, Kind::TimestampTz], Kind::Timestamp),
        Form::new(&[Kind::Text, Kind::TimeTz], Kind::TimeTz),
    ],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Takes a timestamp as of a time zone, or shows a TIMESTAMPTZ in one",
        syntax: "TIMEZONE(zone, timestamp) or timestamp AT TIME ZONE zone",
        arguments: &[
            (
                "zone",
                "a name, an abbreviation, or an offset to the west as EST5",
            ),
            ("timestamp", "a TIMESTAMP, TIMESTAMPTZ or TIMETZ"),
        ],
        returns: "TIMESTAMPTZ of a TIMESTAMP, TIMESTAMP of a TIMESTAMPTZ, TIMETZ of a TIMETZ",
        examples: &[
            (
                "timestamp '2001-02-16 20:38:40' at time zone 'MST'",
                "2001-02-17 03:38:40+00",
            ),
            (
                "timestamptz '2001-02-16 20:38:40-05' at time zone 'MST'",
                "2001-02-16 18:38:40",
            ),
            (
                "timezone('Europe/London', timestamp '2026-07-01 12:00:00')",
                "2026-07-01 11:00:00+00",
            ),
            ("timetz '20:38:40+00' at time zone 'MST'", "13:38:40-07"),
            ("timezone(null, timestamp '2026-07-01 12:00:00')", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let zones = Zones::new(call, 0)?;
    if matches!(call.ty(1), DataType::Time64(_)) {
        let times = call.primitive::<Time64NanosecondType>(1)?;
        return call.build::<Time64NanosecondType>(|row| {
            let (Some(zone), Some(time)) = (zones.at(row)?, times.at(row)) else {
                return Ok(None);
            };
            // A time has no date: a zone that changes its clocks counts as in winter.
            TimeTz::unpacked(time)
                .on_clocks_ahead(zone.local(0)? / MINUTE)
                .map(|time| Some(time.packed()))
                .ok_or_else(out_of_range)
        });
    }
    let times = call.timestamp(1)?;
    let shown = matches!(call.ty(1), DataType::Timestamp(_, Some(_)));
    call.build::<TimestampMicrosecondType>(|row| {
        let (Some(zone), Some(time)) = (zones.at(row)?, times.at(row)) else {
            return Ok(None);
        };
        if shown {
            zone.local(time).map(Some)
        } else {
            zone.instant(time).map(Some)
        }
    })
}

/// The zones an argument names; one that is the same for all rows is read once.
pub(super) struct Zones<'a> {
    names: Column<'a, StringViewArray>,
    constant: Option<Zone>,
}

impl<'a> Zones<'a> {
    pub(super) fn new(call: &Call<'a>, argument: usize) -> Result<Self> {
        let names = call.text(argument)?;
        let constant = names.constant().map(Zone::parse).transpose()?;
        Ok(Self { names, constant })
    }

    pub(super) fn at(&self, row: usize) -> Result<Option<Zone>> {
        match self.constant {
            Some(zone) => Ok(Some(zone)),
            None => self.names.at(row).map(Zone::parse).transpose(),
        }
    }
}
