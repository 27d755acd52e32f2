//! COLLATE: a text that compares with or without case. The text stays what it is: the binder looks for the call.

use crate::error::{Error, Result};
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use crate::sqlstate::SqlState;
use arrow::array::ArrayRef;

pub(super) const COLLATE: Scalar = Scalar {
    name: "collate",
    aliases: &[],
    forms: &[Form::new(&[Kind::Text, Kind::Text], Kind::Text)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Gives a text the collation that the second argument names",
        syntax: "COLLATE(text, collation)",
        arguments: &[
            ("text", "the text"),
            ("collation", "'case_sensitive' or 'case_insensitive'"),
        ],
        returns: "VARCHAR, unchanged",
        examples: &[
            ("collate('John', 'case_sensitive')", "John"),
            ("collate('John', 'case_insensitive')", "John"),
            ("collate('John', 'case_insensitive') = 'JOHN'", "t"),
            ("collate('John', 'ci') like 'jo%'", "t"),
            ("collate('John', 'case_sensitive') = 'JOHN'", "f"),
            ("collate(null, 'case_sensitive')", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, names) = (call.text(0)?, call.text(1)?);
    call.build_part(|row| {
        let (Some(text), Some(name)) = (texts.at(row), names.at(row)) else {
            return Ok(None);
        };
        match name.to_ascii_lowercase().as_str() {
            "case_sensitive" | "cs" | "case_insensitive" | "ci" => Ok(Some(text)),
            _ => Err(Error::new(
                SqlState::INVALID_PARAMETER_VALUE,
                format!("collation \"{name}\" does not exist"),
            )
            .with_hint("Use case_sensitive or case_insensitive")),
        }
    })
}
