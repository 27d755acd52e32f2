//! How long a statement will run: learned from those that ran.
//!
//! A text is known by its shape, which is the text without numbers, strings and blanks: a dashboard asks the same again
//! and again. A shape that never ran is judged by what its plan will read, by a guess that is corrected, factor by factor,
//! with each statement that ends. All of it is forgotten at a restart.

use std::collections::{HashMap, VecDeque};

/// Shapes that are remembered.
const SHAPES_MAX: usize = 4_096;
/// Statements whose times tell what is short.
const TIMES_MAX: usize = 512;
/// Statements before anything is concluded of them.
const TIMES_LEAST: usize = 20;
/// The bounds of what is short, in microseconds, if nobody says: a tenth of a second to twenty seconds.
const SHORT_US: (u64, u64) = (100_000, 20_000_000);
/// How much the last time counts.
const FRESH: f64 = 0.25;
/// How much a mistake corrects the guess.
const RATE: f64 = 0.2;
/// A statement without any rows takes about this, in microseconds.
const BASE_US: f64 = 400.0;
/// A row read takes about this, in microseconds.
const ROW_US: f64 = 0.02;
/// The guess is corrected by this power of e at most, either way.
const POWER_MAX: f64 = 8.0;

/// What a plan will do.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Features {
    /// Rows of the tables it reads.
    pub rows: u64,
    /// Columns it reads of them, over all scans.
    pub columns: u32,
    /// Joins.
    pub joins: u32,
    /// Sorts and windows.
    pub sorts: u32,
    /// Aggregates.
    pub aggregates: u32,
}

/// The terms of the correction.
const TERMS: usize = 6;

impl Features {
    /// Gives the guess before anything is learned, in microseconds.
    fn guess_us(&self) -> f64 {
        let work = 1.0 + f64::from(self.joins) + f64::from(self.sorts + self.aggregates) / 2.0;
        BASE_US + self.rows as f64 * ROW_US * work
    }

    fn terms(&self) -> [f64; TERMS] {
        [
            1.0,
            (1.0 + self.rows as f64).ln() / 10.0,
            f64::from(self.columns.min(64)) / 16.0,
            f64::from(self.joins.min(16)) / 4.0,
            f64::from(self.sorts.min(16)) / 4.0,
            f64::from(self.aggregates.min(16)) / 4.0,
        ]
    }
}

/// What is known of a shape.
#[derive(Clone, Copy, Debug)]
struct Shape {
    mean_us: f64,
    /// How far times are from the mean.
    spread_us: f64,
    seen: u64,
}

/// What was learned.
#[derive(Debug, Default)]
pub struct Predictor {
    shapes: HashMap<u64, Shape>,
    weights: [f64; TERMS],
    times_us: VecDeque<u64>,
    clock: u64,
}

impl Predictor {
    /// Gives how long a statement will run, in microseconds; `None` if nothing is known of it.
    pub fn predict(&self, shape: u64, features: Option<&Features>) -> Option<u64> {
        let us = match (self.shapes.get(&shape), features) {
            (Some(known), _) => known.mean_us + 2.0 * known.spread_us,
            (None, Some(features)) => {
                let power = self.power(&features.terms());
                features.guess_us() * power.exp()
            }
            (None, None) => return None,
        };
        Some(us.clamp(0.0, 1e15) as u64)
    }

    fn power(&self, terms: &[f64; TERMS]) -> f64 {
        let products = self.weights.iter().zip(terms);
        let sum: f64 = products.map(|(weight, term)| weight * term).sum();
        sum.clamp(-POWER_MAX, POWER_MAX)
    }

    /// Learns how long a statement ran.
    pub fn learn(&mut self, shape: u64, features: Option<&Features>, ran_us: u64) {
        self.clock += 1;
        if self.times_us.len() >= TIMES_MAX {
            self.times_us.pop_front();
        }
        self.times_us.push_back(ran_us);
        let ran = ran_us as f64;
        if let Some(features) = features {
            let terms = features.terms();
            let real = (ran.max(1.0) / features.guess_us()).ln();
            let mistake = real.clamp(-POWER_MAX, POWER_MAX) - self.power(&terms);
            let size: f64 = terms.iter().map(|term| term * term).sum();
            for (weight, term) in self.weights.iter_mut().zip(&terms) {
                *weight += RATE * mistake * term / size;
            }
        }
        if self.shapes.len() >= SHAPES_MAX && !self.shapes.contains_key(&shape) {
            // The older half goes; what it was comes back when it runs again.
            let mut seen: Vec<u64> = self.shapes.values().map(|known| known.seen).collect();
            let middle = seen.len() / 2;
            let (_, median, _) = seen.select_nth_unstable(middle);
            let median = *median;
            self.shapes.retain(|_, known| known.seen > median);
        }
        let clock = self.clock;
        let known = self.shapes.entry(shape).or_insert(Shape {
            mean_us: ran,
            spread_us: 0.0,
            seen: clock,
        });
        known.seen = clock;
        let off = ran - known.mean_us;
        known.mean_us += FRESH * off;
        known.spread_us += FRESH * (off.abs() - known.spread_us);
    }

