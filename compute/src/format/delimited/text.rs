//! Text columns: 16-byte views into the chunk's buffer, so that no text is copied while it is parsed.

use super::problem::Problem;
use arrow::array::{ArrayRef, StringViewArray, builder::make_view};
use arrow::buffer::{Buffer, NullBuffer, ScalarBuffer};
use std::sync::Arc;

/// How the texts of a column are stored.
#[derive(Clone, Copy, Debug)]
pub struct TextRule {
    /// Bytes at most.
    pub bytes_max: usize,
    /// CHAR: single bytes only, and blanks at the end are not kept.
    pub is_char: bool,
    /// TRIMBLANKS
    pub trim_blanks: bool,
    /// TRUNCATECOLUMNS
    pub truncate: bool,
    /// BLANKSASNULL
    pub blanks_as_null: bool,
    /// EMPTYASNULL
    pub empty_as_null: bool,
    /// ACCEPTINVCHARS
    pub replacement: Option<u8>,
}

/// Collects the views of one column. Texts that had to be changed go to a buffer of their own.
pub struct TextColumn {
    views: Vec<u128>,
    changed: Vec<u8>,
}

/// The chunk's buffer, and the buffer of changed texts, in the array made of them.
const CHUNK_BLOCK: u32 = 0;
const CHANGED_BLOCK: u32 = 1;

impl TextColumn {
    /// Begins a column of about `rows` rows.
    pub fn new(rows: usize) -> Self {
        Self {
            views: Vec::with_capacity(rows),
            changed: Vec::new(),
        }
    }

    /// Adds a null.
    pub fn push_null(&mut self) {
        self.views.push(0);
    }

    /// Adds a field that stands at `start` of the chunk. `Ok(false)` means null. `is_utf8` says that the whole chunk is
    /// known to be UTF-8.
    #[inline]
    pub fn push(
        &mut self,
        field: &[u8],
        start: u32,
        rule: &TextRule,
        is_utf8: bool,
    ) -> Result<bool, Problem> {
        let plain = is_utf8
            && !rule.is_char
            && !rule.trim_blanks
            && !rule.blanks_as_null
            && !rule.empty_as_null;
        if plain && field.len() <= rule.bytes_max {
            self.views.push(make_view(field, CHUNK_BLOCK, start));
            return Ok(true);
        }
        self.push_checked(field, start, rule, is_utf8)
    }

    fn push_checked(
        &mut self,
        field: &[u8],
        start: u32,
        rule: &TextRule,
        is_utf8: bool,
    ) -> Result<bool, Problem> {
        let blank = |bytes: &[u8]| bytes.iter().all(|byte| *byte == b' ');
        if (rule.empty_as_null && field.is_empty())
            || (rule.blanks_as_null && !field.is_empty() && blank(field))
        {
            self.push_null();
            return Ok(false);
        }
        let text = match is_utf8 || std::str::from_utf8(field).is_ok() {
            true => field,
            false => return self.push_repaired(field, rule),
        };
        let text = if rule.is_char || rule.trim_blanks {
            trim_end(text)
        } else {
            text
        };
        if rule.is_char && !text.is_ascii() {
            return Err(Problem::MultibyteChar);
        }
        let text = fitted(text, rule)?;
        self.views.push(make_view(text, CHUNK_BLOCK, start));
        Ok(true)
    }

    fn push_repaired(&mut self, field: &[u8], rule: &TextRule) -> Result<bool, Problem> {
        let Some(replacement) = rule.replacement.filter(|_| !rule.is_char) else {
            return Err(if rule.is_char {
                Problem::MultibyteChar
            } else {
                Problem::Utf8
            });
        };
        let begin = self.changed.len();
        for part in field.utf8_chunks() {
            self.changed.extend_from_slice(part.valid().as_bytes());
            self.changed
                .extend(part.invalid().iter().map(|_| replacement));
        }
        let repaired = self.changed.get(begin..).unwrap_or_default();
        let text = fitted(
            if rule.trim_blanks {
                trim_end(repaired)
            } else {
                repaired
            },
            rule,
        )?;
        let view = make_view(
            text,
            CHANGED_BLOCK,
            u32::try_from(begin).map_err(|_| Problem::TooLong)?,
        );
        self.views.push(view);
        Ok(true)
    }

    /// Adds a text made elsewhere (SUPER as canonical JSON).
    pub fn push_made(&mut self, text: &[u8]) -> Result<bool, Problem> {
        let begin = u32::try_from(self.changed.len()).map_err(|_| Problem::TooLong)?;
        self.changed.extend_from_slice(text);
        self.views.push(make_view(text, CHANGED_BLOCK, begin));
        Ok(true)
    }

    /// Makes the array. Every view was made from valid text, and is checked once more.
    pub fn finish(
        self,
        chunk: &Buffer,
        nulls: Option<NullBuffer>,
    ) -> Result<ArrayRef, arrow_schema::ArrowError> {
        let buffers = vec![chunk.clone(), Buffer::from_vec(self.changed)];
        Ok(Arc::new(StringViewArray::try_new(
            ScalarBuffer::from(self.views),
            buffers,
            nulls,
        )?))
    }
}

fn trim_end(text: &[u8]) -> &[u8] {
    let kept = text
        .iter()
        .rposition(|byte| *byte != b' ')
        .map_or(0, |last| last + 1);
    text.get(..kept).unwrap_or_default()
}

/// Cuts a text that is too long where that is allowed: excess of blanks always, anything with TRUNCATECOLUMNS.
fn fitted<'a>(text: &'a [u8], rule: &TextRule) -> Result<&'a [u8], Problem> {
    if text.len() <= rule.bytes_max {
        return Ok(text);
    }
    let (kept, excess) = text.split_at(rule.bytes_max);
    if excess.iter().all(|byte| *byte == b' ') {
        return Ok(kept);
    }
    if !rule.truncate {
        return Err(Problem::TooLong);
    }
    // Never inside a character.
    let mut end = rule.bytes_max;
    while end > 0 && text.get(end).is_some_and(|byte| byte & 0xc0 == 0x80) {
        end -= 1;
    }
    Ok(text.get(..end).unwrap_or_default())
}
