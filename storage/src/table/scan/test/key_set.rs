//! Keys of an IN list, or of a join's other side, found by bitmap or hash.

/// Keys spanning no more than this are looked up in a bitmap: 2^24 bits are 2 MB.
const BITMAP_SPAN: i128 = 1 << 24;
/// So few keys are compared one after another: the compiler turns that into vector compares.
const FEW: usize = 8;

/// A set of keys, none twice.
#[derive(Debug)]
pub(super) struct KeySet {
    /// Ascending.
    keys: Vec<i128>,
    lookup: Lookup,
}

/// The keys that 64 bits hold; no other key is the value of a column that narrow.
#[derive(Debug)]
enum Lookup {
    /// The last is repeated.
    Few([i64; FEW]),
    Bitmap {
        low: i64,
        words: Vec<u64>,
    },
    /// Open addressing, at most half full; `empty` is no key.
    Hashed {
        slots: Vec<i64>,
        empty: i64,
        shift: u32,
    },
    None,
}

impl KeySet {
    /// Takes ascending keys.
    pub(super) fn new(keys: Vec<i128>) -> Self {
        let narrow: Vec<i64> = keys
            .iter()
            .filter_map(|key| i64::try_from(*key).ok())
            .collect();
        let lookup = match (narrow.first(), narrow.last()) {
            (Some(low), Some(high)) => Lookup::new(&narrow, *low, *high),
            _ => Lookup::None,
        };
        KeySet { keys, lookup }
    }

    /// Tells whether a key lies within `low..=high`.
    pub(super) fn meets(&self, low: i128, high: i128) -> bool {
        let at = self.keys.partition_point(|key| *key < low);
        self.keys.get(at).is_some_and(|key| *key <= high)
    }

    /// Tells whether a key of 64 bits is in.
    #[inline(always)]
    pub(super) fn contains(&self, key: i64) -> bool {
        match &self.lookup {
            Lookup::Few(keys) => keys
                .iter()
                .fold(false, |found, each| found | (*each == key)),
            Lookup::Bitmap { low, words } => {
                let bit = key.wrapping_sub(*low) as u64;
                let word = usize::try_from(bit / 64).ok();
                let word = word.and_then(|word| words.get(word));
                word.is_some_and(|word| word >> (bit % 64) & 1 != 0)
            }
            Lookup::Hashed {
                slots,
                empty,
                shift,
            } => {
                let mut at = slot_of(key, *shift);
                loop {
                    match slots[at & (slots.len() - 1)] {
                        slot if slot == *empty => return false,
                        slot if slot == key => return true,
                        _ => at += 1,
                    }
                }
            }
            Lookup::None => false,
        }
    }

    /// Tells whether a key of any width is in.
    pub(super) fn contains_wide(&self, key: i128) -> bool {
        match i64::try_from(key) {
            Ok(key) => self.contains(key),
            Err(_) => self.keys.binary_search(&key).is_ok(),
        }
    }
}

impl Lookup {
    /// Takes ascending keys and their ends.
    fn new(keys: &[i64], low: i64, high: i64) -> Self {
        if keys.len() <= FEW {
            let mut few = [high; FEW];
            few[..keys.len()].copy_from_slice(keys);
            return Lookup::Few(few);
        }
        let span = i128::from(high) - i128::from(low);
        if span < BITMAP_SPAN {
            let mut words = vec![0_u64; span as usize / 64 + 1];
            for key in keys {
                let bit = (key - low) as usize;
                words[bit / 64] |= 1 << (bit % 64);
            }
            return Lookup::Bitmap { low, words };
        }
        // Of one number more than there are keys, one is none of them.
        let mut empty = i64::MIN;
        for key in keys {
            if *key == empty {
                empty += 1;
            }
        }
        let size = (keys.len() * 2).next_power_of_two();
        let shift = 64 - size.trailing_zeros();
        let mut slots = vec![empty; size];
        for key in keys {
            let mut at = slot_of(*key, shift);
            while slots[at & (size - 1)] != empty {
                at += 1;
            }
            slots[at & (size - 1)] = *key;
        }
        Lookup::Hashed {
            slots,
            empty,
            shift,
        }
    }
}

/// Gives the slot at which to look first: the upper bits of a product, which all bits of the key reach.
#[inline(always)]
fn slot_of(key: i64, shift: u32) -> usize {
    ((key as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> shift) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn a_set_holds_its_keys(
            keys in prop::collection::btree_set(
                prop_oneof![any::<i64>().prop_map(i128::from), -60..60_i128, any::<i128>(), Just(i128::from(i64::MIN)), Just(i128::from(i64::MIN) + 1)],
                0..60,
            ),
            others in prop::collection::vec(prop_oneof![any::<i128>(), -90..90_i128, Just(i128::from(i64::MIN))], 20),
        ) {
            let set = KeySet::new(keys.iter().copied().collect());
            let near: BTreeSet<i128> = keys.iter().flat_map(|key| [key.wrapping_sub(1), *key, key.wrapping_add(1)]).collect();
            for key in near.iter().chain(&others) {
                prop_assert_eq!(set.contains_wide(*key), keys.contains(key));
                if let Ok(narrow) = i64::try_from(*key) {
                    prop_assert_eq!(set.contains(narrow), keys.contains(key));
                }
            }
            for (low, high) in others.iter().zip(&others[1..]) {
                prop_assert_eq!(set.meets(*low, *high), keys.iter().any(|key| low <= key && key <= high));
            }
        }
    }
}
