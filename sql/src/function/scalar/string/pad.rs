//! What LPAD and RPAD share: a text brought to a length.

use super::len::characters;
use super::repeat::too_long;
use crate::error::Result;
use crate::function::call::Call;
use crate::types::VARCHAR_MAX;
use arrow::array::ArrayRef;

/// Cuts the first argument to a length or fills it up with the third, blanks if there is none.
pub(super) fn padded(call: &Call<'_>, left: bool) -> Result<ArrayRef> {
    let (texts, lengths) = (call.text(0)?, call.bigint(1)?);
    let fills = (call.count() > 2).then(|| call.text(2)).transpose()?;
    let limit = usize::try_from(VARCHAR_MAX).unwrap_or(usize::MAX);
    call.build_text(|row, out| {
        let (Some(text), Some(length)) = (texts.at(row), lengths.at(row)) else {
            return Ok(false);
        };
        let fill = match &fills {
            None => " ",
            Some(fills) => match fills.at(row) {
                Some(fill) => fill,
                None => return Ok(false),
            },
        };
        let length = usize::try_from(length).unwrap_or(0);
        let missing = length.saturating_sub(characters(text));
        if missing == 0 {
            out.extend(text.chars().take(length));
            return Ok(true);
        }
        if !fill.is_empty() && missing > limit {
            return Err(too_long());
        }
        if !left {
            out.push_str(text);
        }
        out.extend(fill.chars().cycle().take(missing));
        if left {
            out.push_str(text);
        }
        if out.len() > limit {
            return Err(too_long());
        }
        Ok(true)
    })
}