    /// Gives how long a statement may run and still be short, in microseconds: four times what seven of ten take.
    pub fn short_us(&self) -> Option<u64> {
        if self.times_us.len() < TIMES_LEAST {
            return None;
        }
        let mut times: Vec<u64> = self.times_us.iter().copied().collect();
        let place = times.len() * 7 / 10;
        let (_, seventh, _) = times.select_nth_unstable(place);
        let (least, most) = SHORT_US;
        Some(seventh.saturating_mul(4).clamp(least, most))
    }
}

/// Gives the shape of a text: a number that texts share which differ in numbers, strings and blanks alone.
pub fn shape(text: &str) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut add = |byte: u8| hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let mut bytes = text.bytes().peekable();
    let mut is_in_word = false;
    while let Some(byte) = bytes.next() {
        match byte {
            b'\'' => {
                add(b'$');
                while let Some(inner) = bytes.next() {
                    if inner == b'\'' && bytes.next_if_eq(&b'\'').is_none() {
                        break;
                    }
                }
            }
            b'0'..=b'9' if !is_in_word => {
                add(b'#');
                let is_number = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
                while bytes.next_if(is_number).is_some() {}
            }
            byte if byte.is_ascii_whitespace() => {}
            other => add(other.to_ascii_lowercase()),
        }
        is_in_word = byte.is_ascii_alphanumeric() || byte == b'_';
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_one_shape_differ_in_values_alone() {
        let one = shape("SELECT a FROM t1 WHERE k = 17 AND n = 'it''s'");
        assert_eq!(one, shape("select a  from t1 where k=4.5\n and n = ''"));
        assert_ne!(one, shape("SELECT a FROM t2 WHERE k = 17 AND n = 'x'"));
        assert_ne!(one, shape("SELECT a FROM t1 WHERE k > 17 AND n = 'x'"));
    }

    #[test]
    fn a_shape_that_ran_is_known() {
        let mut predictor = Predictor::default();
        assert_eq!(predictor.predict(1, None), None);
        for _ in 0..20 {
            predictor.learn(1, None, 5_000);
        }
        let known = predictor.predict(1, None).unwrap();
        assert!((4_900..6_000).contains(&known), "{known}");
        predictor.learn(1, None, 1_000_000);
        assert!(predictor.predict(1, None).unwrap() > 200_000);
    }

    #[test]
    fn what_never_ran_is_judged_by_its_plan() {
        let mut predictor = Predictor::default();
        let small = Features {
            rows: 1_000,
            columns: 2,
            ..Features::default()
        };
        let large = Features {
            rows: 50_000_000,
            columns: 8,
            joins: 5,
            sorts: 1,
            aggregates: 2,
        };
        let of = |predictor: &Predictor, features| predictor.predict(9, Some(features)).unwrap();
        assert!(of(&predictor, &small) < 2_000);
        assert!(of(&predictor, &large) > 1_000_000);
        // This machine is ten times slower than the guess.
        for round in 0..200 {
            for features in [&small, &large] {
                let ran = (features.guess_us() * 10.0) as u64;
                predictor.learn(100 + round, Some(features), ran);
            }
        }
        let learned = of(&predictor, &small) as f64 / small.guess_us();
        assert!((7.0..13.0).contains(&learned), "{learned}");
    }

    #[test]
    fn short_is_what_most_are() {
        let mut predictor = Predictor::default();
        assert_eq!(predictor.short_us(), None);
        for _ in 0..70 {
            predictor.learn(1, None, 50_000);
        }
        assert_eq!(predictor.short_us(), Some(200_000));
        for _ in 0..500 {
            predictor.learn(1, None, 60_000_000);
        }
        assert_eq!(predictor.short_us(), Some(20_000_000));
    }

    #[test]
    fn shapes_are_bounded() {
        let mut predictor = Predictor::default();
        for shape in 0..20_000 {
            predictor.learn(shape, None, 1);
        }
        assert!(predictor.shapes.len() <= SHAPES_MAX);
        assert!(predictor.predict(19_999, None).is_some());
    }
}
