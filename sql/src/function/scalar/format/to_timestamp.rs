//! TO_TIMESTAMP: a TIMESTAMPTZ from a text by a format.

use super::pattern::{self, Piece};
use super::read;
use crate::error::Result;
use crate::function::call::{Call, Column};
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use crate::function::scalar::date::calendar::join;
use crate::function::zone::Zone;
use arrow::array::{ArrayRef, BooleanArray, StringViewArray};
use arrow::datatypes::TimestampMicrosecondType;

pub(super) const TO_TIMESTAMP: Scalar = Scalar {
    name: "to_timestamp",
    aliases: &[],
    forms: &[Form::with_optional(
        &[Kind::Text, Kind::Text],
        &[Kind::Boolean],
        Kind::TimestampTz,
    )],
    volatility: Volatility::Stable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Reads a timestamp from a text",
        syntax: "TO_TIMESTAMP(text, format [, is_strict])",
        arguments: &[
            ("text", "the text; empty is the first moment of the year 1"),
            (
                "format",
                "how the timestamp is written, as YYYY-MM-DD HH24:MI:SS",
            ),
            (
                "is_strict",
                "true: a value out of range is an error; false, the default: it carries over",
            ),
        ],
        returns: "TIMESTAMPTZ in the time zone of the session",
        examples: &[
            ("to_timestamp('2017', 'YYYY')", "2017-01-01 00:00:00+00"),
            (
                "to_timestamp('2011-12-18 24:38:15', 'YYYY-MM-DD HH24:MI:SS')",
                "2011-12-19 00:38:15+00",
            ),
            (
                "to_timestamp('05 Dec 2000 07:08:09.25 PM', 'DD Mon YYYY HH12:MI:SS.MS PM')",
                "2000-12-05 19:08:09.25+00",
            ),
            (
                "to_timestamp('20260517123456', 'YYYYMMDDHH24MISS')",
                "2026-05-17 12:34:56+00",
            ),
            ("to_timestamp('', 'YYYY')", "0001-01-01 00:00:00+00"),
            ("to_timestamp(null, 'YYYY')", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

/// Texts, formats and strictness of a call; a format that is the same for all rows is cut once.
pub(super) struct Texts<'a> {
    texts: Column<'a, StringViewArray>,
    formats: Column<'a, StringViewArray>,
    strict: Option<Column<'a, BooleanArray>>,
    constant: Option<Vec<Piece>>,
}

impl<'a> Texts<'a> {
    pub(super) fn new(call: &Call<'a>) -> Result<Self> {
        let formats = call.text(1)?;
        Ok(Self {
            texts: call.text(0)?,
            formats,
            strict: (call.count() > 2).then(|| call.boolean(2)).transpose()?,
            constant: formats.constant().map(pattern::parse),
        })
    }

    /// Days from 1970 and microseconds of the day.
    pub(super) fn at(&self, row: usize) -> Result<Option<(i64, i64)>> {
        let (Some(text), Some(format)) = (self.texts.at(row), self.formats.at(row)) else {
            return Ok(None);
        };
        let strict = match &self.strict {
            None => false,
            Some(strict) => match strict.at(row) {
                Some(strict) => strict,
                None => return Ok(None),
            },
        };
        match &self.constant {
            Some(pieces) => read::read(pieces, text, strict).map(Some),
            None => read::read(&pattern::parse(format), text, strict).map(Some),
        }
    }
}

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let texts = Texts::new(call)?;
    let zone = Zone::parse(call.zone)?;
    call.build::<TimestampMicrosecondType>(|row| match texts.at(row)? {
        Some((days, time)) => zone.instant(join(days, time)?).map(Some),
        None => Ok(None),
    })
}
