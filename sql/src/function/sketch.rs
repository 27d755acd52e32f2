//! HyperLogLog sketches: what an HLLSKETCH is, its text, its union, its cardinality.
//!
//! A sketch of few values is sparse: a list of indices of 26 bits, each with how many zero bits lead the rest of a
//! hash, and one more. Where a list would take more bytes, it is dense: 2^15 registers of the same kind. Source: the
//! manual's page on the type HLLSKETCH, for both forms of text and for their sizes; the cardinality is Ertl's improved
//! estimate ("New cardinality estimation algorithms for HyperLogLog sketches", 2017), which needs no tables.

use crate::error::{Error, Result};
use crate::sqlstate::SqlState;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The bits of a hash that choose a register of a dense sketch.
const DENSE_BITS: u32 = 15;
const REGISTERS: usize = 1 << DENSE_BITS;
/// The bits of a hash that make the index of a sparse sketch.
const SPARSE_BITS: u32 = 26;
/// Above so many entries of five bytes the registers of six bits each are smaller.
const SPARSE_MAX: usize = REGISTERS * 6 / 8 / 5;
/// Bits of a register.
const REGISTER_BITS: usize = 6;
/// Begins a dense sketch: its version and the logarithm of its registers.
const DENSE_HEAD: [u8; 4] = [0, 16, 1, DENSE_BITS as u8];

/// A sketch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sketch {
    /// Values by their index.
    Sparse(BTreeMap<u32, u8>),
    /// One value per register.
    Dense(Vec<u8>),
}

impl Default for Sketch {
    fn default() -> Self {
        Self::Sparse(BTreeMap::new())
    }
}

/// How many zero bits lead, and one more, in the lowest `bits` of a word.
fn leading(word: u64, bits: u32) -> u8 {
    let zeros = (word << (64 - bits)).leading_zeros().min(bits);
    u8::try_from(zeros + 1).unwrap_or(u8::MAX)
}

/// The register of a sparse entry, and its value there.
fn register(index: u32, value: u8) -> (usize, u8) {
    let low_bits = SPARSE_BITS - DENSE_BITS;
    let low = u64::from(index) & ((1 << low_bits) - 1);
    let value = match low {
        0 => value.saturating_add(low_bits as u8),
        low => leading(low, low_bits),
    };
    ((index >> low_bits) as usize, value)
}

fn raise(registers: &mut [u8], place: usize, value: u8) {
    if let Some(register) = registers.get_mut(place) {
        *register = value.max(*register);
    }
}

impl Sketch {
    /// Adds a value by its hash.
    pub(crate) fn add(&mut self, hash: u64) {
        let index = u32::try_from(hash >> (64 - SPARSE_BITS)).unwrap_or_default();
        self.add_entry(index, leading(hash, 64 - SPARSE_BITS));
    }

    fn add_entry(&mut self, index: u32, value: u8) {
        match self {
            Self::Sparse(entries) => {
                let known = entries.entry(index).or_default();
                *known = value.max(*known);
                if entries.len() > SPARSE_MAX {
                    *self = Self::Dense(self.registers());
                }
            }
            Self::Dense(registers) => {
                let (place, value) = register(index, value);
                raise(registers, place, value);
            }
        }
    }

    /// The registers of a dense sketch of the same values.
    fn registers(&self) -> Vec<u8> {
        match self {
            Self::Dense(registers) => registers.clone(),
            Self::Sparse(entries) => {
                let mut registers = vec![0; REGISTERS];
                for (index, value) in entries {
                    let (place, value) = register(*index, *value);
                    raise(&mut registers, place, value);
                }
                registers
            }
        }
    }

    /// Adds the values of another sketch.
    pub(crate) fn unite(&mut self, other: &Self) {
        match other {
            Self::Sparse(entries) => {
                for (index, value) in entries {
                    self.add_entry(*index, *value);
                }
            }
            Self::Dense(registers) => {
                let mut own = self.registers();
                for (place, value) in registers.iter().enumerate() {
                    raise(&mut own, place, *value);
                }
                *self = Self::Dense(own);
            }
        }
    }

