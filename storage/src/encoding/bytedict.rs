//! BYTEDICT: the distinct values of a block, and a bit-packed code per row.
//!
//! Section 0 holds the values (texts: end offsets), section 1 the bytes of texts, section 2 the
//! codes, `parameter` bits each, packed by 1 024.

use super::native::{
    PICKS_MAX, VECTOR_ROWS, VectorBits, each_vector, is_few, keep_all, keep_each, pack,
    packed_words, unpack, unpack_one, unpack_picks, unpack_within,
};
use super::raw::{encode_texts, open_texts};
use super::text::{INLINE_BYTES, Views, views_of};
use super::{Body, Encoded, Encoding, Kind, Raw, Tag, Values, each_fixed, le_bytes};
use arrow_buffer::Buffer;

/// Entries BYTEDICT allows.
pub const BYTE_ENTRIES: usize = 256;
/// Entries a block can hold: codes are 16 bits.
pub const ENTRIES_MAX: usize = 65_536;

/// The encoding, with the number of entries it may use.
pub struct Bytedict {
    /// At most [`ENTRIES_MAX`].
    pub entries_max: usize,
}

/// A dictionary and its codes.
#[derive(Debug)]
pub struct Dictionary {
    /// Distinct values.
    pub entries: usize,
    /// Fixed-width entries, as many as codes can name: what damage lets point past the last entry
    /// reads some entry, never past the buffer.
    pub values: Buffer,
    /// Views of text entries into `text`, as many as codes can name.
    pub views: Vec<u128>,
    /// The bytes of text entries.
    pub text: Buffer,
    /// Whether every text entry lies within its view, so that `text` need not be kept.
    pub is_inline: bool,
    width: usize,
    codes: Buffer,
}

impl Dictionary {
    /// Gives the codes of rows `from..from + out.len()`; `from` is a multiple of 1 024.
    pub fn codes(&self, from: usize, out: &mut [u16]) {
        let mut chunks = out.chunks_exact_mut(VECTOR_ROWS);
        let mut index = from / VECTOR_ROWS;
        for chunk in &mut chunks {
            unpack(self.width, self.words(index), 0, chunk);
            index += 1;
        }
        let rest = chunks.into_remainder();
        if !rest.is_empty() {
            let mut scratch = [0; VECTOR_ROWS];
            unpack(self.width, self.words(index), 0, &mut scratch);
            rest.copy_from_slice(&scratch[..rest.len()]);
        }
    }

    /// Appends the codes of the picked rows, ascending offsets from `from`, a multiple of 1 024.
    pub fn gather(&self, from: usize, picks: &[u16], out: &mut Vec<u16>) {
        each_vector(picks, |number, picks| {
            let words = self.words(from / VECTOR_ROWS + number);
            if picks.len() <= PICKS_MAX {
                return unpack_picks(self.width, words, 0, picks, out);
            }
            let mut codes = [0; VECTOR_ROWS];
            unpack(self.width, words, 0, &mut codes);
            let rows = picks.iter().map(|pick| usize::from(*pick) % VECTOR_ROWS);
            out.extend(rows.map(|row| codes[row]));
        });
    }

    /// Keeps of `rows`, those of vector `index` of the block that are still in, the ones whose code is
    /// within `first..=last`; with `negated`, the others.
    pub fn keep_within(
        &self,
        index: usize,
        (first, last): (u16, u16),
        negated: bool,
        rows: &mut VectorBits,
    ) {
        let mut within = [0; VECTOR_ROWS / 64];
        let span = last.wrapping_sub(first);
        unpack_within(self.width, self.words(index), first, span, &mut within);
        let flip = if negated { u64::MAX } else { 0 };
        for (rows, within) in rows.iter_mut().zip(within) {
            *rows &= within ^ flip;
        }
    }

    /// Keeps of `rows` of vector `index` the ones whose code passes.
    pub fn keep_where(&self, index: usize, rows: &mut VectorBits, passes: impl Fn(u16) -> bool) {
        let words = self.words(index);
        if is_few(rows) {
            return keep_each(rows, |row| passes(unpack_one(self.width, words, row)));
        }
        let mut codes = [0; VECTOR_ROWS];
        unpack(self.width, words, 0, &mut codes);
        keep_all(rows, &codes, passes);
    }

