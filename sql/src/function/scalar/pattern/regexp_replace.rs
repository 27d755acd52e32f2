//! REGEXP_REPLACE: every match of a pattern replaced.

use super::matcher::{Found, Groups, Patterns, start};
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const REGEXP_REPLACE: Scalar = Scalar {
    name: "regexp_replace",
    aliases: &[],
    forms: &[Form::with_optional(
        &[Kind::Text, Kind::Text],
        &[Kind::Text, Kind::BigInt, Kind::Text],
        Kind::Text,
    )],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Replaces every match of a regular expression in a text",
        syntax: "REGEXP_REPLACE(text, pattern [, new [, position [, parameters]]])",
        arguments: &[
            ("text", "the text"),
            ("pattern", "a POSIX regular expression"),
            (
                "new",
                "what comes in the place of a match, $1 to $9 for its groups; empty if not given",
            ),
            (
                "position",
                "the character, from 1, at which the search starts",
            ),
            (
                "parameters",
                "letters: c with case, the default; i without; e the first group instead of the whole match; p a pattern of Perl's, with look-around",
            ),
        ],
        returns: "VARCHAR; null if `pattern` or `new` is",
        examples: &[
            (
                "regexp_replace('amet@eget.ca', '@.*\\\\.(org|gov|com|edu|ca)$')",
                "amet",
            ),
            (
                "regexp_replace('lacus@Utnec.ca', '@.*\\\\.[[:alpha:]]{2,3}', '@internal.company.com')",
                "lacus@internal.company.com",
            ),
            (
                "regexp_replace('the fox', 'FOX', 'quick brown fox', 1, 'i')",
                "the quick brown fox",
            ),
            (
                "regexp_replace('passwd7 plain A1234 a1234', '(?=[^ ]*[a-z])(?=[^ ]*[0-9])[^ ]+', '[hidden]', 1, 'p')",
                "[hidden] plain A1234 [hidden]",
            ),
            (
                "regexp_replace('passwd7 plain A1234 a1234', '(?=[^ ]*[a-z])(?=[^ ]*[0-9])[^ ]+', '[hidden]', 1, 'ip')",
                "[hidden] plain [hidden] [hidden]",
            ),
            (
                "regexp_replace('John Smith', '(\\\\w+) (\\\\w+)', '$2, $1')",
                "Smith, John",
            ),
            ("regexp_replace('aaa', 'a', 'b', 2)", "abb"),
            ("regexp_replace('abc', '', '-')", "-a-b-c-"),
            ("regexp_replace('abc', 'b', '$5')", "ac"),
            ("regexp_replace('abc', 'b', null)", "NULL"),
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
    let news = (call.count() > 2).then(|| call.text(2)).transpose()?;
    let positions = (call.count() > 3).then(|| call.bigint(3)).transpose()?;
    call.build_text(|row, out| {
        let new = news.as_ref().map_or(Some(""), |values| values.at(row));
        let position = positions.as_ref().map_or(Some(1), |values| values.at(row));
        let (Some(text), Some(matcher), Some(new), Some(position)) =
            (texts.at(row), patterns.at(row)?, new, position)
        else {
            return Ok(false);
        };
        let has_groups = new.contains(['$', '\\']);
        let mut from = start(text, position).unwrap_or(text.len() + 1);
        let mut copied = 0;
        while from <= text.len() {
            if has_groups {
                let Some(groups) = matcher.groups(text, from)? else {
                    break;
                };
                let whole = groups.first().copied().flatten().unwrap_or((from, from));
                out.push_str(text.get(copied..whole.0).unwrap_or_default());
                expand(new, text, &groups, out);
                copied = whole.1;
                from = Found { whole, part: whole }.next(text);
            } else {
                let Some(found) = matcher.find(text, from)? else {
                    break;
                };
                out.push_str(text.get(copied..found.whole.0).unwrap_or_default());
                out.push_str(new);
                copied = found.whole.1;
                from = found.next(text);
            }
        }
        out.push_str(text.get(copied..).unwrap_or_default());
        Ok(true)
    })
}

/// Appends `new` with the groups of a match in the place of `$1` to `$9`.
fn expand(new: &str, text: &str, groups: &Groups, out: &mut String) {
    let mut chars = new.chars().peekable();
    while let Some(ch) = chars.next() {
        let digit = chars.peek().and_then(|next| next.to_digit(10));
        match (ch, digit) {
            ('$' | '\\', Some(digit)) => {
                chars.next();
                let group = usize::try_from(digit)
                    .ok()
                    .and_then(|digit| groups.get(digit));
                if let Some((start, end)) = group.copied().flatten() {
                    out.push_str(text.get(start..end).unwrap_or_default());
                }
            }
            _ => out.push(ch),
        }
    }
}
