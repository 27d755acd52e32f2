//! ALP: floats that were written as decimals, kept as the integers they were before the point moved.
//!
//! Follows "ALP: Adaptive Lossless floating-Point Compression" (Afroozeh, Kuffo, Boncz, 2023). Per
//! vector of 1 024 values there is an exponent `e` and a factor `f`, so that `integer * 10^f * 10^-e`
//! gives the value bit by bit. Values for which it does not (NaN, infinities, -0, many digits) are
//! exceptions, kept as their bits. Doubles and reals share one form: what the formula gives is
//! rounded to a real for those.
//!
//! Sections 0 and 1 hold the integers, packed as in [`super::az64`] as 64 bits (reals: 32 bits).
//! Section 2 holds per vector eight bytes (`e` u8, `f` u8, exceptions u16, begin of them u32, counted
//! from the start of the section), then the exceptions of each vector: bits (8 or 4 bytes each), then
//! positions (u16 each), padded to 8 bytes.

use super::az64::{self, Packed};
use super::native::{Native, VECTOR_ROWS, each_common, each_vector};
use super::{Body, Encoded, Encoding, Kind, Raw, Tag, Values, le_bytes};
use arrow_buffer::Buffer;

mod within;
pub use within::Translated;

/// The encoding.
pub struct Alp;

/// Bytes of a vector's entry in section 2.
const ENTRY_BYTES: usize = 8;
/// Powers of ten that doubles hold exactly end at 22; no value has more than 17 digits to move.
const EXPONENT_MAX: usize = 18;
/// Pairs kept from the sample of a block and tried on each vector.
const PAIRS_MAX: usize = 5;
/// Values of a vector looked at to choose a pair.
const SAMPLE_VALUES: usize = 32;
/// Vectors of a block looked at to find the pairs.
const SAMPLE_VECTORS: usize = 8;
/// An integer beyond this would not survive the way through a double.
const INTEGER_MAX: f64 = (1u64 << 53) as f64;

const fn powers() -> [f64; EXPONENT_MAX + 1] {
    let (mut powers, mut power, mut at) = ([0.0; EXPONENT_MAX + 1], 1u64, 0);
    while at <= EXPONENT_MAX {
        powers[at] = power as f64;
        power = power.wrapping_mul(10);
        at += 1;
    }
    powers
}

const fn inverses() -> [f64; EXPONENT_MAX + 1] {
    let (mut inverses, mut at) = (powers(), 0);
    while at <= EXPONENT_MAX {
        inverses[at] = 1.0 / inverses[at];
        at += 1;
    }
    inverses
}

static POWERS: [f64; EXPONENT_MAX + 1] = powers();
static INVERSES: [f64; EXPONENT_MAX + 1] = inverses();

/// Gives the double of an integer of at most 53 bits. Few machines convert 64-bit integers in vectors:
/// put into the digits of 1.5 * 2^52 (and 2^84 for its upper half), an integer is a double but for those.
#[inline(always)]
fn small_to_f64(value: i64) -> f64 {
    const LOW: u64 = 0x4330_0000_0000_0000;
    const HIGH: u64 = 0x4530_0000_8000_0000;
    /// 2^84 + 2^63 + 2^52.
    const BOTH: u64 = 0x4530_0000_8010_0000;
    let low = f64::from_bits(LOW | (value as u64 & 0xFFFF_FFFF));
    let high = f64::from_bits(HIGH ^ (value as u64 >> 32));
    (high - f64::from_bits(BOTH)) + low
}

/// By how many digits the point of a vector moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pair {
    exponent: u8,
    factor: u8,
}

impl Pair {
    #[inline(always)]
    fn decode<T: Float>(self, integer: T) -> T {
        let (factor, inverse) = self.scales();
        T::of_f64(integer.as_i64() as f64 * factor * inverse)
    }

    /// Puts the bits of floats in the place of their integers.
    #[inline]
    fn decode_all<T: Native>(self, values: &mut [T]) {
        let (factor, inverse) = self.scales();
        // One type at a time, so that the loops turn into vector instructions.
        if let Some(values) = cast_mut::<T, i64>(values) {
            for value in values {
                *value = (small_to_f64(*value) * factor * inverse).to_bits() as i64;
            }
        } else if let Some(values) = cast_mut::<T, i32>(values) {
            for value in values {
                *value = ((f64::from(*value) * factor * inverse) as f32).to_bits() as i32;
            }
        }
    }

