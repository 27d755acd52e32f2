//! LZO: LZ4, under the name the manual gives; and what it shares with ZSTD.
//!
//! Both compress zone by zone, so that a scan opens only what it needs. Section 0 holds per zone the
//! end of its chunk in section 1 and its size when open (u64 each). An open chunk is plain values;
//! for texts it is one byte that says how many bytes a length takes (1, 2 or 4), the lengths, and
//! the texts end to end.

use super::text::{Views, make_view, views_of};
use super::{Body, Encoded, Encoding, Kind, Raw, Tag, Values, each_fixed, le_bytes};
use crate::layout::row_group::ZONE_ROWS;
use arrow_buffer::{Buffer, MutableBuffer};
use std::sync::{Arc, OnceLock};

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
    texts: Option<Texts>,
}

/// Where the texts of a chunk lie, and their views once they were all asked for.
#[derive(Debug, Clone)]
struct Texts {
    rows: usize,
    /// Bytes of a length.
    width: usize,
    all: Arc<OnceLock<Vec<u128>>>,
}

/// Where fewer than one row of so many is picked, adding up lengths beats making the views of all.
const FEW: usize = 8;

impl Chunk {
    /// Gives the memory it takes, with all views.
    pub fn memory_bytes(&self) -> usize {
        let views = self
            .texts
            .as_ref()
            .map_or(0, |texts| texts.rows * size_of::<u128>());
        self.bytes.len() + views
    }

    /// Gives the views of all texts, which point into `bytes`; none if the values are of fixed width.
    pub fn views(&self) -> &[u128] {
        match &self.texts {
            Some(texts) => texts.all.get_or_init(|| texts.views(&self.bytes)),
            None => &[],
        }
    }

    /// Appends the views of the picked rows, which ascend.
    pub fn pick_views(&self, picks: &[u16], out: &mut Vec<u128>) {
        match &self.texts {
            Some(texts) if texts.all.get().is_none() && picks.len() * FEW < texts.rows => {
                texts.pick(&self.bytes, picks, out);
            }
            _ => {
                let views = self.views();
                out.extend(picks.iter().map(|pick| views[usize::from(*pick)]));
            }
        }
    }
}

impl Texts {
    /// Looks where the texts of a chunk of `rows` rows lie; `None` if they do not fit into it.
    fn of(bytes: &[u8], rows: usize) -> Option<Self> {
        let (width, rest) = bytes.split_first()?;
        let texts = Self {
            rows,
            width: usize::from(*width),
            all: Arc::default(),
        };
        if ![1, 2, 4].contains(&texts.width) {
            return None;
        }
        let lengths = rest.get(..rows * texts.width)?;
        let end = 1 + lengths.len() as u64 + texts.sum(lengths);
        (end <= bytes.len() as u64).then_some(texts)
    }

    fn lengths<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        &bytes[1..1 + self.rows * self.width]
    }

    fn sum(&self, lengths: &[u8]) -> u64 {
        match self.width {
            1 => lengths.iter().map(|length| u64::from(*length)).sum(),
            2 => pairs(lengths).map(|length| length as u64).sum(),
            _ => quads(lengths).map(|length| length as u64).sum(),
        }
    }

    fn views(&self, bytes: &[u8]) -> Vec<u128> {
        let lengths = self.lengths(bytes);
        let start = 1 + lengths.len();
        let mut end = 0;
        let mut add = |length: usize| {
            end += length;
            end
        };
        let views = match self.width {
            1 => views_of(
                lengths.iter().map(|one| add(usize::from(*one))),
                bytes,
                start,
            ),
            2 => views_of(pairs(lengths).map(add), bytes, start),
            _ => views_of(quads(lengths).map(add), bytes, start),
        };
        // They fit, as `of` has seen.
        views.unwrap_or_default()
    }

    fn pick(&self, bytes: &[u8], picks: &[u16], out: &mut Vec<u128>) {
        let lengths = self.lengths(bytes);
        let (mut from, mut passed) = (1 + lengths.len(), 0);
        for pick in picks {
            let row = usize::from(*pick);
            from += self.sum(&lengths[passed * self.width..row * self.width]) as usize;
            let own = &lengths[row * self.width..(row + 1) * self.width];
            let to = from + self.sum(own) as usize;
            out.push(make_view(&bytes[from..to], from));
            (from, passed) = (to, row + 1);
        }
    }
}

fn pairs(lengths: &[u8]) -> impl ExactSizeIterator<Item = usize> {
    let (pairs, _) = lengths.as_chunks::<2>();
    pairs
        .iter()
        .map(|raw| usize::from(u16::from_le_bytes(*raw)))
}

fn quads(lengths: &[u8]) -> impl ExactSizeIterator<Item = usize> {
    let (quads, _) = lengths.as_chunks::<4>();
    quads.iter().map(|raw| u32::from_le_bytes(*raw) as usize)
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
        let texts = match kind {
            Kind::Bytes => Some(Texts::of(&bytes, rows).ok_or("a text lies outside its zone")?),
            _ => None,
        };
        Ok(Chunk { bytes, texts })
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
