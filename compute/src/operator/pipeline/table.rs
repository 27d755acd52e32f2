//! Which number a key has: 64-bit codes, each below the number of what precedes it in the key, in a table that holds
//! them inline; and texts.

/// A place of [`Table`].
#[derive(Clone, Copy, Default)]
struct Slot {
    code: u64,
    parent: u32,
    /// One more than the number; 0 is free.
    number: u32,
}

/// Places of a table at least.
const SLOTS_MIN: usize = 64;

const FACTORS: (u64, u64) = (0x9e37_79b9_7f4a_7c15, 0xa076_1d64_78bd_642f);

fn mixed(value: u64) -> u64 {
    let product = u128::from(value ^ FACTORS.0) * u128::from(FACTORS.1);
    (product as u64) ^ ((product >> 64) as u64)
}

/// Numbers of pairs of a parent and a code; open addressing, never more than half full.
#[derive(Default)]
pub(super) struct Table {
    slots: Vec<Slot>,
    used: usize,
}

impl Table {
    /// Gives the number of a pair, which is `next` if it is new.
    #[inline]
    pub(super) fn number(&mut self, parent: u32, code: u64, next: u32) -> u32 {
        if self.used * 2 >= self.slots.len() {
            self.grow();
        }
        let mask = self.slots.len() - 1;
        let mut at = Self::home(parent, code) & mask;
        loop {
            let slot = &mut self.slots[at & mask];
            if slot.number == 0 {
                *slot = Slot {
                    code,
                    parent,
                    number: next + 1,
                };
                self.used += 1;
                return next;
            }
            if slot.code == code && slot.parent == parent {
                return slot.number - 1;
            }
            at += 1;
        }
    }

    #[inline]
    fn home(parent: u32, code: u64) -> usize {
        mixed(code.wrapping_add(u64::from(parent).wrapping_mul(FACTORS.0))) as usize
    }

    fn grow(&mut self) {
        let places = (self.slots.len() * 2).max(SLOTS_MIN);
        let old = std::mem::replace(&mut self.slots, vec![Slot::default(); places]);
        let mask = places - 1;
        for slot in old.into_iter().filter(|slot| slot.number != 0) {
            let mut at = Self::home(slot.parent, slot.code) & mask;
            while self.slots[at].number != 0 {
                at = (at + 1) & mask;
            }
            self.slots[at] = slot;
        }
    }

    /// Bytes it takes.
    pub(super) fn size(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>()
    }
}

/// Numbers of codes by their distance from the least: for whole numbers that lie close together.
pub(super) struct Direct {
    base: i64,
    /// One more than the number; 0 is free.
    numbers: Vec<u32>,
}

impl Direct {
    /// Makes room for all from `least` to `greatest`, and notes those there are, in the order of their numbers.
    pub(super) fn new(least: i64, greatest: i64, known: impl Iterator<Item = (u32, i64)>) -> Self {
        let mut numbers = vec![0; width(least, greatest)];
        for (number, value) in known {
            if let Some(place) = numbers.get_mut(value.wrapping_sub(least) as usize) {
                *place = number + 1;
            }
        }
        Self {
            base: least,
            numbers,
        }
    }

    /// Tells whether all from `least` to `greatest` have a place.
    pub(super) fn covers(&self, least: i64, greatest: i64) -> bool {
        least >= self.base && width(self.base, greatest) <= self.numbers.len()
    }

    /// Gives the number of a value that has a place, which is `next` if it is new.
    #[inline]
    pub(super) fn number(&mut self, value: i64, next: u32) -> u32 {
        let place = &mut self.numbers[value.wrapping_sub(self.base) as usize];
        if *place == 0 {
            *place = next + 1;
        }
        *place - 1
    }

    /// Bytes it takes.
    pub(super) fn size(&self) -> usize {
        self.numbers.capacity() * size_of::<u32>()
    }
}

/// Counts the values from `least` to `greatest`.
pub(super) fn width(least: i64, greatest: i64) -> usize {
    let apart = usize::try_from(greatest.abs_diff(least)).unwrap_or(usize::MAX);
    apart.saturating_add(1)
}

