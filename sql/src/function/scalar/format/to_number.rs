//! TO_NUMBER: a DECIMAL from a text by a format.

use super::number_pattern::parse;
use super::number_read::read;
use crate::error::{Error, Result};
use crate::function::call::Call;
use crate::function::declaration::{
    Code, Documentation, Form, Kind, Nulls, Returns, Scalar, Volatility,
};
use arrow::array::ArrayRef;
use arrow::datatypes::Decimal128Type;
use arrow_schema::DataType;
use datafusion_common::ScalarValue;

pub(super) const TO_NUMBER: Scalar = Scalar {
    name: "to_number",
    aliases: &[],
    forms: &[Form {
        arguments: &[Kind::Text, Kind::Text],
        optional: &[],
        repeated: None,
        returns: Returns::Types(returns),
    }],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Reads a number from a text",
        syntax: "TO_NUMBER(text, format)",
        arguments: &[
            ("text", "the text"),
            (
                "format",
                "a literal: how the number is written, as 99G999D99",
            ),
        ],
        returns: "DECIMAL with the places of the format",
        examples: &[
            ("to_number('12,454.8-', '99G999D9S')", "-12454.8"),
            ("to_number('$ 12,454.88', 'L 99G999D99')", "12454.88"),
            ("to_number('12.345', '99D999')", "12.345"),
            ("to_number('-34,338,492', '99G999G999')", "-34338492"),
            ("to_number(null, '99')", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn returns(_types: &[DataType], constants: &[Option<&ScalarValue>]) -> Result<DataType> {
    let format = constants.get(1).copied().flatten();
    let Some(format) = format else {
        return Err(Error::unsupported(
            "a TO_NUMBER format that is not a literal",
            "Write the format as a text in quotes",
        ));
    };
    let pattern = parse(format.try_as_str().flatten().unwrap_or_default())?;
    let places = pattern.after;
    let digits = (pattern.before + places).clamp(1, 38);
    let places = i8::try_from(places.min(37)).unwrap_or(37);
    Ok(DataType::Decimal128(
        u8::try_from(digits).unwrap_or(38),
        places,
    ))
}

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, formats) = (call.text(0)?, call.text(1)?);
    let pattern = parse(formats.at(0).unwrap_or_default())?;
    call.build::<Decimal128Type>(|row| texts.at(row).map(|text| read(&pattern, text)).transpose())
}
