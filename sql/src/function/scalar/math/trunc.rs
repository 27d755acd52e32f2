//! TRUNC: a number cut to so many places, or the date of a timestamp.

use super::round_to::{Way, returns, rounded};
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{
    Code, Documentation, Form, Kind, Nulls, Returns, Scalar, Volatility,
};
use crate::function::scalar::date::calendar::{date, split};
use arrow::array::ArrayRef;
use arrow::datatypes::Date32Type;
use arrow_schema::DataType;

pub(super) const TRUNC: Scalar = Scalar {
    name: "trunc",
    aliases: &[],
    forms: &[
        Form {
            arguments: &[Kind::Number],
            optional: &[Kind::BigInt],
            repeated: None,
            returns: Returns::Types(returns),
        },
        Form::new(&[Kind::Timestamp], Kind::Date),
        Form::new(&[Kind::TimestampTz], Kind::Date),
    ],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Gives a number cut to so many places, or the date of a timestamp",
        syntax: "TRUNC(number [, places]) or TRUNC(timestamp)",
        arguments: &[
            ("number", "a number"),
            (
                "places",
                "how many places after the point are kept; negative for tens, hundreds, ...",
            ),
            ("timestamp", "a timestamp"),
        ],
        returns: "the type of the number; DATE of a timestamp",
        examples: &[
            ("trunc(111.15)", "111"),
            ("trunc(111.15, 1)", "111.1"),
            ("trunc(111.15, -1)", "110"),
            ("trunc(-1.9)", "-1"),
            ("trunc(timestamp '2011-07-21 10:32:38')", "2011-07-21"),
            ("trunc(1.99::float8)", "1"),
            ("trunc(null, 1)", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    if *call.returns == DataType::Date32 {
        let times = call.timestamp(0)?;
        return call
            .build::<Date32Type>(|row| times.at(row).map(|time| date(split(time).0)).transpose());
    }
    rounded(call, Way::TowardZero)
}
