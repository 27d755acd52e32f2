//! REGEXP_SUBSTR: the part of a text that matches a pattern.

use super::matcher::{Patterns, start};
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use crate::function::scalar::string::characters;
use arrow::array::ArrayRef;

pub(super) const REGEXP_SUBSTR: Scalar = Scalar {
    name: "regexp_substr",
    aliases: &[],
    forms: &[Form::with_optional(
        &[Kind::Text, Kind::Text],
        &[Kind::BigInt, Kind::BigInt, Kind::Text],
        Kind::Text,
    )],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Gives the part of a text that matches a regular expression",
        syntax: "REGEXP_SUBSTR(text, pattern [, position [, occurrence [, parameters]]])",
        arguments: &[
            ("text", "the text"),
            ("pattern", "a POSIX regular expression"),
            (
                "position",
                "the character, from 1, at which the search starts",
            ),
            ("occurrence", "which match, from 1"),
            (
                "parameters",
                "letters: c with case, the default; i without; e the first group instead of the whole match; p a pattern of Perl's, with look-around",
            ),
        ],
        returns: "VARCHAR; empty if nothing matches, null for an occurrence less than 1 or more than the text has characters",
        examples: &[
            ("regexp_substr('lacus@Utnec.ca', '@[^.]*')", "@Utnec"),
            ("regexp_substr('the fox', 'FOX', 1, 1, 'i')", "fox"),
            (
                "regexp_substr('THE SECRET CODE IS THE LOWERCASE PART OF 1931abc0EZ.', '[a-z]+', 1, 1, 'c')",
                "abc",
            ),
            (
                "regexp_substr('passwd7 plain A1234 a1234', '(?=[^ ]*[a-z])(?=[^ ]*[0-9])[^ ]+', 1, 2, 'p')",
                "a1234",
            ),
            (
                "regexp_substr('passwd7 plain A1234 a1234', '(?=[^ ]*[a-z])(?=[^ ]*[0-9])[^ ]+', 1, 2, 'ip')",
                "A1234",
            ),
            (
                "regexp_substr('This is a cat, this is a dog. This is a mouse.', 'this is a (\\\\w+)', 1, 2, 'ie')",
                "dog",
            ),
            ("regexp_substr('abc', 'x')", ""),
            ("regexp_substr('abc', 'b', 9)", ""),
            ("regexp_substr('abc', 'b', 1, 0)", "NULL"),
            ("regexp_substr('Straße 7', '[0-9]', 5)", "7"),
            ("regexp_substr(null, 'b')", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let texts = call.text(0)?;
    let patterns = Patterns {
        patterns: call.text(1)?,
        parameters: (call.count() > 4).then(|| call.text(4)).transpose()?,
    };
    let positions = (call.count() > 2).then(|| call.bigint(2)).transpose()?;
    let occurrences = (call.count() > 3).then(|| call.bigint(3)).transpose()?;
    call.build_part(|row| {
        let one = Some(1);
        let position = positions.as_ref().map_or(one, |values| values.at(row));
        let occurrence = occurrences.as_ref().map_or(one, |values| values.at(row));
        let (Some(text), Some(matcher), Some(position), Some(occurrence)) =
            (texts.at(row), patterns.at(row)?, position, occurrence)
        else {
            return Ok(None);
        };
        let number = usize::try_from(occurrence).unwrap_or(0);
        if number == 0 || (number > 1 && number > characters(text)) {
            return Ok(None);
        }
        let Some(from) = start(text, position) else {
            return Ok(Some(""));
        };
        Ok(Some(match matcher.nth(text, from, number)? {
            Some(found) => text.get(found.part.0..found.part.1).unwrap_or_default(),
            None => "",
        }))
    })
}