    #[inline(always)]
    fn scales(self) -> (f64, f64) {
        (
            POWERS[usize::from(self.factor) % POWERS.len()],
            INVERSES[usize::from(self.exponent) % INVERSES.len()],
        )
    }

    /// Gives the integer of a value; `None` if it would not come back bit by bit.
    #[inline(always)]
    fn encode<T: Float>(self, bits: T) -> Option<T> {
        let (exponent, factor) = (usize::from(self.exponent), usize::from(self.factor));
        let moved = bits.to_f64() * POWERS[exponent] * INVERSES[factor];
        if moved.is_nan() || moved.abs() >= INTEGER_MAX {
            return None;
        }
        let integer = T::of_i64(moved.round_ties_even() as i64)?;
        (self.decode(integer) == bits).then_some(integer)
    }
}

/// The bits of a float, and the integer of the same width.
trait Float: Native {
    fn to_f64(self) -> f64;
    fn of_f64(value: f64) -> Self;
    fn as_i64(self) -> i64;
    fn of_i64(value: i64) -> Option<Self>;
}

impl Float for i64 {
    #[inline(always)]
    fn to_f64(self) -> f64 {
        f64::from_bits(self as u64)
    }
    #[inline(always)]
    fn of_f64(value: f64) -> Self {
        value.to_bits() as i64
    }
    #[inline(always)]
    fn as_i64(self) -> i64 {
        self
    }
    #[inline(always)]
    fn of_i64(value: i64) -> Option<Self> {
        Some(value)
    }
}

impl Float for i32 {
    #[inline(always)]
    fn to_f64(self) -> f64 {
        f64::from(f32::from_bits(self as u32))
    }
    #[inline(always)]
    fn of_f64(value: f64) -> Self {
        (value as f32).to_bits() as i32
    }
    #[inline(always)]
    fn as_i64(self) -> i64 {
        i64::from(self)
    }
    #[inline(always)]
    fn of_i64(value: i64) -> Option<Self> {
        i32::try_from(value).ok()
    }
}

/// Floats kept as integers.
#[derive(Debug)]
pub struct Decimals {
    integers: Packed,
    vectors: Buffer,
}

impl Decimals {
    /// Decodes the bits of rows `from..from + out.len()`; `from` is a multiple of 1 024.
    pub fn decode<T: Native>(&self, from: usize, out: &mut [T]) {
        self.integers.decode(from, out);
        for (index, chunk) in out.chunks_mut(VECTOR_ROWS).enumerate() {
            let vector = self.vector(from / VECTOR_ROWS + index, size_of::<T>());
            vector.pair.decode_all(chunk);
            for (at, position) in vector.positions.iter().enumerate() {
                if let Some(value) = chunk.get_mut(usize::from(*position)) {
                    *value = vector.exception(at);
                }
            }
        }
    }

    /// Appends the bits of the picked rows, ascending offsets from `from`, a multiple of 1 024.
    pub fn gather<T: Native>(&self, from: usize, picks: &[u16], out: &mut Vec<T>) {
        each_vector(picks, |number, picks| {
            let (number, start) = (from / VECTOR_ROWS + number, out.len());
            self.integers.gather_vector(number, picks, out);
            let vector = self.vector(number, size_of::<T>());
            let values = &mut out[start..];
            vector.pair.decode_all(values);
            each_common(picks, vector.positions, |place, exception| {
                values[place] = vector.exception(exception);
            });
        });
    }

    fn vector(&self, index: usize, width: usize) -> Vector<'_> {
        let bytes = self.vectors.as_slice();
        let (entries, _) = bytes.as_chunks::<ENTRY_BYTES>();
        let [exponent, factor, a, b, c, d, e, f] = entries[index];
        let count = usize::from(u16::from_le_bytes([a, b]));
        let from = u32::from_le_bytes([c, d, e, f]) as usize;
        let (bits, rest) = bytes[from..].split_at(count * width);
        Vector {
            pair: Pair { exponent, factor },
            bits,
            positions: super::native::typed(&rest[..count * 2]),
        }
    }
}

/// One vector's exceptions.
struct Vector<'a> {
    pair: Pair,
    bits: &'a [u8],
    positions: &'a [u16],
}

impl Vector<'_> {
    fn exception<T: Native>(&self, at: usize) -> T {
        super::native::typed::<T>(self.bits)[at]
    }
}

fn cast_mut<T: Native, U: Native>(values: &mut [T]) -> Option<&mut [U]> {
    (T::BITS == U::BITS).then(|| super::native::same_width(values))
}

