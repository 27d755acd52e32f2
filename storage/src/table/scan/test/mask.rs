//! Which entries of a dictionary pass, and the rows whose codes name them.

use super::super::selection::Selection;
use crate::block::vector::ColumnVector;
use crate::encoding::bytedict::Dictionary;
use crate::encoding::native::VECTOR_ROWS;

/// Which entries of a dictionary pass.
#[derive(Debug)]
pub(in super::super) struct EntryMask {
    /// Padded so that any code can be looked up.
    passing: Vec<bool>,
    /// First and last that pass, if all between pass too.
    within: Option<(u16, u16)>,
    /// First and last that do not pass, if none between passes.
    without: Option<(u16, u16)>,
    count: usize,
    entries: usize,
}

impl EntryMask {
    /// Takes one answer per entry.
    pub(in super::super) fn new(mut passing: Vec<bool>) -> Self {
        let entries = passing.len();
        let count = passing.iter().filter(|passes| **passes).count();
        let (within, without) = (neighbours(&passing, true), neighbours(&passing, false));
        passing.resize(entries.next_power_of_two(), false);
        EntryMask {
            passing,
            within,
            without,
            count,
            entries,
        }
    }

    /// Takes the rows whose entry does not pass out of `selection`; nulls are out already.
    pub(in super::super) fn apply(
        &self,
        vector: &ColumnVector,
        dictionary: &Dictionary,
        selection: &mut Selection,
    ) {
        if self.count == 0 {
            return selection.clear();
        }
        if self.count == self.entries {
            return;
        }
        let first = vector.first_row() / VECTOR_ROWS;
        // Codes that are neighbours are one comparison on packed bits.
        let range = match (self.within, self.without) {
            (Some(within), _) => Some((within, false)),
            (None, without) => without.map(|without| (without, true)),
        };
        selection.keep_vectors(|index, rows| match range {
            Some((codes, negated)) => {
                dictionary.keep_within(first + index, codes, negated, rows);
            }
            None => {
                dictionary.keep_where(first + index, rows, |code| self.passing[usize::from(code)])
            }
        });
    }
}

/// Gives the first and last of the entries that answer `wanted`, if all between do too.
fn neighbours(passing: &[bool], wanted: bool) -> Option<(u16, u16)> {
    let first = passing.iter().position(|passes| *passes == wanted)?;
    let last = passing.iter().rposition(|passes| *passes == wanted)?;
    let all = passing[first..=last].iter().all(|passes| *passes == wanted);
    all.then_some((first as u16, last as u16))
}
