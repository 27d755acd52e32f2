//! The numbers of RANDOM() after SET SEED: those of PostgreSQL 8, which took them from the C library's `random`.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// How many numbers the next one is made from.
const KEPT: usize = 31;
/// How many numbers are thrown away at the beginning.
const DISCARDED: usize = 310;
/// The largest number: 2^31 - 1.
const LARGEST: f64 = 2_147_483_647.0;

/// A sequence of numbers that a seed begins; copies draw from the same sequence.
#[derive(Clone, Debug)]
pub struct Sequence(Arc<Mutex<VecDeque<u32>>>);

/// Two are equal if they are copies of one.
impl PartialEq for Sequence {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Sequence {}

impl Sequence {
    /// Begins a sequence with a seed from -1 to 1.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a seed beyond its bounds is refused before"
    )]
    pub fn new(seed: f64) -> Self {
        let mut word = match (seed * LARGEST) as i32 {
            0 => 1,
            seed => i64::from(seed),
        };
        let mut first = Vec::with_capacity(KEPT);
        for _ in 0..KEPT {
            first.push(low(word));
            // As the C library computes it, whose words have 32 bits.
            word = 16_807 * (word % 127_773) - 2_836 * (word / 127_773);
            if word < 0 {
                word += 2_147_483_647;
            }
        }
        let mut kept: VecDeque<u32> = first.into();
        kept.rotate_left(3);
        for _ in 0..DISCARDED {
            draw(&mut kept);
        }
        Self(Arc::new(Mutex::new(kept)))
    }

    /// Gives the next numbers, each from 0 up to but not 1.
    pub fn take(&self, count: usize) -> Vec<f64> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let draws = (0..count).map(|_| f64::from(draw(&mut kept)) / (LARGEST + 1.0));
        draws.collect()
    }
}

/// The lower 32 bits.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the upper bits are not wanted"
)]
fn low(word: i64) -> u32 {
    word as u32
}

fn draw(kept: &mut VecDeque<u32>) -> u32 {
    let third = kept.get(KEPT - 3).copied().unwrap_or_default();
    let next = kept.pop_front().unwrap_or_default().wrapping_add(third);
    kept.push_back(next);
    next >> 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_numbers_that_the_manual_shows() {
        let hundredths = |number: f64| (number * 100.0).round();
        let sequence = Sequence::new(0.25);
        let numbers: Vec<_> = sequence.take(3).into_iter().map(hundredths).collect();
        assert_eq!(numbers, [21.0, 79.0, 12.0]);
        let again = Sequence::new(0.25);
        assert_eq!(
            again.clone().take(2).len() + again.take(1).len(),
            numbers.len()
        );
    }

    #[test]
    fn numbers_are_at_least_zero_and_below_one() {
        for seed in [-1.0, -0.3, 0.0, 1.0] {
            let numbers = Sequence::new(seed).take(1000);
            assert!(numbers.iter().all(|number| (0.0..1.0).contains(number)));
        }
    }
}
