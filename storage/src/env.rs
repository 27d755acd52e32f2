//! Clock and chance, passed in, so that a cluster can run in one process from a seed. The sites where
//! a test may break things are the durable steps of [`crate::io::Faulty`], and in a debug build those
//! of the disk itself (`io/site.rs`).

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Tells the time.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// Gives microseconds since 1970-01-01 UTC.
    fn now_us(&self) -> i64;
}

/// The clock of the system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_us(&self) -> i64 {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
    }
}

/// A clock that a test moves.
#[derive(Debug, Default)]
pub struct ManualClock {
    now_us: AtomicI64,
}

impl ManualClock {
    /// Moves the clock on.
    pub fn advance_us(&self, step_us: i64) {
        self.now_us.fetch_add(step_us, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now_us(&self) -> i64 {
        self.now_us.load(Ordering::SeqCst)
    }
}

/// Gives numbers nobody can foresee, or that a seed decides. Not for keys and passwords.
pub trait Random: Send + Sync + std::fmt::Debug {
    /// Gives the next number, any with the same chance.
    fn next(&self) -> u64;
}

/// Chance as the system seeds it at the start of the process.
#[derive(Debug, Default)]
pub struct SystemRandom {
    state: RandomState,
    counter: AtomicU64,
}

impl Random for SystemRandom {
    fn next(&self) -> u64 {
        self.state
            .hash_one(self.counter.fetch_add(1, Ordering::Relaxed))
    }
}

/// Chance that a seed decides: SplitMix64.
#[derive(Debug)]
pub struct SeededRandom {
    state: AtomicU64,
}

impl SeededRandom {
    /// Begins the sequence of `seed`.
    pub fn new(seed: u64) -> Self {
        Self {
            state: AtomicU64::new(seed),
        }
    }
}

impl Random for SeededRandom {
    fn next(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut word = self
            .state
            .fetch_add(STEP, Ordering::SeqCst)
            .wrapping_add(STEP);
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_decides_and_time_moves_only_when_told() {
        let numbers = |seed| {
            let random = SeededRandom::new(seed);
            [random.next(), random.next()]
        };
        // The published first value of SplitMix64 for seed 0.
        assert_eq!(numbers(0)[0], 0xe220_a839_7b1d_cdaf);
        assert_eq!(numbers(7), numbers(7));
        assert_ne!(numbers(7), numbers(8));
        let clock = ManualClock::default();
        clock.advance_us(5);
        assert_eq!(clock.now_us(), 5);
    }
}
