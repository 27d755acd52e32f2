//! What BTRIM, LTRIM and RTRIM share: characters taken off the ends of a text.

use crate::error::Result;
use crate::function::call::Call;
use arrow::array::ArrayRef;

/// Which end is trimmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Both,
    Left,
    Right,
}

/// Takes the characters of the second argument, or blanks, off the first.
pub(super) fn trimmed(call: &Call<'_>, side: Side) -> Result<ArrayRef> {
    let texts = call.text(0)?;
    if call.count() < 2 {
        return call
            .build_part(|row| Ok(texts.at(row).map(|text| cut(text, side, |ch| ch == ' '))));
    }
    let sets = call.text(1)?;
    call.build_part(|row| {
        let (Some(text), Some(set)) = (texts.at(row), sets.at(row)) else {
            return Ok(None);
        };
        Ok(Some(cut(text, side, |ch| set.contains(ch))))
    })
}

fn cut(text: &str, side: Side, dropped: impl Fn(char) -> bool + Copy) -> &str {
    let text = if side == Side::Right {
        text
    } else {
        text.trim_start_matches(dropped)
    };
    if side == Side::Left {
        text
    } else {
        text.trim_end_matches(dropped)
    }
}