    #[inline]
    fn words(&self, vector: usize) -> &[u16] {
        let words = packed_words::<u16>(self.width);
        &self.codes.typed_data::<u16>()[vector * words..][..words]
    }
}

impl Encoding for Bytedict {
    fn tag(&self) -> Tag {
        Tag::Dictionary
    }

    fn encode(&self, values: Values<'_>) -> Option<Encoded> {
        let mut encoded = Encoded::default();
        let (codes, firsts) = each_fixed!(values, slice => {
            let (codes, firsts) = match build_narrow(slice, self.entries_max) {
                Some(built) => built?,
                None => build(slice, self.entries_max, |value| value.hash(), |a, b| a == b)?,
            };
            let entries: Vec<_> = firsts.iter().map(|row| slice[*row as usize]).collect();
            encoded.sections[0] = le_bytes(&entries);
            (codes, firsts)
        }, texts => {
            let equal = |a: &u128, b: &u128| {
                // A short text is its view; a long one shares at least length and prefix.
                a == b || (*a as u64 == *b as u64 && *a as u32 > INLINE_BYTES as u32 && texts.bytes(a) == texts.bytes(b))
            };
            let hash = |view: &u128| match *view as u32 > INLINE_BYTES as u32 {
                true => xxhash_rust::xxh3::xxh3_64(texts.bytes(view)),
                false => view.hash(),
            };
            let (codes, firsts) = build(texts.views, self.entries_max, hash, equal)?;
            let entries: Vec<_> = firsts.iter().map(|row| texts.views[*row as usize]).collect();
            let entries = Views { views: &entries, buffers: texts.buffers };
            (encoded.sections[0], encoded.sections[1]) = encode_texts(entries)?;
            (codes, firsts)
        });
        let width = code_width(firsts.len());
        encoded.parameter = width as u64;
        encoded.sections[2] = pack_codes(&codes, width);
        (encoded.codes, encoded.firsts) = (Some(codes), firsts);
        Some(encoded)
    }

    fn open(&self, raw: &Raw<'_>) -> Result<Body, String> {
        let width = raw.parts.header.parameter as usize;
        if width > 16 {
            return Err(format!("codes of {width} bits"));
        }
        let vectors = raw.rows().div_ceil(VECTOR_ROWS);
        let codes = raw.values(2, vectors * packed_words::<u16>(width), 2)?;
        let (values, text) = (raw.section(0), raw.section(1));
        let entry_bytes = if raw.kind == Kind::Bytes {
            4
        } else {
            raw.kind.width()
        };
        let entries = values.len() / entry_bytes;
        let capacity = 1usize << width;
        if entries == 0 || entries > capacity || values.len() % entry_bytes != 0 {
            return Err(format!(
                "{} bytes of entries for codes of {width} bits",
                values.len()
            ));
        }
        let mut dictionary = Dictionary {
            entries,
            values: Buffer::from(&[]),
            views: vec![],
            text,
            is_inline: true,
            width,
            codes,
        };
        if raw.kind == Kind::Bytes {
            let (ends, text) = open_texts(raw, 0, 1, entries)?;
            let ends: &[u32] = ends.typed_data();
            let views = views_of(ends.iter().map(|end| *end as usize), &text, 0);
            dictionary.views = views.ok_or("an entry lies outside the dictionary")?;
            dictionary.is_inline = dictionary
                .views
                .iter()
                .all(|view| *view as u32 <= INLINE_BYTES as u32);
            dictionary.views.resize(capacity, 0);
        } else {
            let mut padded = values.as_slice().to_vec();
            padded.resize(capacity * entry_bytes, 0);
            let mut aligned = arrow_buffer::MutableBuffer::new(padded.len());
            aligned.extend_from_slice(&padded);
            dictionary.values = aligned.into();
        }
        Ok(Body::Dictionary(dictionary))
    }
}

/// Gives the bits a code of `entries` values takes.
pub(super) fn code_width(entries: usize) -> usize {
    (usize::BITS - entries.saturating_sub(1).leading_zeros()) as usize
}

fn pack_codes(codes: &[u16], width: usize) -> Vec<u8> {
    let words = packed_words::<u16>(width);
    let mut packed = vec![0u16; codes.len().div_ceil(VECTOR_ROWS) * words];
    for (vector, chunk) in codes.chunks(VECTOR_ROWS).enumerate() {
        let out = &mut packed[vector * words..][..words];
        match chunk.first_chunk() {
            Some(whole) => pack(width, whole, out),
            None => {
                let mut padded = [0; VECTOR_ROWS];
                padded[..chunk.len()].copy_from_slice(chunk);
                pack(width, &padded, out);
            }
        }
    }
    le_bytes(&packed)
}

