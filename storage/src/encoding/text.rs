//! Byte strings in memory: arrow's 16-byte views over a buffer.

use arrow_buffer::Buffer;

/// Bytes a view holds inside itself.
pub const INLINE_BYTES: usize = 12;

/// Views with the buffers they point into, as arrow keeps them.
#[derive(Clone, Copy)]
pub struct Views<'a> {
    /// One per value.
    pub views: &'a [u128],
    /// The data of those longer than [`INLINE_BYTES`].
    pub buffers: &'a [Buffer],
}

impl<'a> Views<'a> {
    /// Gives a value's bytes. The view borrows, as a short value lies within it.
    #[inline]
    pub fn bytes(&self, view: &'a u128) -> &'a [u8] {
        view_bytes(view, self.buffers)
    }

    /// Gives a slice that begins with the value, and its length.
    #[inline]
    pub fn ahead(&self, view: &'a u128) -> (&'a [u8], usize) {
        let length = *view as u32 as usize;
        match length <= INLINE_BYTES {
            true => (&arrow_buffer::ToByteSlice::to_byte_slice(view)[4..], length),
            false => (view_ahead(view, self.buffers), length),
        }
    }

    /// Gives all values.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> {
        let Views { views, buffers } = *self;
        views.iter().map(move |view| view_bytes(view, buffers))
    }

    /// Sums up the lengths.
    pub fn total_bytes(&self) -> usize {
        self.views.iter().map(|view| *view as u32 as usize).sum()
    }
}

/// Gives the bytes of a view.
#[inline]
pub fn view_bytes<'a>(view: &'a u128, buffers: &'a [Buffer]) -> &'a [u8] {
    let length = *view as u32 as usize;
    if length <= INLINE_BYTES {
        // Little-endian: the bytes follow the length.
        return &arrow_buffer::ToByteSlice::to_byte_slice(view)[4..4 + length];
    }
    &view_ahead(view, buffers)[..length]
}

/// Gives the bytes of a view that is longer than [`INLINE_BYTES`], and whatever its buffer has behind them.
#[inline]
pub fn view_ahead<'a>(view: &u128, buffers: &'a [Buffer]) -> &'a [u8] {
    let (index, offset) = ((*view >> 64) as u32 as usize, (*view >> 96) as usize);
    &buffers[index].as_slice()[offset..]
}

/// Bytes that are copied at once.
const STRIDE_BYTES: usize = 48;

/// Appends the first `length` bytes of `ahead`. Most texts have fewer than are copied at once, which takes a few moves
/// instead of a call.
#[inline(always)]
pub fn append(out: &mut Vec<u8>, ahead: &[u8], length: usize) {
    let end = out.len() + length;
    match ahead.first_chunk::<STRIDE_BYTES>() {
        Some(stride) if length <= STRIDE_BYTES && out.capacity() - out.len() >= STRIDE_BYTES => {
            out.extend_from_slice(stride);
            out.truncate(end);
        }
        _ => out.extend_from_slice(&ahead[..length]),
    }
}

/// Makes the view of `bytes`, which lies at `offset` of buffer 0.
#[inline]
pub fn make_view(bytes: &[u8], offset: usize) -> u128 {
    let length = bytes.len();
    let mut raw = [0u8; 16];
    raw[..4].copy_from_slice(&(length as u32).to_le_bytes());
    if length <= INLINE_BYTES {
        raw[4..4 + length].copy_from_slice(bytes);
    } else {
        raw[4..8].copy_from_slice(&bytes[..4]);
        raw[12..].copy_from_slice(&(offset as u32).to_le_bytes());
    }
    u128::from_le_bytes(raw)
}

/// Makes the views of texts laid end to end, from their end offsets within `buffer` after `start`.
/// `None` if an offset runs backwards or out of the buffer.
pub fn views_of(
    ends: impl ExactSizeIterator<Item = usize>,
    buffer: &[u8],
    start: usize,
) -> Option<Vec<u128>> {
    let mut views = Vec::with_capacity(ends.len());
    let mut from = start;
    for end in ends {
        let to = start + end;
        let bytes = buffer.get(from..to)?;
        views.push(match buffer.get(from..from + 16) {
            // Sixteen bytes at once and a mask beat a copy of a length known only now.
            Some(window) if bytes.len() <= INLINE_BYTES => {
                let mut raw = [0u8; 16];
                raw.copy_from_slice(window);
                let kept = u128::from_le_bytes(raw) & ((1u128 << (bytes.len() * 8)) - 1);
                kept << 32 | bytes.len() as u128
            }
            _ => make_view(bytes, from),
        });
        from = to;
    }
    Some(views)
}

/// Points the view at buffer `index` instead of buffer 0.
#[inline]
pub fn rebase(view: u128, index: u32) -> u128 {
    let long = u128::from(view as u32 > INLINE_BYTES as u32);
    view + ((long * u128::from(index)) << 64)
}
