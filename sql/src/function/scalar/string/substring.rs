//! SUBSTRING: a part of a text or of bytes by place and length.

use crate::error::{Error, Result};
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use crate::sqlstate::SqlState;
use arrow::array::{ArrayRef, BinaryViewBuilder};
use arrow_schema::DataType;
use std::sync::Arc;

pub(super) const SUBSTRING: Scalar = Scalar {
    name: "substring",
    aliases: &["substr"],
    forms: &[
        Form::with_optional(&[Kind::Text, Kind::BigInt], &[Kind::BigInt], Kind::Text),
        Form::with_optional(
            &[Kind::Varbyte, Kind::BigInt],
            &[Kind::BigInt],
            Kind::Varbyte,
        ),
    ],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Gives a part of a text",
        syntax: "SUBSTRING(text, start [, count])",
        arguments: &[
            ("text", "the text"),
            (
                "start",
                "the first character, from 1; 0 and less lie before the text",
            ),
            (
                "count",
                "how many characters from there, also those before the text; to the end if not given",
            ),
        ],
        returns: "VARCHAR, or VARBYTE of one",
        examples: &[
            ("substring('caterpillar', 6, 4)", "pill"),
            ("substring('caterpillar', 6, 8)", "pillar"),
            ("substring('caterpillar', -2, 6)", "cat"),
            ("substring('caterpillar', -5, 4)", ""),
            ("substring('caterpillar' from 6 for 4)", "pill"),
            ("substr('caterpillar', 6)", "pillar"),
            ("substr('caterpillar', 0)", "caterpillar"),
            ("substring('Straße', 5, 1)", "ß"),
            ("substring(1234567, 2, 3)", "234"),
            ("substring('a', null, 1)", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let starts = call.bigint(1)?;
    let counts = (call.count() > 2).then(|| call.bigint(2)).transpose()?;
    // The first place and the one behind the last, from 0; `None` is null.
    let range = |row: usize| {
        let Some(start) = starts.at(row) else {
            return Ok(None);
        };
        let end = match &counts {
            None => i64::MAX,
            Some(counts) => match counts.at(row) {
                None => return Ok(None),
                Some(count) if count < 0 => {
                    return Err(Error::new(
                        SqlState::SUBSTRING_ERROR,
                        "negative substring length not allowed",
                    ));
                }
                Some(count) => start.saturating_add(count),
            },
        };
        let place = |at: i64| usize::try_from(at.max(1) - 1).unwrap_or(usize::MAX);
        Ok(Some((place(start), place(end))))
    };
    if matches!(call.ty(0), DataType::BinaryView) {
        let bytes = call.bytes(0)?;
        let mut builder = BinaryViewBuilder::with_capacity(call.rows);
        for row in 0..call.rows {
            let part = match (bytes.at(row), range(row)?) {
                (Some(bytes), Some((start, end))) => {
                    let start = start.min(bytes.len());
                    Some(
                        bytes
                            .get(start..end.clamp(start, bytes.len()))
                            .unwrap_or_default(),
                    )
                }
                _ => None,
            };
            builder.append_option(part);
        }
        return Ok(Arc::new(builder.finish()));
    }
    let texts = call.text(0)?;
    call.build_part(|row| {
        let (Some(text), Some((start, end))) = (texts.at(row), range(row)?) else {
            return Ok(None);
        };
        Ok(Some(characters(text, start, end)))
    })
}

/// The characters from one place up to another.
fn characters(text: &str, start: usize, end: usize) -> &str {
    if text.is_ascii() {
        let start = start.min(text.len());
        return text
            .get(start..end.clamp(start, text.len()))
            .unwrap_or_default();
    }
    let mut places = text.char_indices().map(|(at, _)| at);
    let Some(from) = places.nth(start) else {
        return "";
    };
    let to = match end.checked_sub(start) {
        None | Some(0) => from,
        Some(count) => places.nth(count - 1).unwrap_or(text.len()),
    };
    text.get(from..to).unwrap_or_default()
}
