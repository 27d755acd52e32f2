//! AZ64: frame of reference or delta per 1 024 values, bit-packed, outliers kept as patches.
//!
//! The names that say how many bits a value takes are this form with less freedom ([`Shape`]).
//!
//! Section 0 holds, for `n` vectors: references i64 x n, firsts i64 x n, offsets u32 x n, shapes
//! u32 x n (width, form << 8, patches << 16). Section 1 holds per vector, at its offset: the packed
//! words, the patches' values (i64 each), the patches' positions (u16 each), padding to 16 bytes.
//! A delta vector's first value is `first + delta[0]`; its deltas are what is packed. A packed value is
//! `reference` and its bits, added around the corner; a patch is a whole value (or delta).

use super::native::{
    Native, PICKS_MAX, VECTOR_ROWS, each_common, each_vector, pack, packed_words, unpack,
    unpack_one, unpack_picks,
};
use super::{Body, Encoded, Encoding, Kind, Raw, Tag, Values, le_bytes};
use arrow_buffer::Buffer;

mod within;

/// The encoding, with the freedom it has per vector.
pub struct Az64 {
    /// What vectors may look like.
    pub shape: Shape,
}

/// What a vector may look like. Readers need not know: a vector says itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// AZ64: whatever takes the least.
    Best,
    /// DELTA (8), DELTA32K (16): differences of neighbours in so many bits, others as patches.
    Delta(usize),
    /// MOSTLY8/16/32: signed values of so many bits, others as patches.
    Mostly(usize),
}

impl Shape {
    /// Gives the plan of a vector, of its differences for [`Shape::Delta`].
    fn fixed<T: Native>(self, values: &[T; VECTOR_ROWS]) -> Plan {
        let (Shape::Delta(bits) | Shape::Mostly(bits)) = self else {
            return plan(values);
        };
        let width = bits.min(T::BITS);
        let least = -1i64 << (width - 1);
        let reference = T::narrow(least);
        let fits = |value: &&T| width == 64 || value.sub(reference).bits() >> width == 0;
        let patches = VECTOR_ROWS - values.iter().filter(fits).count();
        Plan {
            reference: least,
            width,
            patches,
            bytes: VECTOR_ROWS / 8 * width + patches * PATCH_BYTES,
        }
    }
}

/// Bytes of a vector's entry in section 0.
const ENTRY_BYTES: usize = 24;
/// Bytes of a patch: its value and its position.
const PATCH_BYTES: usize = 10;

/// Patches that are not counted when a fixed shape is given up.
const PATCHES_FREE: usize = 64;

/// Bit-packed values.
#[derive(Debug)]
pub struct Packed {
    directory: Buffer,
    data: Buffer,
    vectors: usize,
    rows: usize,
}

/// One vector, found in its block.
struct Vector<'a, T> {
    reference: T,
    first: T,
    width: usize,
    delta: bool,
    words: &'a [T],
    patch_values: &'a [i64],
    patch_positions: &'a [u16],
}

impl Packed {
    fn vector<T: Native>(&self, index: usize) -> Vector<'_, T> {
        let n = self.vectors;
        let wide: &[i64] = self.directory.as_slice()[..n * 16].typed();
        let narrow: &[u32] = self.directory.as_slice()[n * 16..].typed();
        let (offset, shape) = (narrow[index] as usize, narrow[n + index]);
        let (width, delta, patches) = (
            (shape & 0xFF) as usize,
            shape >> 8 & 0xFF != 0,
            (shape >> 16) as usize,
        );
        let (words, rest) = self.data.as_slice()[offset..].split_at(VECTOR_ROWS / 8 * width);
        let (values, rest) = rest.split_at(patches * 8);
        Vector {
            reference: T::narrow(wide[index]),
            first: T::narrow(wide[n + index]),
            width,
            delta,
            words: words.typed(),
            patch_values: values.typed(),
            patch_positions: rest[..patches * 2].typed(),
        }
    }

    /// Decodes rows `from..from + out.len()`; `from` is a multiple of 1 024.
    pub fn decode<T: Native>(&self, from: usize, out: &mut [T]) {
        let mut chunks = out.chunks_exact_mut(VECTOR_ROWS);
        let mut index = from / VECTOR_ROWS;
        for chunk in &mut chunks {
            self.vector::<T>(index).decode(chunk);
            index += 1;
        }
        let rest = chunks.into_remainder();
        if !rest.is_empty() {
            let mut scratch = [T::default(); VECTOR_ROWS];
            self.vector::<T>(index).decode(&mut scratch);
            rest.copy_from_slice(&scratch[..rest.len()]);
        }
    }

    /// Appends the picked rows, ascending offsets from `from`, a multiple of 1 024.
    pub fn gather<T: Native>(&self, from: usize, picks: &[u16], out: &mut Vec<T>) {
        each_vector(picks, |number, picks| {
            self.gather_vector(from / VECTOR_ROWS + number, picks, out);
        });
    }

    /// Appends the rows `picks` of vector `number` of the block.
    #[inline(always)]
    pub(super) fn gather_vector<T: Native>(&self, number: usize, picks: &[u16], out: &mut Vec<T>) {
        let vector = self.vector::<T>(number);
        if vector.delta || picks.len() > PICKS_MAX {
            let mut values = [T::default(); VECTOR_ROWS];
            vector.decode(&mut values);
            let rows = picks.iter().map(|pick| usize::from(*pick) % VECTOR_ROWS);
            return out.extend(rows.map(|row| values[row]));
        }
        let start = out.len();
        unpack_picks(vector.width, vector.words, vector.reference, picks, out);
        each_common(picks, vector.patch_positions, |place, patch| {
            out[start + place] = T::narrow(vector.patch_values[patch]);
        });
    }
}

