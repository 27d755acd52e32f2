//! REGEXP_COUNT: how often a pattern matches a text.

use super::matcher::{Patterns, start};
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;
use arrow::datatypes::Int32Type;

pub(super) const REGEXP_COUNT: Scalar = Scalar {
    name: "regexp_count",
    aliases: &[],
    forms: &[Form::with_optional(
        &[Kind::Text, Kind::Text],
        &[Kind::BigInt, Kind::Text],
        Kind::Integer,
    )],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Counts the matches of a regular expression in a text",
        syntax: "REGEXP_COUNT(text, pattern [, position [, parameters]])",
        arguments: &[
            ("text", "the text"),
            ("pattern", "a POSIX regular expression"),
            (
                "position",
                "the character, from 1, at which the search starts",
            ),
            (
                "parameters",
                "letters: c with case, the default; i without; e the first group instead of the whole match; p a pattern of Perl's, with look-around",
            ),
        ],
        returns: "INTEGER",
        examples: &[
            (
                "regexp_count('abcdefghijklmnopqrstuvwxyz', '[a-z]{3}')",
                "8",
            ),
            ("regexp_count('a@b.edu', '@[^.]*\\\\.(org|edu)')", "1"),
            ("regexp_count('the fox', 'FOX', 1, 'i')", "1"),
            (
                "regexp_count('passwd7 plain A1234 a1234', '(?=[^ ]*[a-z])(?=[^ ]*[0-9])[^ ]+', 1, 'p')",
                "2",
            ),
            (
                "regexp_count('passwd7 plain A1234 a1234', '(?=[^ ]*[a-z])(?=[^ ]*[0-9])[^ ]+', 1, 'ip')",
                "3",
            ),
            ("regexp_count('abc', 'x')", "0"),
            ("regexp_count('abcabc', 'b', 3)", "1"),
            ("regexp_count('abc', 'b', 9)", "0"),
            ("regexp_count(null, 'b')", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let texts = call.text(0)?;
    let patterns = Patterns {
        patterns: call.text(1)?,
        parameters: (call.count() > 3).then(|| call.text(3)).transpose()?,
    };
    let positions = (call.count() > 2).then(|| call.bigint(2)).transpose()?;
    call.build::<Int32Type>(|row| {
        let position = positions.as_ref().map_or(Some(1), |values| values.at(row));
        let (Some(text), Some(matcher), Some(position)) =
            (texts.at(row), patterns.at(row)?, position)
        else {
            return Ok(None);
        };
        let mut count = 0;
        let mut from = start(text, position).unwrap_or(text.len() + 1);
        while from <= text.len() {
            let Some(found) = matcher.find(text, from)? else {
                break;
            };
            count += 1;
            from = found.next(text);
        }
        Ok(Some(count))
    })
}
