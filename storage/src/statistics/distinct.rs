//! Distinct counts by HyperLogLog: 2 048 registers, a standard error of 2.3 %, mergeable.

use crate::layout::row_group::REGISTERS;

/// A set of hashes seen, as the longest run of leading zeros per register.
#[derive(Clone, PartialEq)]
pub struct Distinct {
    registers: Box<[u8; REGISTERS]>,
}

impl Default for Distinct {
    fn default() -> Self {
        Distinct {
            registers: Box::new([0; REGISTERS]),
        }
    }
}

impl std::fmt::Debug for Distinct {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Distinct({})", self.estimate())
    }
}

impl Distinct {
    /// Takes in a well-mixed hash.
    #[inline]
    pub fn add(&mut self, hash: u64) {
        let index = (hash >> 53) as usize & (REGISTERS - 1);
        // The set bit bounds the rank at 54, so that a register never overflows.
        let rank = ((hash << 11) | (1 << 10)).leading_zeros() as u8 + 1;
        let register = &mut self.registers[index];
        // After the first few thousand values hardly any store is left.
        if rank > *register {
            *register = rank;
        }
    }

    /// Takes in another sketch.
    pub fn merge(&mut self, other: &Distinct) {
        for (mine, other) in self.registers.iter_mut().zip(other.registers.iter()) {
            *mine = (*mine).max(*other);
        }
    }

    /// Estimates how many distinct hashes were added (Ertl's improved estimator: no bias at the
    /// small or the large end, no tables).
    pub fn estimate(&self) -> u64 {
        const Q: usize = 54;
        let mut counts = [0u32; Q + 2];
        for register in self.registers.iter() {
            counts[usize::from(*register).min(Q + 1)] += 1;
        }
        let m = REGISTERS as f64;
        let mut z = m * tau((m - f64::from(counts[Q + 1])) / m);
        for count in counts[1..=Q].iter().rev() {
            z = 0.5 * (z + f64::from(*count));
        }
        z += m * sigma(f64::from(counts[0]) / m);
        let estimate = m * m / (2.0 * std::f64::consts::LN_2 * z);
        if estimate.is_finite() {
            estimate.round() as u64
        } else {
            0
        }
    }

    /// Gives the registers that are set.
    pub fn registers(&self) -> Vec<(u16, u8)> {
        let set = self
            .registers
            .iter()
            .enumerate()
            .filter(|(_, rank)| **rank > 0);
        set.map(|(index, rank)| (index as u16, *rank)).collect()
    }

    /// Sets a register; out of range is ignored.
    pub fn set(&mut self, index: u16, rank: u8) {
        if let Some(register) = self.registers.get_mut(usize::from(index)) {
            *register = rank;
        }
    }
}

fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z == before {
            return z;
        }
    }
}

fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x).powi(2) * y;
        if z == before {
            return z / 3.0;
        }
    }
}

/// Mixes an integer into a hash (murmur3's finalizer, whose bits are all used).
#[inline]
pub fn hash_int(value: i128) -> u64 {
    let low = value as u64;
    let high = (value >> 64) as u64 ^ ((value as i64) >> 63) as u64;
    mix(low ^ high.wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

/// Mixes an integer of 64 bits into the hash that [`hash_int`] gives.
#[inline]
pub fn hash_i64(value: i64) -> u64 {
    // Its upper half repeats the sign, so it adds nothing.
    mix(value as u64)
}

/// Hashes a byte string.
#[inline]
pub fn hash_bytes(bytes: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(bytes)
}

#[inline]
pub(crate) fn mix(mut x: u64) -> u64 {
    x ^= x >> 33;
    x = x.wrapping_mul(0xFF51_AFD7_ED55_8CCD);
    x ^= x >> 33;
    x = x.wrapping_mul(0xC4CE_B9FE_1A85_EC53);
    x ^ (x >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_are_close_at_every_size() {
        for count in [
            0u64, 1, 2, 10, 100, 1_000, 5_000, 10_000, 100_000, 1_000_000,
        ] {
            let mut sketch = Distinct::default();
            for value in 0..count {
                sketch.add(hash_int(i128::from(value)));
                sketch.add(hash_int(i128::from(value)));
            }
            let error = (sketch.estimate() as f64 - count as f64).abs();
            assert!(
                error <= 0.08 * count as f64,
                "{count}: {}",
                sketch.estimate()
            );
        }
    }

    #[test]
    fn an_integer_has_one_hash_at_every_width() {
        for value in [0, 1, -1, 42, i64::MAX, i64::MIN, -1 << 40] {
            assert_eq!(hash_i64(value), hash_int(i128::from(value)));
        }
    }

    #[test]
    fn merging_is_adding_both() {
        let (mut a, mut b, mut both) = (
            Distinct::default(),
            Distinct::default(),
            Distinct::default(),
        );
        for value in 0..3_000 {
            let hash = hash_int(value);
            if value % 3 == 0 {
                a.add(hash)
            } else {
                b.add(hash)
            }
            both.add(hash);
        }
        a.merge(&b);
        assert_eq!(a, both);
    }
}