impl<T: Native> Vector<'_, T> {
    fn decode(&self, out: &mut [T]) {
        unpack(self.width, self.words, self.reference, out);
        for (position, value) in self.patch_positions.iter().zip(self.patch_values) {
            out[usize::from(*position) % VECTOR_ROWS] = T::narrow(*value);
        }
        if self.delta {
            let mut sum = self.first;
            for value in out {
                sum = sum.add(*value);
                *value = sum;
            }
        }
    }

    #[inline]
    fn one(&self, index: usize) -> T {
        if !self.patch_positions.is_empty()
            && let Ok(at) = self.patch_positions.binary_search(&(index as u16))
        {
            return T::narrow(self.patch_values[at]);
        }
        self.reference
            .add(unpack_one(self.width, self.words, index))
    }
}

/// Reads aligned bytes as numbers.
trait Typed {
    fn typed<T: arrow_buffer::ArrowNativeType>(&self) -> &[T];
}

impl Typed for [u8] {
    #[inline]
    fn typed<T: arrow_buffer::ArrowNativeType>(&self) -> &[T] {
        super::native::typed(self)
    }
}

impl Encoding for Az64 {
    fn tag(&self) -> Tag {
        Tag::Packed
    }

    fn encode(&self, values: Values<'_>) -> Option<Encoded> {
        match values {
            Values::I8(values) => encode(values, self.shape),
            Values::I16(values) => encode(values, self.shape),
            Values::I32(values) => encode(values, self.shape),
            Values::I64(values) => encode(values, self.shape),
            Values::I128(_) | Values::Bytes(_) => None,
        }
    }

    fn open(&self, raw: &Raw<'_>) -> Result<Body, String> {
        open(raw).map(Body::Packed)
    }
}

/// Opens sections 0 and 1.
pub(super) fn open(raw: &Raw<'_>) -> Result<Packed, String> {
    let vectors = raw.rows().div_ceil(VECTOR_ROWS);
    let directory = raw.values(0, vectors, ENTRY_BYTES)?;
    let data = raw.section(1);
    let bits = raw.kind.width() * 8;
    if matches!(raw.kind, Kind::Bytes | Kind::I128) {
        return Err("values of this kind are never bit-packed".into());
    }
    let narrow: &[u32] = directory.as_slice()[vectors * 16..].typed();
    for (offset, shape) in narrow[..vectors].iter().zip(&narrow[vectors..]) {
        let (width, patches) = ((shape & 0xFF) as usize, (shape >> 16) as usize);
        let end = *offset as usize + VECTOR_ROWS / 8 * width + patches * PATCH_BYTES;
        if width > bits || !offset.is_multiple_of(16) || end > data.len() {
            return Err("a vector lies outside its block".into());
        }
    }
    Ok(Packed {
        directory,
        data,
        vectors,
        rows: raw.rows(),
    })
}

impl Packed {
    /// Counts the rows.
    pub fn rows(&self) -> usize {
        self.rows
    }
}

/// How one vector is best kept.
struct Plan {
    reference: i64,
    width: usize,
    patches: usize,
    bytes: usize,
}

/// Finds the width at which packed bits and patches together take the least.
fn plan<T: Native>(values: &[T]) -> Plan {
    let (mut min, mut max) = (values[0], values[0]);
    for value in values {
        min = min.min(*value);
        max = max.max(*value);
    }
    let width_max = 64 - max.sub(min).bits().leading_zeros() as usize;
    let mut best = Plan {
        reference: min.widen(),
        width: width_max,
        patches: 0,
        bytes: VECTOR_ROWS / 8 * width_max,
    };
    if width_max < 4 {
        return best;
    }
    let mut counts = [0usize; 65];
    for value in values {
        counts[64 - value.sub(min).bits().leading_zeros() as usize] += 1;
    }
    let mut patches = 0;
    for width in (0..width_max).rev() {
        patches += counts[width + 1];
        let bytes = VECTOR_ROWS / 8 * width + patches * PATCH_BYTES;
        // Many patches cost more time than their bytes are worth.
        if patches > VECTOR_ROWS / 16 {
            break;
        }
        if bytes < best.bytes {
            best = Plan {
                width,
                patches,
                bytes,
                ..best
            };
        }
    }
    best
}

