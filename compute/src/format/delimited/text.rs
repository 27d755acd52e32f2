//! Text columns: 16-byte views, short texts in them, long ones copied once behind each other. So a column holds on to
//! nothing of the chunk it was read from, whose memory is used again.
#![expect(
    unsafe_code,
    reason = "texts that were checked with their chunk are not checked again one by one"
)]

use super::problem::Problem;
use arrow::array::{ArrayRef, StringViewArray};
use arrow::buffer::{Buffer, NullBuffer, ScalarBuffer};
use arrow_schema::ArrowError;
use std::sync::Arc;

/// Texts up to this size stand in their view.
const INLINE_BYTES: usize = 12;

/// Bytes of a long text that are copied at once.
const STRIDE_BYTES: usize = 48;

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

impl TextRule {
    /// Tells whether texts of the column may not fit their view.
    pub fn may_be_long(&self) -> bool {
        self.bytes_max > INLINE_BYTES
    }
}

/// Collects the texts of one column.
pub struct TextColumn {
    /// Each made from a `str`: the length, then the text and zeros, or its first four bytes, a zero for the one buffer,
    /// and its place in `long`.
    views: Vec<u128>,
    /// Long texts.
    long: Vec<u8>,
}

impl TextColumn {
    /// Begins a column of about `rows` rows.
    pub fn new(rows: usize) -> Self {
        Self {
            views: Vec::with_capacity(rows),
            long: Vec::new(),
        }
    }

    /// Makes room for texts of these sizes, so that none is moved and hardly any room stays empty.
    pub fn reserve(&mut self, lengths: impl Iterator<Item = usize>) {
        let long = lengths.map(|length| if length > INLINE_BYTES { length } else { 0 });
        self.long.reserve_exact(long.sum::<usize>() + STRIDE_BYTES);
    }

    /// Adds a null.
    pub fn push_null(&mut self) {
        self.views.push(0);
    }

    /// Adds a field. `Ok(false)` means null, which is not added. `ahead` begins with the field.
    #[inline(always)]
    pub fn push(&mut self, field: &str, ahead: &[u8], rule: &TextRule) -> Result<bool, Problem> {
        let text = if rule.is_char || rule.trim_blanks {
            // Few fields end with a blank; no others are cut.
            match field.as_bytes().last() {
                Some(b' ') => trim_end(field),
                _ => field,
            }
        } else {
            field
        };
        let is_plain = text.len() <= rule.bytes_max
            && (!rule.is_char || is_ascii(text, ahead))
            && !((rule.blanks_as_null || rule.empty_as_null) && text.is_empty())
            && !(rule.blanks_as_null && text.starts_with(' '));
        if is_plain {
            return self.push_text(text, ahead);
        }
        self.push_odd(field, rule)
    }

    #[cold]
    fn push_odd(&mut self, field: &str, rule: &TextRule) -> Result<bool, Problem> {
        let is_blank = field.bytes().all(|byte| byte == b' ');
        if (rule.empty_as_null && field.is_empty())
            || (rule.blanks_as_null && !field.is_empty() && is_blank)
        {
            return Ok(false);
        }
        let text = match rule.is_char || rule.trim_blanks {
            true => trim_end(field),
            false => field,
        };
        if rule.is_char && !text.is_ascii() {
            return Err(Problem::MultibyteChar);
        }
        let text = fitted(text, rule)?;
        self.push_text(text, text.as_bytes())
    }

    /// Adds a field of a chunk that is not all UTF-8.
    pub fn push_unchecked(&mut self, field: &[u8], rule: &TextRule) -> Result<bool, Problem> {
        if let Ok(text) = str::from_utf8(field) {
            return self.push(text, field, rule);
        }
        let Some(replacement) = rule.replacement.filter(|_| !rule.is_char) else {
            return Err(match rule.is_char {
                true => Problem::MultibyteChar,
                false => Problem::Utf8,
            });
        };
        let mut repaired = String::with_capacity(field.len());
        for part in field.utf8_chunks() {
            repaired.push_str(part.valid());
            repaired.extend(part.invalid().iter().map(|_| char::from(replacement)));
        }
        let text = match rule.trim_blanks {
            true => trim_end(&repaired),
            false => &repaired,
        };
        self.push_made(fitted(text, rule)?)
    }