    /// Estimates how many values it has seen.
    pub(crate) fn cardinality(&self) -> i64 {
        let (cells, highest) = match self {
            Self::Sparse(_) => ((1_u64 << SPARSE_BITS) as f64, 64 - SPARSE_BITS),
            Self::Dense(_) => (REGISTERS as f64, 64 - DENSE_BITS),
        };
        let mut counts = vec![0.0_f64; highest as usize + 2];
        let mut count = |value: u8| {
            let last = highest as usize + 1;
            if let Some(known) = counts.get_mut(usize::from(value).min(last)) {
                *known += 1.0;
            }
        };
        match self {
            Self::Sparse(entries) => {
                entries.values().for_each(|value| count(*value));
                let empty = cells - entries.len() as f64;
                if let Some(zeros) = counts.first_mut() {
                    *zeros += empty;
                }
            }
            Self::Dense(registers) => registers.iter().for_each(|value| count(*value)),
        }
        let zeros = counts.first().copied().unwrap_or(0.0);
        let full = counts.last().copied().unwrap_or(0.0);
        let mut sum = cells * tau(1.0 - full / cells);
        for place in (1..=highest as usize).rev() {
            sum = 0.5 * (sum + counts.get(place).copied().unwrap_or(0.0));
        }
        sum += cells * sigma(zeros / cells);
        if !sum.is_finite() {
            return 0;
        }
        // 1 / (2 ln 2)
        let alpha = 0.5 / std::f64::consts::LN_2;
        (alpha * cells * cells / sum).round() as i64
    }

    /// Writes its text: JSON of a sparse sketch, Base64 of a dense one.
    pub(crate) fn write(&self, out: &mut String) {
        match self {
            Self::Sparse(entries) => {
                let _ = write!(
                    out,
                    "{{\"version\":1,\"logm\":{DENSE_BITS},\"sparse\":{{\"indices\":["
                );
                for (place, index) in entries.keys().enumerate() {
                    let comma = if place == 0 { "" } else { "," };
                    let _ = write!(out, "{comma}{index}");
                }
                out.push_str("],\"values\":[");
                for (place, value) in entries.values().enumerate() {
                    let comma = if place == 0 { "" } else { "," };
                    let _ = write!(out, "{comma}{value}");
                }
                out.push_str("]}}");
            }
            Self::Dense(registers) => {
                let mut bytes = DENSE_HEAD.to_vec();
                let (mut word, mut bits) = (0_u32, 0);
                for value in registers {
                    word |= u32::from(*value) << bits;
                    bits += REGISTER_BITS;
                    while bits >= 8 {
                        bytes.push((word & 0xff) as u8);
                        word >>= 8;
                        bits -= 8;
                    }
                }
                out.push_str(&super::scalar::to_base64(&bytes));
            }
        }
    }

    /// Reads a text of either form.
    pub(crate) fn read(text: &str) -> Result<Self> {
        let wrong = || {
            Error::new(
                SqlState::INVALID_TEXT_REPRESENTATION,
                "invalid input syntax for type hllsketch",
            )
            .with_detail("A sketch is JSON if it is sparse, and Base64 if it is dense.")
        };
        let text = text.trim();
        if text.starts_with('{') {
            return sparse(text).ok_or_else(wrong);
        }
        let bytes = super::scalar::from_base64(text.trim_matches('"')).ok_or_else(wrong)?;
        let packed = bytes.strip_prefix(&DENSE_HEAD).ok_or_else(wrong)?;
        if packed.len() != REGISTERS * REGISTER_BITS / 8 {
            return Err(wrong());
        }
        let mut registers = Vec::with_capacity(REGISTERS);
        let (mut word, mut bits) = (0_u32, 0);
        for byte in packed {
            word |= u32::from(*byte) << bits;
            bits += 8;
            while bits >= REGISTER_BITS {
                registers.push((word & 0x3f) as u8);
                word >>= REGISTER_BITS;
                bits -= REGISTER_BITS;
            }
        }
        Ok(Self::Dense(registers))
    }
}