/// A value that can be looked up in a table.
pub(super) trait Hashed: Copy + Ord {
    fn hash(&self) -> u64;

    /// Tells how far it lies above `least`.
    fn above(&self, least: &Self) -> u128;
}

/// Folds the product of two words: one multiplication mixes 16 bytes.
#[inline(always)]
fn fold(low: u64, high: u64) -> u64 {
    let product =
        u128::from(low ^ 0x9E37_79B9_7F4A_7C15) * u128::from(high ^ 0xD6E8_FEB8_6659_FD93);
    product as u64 ^ (product >> 64) as u64
}

macro_rules! hashed {
    ($($type:ty)*) => {$(
        impl Hashed for $type {
            #[inline(always)]
            fn hash(&self) -> u64 { fold(*self as u64, (*self as i128 >> 64) as u64) }

            #[inline(always)]
            fn above(&self, least: &Self) -> u128 { (*self as i128).wrapping_sub(*least as i128) as u128 }
        }
    )*};
}
hashed! { i8 i16 i32 i64 i128 u128 }

/// Codes of rows, and the row each code first stands at.
type Coded = (Vec<u16>, Vec<u32>);

/// Values of a range up to this are looked up by where they lie in it; the table stays in a near cache.
const NARROW_MAX: usize = 1 << 16;

/// Does what [`build`] does for values that lie close together, without a hash; `None` if they do not.
fn build_narrow<T: Hashed>(values: &[T], entries_max: usize) -> Option<Option<Coded>> {
    const EMPTY: u32 = u32::MAX;
    let first = *values.first()?;
    let (least, most) = values.iter().fold((first, first), |(least, most), value| {
        (least.min(*value), most.max(*value))
    });
    let range = usize::try_from(most.above(&least)).ok()?;
    if range >= NARROW_MAX.min(values.len()) {
        return None;
    }
    let mut known = vec![EMPTY; range + 1];
    let mut firsts: Vec<u32> = Vec::new();
    let mut codes: Vec<u16> = Vec::with_capacity(values.len());
    for (row, value) in values.iter().enumerate() {
        let code = &mut known[value.above(&least) as usize];
        if *code == EMPTY {
            if firsts.len() == entries_max {
                return Some(None);
            }
            *code = firsts.len() as u32;
            firsts.push(row as u32);
        }
        codes.push(*code as u16);
    }
    Some(Some((codes, firsts)))
}

/// Gives the code of every value and the row each code first stands at; `None` past `entries_max`.
fn build<T: Copy>(
    values: &[T],
    entries_max: usize,
    hash: impl Fn(&T) -> u64,
    equal: impl Fn(&T, &T) -> bool,
) -> Option<Coded> {
    const EMPTY: u32 = u32::MAX;
    let mut slots = vec![EMPTY; 1_024];
    let mut entries: Vec<(T, u64)> = Vec::new();
    let mut firsts: Vec<u32> = Vec::new();
    let mut codes: Vec<u16> = Vec::with_capacity(values.len());
    for (row, value) in values.iter().enumerate() {
        let hashed = hash(value);
        let mut at = hashed as usize & (slots.len() - 1);
        let code = loop {
            match slots[at] {
                EMPTY => {
                    if entries.len() == entries_max {
                        return None;
                    }
                    let code = entries.len() as u32;
                    slots[at] = code;
                    entries.push((*value, hashed));
                    firsts.push(row as u32);
                    if entries.len() * 2 > slots.len() {
                        let size = slots.len() * 4;
                        slots.clear();
                        slots.resize(size, EMPTY);
                        for (code, (_, hashed)) in entries.iter().enumerate() {
                            let mut at = *hashed as usize & (size - 1);
                            while slots[at] != EMPTY {
                                at = (at + 1) & (size - 1);
                            }
                            slots[at] = code as u32;
                        }
                    }
                    break code;
                }
                code if equal(&entries[code as usize].0, value) => break code,
                _ => at = (at + 1) & (slots.len() - 1),
            }
        };
        codes.push(code as u16);
    }
    Some((codes, firsts))
}