    /// Adds a text made elsewhere (SUPER as canonical JSON).
    pub fn push_made(&mut self, text: &str) -> Result<bool, Problem> {
        self.push_text(text, text.as_bytes())
    }

    #[inline(always)]
    fn push_text(&mut self, text: &str, ahead: &[u8]) -> Result<bool, Problem> {
        let word = match ahead.first_chunk() {
            Some(word) => u128::from_le_bytes(*word),
            None => padded(text),
        };
        let length = text.len();
        let view = if length <= INLINE_BYTES {
            let within = (1_u128 << (8 * length)) - 1;
            (word & within) << 32 | length as u128
        } else {
            let place = u32::try_from(self.long.len()).map_err(|_| Problem::TooLong)?;
            let length = u32::try_from(length).map_err(|_| Problem::TooLong)?;
            append(&mut self.long, text.as_bytes(), ahead);
            u128::from(place) << 96 | u128::from(word as u32) << 32 | u128::from(length)
        };
        self.views.push(view);
        Ok(true)
    }

    /// Makes the array.
    pub fn finish(self, nulls: Option<NullBuffer>) -> Result<ArrayRef, ArrowError> {
        let views = ScalarBuffer::from(self.views);
        let buffers = match self.long.is_empty() {
            true => Vec::new(),
            false => vec![Buffer::from_vec(self.long)],
        };
        if cfg!(debug_assertions)
            || nulls
                .as_ref()
                .is_some_and(|nulls| nulls.len() != views.len())
        {
            return Ok(Arc::new(StringViewArray::try_new(views, buffers, nulls)?));
        }
        // SAFETY: `push_text` alone makes views other than zero, and each of one whole `str`: the short ones hold it and
        // zeros, the long ones name its place in the only buffer, to which it was added, with its first four bytes.
        let array = unsafe { StringViewArray::new_unchecked(views, buffers, nulls) };
        Ok(Arc::new(array))
    }
}

/// Appends a text, with which `ahead` begins. Most have fewer bytes than are copied at once, which takes a few moves instead
/// of a call.
#[inline(always)]
fn append(out: &mut Vec<u8>, text: &[u8], ahead: &[u8]) {
    let end = out.len() + text.len();
    match ahead.first_chunk::<STRIDE_BYTES>() {
        Some(stride)
            if text.len() <= STRIDE_BYTES && out.capacity() - out.len() >= STRIDE_BYTES =>
        {
            out.extend_from_slice(stride);
            out.truncate(end);
        }
        _ => out.extend_from_slice(text),
    }
}

/// Gives bytes as text, if they are UTF-8. Pure ASCII, which most files are, is told at the speed of memory.
pub fn checked(bytes: &[u8]) -> Option<&str> {
    if bytes.is_ascii() {
        // SAFETY: ASCII is UTF-8.
        return Some(unsafe { str::from_utf8_unchecked(bytes) });
    }
    str::from_utf8(bytes).ok()
}

/// Gives the first 16 bytes of a text, zeros behind it.
#[cold]
fn padded(text: &str) -> u128 {
    let mut word = [0; 16];
    for (to, from) in word.iter_mut().zip(text.as_bytes()) {
        *to = *from;
    }
    u128::from_le_bytes(word)
}

/// Tells whether a text, with which `ahead` begins, is all ASCII.
#[inline(always)]
fn is_ascii(text: &str, ahead: &[u8]) -> bool {
    const HIGH_BITS: u128 = u128::from_ne_bytes([0x80; 16]);
    match ahead.first_chunk() {
        Some(word) if text.len() < 16 => {
            let within = (1_u128 << (8 * text.len())) - 1;
            u128::from_le_bytes(*word) & within & HIGH_BITS == 0
        }
        _ => text.is_ascii(),
    }
}

fn trim_end(text: &str) -> &str {
    text.trim_end_matches(' ')
}

/// Cuts a text that is too long where that is allowed: excess of blanks always, anything with TRUNCATECOLUMNS.
fn fitted<'a>(text: &'a str, rule: &TextRule) -> Result<&'a str, Problem> {
    let excess = text.as_bytes().get(rule.bytes_max..).unwrap_or_default();
    if excess.iter().any(|byte| *byte != b' ') && !rule.truncate {
        return Err(Problem::TooLong);
    }
    // Never inside a character.
    let kept = text.floor_char_boundary(rule.bytes_max);
    Ok(text.get(..kept).unwrap_or_default())
}