/// Fills the differences of neighbours; the first is the second's, so that it costs nothing.
fn deltas<T: Native>(values: &[T], out: &mut [T; VECTOR_ROWS]) {
    for (out, pair) in out[1..].iter_mut().zip(values.windows(2)) {
        *out = pair[1].sub(pair[0]);
    }
    out[0] = out[1];
}

/// Estimates the bytes of one vector, for the chooser.
pub(super) fn vector_bytes<T: Native>(values: &[T]) -> usize {
    let plain = plan(values).bytes;
    let mut scratch = [T::default(); VECTOR_ROWS];
    if values.len() == VECTOR_ROWS && plain > VECTOR_ROWS / 2 {
        deltas(values, &mut scratch);
        let delta = plan(&scratch).bytes;
        if is_better(delta, plain) {
            return delta + ENTRY_BYTES;
        }
    }
    plain + ENTRY_BYTES
}

/// Deltas must be summed up on reading, so they must save a quarter.
fn is_better(delta_bytes: usize, plain_bytes: usize) -> bool {
    delta_bytes * 4 < plain_bytes * 3
}

/// Encodes; `None` if more than a quarter of the values do not fit a fixed shape.
pub(super) fn encode<T: Native>(values: &[T], shape: Shape) -> Option<Encoded> {
    let vectors = values.len().div_ceil(VECTOR_ROWS);
    let (mut references, mut firsts) = (Vec::with_capacity(vectors), Vec::with_capacity(vectors));
    let (mut offsets, mut shapes) = (Vec::with_capacity(vectors), Vec::with_capacity(vectors));
    let (mut data, mut patches) = (Vec::new(), 0);
    let mut padded = [T::default(); VECTOR_ROWS];
    let mut differences = [T::default(); VECTOR_ROWS];
    let mut words = vec![T::default(); VECTOR_ROWS];
    for chunk in values.chunks(VECTOR_ROWS) {
        let vector: &[T; VECTOR_ROWS] = match chunk.first_chunk() {
            Some(whole) => whole,
            None => {
                padded[..chunk.len()].copy_from_slice(chunk);
                // What costs no bits: the last value again, or one that fits every fixed width.
                let filler = match shape {
                    Shape::Mostly(_) => T::default(),
                    Shape::Best | Shape::Delta(_) => chunk[chunk.len() - 1],
                };
                padded[chunk.len()..].fill(filler);
                &padded
            }
        };
        let (mut first, mut delta) = (T::default(), false);
        let mut best = match shape {
            Shape::Best => plan(vector),
            Shape::Mostly(_) => shape.fixed(vector),
            Shape::Delta(_) => {
                deltas(vector, &mut differences);
                first = vector[0].sub(differences[0]);
                delta = true;
                shape.fixed(&differences)
            }
        };
        // Up to four bits a value there is too little left to save.
        if shape == Shape::Best && best.bytes > VECTOR_ROWS / 2 {
            deltas(vector, &mut differences);
            let by_delta = plan(&differences);
            if is_better(by_delta.bytes, best.bytes) {
                best = by_delta;
                first = vector[0].sub(differences[0]);
                delta = true;
            }
        }
        patches += best.patches;
        if patches > values.len() / 4 + PATCHES_FREE {
            return None;
        }
        references.push(best.reference);
        firsts.push(first.widen());
        offsets.push(data.len() as u32);
        shapes.push(best.width as u32 | u32::from(delta) << 8 | (best.patches as u32) << 16);
        let source = if delta { &differences } else { vector };
        write_vector(source, &best, &mut words, &mut data);
    }
    let mut directory = le_bytes(&references);
    directory.extend(le_bytes(&firsts));
    directory.extend(le_bytes(&offsets));
    directory.extend(le_bytes(&shapes));
    Some(Encoded {
        sections: [directory, data, vec![]],
        ..Encoded::default()
    })
}

fn write_vector<T: Native>(
    source: &[T; VECTOR_ROWS],
    best: &Plan,
    words: &mut [T],
    data: &mut Vec<u8>,
) {
    let reference = T::narrow(best.reference);
    let mut offsets = [T::default(); VECTOR_ROWS];
    for (out, value) in offsets.iter_mut().zip(source) {
        *out = value.sub(reference);
    }
    let (mut patch_values, mut patch_positions) = (Vec::new(), Vec::new());
    if best.patches > 0 {
        for (position, offset) in offsets.iter_mut().enumerate() {
            if best.width < T::BITS && offset.bits() >> best.width != 0 {
                patch_values.push(source[position].widen());
                patch_positions.push(position as u16);
                *offset = T::default();
            }
        }
    }
    let words = &mut words[..packed_words::<T>(best.width)];
    pack(best.width, &offsets, words);
    data.extend_from_slice(arrow_buffer::ToByteSlice::to_byte_slice(&*words));
    data.extend(le_bytes(&patch_values));
    data.extend(le_bytes(&patch_positions));
    data.resize(data.len().next_multiple_of(16), 0);
}
