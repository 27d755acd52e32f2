//! Ranges of floats tested on the integers they are kept as: within a vector greater integers are
//! greater floats, so a range of floats is a range of integers.

use super::super::native::{Native, VECTOR_ROWS, VectorBits};
use super::{Decimals, Float, INTEGER_MAX, Pair};
use crate::statistics::key::FloatRange;

/// The integers that a range of floats is, as last asked: neighbouring vectors share their powers of ten.
#[derive(Debug, Default)]
pub struct Translated(Option<(Pair, Option<(i64, i64)>)>);

impl Decimals {
    /// Keeps of `rows`, those of vector `index` of the block that are still in, the ones whose value is
    /// within `range`; with `negated`, the others. `T` is the integer of the float's width.
    pub fn keep_within<T: Native>(
        &self,
        index: usize,
        range: &FloatRange,
        negated: bool,
        known: &mut Translated,
        rows: &mut VectorBits,
    ) {
        match T::BITS {
            64 => self.keep::<i64>(index, range, negated, known, rows),
            _ => self.keep::<i32>(index, range, negated, known, rows),
        }
    }

    fn keep<T: Float>(
        &self,
        index: usize,
        range: &FloatRange,
        negated: bool,
        Translated(known): &mut Translated,
        rows: &mut VectorBits,
    ) {
        let vector = self.vector(index, size_of::<T>());
        let integers = match known {
            Some((pair, integers)) if *pair == vector.pair => *integers,
            _ => {
                let integers = vector.pair.integers::<T>(range);
                *known = Some((vector.pair, integers));
                integers
            }
        };
        let before = *rows;
        match integers {
            Some((low, high)) => {
                let range = (T::narrow(low), T::narrow(high));
                self.integers.keep_within(index, range, negated, rows);
            }
            None if negated => {}
            None => rows.fill(0),
        }
        for (at, position) in vector.positions.iter().enumerate() {
            let row = usize::from(*position) % VECTOR_ROWS;
            let bit = 1 << (row % 64);
            let value: T = vector.exception(at);
            match range.holds(value.to_f64()) != negated {
                true => rows[row / 64] |= before[row / 64] & bit,
                false => rows[row / 64] &= !bit,
            }
        }
    }

    /// Keeps of `rows` of vector `index` the ones whose bits pass.
    pub fn keep_where<T: Native>(
        &self,
        index: usize,
        rows: &mut VectorBits,
        passes: impl Fn(T) -> bool,
    ) {
        let mut values = [T::default(); VECTOR_ROWS];
        let from = index * VECTOR_ROWS;
        let count = VECTOR_ROWS.min(self.integers.rows().saturating_sub(from));
        self.decode(from, &mut values[..count]);
        super::super::native::keep_all(rows, &values, passes);
    }
}

impl Pair {
    /// Gives the least and the greatest integer whose float lies within `range`; `None` without any.
    fn integers<T: Float>(self, range: &FloatRange) -> Option<(i64, i64)> {
        // Reals are kept in 32 bits; no double is kept as more than its digits.
        let least = (-1_i64 << (T::BITS - 1)).max(-(INTEGER_MAX as i64));
        let greatest = -least - i64::from(T::BITS < 64);
        let float_of = |integer: i64| self.decode::<T>(T::narrow(integer)).to_f64();
        let first = first_where(least, greatest, |integer| range.low <= float_of(integer))?;
        let after = first_where(first, greatest, |integer| range.high < float_of(integer));
        let last = after.map_or(greatest, |after| after - 1);
        (first <= last).then_some((first, last))
    }
}

/// Gives the first integer of `low..=high` that passes, when all after it pass too.
fn first_where(low: i64, high: i64, passes: impl Fn(i64) -> bool) -> Option<i64> {
    let (mut low, mut end) = (low, high + 1);
    while low < end {
        let middle = low + (end - low) / 2;
        match passes(middle) {
            true => end = middle,
            false => low = middle + 1,
        }
    }
    (low <= high).then_some(low)
}
