//! REPLACE: every occurrence of a text replaced.

use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;
use memchr::memmem::Finder;

pub(super) const REPLACE: Scalar = Scalar {
    name: "replace",
    aliases: &[],
    forms: &[Form::new(&[Kind::Text, Kind::Text, Kind::Text], Kind::Text)],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Replaces every occurrence of a text in another",
        syntax: "REPLACE(text, old, new)",
        arguments: &[
            ("text", "the text"),
            ("old", "what is replaced, case counts; if empty, nothing is"),
            ("new", "what comes in its place"),
        ],
        returns: "VARCHAR",
        examples: &[
            (
                "replace('Shows at Shows', 'Shows', 'Theatre')",
                "Theatre at Theatre",
            ),
            ("replace('abc', 'B', 'x')", "abc"),
            ("replace('abc', '', 'x')", "abc"),
            ("replace('abc', 'b', '')", "ac"),
            ("replace('abc', 'b', null)", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, olds, news) = (call.text(0)?, call.text(1)?, call.text(2)?);
    let constant = olds.constant().map(|old| Finder::new(old).into_owned());
    call.build_text(|row, out| {
        let (Some(text), Some(old), Some(new)) = (texts.at(row), olds.at(row), news.at(row)) else {
            return Ok(false);
        };
        if old.is_empty() {
            out.push_str(text);
            return Ok(true);
        }
        let mut rest = text;
        loop {
            let found = match &constant {
                Some(finder) => finder.find(rest.as_bytes()),
                None => rest.find(old),
            };
            let Some((before, after)) = found.and_then(|at| rest.split_at_checked(at)) else {
                break;
            };
            out.push_str(before);
            out.push_str(new);
            rest = after.get(old.len()..).unwrap_or_default();
        }
        out.push_str(rest);
        Ok(true)
    })
}
