//! LAST_DAY: the last day of the month.

use super::calendar::{civil, date, days, month_days};
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;
use arrow::datatypes::Date32Type;

pub(super) const LAST_DAY: Scalar = Scalar {
    name: "last_day",
    aliases: &[],
    forms: &[Form::new(&[Kind::Date], Kind::Date)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Gives the last day of the month of a date or timestamp",
        syntax: "LAST_DAY(date)",
        arguments: &[("date", "a date or timestamp")],
        returns: "DATE",
        examples: &[
            ("last_day('2014-01-10')", "2014-01-31"),
            ("last_day(timestamp '2024-02-01 23:59:59')", "2024-02-29"),
            ("last_day(null)", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let dates = call.date(0)?;
    call.build::<Date32Type>(|row| {
        let Some(value) = dates.at(row) else {
            return Ok(None);
        };
        let day = civil(value.into());
        let last = month_days(day.year, day.month);
        date(days(day.year, day.month, last)).map(Some)
    })
}
