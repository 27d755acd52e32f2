//! Which rows of a zone are still in: a bit per row, and the kernels that clear them.

use crate::encoding::native::{VectorBits, pack_bytes};
use crate::layout::row_group::ZONE_ROWS;
use arrow_buffer::BooleanBuffer;
use arrow_buffer::bit_chunk_iterator::BitChunks;

const WORDS: usize = ZONE_ROWS / 64;

/// The rows of one zone that are still in.
#[derive(Clone, Debug)]
pub struct Selection {
    words: Box<[u64; WORDS]>,
    rows: usize,
    count: usize,
}

impl Selection {
    /// Selects all of `rows` rows, at most a zone.
    pub fn all(rows: usize) -> Self {
        let mut selection = Selection {
            words: Box::new([u64::MAX; WORDS]),
            rows,
            count: rows,
        };
        selection.words[rows / 64..].fill(0);
        if !rows.is_multiple_of(64) {
            selection.words[rows / 64] = (1 << (rows % 64)) - 1;
        }
        selection
    }

    /// Counts the rows of the zone.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Counts the rows that are in.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Tells whether every row is in.
    pub fn is_all(&self) -> bool {
        self.count == self.rows
    }

    /// Takes all rows out.
    pub fn clear(&mut self) {
        self.words.fill(0);
        self.count = 0;
    }

    /// Takes one row out.
    pub fn remove(&mut self, row: usize) {
        let (word, bit) = (&mut self.words[row / 64], 1 << (row % 64));
        self.count -= usize::from(*word & bit != 0);
        *word &= !bit;
    }

    /// Gives the rows that are in, ascending.
    pub fn rows_in(&self) -> Vec<u16> {
        let mut out = Vec::with_capacity(self.count);
        for (index, word) in self.words.iter().enumerate() {
            let mut word = *word;
            while word != 0 {
                out.push((index * 64) as u16 + word.trailing_zeros() as u16);
                word &= word - 1;
            }
        }
        out
    }

    /// Keeps the rows whose value passes. `values` has one per row of the zone.
    #[inline(always)]
    pub fn keep_where<T: Copy>(&mut self, values: &[T], pass: impl Fn(T) -> bool) {
        let mut count = 0;
        let (chunks, rest) = values.as_chunks::<64>();
        for (word, chunk) in self.words.iter_mut().zip(chunks) {
            // Bytes first: this loop the compiler turns into vector compares.
            let mut bytes = [0u8; 64];
            for (byte, value) in bytes.iter_mut().zip(chunk) {
                *byte = u8::from(pass(*value));
            }
            *word &= pack_bytes(&bytes);
            count += word.count_ones() as usize;
        }
        if let Some(word) = self.words.get_mut(chunks.len()) {
            let mut bits = 0;
            for (bit, value) in rest.iter().enumerate() {
                bits |= u64::from(pass(*value)) << bit;
            }
            *word &= bits;
            count += word.count_ones() as usize;
        }
        self.count = count;
    }

    /// Keeps the rows whose bit is set.
    pub fn keep_bits(&mut self, bits: &BooleanBuffer) {
        let chunks = BitChunks::new(bits.values(), bits.offset(), bits.len());
        let mut count = 0;
        for (word, bits) in self.words.iter_mut().zip(chunks.iter_padded()) {
            *word &= bits;
            count += word.count_ones() as usize;
        }
        self.count = count;
    }

    /// Keeps of the rows `picks` those that pass; every other row is out already.
    pub fn keep_picks(&mut self, picks: &[u16], pass: impl Fn(usize) -> bool) {
        for (index, pick) in picks.iter().enumerate() {
            if !pass(index) {
                self.remove(usize::from(*pick));
            }
        }
    }

    /// Calls `keep` with each vector of 1 024 rows of which some are in, to take rows out.
    pub fn keep_vectors(&mut self, mut keep: impl FnMut(usize, &mut VectorBits)) {
        let mut count = 0;
        let (vectors, _) = self.words.as_chunks_mut();
        for (index, rows) in vectors.iter_mut().enumerate() {
            let rows: &mut VectorBits = rows;
            if rows.iter().any(|word| *word != 0) {
                keep(index, rows);
                count += rows
                    .iter()
                    .map(|word| word.count_ones() as usize)
                    .sum::<usize>();
            }
        }
        self.count = count;
    }

    /// Takes `rows` neighbours out.
    pub fn remove_range(&mut self, from: usize, rows: usize) {
        let (mut at, to) = (from, from + rows);
        while at < to {
            let end = (at / 64 * 64 + 64).min(to);
            let bits = if end - at == 64 {
                u64::MAX
            } else {
                ((1 << (end - at)) - 1) << (at % 64)
            };
            let word = &mut self.words[at / 64];
            self.count -= (*word & bits).count_ones() as usize;
            *word &= !bits;
            at = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn kernels_agree_with_a_list(values in proptest::collection::vec(0u16..10, 1..700), cut in 0usize..700, len in 0usize..200) {
            let mut selection = Selection::all(values.len());
            selection.keep_where(&values, |value| value > 2);
            let mut expected: Vec<u16> =
                (0..values.len()).filter(|row| values[*row] > 2).map(|row| row as u16).collect();
            prop_assert_eq!(selection.rows_in(), expected.clone());
            let from = cut.min(values.len());
            let len = len.min(values.len() - from);
            selection.remove_range(from, len);
            expected.retain(|row| !(from..from + len).contains(&usize::from(*row)));
            prop_assert_eq!(selection.rows_in(), expected.clone());
            let bits = BooleanBuffer::collect_bool(values.len() + 3, |row| row % 3 != 0).slice(3, values.len());
            selection.keep_bits(&bits);
            expected.retain(|row| bits.value(usize::from(*row)));
            prop_assert_eq!(selection.rows_in(), expected.clone());
            selection.keep_picks(&expected, |index| index % 2 == 0);
            let expected: Vec<u16> = expected.iter().copied().step_by(2).collect();
            prop_assert_eq!(selection.rows_in(), expected.clone());
            prop_assert_eq!(selection.count(), expected.len());
        }
    }
}