/// Different texts, each of which has a number.
#[derive(Default)]
pub(super) struct Texts {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// Half of a hash, and one more than the number; 0 is free.
    slots: Vec<(u32, u32)>,
}

impl Texts {
    /// Gives the number of a text.
    pub(super) fn number(&mut self, text: &[u8]) -> u32 {
        if self.ends.len() * 2 >= self.slots.len() {
            self.grow();
        }
        let hash = hash_of(text);
        let (mask, half) = (self.slots.len() - 1, (hash >> 32) as u32);
        let mut at = hash as usize & mask;
        loop {
            match self.slots[at] {
                (_, 0) => break,
                (known, number) if known == half && self.text(number - 1) == text => {
                    return number - 1;
                }
                _ => at = (at + 1) & mask,
            }
        }
        let number = self.ends.len() as u32;
        self.bytes.extend_from_slice(text);
        self.ends.push(self.bytes.len());
        self.slots[at] = (half, number + 1);
        number
    }

    /// Gives the text of a number.
    pub(super) fn text(&self, number: u32) -> &[u8] {
        let number = number as usize;
        let start = match number {
            0 => 0,
            _ => self.ends.get(number - 1).copied().unwrap_or(0),
        };
        let end = self.ends.get(number).copied().unwrap_or(start);
        self.bytes.get(start..end).unwrap_or_default()
    }

    fn grow(&mut self) {
        let places = (self.slots.len() * 2).max(SLOTS_MIN);
        let mask = places - 1;
        let mut slots = vec![(0, 0); places];
        for number in 0..self.ends.len() as u32 {
            let hash = hash_of(self.text(number));
            let mut at = hash as usize & mask;
            while slots[at].1 != 0 {
                at = (at + 1) & mask;
            }
            slots[at] = ((hash >> 32) as u32, number + 1);
        }
        self.slots = slots;
    }

    /// Bytes it takes.
    pub(super) fn size(&self) -> usize {
        self.bytes.capacity()
            + self.ends.capacity() * size_of::<usize>()
            + self.slots.capacity() * size_of::<(u32, u32)>()
    }
}

fn hash_of(text: &[u8]) -> u64 {
    let (words, rest) = text.as_chunks::<8>();
    let mut hash = text.len() as u64;
    for word in words {
        hash = mixed(hash.rotate_left(5) ^ u64::from_le_bytes(*word));
    }
    let mut last = [0; 8];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    mixed(hash.rotate_left(5) ^ u64::from_le_bytes(last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn a_pair_keeps_its_number() {
        let (mut table, mut naive) = (Table::default(), HashMap::new());
        for step in 0..20_000_u64 {
            let (parent, code) = ((step % 7) as u32, step.wrapping_mul(step) % 1_000);
            let next = naive.len() as u32;
            let expected = *naive.entry((parent, code)).or_insert(next);
            assert_eq!(table.number(parent, code, next), expected);
        }
        assert!(table.size() >= naive.len() * 2 * size_of::<Slot>());
    }

    #[test]
    fn a_text_keeps_its_number() {
        let mut texts = Texts::default();
        let text = |number: u32| format!("{}{number}", "x".repeat(number as usize % 20));
        for _ in 0..2 {
            for number in 0..1_000 {
                assert_eq!(texts.number(text(number).as_bytes()), number);
            }
        }
        for number in 0..1_000 {
            assert_eq!(texts.text(number), text(number).as_bytes());
        }
        assert_eq!(texts.number(b""), 1_000);
        assert_eq!(texts.text(1_000), b"");
    }

    #[test]
    fn values_that_lie_close_have_places() {
        let known = [(0, -5), (1, 7)];
        let mut direct = Direct::new(-5, 7, known.into_iter());
        assert!(direct.covers(-5, 7) && !direct.covers(-6, 7) && !direct.covers(-5, 8));
        assert_eq!(direct.number(7, 2), 1);
        assert_eq!(direct.number(0, 2), 2);
        assert_eq!(direct.number(-5, 3), 0);
        assert_eq!(width(i64::MIN, i64::MAX), usize::MAX);
        assert_eq!(direct.size(), 13 * size_of::<u32>());
    }
}
