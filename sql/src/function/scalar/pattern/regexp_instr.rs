//! REGEXP_INSTR: where a pattern matches a text.

use super::matcher::{Patterns, start};
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use crate::function::scalar::string::characters;
use arrow::array::ArrayRef;
use arrow::datatypes::Int32Type;

pub(super) const REGEXP_INSTR: Scalar = Scalar {
    name: "regexp_instr",
    aliases: &[],
    forms: &[Form::with_optional(
        &[Kind::Text, Kind::Text],
        &[Kind::BigInt, Kind::BigInt, Kind::BigInt, Kind::Text],
        Kind::Integer,
    )],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Gives the place at which a regular expression matches a text",
        syntax: "REGEXP_INSTR(text, pattern [, position [, occurrence [, option [, parameters]]]])",
        arguments: &[
            ("text", "the text"),
            ("pattern", "a POSIX regular expression"),
            (
                "position",
                "the character, from 1, at which the search starts",
            ),
            ("occurrence", "which match, from 1"),
            (
                "option",
                "0: the first character of the match; anything else: the character behind it",
            ),
            (
                "parameters",
                "letters: c with case, the default; i without; e the first group instead of the whole match; p a pattern of Perl's, with look-around",
            ),
        ],
        returns: "INTEGER, in characters from 1; 0 if nothing matches",
        examples: &[
            ("regexp_instr('lacus@Utnec.ca', '@[^.]*')", "6"),
            (
                "regexp_instr('The Home Depot Center', '[cC]ent(er|re)$')",
                "16",
            ),
            ("regexp_instr('the fox', 'FOX', 1, 1, 0, 'i')", "5"),
            (
                "regexp_instr('passwd7 plain A1234 a1234', '(?=[^ ]*[a-z])(?=[^ ]*[0-9])[^ ]+', 1, 2, 0, 'p')",
                "21",
            ),
            (
                "regexp_instr('passwd7 plain A1234 a1234', '(?=[^ ]*[a-z])(?=[^ ]*[0-9])[^ ]+', 1, 2, 0, 'ip')",
                "15",
            ),
            ("regexp_instr('the fox', 'fox', 1, 1, 1)", "8"),
            ("regexp_instr('Straße 7', '[0-9]')", "8"),
            ("regexp_instr('abc', 'x')", "0"),
            ("regexp_instr('abc', 'b', 9)", "0"),
            ("regexp_instr('abc', 'b', 1, 0)", "0"),
            ("regexp_instr('abc', null)", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let texts = call.text(0)?;
    let patterns = Patterns {
        patterns: call.text(1)?,
        parameters: (call.count() > 5).then(|| call.text(5)).transpose()?,
    };
    let numbers = |argument: usize| (call.count() > argument).then(|| call.bigint(argument));
    let positions = numbers(2).transpose()?;
    let occurrences = numbers(3).transpose()?;
    let options = numbers(4).transpose()?;
    call.build::<Int32Type>(|row| {
        let position = positions.as_ref().map_or(Some(1), |values| values.at(row));
        let occurrence = occurrences
            .as_ref()
            .map_or(Some(1), |values| values.at(row));
        let option = options.as_ref().map_or(Some(0), |values| values.at(row));
        let (Some(text), Some(matcher), Some(position), Some(occurrence), Some(option)) = (
            texts.at(row),
            patterns.at(row)?,
            position,
            occurrence,
            option,
        ) else {
            return Ok(None);
        };
        let number = usize::try_from(occurrence).unwrap_or(0);
        let from = start(text, position).filter(|_| number > 0);
        let found = match from {
            Some(from) => matcher.nth(text, from, number)?,
            None => None,
        };
        let place = found.map_or(0, |found| {
            let at = if option == 0 {
                found.part.0
            } else {
                found.part.1
            };
            characters(text.get(..at).unwrap_or_default()) + 1
        });
        Ok(i32::try_from(place).ok())
    })
}
