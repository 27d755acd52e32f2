//! NEXT_DAY: the first day of that name after a date.

use super::calendar::{date, weekday};
use crate::error::{Error, Result};
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use crate::sqlstate::SqlState;
use arrow::array::ArrayRef;
use arrow::datatypes::Date32Type;

pub(super) const NEXT_DAY: Scalar = Scalar {
    name: "next_day",
    aliases: &[],
    forms: &[Form::new(&[Kind::Date, Kind::Text], Kind::Date)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Gives the first day of a name after a date",
        syntax: "NEXT_DAY(date, day)",
        arguments: &[
            ("date", "a date or timestamp"),
            (
                "day",
                "the name of a day, or its first letters: at least two, one for M, W and F",
            ),
        ],
        returns: "DATE, always later than `date`",
        examples: &[
            ("next_day('2014-08-20', 'Tuesday')", "2014-08-26"),
            ("next_day(date '2014-08-20', 'wed')", "2014-08-27"),
            ("next_day('2014-08-20', null)", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

/// Names from Sunday with the letters that at least must be there.
const DAYS: [(&str, usize); 7] = [
    ("sunday", 2),
    ("monday", 1),
    ("tuesday", 2),
    ("wednesday", 1),
    ("thursday", 2),
    ("friday", 1),
    ("saturday", 2),
];

fn number(name: &str) -> Result<i64> {
    let lower = name.trim().to_ascii_lowercase();
    let is = |(day, least): &(&str, usize)| lower.len() >= *least && day.starts_with(&lower);
    match (0..).zip(DAYS).find(|(_, day)| is(day)) {
        Some((number, _)) => Ok(number),
        None => Err(Error::new(
            SqlState::INVALID_PARAMETER_VALUE,
            format!("\"{name}\" is not a day of the week"),
        )
        .with_hint("Use Sunday, Monday, Tuesday, Wednesday, Thursday, Friday or Saturday")),
    }
}

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let (dates, names) = (call.date(0)?, call.text(1)?);
    let constant = names.constant().map(number).transpose()?;
    call.build::<Date32Type>(|row| {
        let (Some(from), Some(name)) = (dates.at(row), names.at(row)) else {
            return Ok(None);
        };
        let wanted = match constant {
            Some(wanted) => wanted,
            None => number(name)?,
        };
        let from = i64::from(from);
        let ahead = (wanted - weekday(from) + 6).rem_euclid(7) + 1;
        date(from + ahead).map(Some)
    })
}
