//! How a column's values are spread, as far as ANALYZE looked: the most common ones, and bounds that cut all into parts
//! of equal size. Values stand on the number line of the planner.

/// Parts of a histogram.
const PARTS: usize = 100;
/// Common values kept.
const COMMON_MAX: usize = 100;
/// A value is common that is met this many times as often as the average one.
const COMMON_TIMES: f64 = 1.5;
/// Values to look at before anything is said of them.
const VALUES_MIN: usize = 10;

/// What a sample tells of the values of one column, nulls aside.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnValues {
    /// Where each part begins, and the end of the last; rising, more than one.
    bounds: Vec<f64>,
    /// The most common values and the share of each, most common first.
    common: Vec<(f64, f64)>,
}

impl ColumnValues {
    /// Learns from a sample; `None` if it is too small. `is_exact` tells that equal numbers are equal values.
    pub fn of(mut sample: Vec<f64>, is_exact: bool) -> Option<Self> {
        sample.retain(|value| !value.is_nan());
        if sample.len() < VALUES_MIN {
            return None;
        }
        sample.sort_unstable_by(f64::total_cmp);
        let last = sample.len() - 1;
        let bounds = (0..=PARTS).filter_map(|part| sample.get(part * last / PARTS));
        let total = sample.len() as f64;
        let runs = || sample.chunk_by(|left, right| left == right);
        let average = total / runs().count() as f64;
        let mut common: Vec<(f64, f64)> = runs()
            .filter(|run| is_exact && run.len() > 1 && run.len() as f64 > average * COMMON_TIMES)
            .filter_map(|run| Some((*run.first()?, run.len() as f64 / total)))
            .collect();
        common.sort_by(|left, right| right.1.total_cmp(&left.1));
        common.truncate(COMMON_MAX);
        Some(Self {
            bounds: bounds.copied().collect(),
            common,
        })
    }

    /// Gives it back from its parts, as [`ColumnValues::bounds`] and [`ColumnValues::common`] gave them; `None` if they
    /// are none.
    pub fn of_parts(bounds: Vec<f64>, common: Vec<(f64, f64)>) -> Option<Self> {
        let is_whole = bounds.len() > 1 && bounds.is_sorted() && common.len() <= COMMON_MAX;
        is_whole.then_some(Self { bounds, common })
    }

    /// Where each part begins, and the end of the last.
    pub fn bounds(&self) -> &[f64] {
        &self.bounds
    }

    /// The most common values and the share of each, most common first.
    pub fn common(&self) -> &[(f64, f64)] {
        &self.common
    }

    /// Estimates the share of rows with a value, of a column with so many distinct ones.
    pub fn share_of(&self, value: f64, distinct: f64) -> f64 {
        if let Some((_, share)) = self.common.iter().find(|(other, _)| *other == value) {
            return *share;
        }
        let rest: f64 = 1.0 - self.common.iter().map(|(_, share)| share).sum::<f64>();
        rest.max(0.0) / (distinct - self.common.len() as f64).max(1.0)
    }

    /// Estimates the share of rows between two values.
    pub fn share_between(&self, low: f64, high: f64) -> f64 {
        (self.share_up_to(high, true) - self.share_up_to(low, false)).clamp(0.0, 1.0)
    }

    /// Estimates the share of rows below a value, with those that equal it or without.
    fn share_up_to(&self, value: f64, with: bool) -> f64 {
        let parts = (self.bounds.len() - 1).max(1) as f64;
        let passed = match with {
            true => self.bounds.partition_point(|bound| *bound <= value),
            false => self.bounds.partition_point(|bound| *bound < value),
        };
        let before = passed.checked_sub(1).and_then(|at| self.bounds.get(at));
        match (before, self.bounds.get(passed)) {
            (None, _) => 0.0,
            (_, None) => 1.0,
            (Some(before), Some(after)) => {
                let within = match after > before && after.is_finite() && before.is_finite() {
                    true => ((value - before) / (after - before)).clamp(0.0, 1.0),
                    false => 0.5,
                };
                ((passed - 1) as f64 + within) / parts
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_follow_the_sample() {
        // 0 is nine of ten; the rest are 1 to 1 000, each once.
        let sample = (0..10_000).map(|at| {
            if at % 10 == 0 {
                f64::from(at / 10 + 1)
            } else {
                0.0
            }
        });
        let values = ColumnValues::of(sample.collect(), true).unwrap();
        let near = |found: f64, expected: f64| {
            assert!((found - expected).abs() < 0.02, "{found} is not {expected}");
        };
        near(values.share_of(0.0, 1_001.0), 0.9);
        assert!(values.share_of(17.0, 1_001.0) < 0.001);
        near(values.share_between(f64::NEG_INFINITY, 0.0), 0.9);
        near(values.share_between(1.0, f64::INFINITY), 0.1);
        near(values.share_between(501.0, 1_000.0), 0.05);
        near(values.share_between(2_000.0, f64::INFINITY), 0.0);
        near(values.share_between(f64::NEG_INFINITY, f64::INFINITY), 1.0);
    }

    #[test]
    fn little_and_equal_values_are_no_trouble() {
        assert_eq!(ColumnValues::of(vec![1.0; 3], true), None);
        assert_eq!(ColumnValues::of(vec![f64::NAN; 100], true), None);
        let one = ColumnValues::of(vec![5.0; 100], true).unwrap();
        assert_eq!(one.share_between(5.0, 5.0), 1.0);
        assert_eq!(one.share_between(6.0, 9.0), 0.0);
        assert_eq!(one.share_between(0.0, 4.0), 0.0);
    }
}