/// Finds the pairs that suit most of a block, best first; none if no value can be kept so.
fn pairs_of<T: Float>(values: &[T]) -> Vec<Pair> {
    let vectors = values.len().div_ceil(VECTOR_ROWS);
    let step = vectors.div_ceil(SAMPLE_VECTORS).max(1);
    let mut found: Vec<(Pair, usize)> = Vec::new();
    for vector in values.chunks(VECTOR_ROWS).step_by(step) {
        let sample = sample_of(vector);
        let mut best: Option<(Pair, usize)> = None;
        for exponent in 0..=EXPONENT_MAX as u8 {
            for factor in 0..=exponent {
                let pair = Pair { exponent, factor };
                let bits = bits_of(pair, &sample);
                if best.is_none_or(|(_, least)| bits < least) {
                    best = Some((pair, bits));
                }
            }
        }
        let Some((pair, _)) = best else { continue };
        match found.iter_mut().find(|(seen, _)| *seen == pair) {
            Some((_, times)) => *times += 1,
            None => found.push((pair, 1)),
        }
    }
    found.sort_by_key(|(_, times)| std::cmp::Reverse(*times));
    found
        .into_iter()
        .take(PAIRS_MAX)
        .map(|(pair, _)| pair)
        .collect()
}

fn sample_of<T: Float>(vector: &[T]) -> Vec<T> {
    let step = (vector.len() / SAMPLE_VALUES).max(1);
    vector.iter().step_by(step).copied().collect()
}

/// Estimates the bits that values take: their range, and their exceptions.
fn bits_of<T: Float>(pair: Pair, values: &[T]) -> usize {
    let (mut min, mut max, mut exceptions) = (i64::MAX, i64::MIN, 0);
    for value in values {
        match pair.encode(*value) {
            Some(integer) => {
                min = min.min(integer.as_i64());
                max = max.max(integer.as_i64());
            }
            None => exceptions += 1,
        }
    }
    let width = match min <= max {
        true => (64 - max.wrapping_sub(min).leading_zeros()) as usize,
        false => 0,
    };
    values.len() * width + exceptions * (T::BITS + 16)
}

fn best_pair<T: Float>(pairs: &[Pair], vector: &[T]) -> Option<Pair> {
    let sample = sample_of(vector);
    let pairs = pairs.iter().copied();
    pairs.min_by_key(|pair| bits_of(*pair, &sample))
}

/// Estimates the bytes of a block from a sample; `None` if no pair suits.
pub(super) fn estimated_bytes(values: Values<'_>) -> Option<usize> {
    fn estimate<T: Float>(values: &[T]) -> Option<usize> {
        let pairs = pairs_of(values);
        let step = values
            .len()
            .div_ceil(VECTOR_ROWS)
            .div_ceil(SAMPLE_VECTORS)
            .max(1);
        let (mut bits, mut rows) = (0, 0);
        for vector in values.chunks(VECTOR_ROWS).step_by(step) {
            let pair = best_pair(&pairs, vector)?;
            bits += bits_of(pair, vector) + 8 * (ENTRY_BYTES + 24);
            rows += vector.len();
        }
        Some((bits as f64 / 8.0 / rows.max(1) as f64 * values.len() as f64) as usize)
    }
    match values {
        Values::I32(values) => estimate(values),
        Values::I64(values) => estimate(values),
        _ => None,
    }
}

fn encode<T: Float>(values: &[T]) -> Option<Encoded> {
    let pairs = pairs_of(values);
    let vectors = values.len().div_ceil(VECTOR_ROWS);
    let mut integers: Vec<T> = Vec::with_capacity(values.len());
    let (mut entries, mut exceptions) = (Vec::new(), Vec::new());
    for vector in values.chunks(VECTOR_ROWS) {
        let pair = best_pair(&pairs, vector)?;
        let (mut bits, mut positions) = (Vec::new(), Vec::new());
        let start = integers.len();
        for (position, value) in vector.iter().enumerate() {
            match pair.encode(*value) {
                Some(integer) => integers.push(integer),
                None => {
                    bits.push(*value);
                    positions.push(position as u16);
                    // A neighbour's integer costs no bits.
                    integers.push(integers[start..].last().copied().unwrap_or_default());
                }
            }
        }
        let begin = u32::try_from(vectors * ENTRY_BYTES + exceptions.len()).ok()?;
        entries.extend([pair.exponent, pair.factor]);
        entries.extend((bits.len() as u16).to_le_bytes());
        entries.extend(begin.to_le_bytes());
        exceptions.extend(le_bytes(&bits));
        exceptions.extend(le_bytes(&positions));
        exceptions.resize(exceptions.len().next_multiple_of(8), 0);
    }
    let mut encoded = az64::encode(&integers, az64::Shape::Best)?;
    entries.extend(exceptions);
    encoded.sections[2] = entries;
    Some(encoded)
}

