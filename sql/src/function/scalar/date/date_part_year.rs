//! DATE_PART_YEAR: the year of a date.

use super::part::Part;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;
use arrow::datatypes::Int32Type;

pub(super) const DATE_PART_YEAR: Scalar = Scalar {
    name: "date_part_year",
    aliases: &[],
    forms: &[Form::new(&[Kind::Timestamp], Kind::Integer)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Gives the year of a date",
        syntax: "DATE_PART_YEAR(date)",
        arguments: &[("date", "a date or timestamp")],
        returns: "INTEGER",
        examples: &[
            ("date_part_year(date '2022-05-02')", "2022"),
            ("date_part_year('2008-01-05')", "2008"),
            ("date_part_year(null)", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let times = call.timestamp(0)?;
    call.build::<Int32Type>(|row| {
        Ok(times
            .at(row)
            .and_then(|time| i32::try_from(Part::Year.of(time)).ok()))
    })
}
