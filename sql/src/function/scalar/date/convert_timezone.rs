//! CONVERT_TIMEZONE: what clocks of another zone show.

use super::timezone::Zones;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;
use arrow::datatypes::TimestampMicrosecondType;

pub(super) const CONVERT_TIMEZONE: Scalar = Scalar {
    name: "convert_timezone",
    aliases: &[],
    forms: &[
        Form::new(&[Kind::Text, Kind::Timestamp], Kind::Timestamp),
        Form::new(&[Kind::Text, Kind::Text, Kind::Timestamp], Kind::Timestamp),
    ],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Converts a timestamp from one time zone to another",
        syntax: "CONVERT_TIMEZONE([source,] target, timestamp)",
        arguments: &[
            ("source", "the zone of the timestamp; UTC if not given"),
            (
                "target",
                "the zone of the result: a name, an abbreviation, or an offset to the west as EST5",
            ),
            ("timestamp", "a timestamp"),
        ],
        returns: "TIMESTAMP",
        examples: &[
            (
                "convert_timezone('PST', '2008-08-24 09:36:12')",
                "2008-08-24 01:36:12",
            ),
            (
                "convert_timezone('US/Pacific', '2008-08-24 09:36:12')",
                "2008-08-24 02:36:12",
            ),
            (
                "convert_timezone('EST', 'PST', '2008-03-05 12:25:29')",
                "2008-03-05 09:25:29",
            ),
            (
                "convert_timezone('America/New_York', '2013-02-01 08:00:00')",
                "2013-02-01 03:00:00",
            ),
            (
                "convert_timezone('America/New_York', '2013-06-01 08:00:00')",
                "2013-06-01 04:00:00",
            ),
            (
                "convert_timezone('GMT', 'NEWZONE +2', '2014-05-17 12:00:00')",
                "2014-05-17 10:00:00",
            ),
            (
                "convert_timezone('GMT', 'NEWZONE-2:15', '2014-05-17 12:00:00')",
                "2014-05-17 14:15:00",
            ),
            (
                "convert_timezone('GMT', 'America/Los_Angeles+2', '2014-05-17 12:00:00')",
                "2014-05-17 10:00:00",
            ),
            (
                "convert_timezone('GMT', 'GMT+2', '2014-05-17 12:00:00')",
                "2014-05-17 10:00:00",
            ),
            ("convert_timezone(null, '2014-05-17 12:00:00')", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let last = call.count().saturating_sub(1);
    let times = call.timestamp(last)?;
    let target = Zones::new(call, last.saturating_sub(1))?;
    let source = (last > 1).then(|| Zones::new(call, 0)).transpose()?;
    call.build::<TimestampMicrosecondType>(|row| {
        let (Some(time), Some(target)) = (times.at(row), target.at(row)?) else {
            return Ok(None);
        };
        let instant = match &source {
            None => time,
            Some(source) => match source.at(row)? {
                Some(source) => source.instant(time)?,
                None => return Ok(None),
            },
        };
        target.local(instant).map(Some)
    })
}
