//! TRANSLATE: single characters replaced by others.

use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const TRANSLATE: Scalar = Scalar {
    name: "translate",
    aliases: &[],
    forms: &[Form::new(&[Kind::Text, Kind::Text, Kind::Text], Kind::Text)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Replaces single characters of a text",
        syntax: "TRANSLATE(text, from, to)",
        arguments: &[
            ("text", "the text"),
            ("from", "the characters that are replaced"),
            (
                "to",
                "what comes in the place of each; characters of `from` without one are dropped",
            ),
        ],
        returns: "VARCHAR",
        examples: &[
            ("translate('mint tea', 'inea', 'osin')", "most tin"),
            ("translate('St. George', ' .', '_')", "St_George"),
            ("translate('abc', 'abc', '')", ""),
            ("translate('abc', null, 'x')", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, froms, tos) = (call.text(0)?, call.text(1)?, call.text(2)?);
    let constant = match (froms.constant(), tos.constant()) {
        (Some(from), Some(to)) => Some(pairs(from, to)),
        _ => None,
    };
    call.build_text(|row, out| {
        let (Some(text), Some(from), Some(to)) = (texts.at(row), froms.at(row), tos.at(row)) else {
            return Ok(false);
        };
        let own;
        let pairs = match &constant {
            Some(pairs) => pairs,
            None => {
                own = pairs(from, to);
                &own
            }
        };
        for letter in text.chars() {
            match pairs.iter().find(|(from, _)| *from == letter) {
                Some((_, to)) => out.extend(*to),
                None => out.push(letter),
            }
        }
        Ok(true)
    })
}

/// Each character with what comes in its place.
fn pairs(from: &str, to: &str) -> Vec<(char, Option<char>)> {
    let mut to = to.chars();
    from.chars().map(|letter| (letter, to.next())).collect()
}
