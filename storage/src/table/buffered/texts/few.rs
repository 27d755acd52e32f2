//! Texts of which few differ: a byte for each row instead of a view, so that buffering and sorting them moves a sixteenth
//! of the memory.

use crate::encoding::text::{INLINE_BYTES, view_bytes};
use arrow_buffer::Buffer;

/// Different texts at most: a code is a byte.
const TEXTS_MAX: usize = 256;
/// Bytes of a text at most: long texts that repeat are rare, and comparing them is dear.
const TEXT_BYTES_MAX: usize = 128;
/// Places of the table: four for each text, so that hardly any look-up takes a second step.
const PLACES: usize = 4 * TEXTS_MAX;
/// Steps of a look-up at most; texts that hash alike are left to others.
const STEPS_MAX: usize = 8;
/// A place of the table without a text.
const EMPTY: u16 = u16::MAX;

/// The texts of a column while few of them differ.
pub(super) struct Few {
    /// The text of each row, in order of arrival.
    pub(super) codes: Vec<u8>,
    /// The view of each code; those of long texts point into `long`.
    entries: Vec<u128>,
    /// Long texts, end to end.
    long: Vec<u8>,
    /// The code that stands where a text's hash says, or in one of the places behind.
    places: Box<[u16; PLACES]>,
}

impl Few {
    /// Begins without a row, in the memory of `codes`.
    pub(super) fn new(codes: Vec<u8>) -> Self {
        Self {
            codes,
            entries: Vec::new(),
            long: Vec::new(),
            places: Box::new([EMPTY; PLACES]),
        }
    }

    /// Adds the text of a row; `false` if there are too many different ones to add it.
    #[inline(always)]
    pub(super) fn push(&mut self, view: &u128, buffers: &[Buffer]) -> bool {
        let code = self.code(view, buffers);
        if let Some(code) = code {
            self.codes.push(code);
        }
        code.is_some()
    }

    /// Gives the code of a text, a new one if it has none; `None` if there are too many.
    #[inline(always)]
    pub(super) fn code(&mut self, view: &u128, buffers: &[Buffer]) -> Option<u8> {
        if *view as u32 as usize > INLINE_BYTES {
            return self.long_code(view, view_bytes(view, buffers));
        }
        let place = place_of(*view as u64, (*view >> 64) as u64);
        for step in 0..STEPS_MAX {
            let place = (place + step) % PLACES;
            match self.places[place] {
                EMPTY => return self.add(place, *view),
                // A short text is its view.
                code if self.entries[usize::from(code)] == *view => return Some(code as u8),
                _ => {}
            }
        }
        None
    }

    fn long_code(&mut self, view: &u128, text: &[u8]) -> Option<u8> {
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
        // Length and first four bytes, and the last eight.
        let start = *view as u64;
        let last = text
            .last_chunk()
            .map_or(0, |last| u64::from_le_bytes(*last));
        let place = place_of(start, last);
        for step in 0..STEPS_MAX {
            let place = (place + step) % PLACES;
            match self.places[place] {
                EMPTY => {
                    let offset = self.long.len() as u128;
                    self.long.extend_from_slice(text);
                    return self.add(place, u128::from(start) | offset << 96);
                }
                code => {
                    let entry = &self.entries[usize::from(code)];
                    if *entry as u64 == start && self.long_text(entry) == text {
                        return Some(code as u8);
                    }
                }
            }
        }
        None
    }

    fn long_text(&self, entry: &u128) -> &[u8] {
        let (offset, length) = ((*entry >> 96) as usize, *entry as u32 as usize);
        &self.long[offset..offset + length]
    }

    #[cold]
    fn add(&mut self, place: usize, view: u128) -> Option<u8> {
        let code = self.entries.len();
        if code == TEXTS_MAX {
            return None;
        }
        self.places[place] = code as u16;
        self.entries.push(view);
        Some(code as u8)
    }

    /// Appends the views of all rows; the long ones point into [`Few::long_texts`] as the first buffer.
    pub(super) fn views(&self, out: &mut Vec<u128>) {
        let mut entries = [0; TEXTS_MAX];
        entries[..self.entries.len()].copy_from_slice(&self.entries);
        out.extend(self.codes.iter().map(|code| entries[usize::from(*code)]));
    }

    /// Gives the view of a row.
    pub(super) fn view(&self, row: usize) -> u128 {
        let code = self.codes.get(row);
        let entry = code.and_then(|code| self.entries.get(usize::from(*code)));
        entry.copied().unwrap_or_default()
    }

    /// Gives the bytes of long texts.
    pub(super) fn long_texts(&self) -> Buffer {
        Buffer::from_vec(self.long.clone())
    }
}

/// Mixes two words into a place of the table.
#[inline(always)]
fn place_of(low: u64, high: u64) -> usize {
    let product =
        u128::from(low ^ 0x9E37_79B9_7F4A_7C15) * u128::from(high ^ 0xD6E8_FEB8_6659_FD93);
    (product as u64 ^ (product >> 64) as u64) as usize % PLACES
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::StringViewArray;
    use proptest::prelude::*;

    /// Adds texts until one is not taken; gives how many were.
    fn check(texts: &[String]) -> usize {
        let array = StringViewArray::from_iter_values(texts);
        let mut few = Few::new(Vec::new());
        let views = array.views().iter();
        let taken = views.take_while(|view| few.push(view, array.data_buffers()));
        let taken = taken.count();
        let mut views = Vec::new();
        few.views(&mut views);
        assert_eq!((views.len(), few.codes.len()), (taken, taken));
        let buffers = [few.long_texts()];
        for (row, text) in texts[..taken].iter().enumerate() {
            assert_eq!(view_bytes(&views[row], &buffers), text.as_bytes());
            assert_eq!(few.view(row), views[row]);
        }
        taken
    }

    proptest! {
        #[test]
        fn every_row_has_its_text_back(
            texts in prop::collection::vec("[ab]{0,3}|twelve bytes[ab]{0,20}|[a-z]{0,140}", 0..600)
        ) {
            check(&texts);
        }
    }

    #[test]
    fn as_many_as_a_byte_names_are_few() {
        let repeated = |different: usize| {
            let texts = (0..1_000).map(move |row| format!("{}", row % different));
            texts.collect::<Vec<String>>()
        };
        assert_eq!(check(&repeated(200)), 1_000);
        assert!(check(&repeated(257)) <= TEXTS_MAX);
        assert_eq!(
            check(&["x".repeat(TEXT_BYTES_MAX), "x".repeat(TEXT_BYTES_MAX + 1)]),
            1
        );
    }
}
