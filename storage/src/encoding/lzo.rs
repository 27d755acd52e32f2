//! LZO: LZ4, under the name the manual gives; and what it shares with ZSTD.
//!
//! Both compress zone by zone, so that a scan opens only what it needs. Section 0 holds per zone the
//! end of its chunk in section 1 and its size when open (u64 each). An open chunk is plain values;
//! for texts it is one byte that says how many bytes a length takes (1, 2 or 4), the lengths, and
//! the texts end to end.

use super::text::{Views, views_of};
use super::{Body, Encoded, Encoding, Kind, Raw, Tag, Values, each_fixed, le_bytes};
use crate::layout::row_group::ZONE_ROWS;
use arrow_buffer::{Buffer, MutableBuffer};

/// The encoding.
pub struct Lzo;

/// Chunks, one per zone.
#[derive(Debug)]
pub struct Chunks {
    tag: Tag,
    directory: Buffer,
    data: Buffer,
}

/// A zone's values, decompressed.
#[derive(Debug, Clone)]
pub struct Chunk {
    /// Fixed-width values, or what views point into.
    pub bytes: Buffer,
    /// Views of texts, one per row.
    pub views: std::sync::Arc<Vec<u128>>,
}

impl Chunks {
    /// Decompresses a zone of `rows` rows.
    pub fn open_zone(&self, zone: usize, rows: usize, kind: Kind) -> Result<Chunk, String> {
        let directory: &[u64] = self.directory.typed_data();
        let from = if zone == 0 {
            0
        } else {
            directory[zone * 2 - 2] as usize
        };
        let (to, size) = (
            directory[zone * 2] as usize,
            directory[zone * 2 + 1] as usize,
        );
        let packed = &self.data.as_slice()[from..to];
        let mut bytes = MutableBuffer::from_len_zeroed(size);
        let written = match self.tag {
            Tag::Zstd => super::zstd::decompress(packed, bytes.as_slice_mut())?,
            _ => lz4_flex::block::decompress_into(packed, bytes.as_slice_mut())
                .map_err(|error| format!("lz4: {error}"))?,
        };
        let bytes = Buffer::from(bytes);
        if written != size || (kind != Kind::Bytes && size != rows * kind.width()) {
            return Err(format!("a zone has {written} bytes, not {size}"));
        }
        let views = match kind {
            Kind::Bytes => text_views(&bytes, rows).ok_or("a text lies outside its zone")?,
            _ => vec![],
        };
        Ok(Chunk {
            bytes,
            views: views.into(),
        })
    }
}

fn text_views(bytes: &[u8], rows: usize) -> Option<Vec<u128>> {
    let (width, rest) = bytes.split_first()?;
    let width = usize::from(*width);
    let lengths = rest.get(..rows * width)?;
    let mut end = 0;
    let mut add = |length: usize| {
        end += length;
        end
    };
    let start = 1 + lengths.len();
    match width {
        1 => views_of(
            lengths.iter().map(|length| add(usize::from(*length))),
            bytes,
            start,
        ),
        2 => {
            let (pairs, _) = lengths.as_chunks::<2>();
            views_of(
                pairs
                    .iter()
                    .map(|raw| add(usize::from(u16::from_le_bytes(*raw)))),
                bytes,
                start,
            )
        }
        4 => {
            let (quads, _) = lengths.as_chunks::<4>();
            views_of(
                quads
                    .iter()
                    .map(|raw| add(u32::from_le_bytes(*raw) as usize)),
                bytes,
                start,
            )
        }
        _ => None,
    }
}

/// Lays a zone's texts out as an open chunk.
pub(super) fn text_chunk(texts: Views<'_>) -> Vec<u8> {
    let lengths = texts.views.iter().map(|view| *view as u32);
    let longest = lengths.clone().max().unwrap_or(0);
    let width = if longest < 1 << 8 {
        1
    } else if longest < 1 << 16 {
        2
    } else {
        4
    };
    let mut out = Vec::with_capacity(1 + texts.views.len() * width + texts.total_bytes());
    out.push(width as u8);
    for length in lengths {
        out.extend_from_slice(&length.to_le_bytes()[..width]);
    }
    for text in texts.iter() {
        out.extend_from_slice(text);
    }
    out
}

/// Encodes zone by zone with `compress`.
pub(super) fn encode_chunks(
    values: Values<'_>,
    mut compress: impl FnMut(&[u8]) -> Option<Vec<u8>>,
) -> Option<Encoded> {
    let (mut directory, mut data) = (Vec::new(), Vec::new());
    for from in (0..values.len()).step_by(ZONE_ROWS) {
        let zone = values.slice(from, ZONE_ROWS.min(values.len() - from));
        let open = each_fixed!(zone, slice => le_bytes(slice), texts => text_chunk(texts));
        u32::try_from(open.len()).ok()?;
        data.extend(compress(&open)?);
        directory.extend([data.len() as u64, open.len() as u64]);
    }
    Some(Encoded {
        sections: [le_bytes(&directory), data, vec![]],
        ..Encoded::default()
    })
}

/// Opens a block of chunks.
pub(super) fn open_chunks(tag: Tag, raw: &Raw<'_>) -> Result<Body, String> {
    let zones = raw.rows().div_ceil(ZONE_ROWS);
    let (directory, data) = (raw.values(0, zones, 16)?, raw.section(1));
    let mut from = 0;
    for entry in directory.typed_data::<u64>().chunks(2) {
        if entry[0] < from || entry[0] > data.len() as u64 || u32::try_from(entry[1]).is_err() {
            return Err("a zone lies outside its block".into());
        }
        from = entry[0];
    }
    Ok(Body::Compressed(Chunks {
        tag,
        directory,
        data,
    }))
}

impl Encoding for Lzo {
    fn tag(&self) -> Tag {
        Tag::Lz4
    }

    fn encode(&self, values: Values<'_>) -> Option<Encoded> {
        encode_chunks(values, |bytes| Some(lz4_flex::block::compress(bytes)))
    }

    fn open(&self, raw: &Raw<'_>) -> Result<Body, String> {
        open_chunks(Tag::Lz4, raw)
    }
}
