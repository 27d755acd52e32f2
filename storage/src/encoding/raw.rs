//! RAW: plain values, used where they lie. Texts are end offsets (u32) and the bytes.

use super::text::{Views, make_view};
use super::{Body, Encoded, Encoding, Kind, Raw, Tag, Values, each_fixed, le_bytes};
use arrow_buffer::Buffer;

/// The encoding.
pub struct RawEncoding;

/// Plain values.
#[derive(Debug)]
pub struct Plain {
    /// Fixed-width values, or the end offsets of texts.
    pub values: Buffer,
    /// The bytes of texts.
    pub text: Buffer,
}

impl Plain {
    /// Gives the view of text `row`.
    #[inline]
    pub fn view(&self, row: usize) -> u128 {
        let range = self.range(row);
        make_view(&self.text[range.clone()], range.start)
    }

    /// Gives text `row`.
    #[inline]
    pub fn bytes(&self, row: usize) -> &[u8] {
        &self.text[self.range(row)]
    }

    #[inline]
    fn range(&self, row: usize) -> std::ops::Range<usize> {
        let ends: &[u32] = self.values.typed_data();
        let from = if row == 0 { 0 } else { ends[row - 1] as usize };
        from..ends[row] as usize
    }
}

impl Encoding for RawEncoding {
    fn tag(&self) -> Tag {
        Tag::Raw
    }

    fn encode(&self, values: Values<'_>) -> Option<Encoded> {
        let mut encoded = Encoded::default();
        each_fixed!(values, slice => encoded.sections[0] = le_bytes(slice), texts => {
            (encoded.sections[0], encoded.sections[1]) = encode_texts(texts)?;
        });
        Some(encoded)
    }

    fn open(&self, raw: &Raw<'_>) -> Result<Body, String> {
        if raw.kind != Kind::Bytes {
            let values = raw.values(0, raw.rows(), raw.kind.width())?;
            return Ok(Body::Raw(Plain {
                values,
                text: Buffer::from(&[]),
            }));
        }
        let (values, text) = open_texts(raw, 0, 1, raw.rows())?;
        Ok(Body::Raw(Plain { values, text }))
    }
}

/// Lays texts end to end: end offsets, bytes. `None` past 4 GB, which a writer's buffer forbids.
pub(super) fn encode_texts(texts: Views<'_>) -> Option<(Vec<u8>, Vec<u8>)> {
    let total = texts.total_bytes();
    u32::try_from(total).ok()?;
    let mut ends: Vec<u32> = Vec::with_capacity(texts.views.len());
    let mut bytes = Vec::with_capacity(total);
    for text in texts.iter() {
        bytes.extend_from_slice(text);
        ends.push(bytes.len() as u32);
    }
    Some((le_bytes(&ends), bytes))
}

/// Opens texts laid end to end, checking that the offsets ascend to the end.
pub(super) fn open_texts(
    raw: &Raw<'_>,
    ends: usize,
    bytes: usize,
    count: usize,
) -> Result<(Buffer, Buffer), String> {
    let (offsets, text) = (raw.values(ends, count, 4)?, raw.section(bytes));
    let ends: &[u32] = offsets.typed_data();
    let ascending = ends.windows(2).all(|pair| pair[0] <= pair[1]);
    if !ascending || ends.last().map_or(0, |end| *end as usize) != text.len() {
        return Err("the offsets of texts do not ascend to their end".into());
    }
    Ok((offsets, text))
}
