//! Ranges tested on packed codes: a vector that its header settles is not unpacked, and of the others
//! no value is written out but the sums of differences.

use super::super::native::{
    Native, VECTOR_ROWS, VectorBits, at_most, is_few, keep_all, keep_each, unpack_within,
};
use super::{Packed, Vector};

/// What a header says of the values of its vector and a range.
enum Settled {
    Outside,
    Inside,
    Open,
}

impl Packed {
    /// Keeps of `rows`, those of vector `index` of the block that are still in, the ones whose value is
    /// within `low..=high`; with `negated`, the others.
    pub fn keep_within<T: Native>(
        &self,
        index: usize,
        (low, high): (T, T),
        negated: bool,
        rows: &mut VectorBits,
    ) {
        let vector = self.vector::<T>(index);
        let flip = if negated { u64::MAX } else { 0 };
        let mut within = [0; VECTOR_ROWS / 64];
        let settled = vector.settled(low, high);
        match settled {
            Settled::Outside => {}
            Settled::Inside => within.fill(u64::MAX),
            Settled::Open if vector.delta => {
                let mut values = [T::default(); VECTOR_ROWS];
                vector.decode(&mut values);
                values.iter_mut().for_each(|value| *value = value.sub(low));
                at_most(&values, high.sub(low), &mut within);
            }
            Settled::Open if is_few(rows) => {
                return keep_each(rows, |row| {
                    let value = vector.one(row);
                    ((low <= value) & (value <= high)) != negated
                });
            }
            Settled::Open => {
                // A code is its value less the reference.
                let first = low.sub(vector.reference);
                unpack_within(
                    vector.width,
                    vector.words,
                    first,
                    high.sub(low),
                    &mut within,
                );
            }
        }
        // Patches stand where codes say nothing; those of differences are in the sums.
        if !vector.delta {
            vector.each_patch(|row, value| {
                let bit = 1 << (row % 64);
                match (low <= value) & (value <= high) {
                    true => within[row / 64] |= bit,
                    false => within[row / 64] &= !bit,
                }
            });
        }
        for (rows, within) in rows.iter_mut().zip(within) {
            *rows &= within ^ flip;
        }
    }

    /// Gives a range that holds every value of vector `index`, patches too.
    pub fn bounds<T: Native>(&self, index: usize) -> (i128, i128) {
        let vector = self.vector::<T>(index);
        let (mut least, mut greatest) = vector.bounds();
        if !vector.delta {
            vector.each_patch(|_, value| {
                least = least.min(value.widen().into());
                greatest = greatest.max(value.widen().into());
            });
        }
        (least, greatest)
    }

    /// Keeps of `rows` of vector `index` the ones whose value passes.
    pub fn keep_where<T: Native>(
        &self,
        index: usize,
        rows: &mut VectorBits,
        passes: impl Fn(T) -> bool,
    ) {
        let vector = self.vector::<T>(index);
        if !vector.delta && is_few(rows) {
            return keep_each(rows, |row| passes(vector.one(row)));
        }
        let mut values = [T::default(); VECTOR_ROWS];
        vector.decode(&mut values);
        keep_all(rows, &values, passes);
    }
}

impl<T: Native> Vector<'_, T> {
    /// Gives a range that holds every value but patches; of differences, every value.
    fn bounds(&self) -> (i128, i128) {
        let reference = i128::from(self.reference.widen());
        let above = reference + ((1_i128 << self.width) - 1);
        let domain = (
            i128::from(-1_i64 << (T::BITS - 1)),
            i128::from(-1_i64 << (T::BITS - 1)).abs() - 1,
        );
        if !self.delta {
            // Codes that no value has may point past the end of the type.
            return (reference, above.min(domain.1));
        }
        if !self.patch_values.is_empty() {
            return domain;
        }
        let (first, rows) = (i128::from(self.first.widen()), VECTOR_ROWS as i128);
        let least = first + (reference * rows).min(reference);
        let greatest = first + (above * rows).max(above);
        // Sums that may have gone around the corner are anywhere.
        match domain.0 <= least && greatest <= domain.1 {
            true => (least, greatest),
            false => domain,
        }
    }

    fn settled(&self, low: T, high: T) -> Settled {
        let (least, greatest) = self.bounds();
        let (low, high) = (i128::from(low.widen()), i128::from(high.widen()));
        if greatest < low || high < least {
            Settled::Outside
        } else if low <= least && greatest <= high {
            Settled::Inside
        } else {
            Settled::Open
        }
    }

    fn each_patch(&self, mut take: impl FnMut(usize, T)) {
        for (position, value) in self.patch_positions.iter().zip(self.patch_values) {
            take(usize::from(*position) % VECTOR_ROWS, T::narrow(*value));
        }
    }
}