impl Encoding for Alp {
    fn tag(&self) -> Tag {
        Tag::Alp
    }

    fn encode(&self, values: Values<'_>) -> Option<Encoded> {
        match values {
            Values::I32(values) => encode(values),
            Values::I64(values) => encode(values),
            _ => None,
        }
    }

    fn open(&self, raw: &Raw<'_>) -> Result<Body, String> {
        if !matches!(raw.kind, Kind::I32 | Kind::I64) {
            return Err("values of this kind are no floats".into());
        }
        let vectors = raw.section(2);
        let count = raw.rows().div_ceil(VECTOR_ROWS);
        let (entries, _) = vectors.as_slice().as_chunks::<ENTRY_BYTES>();
        let entries = entries
            .get(..count)
            .ok_or("entries of vectors are cut short")?;
        for [exponent, factor, a, b, c, d, e, f] in entries {
            let exceptions = usize::from(u16::from_le_bytes([*a, *b]));
            let from = u32::from_le_bytes([*c, *d, *e, *f]) as usize;
            let inside = from + exceptions * (raw.kind.width() + 2) <= vectors.len();
            let known = usize::from(*exponent.max(factor)) <= EXPONENT_MAX;
            if !inside || !known || exceptions > VECTOR_ROWS || !from.is_multiple_of(8) {
                return Err("a vector's exceptions lie outside the block".into());
            }
        }
        Ok(Body::Decimals(Decimals {
            integers: az64::open(raw)?,
            vectors,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_decimals_are_fixed() {
        let values = [0.25, 1.5, f64::NAN, -0.75];
        let bits = values.map(|value: f64| value.to_bits() as i64);
        let encoded = Alp.encode(Values::I64(&bits)).unwrap();
        let pair = pairs_of(&bits)[0];
        assert_eq!(
            pair,
            Pair {
                exponent: 2,
                factor: 0
            }
        );
        // Integers 25, 150, 150 (a neighbour's), then -75 to the end of the vector: no bits, three
        // patches.
        let mut directory = vec![];
        directory.extend((-75_i64).to_le_bytes());
        directory.extend(0_i64.to_le_bytes());
        directory.extend(0_u32.to_le_bytes());
        directory.extend((3_u32 << 16).to_le_bytes());
        assert_eq!(encoded.sections[0], directory);
        let mut patches = vec![];
        [25_i64, 150, 150]
            .iter()
            .for_each(|value| patches.extend(value.to_le_bytes()));
        patches.extend([0, 0, 1, 0, 2, 0, 0, 0]);
        assert_eq!(encoded.sections[1], patches);
        let mut vectors = vec![2, 0, 1, 0, 8, 0, 0, 0];
        vectors.extend(f64::NAN.to_bits().to_le_bytes());
        vectors.extend([2, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(encoded.sections[2], vectors);
    }

    #[test]
    fn integers_become_doubles_as_by_conversion() {
        let edges = [
            0,
            1,
            -1,
            1 << 31,
            1 << 32,
            -(1 << 32),
            (1 << 53) - 1,
            i64::MAX,
            i64::MIN,
        ];
        for edge in edges {
            for value in [edge, edge.wrapping_add(12_345), edge.wrapping_sub(98_765)] {
                assert_eq!(small_to_f64(value), value as f64, "{value}");
            }
        }
    }

    #[test]
    fn what_would_not_come_back_is_an_exception() {
        let pair = Pair {
            exponent: 14,
            factor: 12,
        };
        for value in [
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            -0.0,
            1e300,
            f64::MIN_POSITIVE,
            0.123_456_789,
        ] {
            assert_eq!(pair.encode(value.to_bits() as i64), None, "{value}");
        }
        assert_eq!(pair.encode(12.34_f64.to_bits() as i64), Some(1_234));
        assert_eq!(pair.encode(0), Some(0));
        let single = 0.1_f32.to_bits() as i32;
        assert_eq!(
            Pair {
                exponent: 1,
                factor: 0
            }
            .encode(single),
            Some(1)
        );
    }
}
