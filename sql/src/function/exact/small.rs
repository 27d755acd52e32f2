//! Decimals whose values are small, as nearly all are, whatever their declared precision: computed in 64 bits or 128
//! without a check per value, since the greatest value of each operand proves that none can overflow.

use datafusion_expr::Operator;

/// Bits of a magnitude that is certainly below 10^38.
const BITS_MAX: u32 = 126;
/// Bits of a magnitude that 64 bits hold with its sign, and twice of it too, which rounding needs.
const NARROW_BITS_MAX: u32 = 61;

/// One side of an operator, unscaled.
#[derive(Clone, Copy, Debug)]
pub enum Operand<'a> {
    /// A value for each row.
    Each(&'a [i128]),
    /// One value for all rows.
    One(i128),
}

impl Operand<'_> {
    /// Gives how many bits the greatest magnitude takes at most: of a negative number, one less than it has.
    fn bits(self) -> u32 {
        let folded = |value: i128| value ^ (value >> 127);
        let all = match self {
            Self::Each(values) => values.iter().fold(0, |all, value| all | folded(*value)),
            Self::One(value) => folded(value),
        };
        // One more, for -2^n.
        i128::BITS - all.leading_zeros() + 1
    }
}

/// Computes the unscaled results of `rows` rows, each rounded by `excess` digits, half away from zero, of operands with
/// so many digits after the point; `None` where the operands are too large to be sure of them. What stands in place of
/// nulls is computed too, and means nothing.
pub fn compute(
    operator: Operator,
    (left, left_scale): (Operand<'_>, i8),
    (right, right_scale): (Operand<'_>, i8),
    excess: u8,
    rows: usize,
) -> Option<Vec<i128>> {
    let common = left_scale.max(right_scale);
    let factors = match operator {
        Operator::Multiply => (1, 1),
        _ => (power(common - left_scale)?, power(common - right_scale)?),
    };
    let bits = (left.bits(), right.bits());
    let widened = |bits: u32, factor: i128| bits + (i128::BITS - factor.leading_zeros());
    let result_bits = match operator {
        Operator::Multiply => bits.0 + bits.1,
        Operator::Plus | Operator::Minus => {
            widened(bits.0, factors.0).max(widened(bits.1, factors.1)) + 1
        }
        _ => return None,
    };
    let is_narrow = result_bits <= NARROW_BITS_MAX;
    if !is_narrow && (result_bits > BITS_MAX || excess > 0) {
        return None;
    }
    let work = Work {
        operator,
        factors,
        excess,
        is_narrow,
        is_narrow_before: bits.0 < i64::BITS && bits.1 < i64::BITS,
    };
    match (left, right) {
        (Operand::Each(left), Operand::Each(right)) => {
            work.run(left.iter().copied(), right.iter().copied())
        }
        (Operand::Each(left), Operand::One(right)) => {
            work.run(left.iter().copied(), std::iter::repeat(right))
        }
        (Operand::One(left), Operand::Each(right)) => {
            work.run(std::iter::repeat(left), right.iter().copied())
        }
        (Operand::One(left), Operand::One(right)) => work.run(
            std::iter::repeat_n(left, rows),
            std::iter::repeat_n(right, rows),
        ),
    }
}

/// What is to be done, once it is known to be safe.
struct Work {
    operator: Operator,
    /// What brings each side to one scale.
    factors: (i128, i128),
    excess: u8,
    /// Results fit 64 bits, and so do the operands, which are no larger.
    is_narrow: bool,
    /// Operands do.
    is_narrow_before: bool,
}

impl Work {
    fn run(
        &self,
        left: impl Iterator<Item = i128>,
        right: impl Iterator<Item = i128>,
    ) -> Option<Vec<i128>> {
        let pairs = left.zip(right);
        let (widen_left, widen_right) = self.factors;
        if self.is_narrow {
            let (widen_left, widen_right) = (widen_left as i64, widen_right as i64);
            let pairs = pairs.map(|(left, right)| (left as i64, right as i64));
            let round = Rounding::by(self.excess)?;
            return Some(match self.operator {
                Operator::Multiply => round.collect(pairs.map(|(l, r)| l.wrapping_mul(r))),
                Operator::Plus => round.collect(pairs.map(|(l, r)| {
                    l.wrapping_mul(widen_left)
                        .wrapping_add(r.wrapping_mul(widen_right))
                })),
                _ => round.collect(pairs.map(|(l, r)| {
                    l.wrapping_mul(widen_left)
                        .wrapping_sub(r.wrapping_mul(widen_right))
                })),
            });
        }
        Some(match self.operator {
            Operator::Multiply if self.is_narrow_before => pairs
                .map(|(l, r)| i128::from(l as i64) * i128::from(r as i64))
                .collect(),
            Operator::Multiply => pairs.map(|(l, r)| l.wrapping_mul(r)).collect(),
            Operator::Plus => pairs
                .map(|(l, r)| {
                    l.wrapping_mul(widen_left)
                        .wrapping_add(r.wrapping_mul(widen_right))
                })
                .collect(),
            _ => pairs
                .map(|(l, r)| {
                    l.wrapping_mul(widen_left)
                        .wrapping_sub(r.wrapping_mul(widen_right))
                })
                .collect(),
        })
    }
}

/// Digits to take off the end of each result, half away from zero.
enum Rounding {
    None,
    /// Divisors known beforehand are multiplications.
    One,
    Two,
    Four,
    By(i64),
}

impl Rounding {
    fn by(digits: u8) -> Option<Self> {
        Some(match digits {
            0 => Self::None,
            1 => Self::One,
            2 => Self::Two,
            4 => Self::Four,
            _ => Self::By(10_i64.checked_pow(u32::from(digits))?),
        })
    }

    fn collect(&self, results: impl Iterator<Item = i64>) -> Vec<i128> {
        match self {
            Self::None => results.map(i128::from).collect(),
            Self::One => results.map(|value| rounded(value, 10)).collect(),
            Self::Two => results.map(|value| rounded(value, 100)).collect(),
            Self::Four => results.map(|value| rounded(value, 10_000)).collect(),
            Self::By(divisor) => results.map(|value| rounded(value, *divisor)).collect(),
        }
    }
}

fn power(digits: i8) -> Option<i128> {
    10_i128.checked_pow(u32::from(digits.max(0).unsigned_abs()))
}

#[inline(always)]
fn rounded(value: i64, divisor: i64) -> i128 {
    // Only the whole of it is kept, so an even divisor leaves no doubt where half is.
    i128::from((value + (divisor / 2) * (1 | (value >> 63))) / divisor)
}

#[cfg(test)]
mod tests {
    use super::super::{compute_wide, shape};
    use super::*;
    use arrow::array::Decimal128Array;
    use proptest::prelude::*;

    fn check(
        operator: Operator,
        left: &Decimal128Array,
        right: &Decimal128Array,
        excess: u8,
    ) -> Option<Vec<i128>> {
        compute(
            operator,
            (Operand::Each(left.values()), left.scale()),
            (Operand::Each(right.values()), right.scale()),
            excess,
            left.len(),
        )
    }

    fn array(values: &[i128], precision: u8, scale: i8) -> Decimal128Array {
        let array = Decimal128Array::from(values.to_vec());
        array.with_precision_and_scale(precision, scale).unwrap()
    }

    /// Numbers of every magnitude.
    fn number() -> impl Strategy<Value = i128> {
        (any::<i128>(), 0_u32..126).prop_map(|(value, shift)| value >> shift.max(2))
    }

    proptest! {
        #[test]
        fn small_values_come_out_as_those_of_any_size(
            rows in proptest::collection::vec((number(), number()), 1..20),
            shift in 0_u32..124,
            scales in (0_i8..12, 0_i8..12),
            excess in 0_u8..8,
        ) {
            let (left, right): (Vec<i128>, Vec<i128>) =
                rows.into_iter().map(|(left, right)| (left >> shift, right >> shift)).unzip();
            let (left, right) = (array(&left, 38, scales.0), array(&right, 38, scales.1));
            for operator in [Operator::Plus, Operator::Minus, Operator::Multiply] {
                prop_assert!(shape(operator, (38, scales.0), (38, scales.1)).0 == 38);
                if let Some(results) = check(operator, &left, &right, excess) {
                    prop_assert_eq!(results, compute_wide(operator, &left, &right, excess).unwrap());
                }
            }
        }
    }

    #[test]
    fn one_value_stands_for_all() {
        let (each, one) = ((Operand::Each(&[1, -2, 3]), 2), (Operand::One(7), 1));
        let results = compute(Operator::Minus, each, one, 0, 3);
        assert_eq!(results, Some(vec![-69, -72, -67]));
        let results = compute(Operator::Minus, one, each, 0, 3);
        assert_eq!(results, Some(vec![69, 72, 67]));
        assert_eq!(compute(Operator::Plus, one, one, 0, 2), Some(vec![14, 14]));
    }

    #[test]
    fn the_least_of_64_bits_is_no_trouble() {
        let (least, one) = (array(&[i64::MIN.into()], 38, 0), array(&[-1], 38, 0));
        let expected = vec![-i128::from(i64::MIN)];
        let results = check(Operator::Multiply, &least, &one, 0);
        assert_eq!(results, Some(expected));
    }

    #[test]
    fn halves_are_rounded_away_from_zero() {
        let (left, right) = (
            array(&[15, -15, 14, -14, 149], 38, 1),
            array(&[1; 5], 38, 1),
        );
        let results = check(Operator::Multiply, &left, &right, 1).unwrap();
        assert_eq!(results, vec![2, -2, 1, -1, 15]);
        let results = check(Operator::Multiply, &left, &right, 2).unwrap();
        assert_eq!(results, vec![0, 0, 0, 0, 1]);
    }
}
