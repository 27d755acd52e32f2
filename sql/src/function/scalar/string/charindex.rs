//! CHARINDEX: where a text stands in another.

use super::len::characters;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;
use arrow::datatypes::Int32Type;
use memchr::memmem::Finder;

pub(super) const CHARINDEX: Scalar = Scalar {
    name: "charindex",
    aliases: &[],
    forms: &[Form::new(&[Kind::Text, Kind::Text], Kind::Integer)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Finds the first place of a text in another",
        syntax: "CHARINDEX(part, text)",
        arguments: &[
            ("part", "what is looked for"),
            ("text", "where it is looked for"),
        ],
        returns: "INTEGER, in characters from 1; 0 if it is not there",
        examples: &[
            ("charindex('fish', 'dogfish')", "4"),
            ("charindex('x', 'dogfish')", "0"),
            ("charindex('ß', 'Straße')", "5"),
            ("charindex('', 'dog')", "1"),
            ("charindex('a', null)", "NULL"),
        ],
    },
    code: Code::Own(|call| places(call, 0, 1)),
};

/// The places of one argument in another.
pub(super) fn places(call: &Call<'_>, part: usize, text: usize) -> Result<ArrayRef> {
    let (parts, texts) = (call.text(part)?, call.text(text)?);
    let constant = parts.constant().map(|part| Finder::new(part).into_owned());
    call.build::<Int32Type>(|row| {
        let (Some(part), Some(text)) = (parts.at(row), texts.at(row)) else {
            return Ok(None);
        };
        let found = match &constant {
            Some(finder) => finder.find(text.as_bytes()),
            None => text.find(part),
        };
        let place = found.and_then(|at| text.get(..at));
        let place = place.map_or(0, |before| characters(before) + 1);
        Ok(Some(i32::try_from(place).unwrap_or(i32::MAX)))
    })
}