fn sparse(text: &str) -> Option<Sketch> {
    let whole = super::scalar::json_value(text)?;
    let logm: u32 = whole.get("logm")?.text.trim().parse().ok()?;
    let lists = whole.get("sparse")?;
    let (indices, values) = (lists.get("indices")?, lists.get("values")?);
    let mut entries = BTreeMap::new();
    let mut values = values.members();
    for (_, index) in indices.members() {
        let index: u32 = index.text.trim().parse().ok()?;
        let value: u8 = values.next()?.1.text.trim().parse().ok()?;
        let fits = index >> SPARSE_BITS == 0 && (1..=64 - SPARSE_BITS as u8 + 1).contains(&value);
        if !fits || entries.insert(index, value).is_some() {
            return None;
        }
    }
    let is_whole = logm == DENSE_BITS && values.next().is_none() && entries.len() <= SPARSE_MAX;
    is_whole.then_some(Sketch::Sparse(entries))
}

fn sigma(share: f64) -> f64 {
    if share >= 1.0 {
        return f64::INFINITY;
    }
    let (mut power, mut factor, mut sum) = (share, 1.0, share);
    loop {
        power *= power;
        let before = sum;
        sum += power * factor;
        factor += factor;
        if sum == before || !sum.is_finite() {
            return sum;
        }
    }
}

fn tau(share: f64) -> f64 {
    if share <= 0.0 || share >= 1.0 {
        return 0.0;
    }
    let (mut root, mut factor, mut sum) = (share, 1.0, 1.0 - share);
    loop {
        root = root.sqrt();
        let before = sum;
        factor *= 0.5;
        sum -= (1.0 - root).powi(2) * factor;
        if sum == before {
            return sum / 3.0;
        }
    }
}

/// Hashes the bytes of a value: MurmurHash64A, so that a sketch means the same in every version and on every machine.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    const FACTOR: u64 = 0xc6a4_a793_5bd1_e995;
    const SHIFT: u32 = 47;
    const SEED: u64 = 0xadc8_3b19;
    let mut hash = SEED ^ (bytes.len() as u64).wrapping_mul(FACTOR);
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        let mut word = [0; 8];
        word.copy_from_slice(chunk);
        let mut part = u64::from_le_bytes(word).wrapping_mul(FACTOR);
        part ^= part >> SHIFT;
        hash = (hash ^ part.wrapping_mul(FACTOR)).wrapping_mul(FACTOR);
    }
    let rest = chunks.remainder();
    if !rest.is_empty() {
        let mut word = [0; 8];
        for (place, byte) in word.iter_mut().zip(rest) {
            *place = *byte;
        }
        hash = (hash ^ u64::from_le_bytes(word)).wrapping_mul(FACTOR);
    }
    hash ^= hash >> SHIFT;
    hash = hash.wrapping_mul(FACTOR);
    hash ^ (hash >> SHIFT)
}

#[cfg(test)]
mod tests {
    use super::{SPARSE_MAX, Sketch, hash};

    fn of(values: std::ops::Range<u64>) -> Sketch {
        let mut sketch = Sketch::default();
        for value in values {
            sketch.add(hash(&value.to_le_bytes()));
        }
        sketch
    }

    #[test]
    fn cardinalities_are_near() {
        assert_eq!(Sketch::default().cardinality(), 0);
        assert_eq!(of(0..4).cardinality(), 4);
        assert_eq!(of(0..1_000).cardinality(), 1_000);
        for count in [10_000_u64, 200_000] {
            let found = of(0..count).cardinality() as f64;
            let error = (found - count as f64).abs() / count as f64;
            assert!(error < 0.02, "{count}: {found}");
        }
    }

    #[test]
    fn texts_read_back_and_unions_are_of_both() {
        for count in [0, 5, 2_000, SPARSE_MAX as u64 * 2] {
            let sketch = of(0..count);
            let mut text = String::new();
            sketch.write(&mut text);
            assert_eq!(Sketch::read(&text).unwrap(), sketch, "{count}");
            assert!(text.len() < 33_000);
        }
        for (left, right) in [(10, 20), (1_000, 30_000), (30_000, 1_000), (30_000, 40_000)] {
            let mut both = of(0..left);
            both.unite(&of(left / 2..right));
            let all = of(0..left.max(right));
            assert_eq!(both.cardinality(), all.cardinality(), "{left} {right}");
        }
        for text in [
            "",
            "{}",
            "AAAA",
            "{\"logm\":15,\"sparse\":{\"indices\":[1],\"values\":[]}}",
        ] {
            assert!(Sketch::read(text).is_err(), "{text}");
        }
    }
}
