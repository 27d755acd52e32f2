//! How many rows a condition keeps.
//!
//! Logical and physical conditions are both translated into [`Predicate`], which holds what can be estimated.

use super::{Estimate, SELECTIVITY_UNKNOWN};
use std::collections::{BTreeMap, BTreeSet};

/// One side of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub enum Term {
    /// A column of the input, by index.
    Column(usize),
    /// A constant on the number line; `None` if it has no place there.
    Constant(Option<f64>),
    /// A null constant.
    Null,
    /// An expression over one column that keeps at most as many distinct values.
    Function(usize),
    /// Anything else.
    Other,
}

/// How two terms are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `=`, and `is not distinct from`.
    Equal,
    /// `<>`.
    NotEqual,
    /// `<`, `<=`.
    Less,
    /// `>`, `>=`.
    Greater,
}

/// A condition, as far as it can be estimated.
#[derive(Clone, Debug, PartialEq)]
pub enum Predicate {
    /// All hold.
    And(Vec<Predicate>),
    /// One holds.
    Or(Vec<Predicate>),
    /// It does not hold.
    Not(Box<Predicate>),
    /// A comparison.
    Compare(Term, Comparison, Term),
    /// One of so many constants.
    In(Term, usize),
    /// Text matches a pattern; the number of fixed characters, and whether it begins with them.
    Like {
        /// Characters that are neither `%` nor `_`.
        fixed: usize,
        /// Whether there is neither `%` nor `_` at the beginning.
        prefix: bool,
    },
    /// The term is null.
    IsNull(Term),
    /// Known to hold or not.
    Constant(bool),
    /// A condition the engine adds while it runs; it costs nothing to ignore.
    Ignored,
    /// Anything else.
    Unknown,
}

impl Predicate {
    /// Describes a LIKE pattern.
    pub fn like(pattern: &str) -> Self {
        let fixed = pattern
            .chars()
            .filter(|letter| !matches!(letter, '%' | '_'))
            .count();
        Self::Like {
            fixed,
            prefix: !pattern.starts_with(['%', '_']),
        }
    }

    fn conjuncts(self, into: &mut Vec<Predicate>) {
        match self {
            Self::And(parts) => parts.into_iter().for_each(|part| part.conjuncts(into)),
            other => into.push(other),
        }
    }
}

/// Keeps the rows for which the condition holds, and narrows the columns it speaks of.
pub fn filter(mut input: Estimate, predicate: Predicate) -> Estimate {
    let mut conjuncts = Vec::new();
    predicate.conjuncts(&mut conjuncts);
    let equal: BTreeSet<usize> = conjuncts.iter().filter_map(equal_column).collect();
    let mut share = 1.0;
    let mut ranges: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
    for conjunct in conjuncts {
        // Of a text that is told, bounds tell nothing more: they are made of it, to rule out blocks.
        if text_bound(&conjunct).is_some_and(|column| equal.contains(&column)) {
            continue;
        }
        // Bounds of one column are taken together: `a > 1 and a < 3` is not two independent conditions.
        if let Some((column, low, high)) = range_of(&conjunct) {
            let bounds = ranges
                .entry(column)
                .or_insert((f64::NEG_INFINITY, f64::INFINITY));
            *bounds = (bounds.0.max(low), bounds.1.min(high));
            continue;
        }
        share *= selectivity(&input, &conjunct);
        narrow(&mut input, &conjunct);
    }
    for (column, (low, high)) in ranges {
        let kept = range_share(&input, column, low, high);
        share *= kept;
        if let Some(column) = input.columns.get_mut(column) {
            column.distinct = (column.distinct * kept).max(1.0);
            column.low = column.low.map(|least| least.max(low)).or(finite(low));
            column.high = column.high.map(|most| most.min(high)).or(finite(high));
            column.null_fraction = 0.0;
            column.values = None;
        }
    }
    input.rows = (input.rows * share).max(0.001);
    input
}

/// Finds the column that a condition leaves only some values of.
fn equal_column(conjunct: &Predicate) -> Option<usize> {
    match conjunct {
        Predicate::Compare(
            Term::Column(column) | Term::Function(column),
            Comparison::Equal,
            Term::Constant(_),
        )
        | Predicate::Compare(
            Term::Constant(_),
            Comparison::Equal,
            Term::Column(column) | Term::Function(column),
        )
        | Predicate::In(Term::Column(column) | Term::Function(column), _) => Some(*column),
        _ => None,
    }
}

/// Finds the column that a condition bounds by a constant that is no number.
fn text_bound(conjunct: &Predicate) -> Option<usize> {
    match conjunct {
        Predicate::Compare(
            Term::Column(column) | Term::Function(column),
            Comparison::Less | Comparison::Greater,
            Term::Constant(None),
        )
        | Predicate::Compare(
            Term::Constant(None),
            Comparison::Less | Comparison::Greater,
            Term::Column(column) | Term::Function(column),
        ) => Some(*column),
        _ => None,
    }
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

fn narrow(input: &mut Estimate, conjunct: &Predicate) {
    let (column, distinct) = match conjunct {
        Predicate::Compare(Term::Column(column), Comparison::Equal, Term::Constant(_))
        | Predicate::Compare(Term::Constant(_), Comparison::Equal, Term::Column(column)) => {
            (*column, 1.0)
        }
        Predicate::In(Term::Column(column), count) => (*column, *count as f64),
        Predicate::Or(parts) => {
            let equalities = parts.iter().map(|part| match part {
                Predicate::Compare(Term::Column(column), Comparison::Equal, Term::Constant(_)) => {
                    Some(*column)
                }
                _ => None,
            });
            let Some(columns) = equalities.collect::<Option<Vec<_>>>() else {
                return;
            };
            let Some(&first) = columns.first() else {
                return;
            };
            if columns.iter().any(|&column| column != first) {
                return;
            }
            (first, columns.len() as f64)
        }
        _ => return,
    };
    if let Some(column) = input.columns.get_mut(column) {
        column.distinct = column.distinct.min(distinct).max(1.0);
        column.values = None;
        column.null_fraction = 0.0;
    }
}

/// Reads `column < constant` and its relatives as a range.
fn range_of(predicate: &Predicate) -> Option<(usize, f64, f64)> {
    match predicate {
        Predicate::Compare(Term::Column(column), comparison, Term::Constant(Some(value))) => {
            match comparison {
                Comparison::Less => Some((*column, f64::NEG_INFINITY, *value)),
                Comparison::Greater => Some((*column, *value, f64::INFINITY)),
                _ => None,
            }
        }
        Predicate::Compare(Term::Constant(Some(value)), comparison, Term::Column(column)) => {
            match comparison {
                Comparison::Less => Some((*column, *value, f64::INFINITY)),
                Comparison::Greater => Some((*column, f64::NEG_INFINITY, *value)),
                _ => None,
            }
        }
        _ => None,
    }
}

fn range_share(input: &Estimate, column: usize, low: f64, high: f64) -> f64 {
    let both = low.is_finite() && high.is_finite();
    let unknown = if both { 0.25 } else { SELECTIVITY_UNKNOWN };
    let Some(column) = input.columns.get(column) else {
        return unknown;
    };
    if let Some(values) = &column.values {
        let point = 1.0 / column.table_rows.max(1.0);
        return values.share_between(low, high).max(point) * (1.0 - column.null_fraction);
    }
    let (Some(least), Some(most)) = (column.low, column.high) else {
        return unknown;
    };
    let (low, high) = (low.max(least), high.min(most));
    if low > high {
        return 0.0;
    }
    let point = 1.0 / column.distinct.max(1.0);
    let spread = most - least;
    let share = if spread > 0.0 {
        (high - low) / spread
    } else {
        1.0
    };
    share.clamp(point, 1.0) * (1.0 - column.null_fraction)
}

/// The share of rows for which one condition holds, 0 to 1.
pub fn selectivity(input: &Estimate, predicate: &Predicate) -> f64 {
    let distinct = |column: usize| {
        input
            .columns
            .get(column)
            .map_or(10.0, |found| found.distinct)
    };
    let nulls = |column: usize| {
        input
            .columns
            .get(column)
            .map_or(0.0, |found| found.null_fraction)
    };
    let share = match predicate {
        Predicate::And(parts) => {
            let before = input.rows.max(1.0);
            let base = Estimate {
                rows: before,
                ..input.clone()
            };
            filter(base, Predicate::And(parts.clone())).rows / before
        }
        Predicate::Or(parts) => {
            1.0 - parts
                .iter()
                .map(|part| 1.0 - selectivity(input, part))
                .product::<f64>()
        }
        Predicate::Not(inner) => 1.0 - selectivity(input, inner),
        Predicate::Compare(Term::Null, ..) | Predicate::Compare(_, _, Term::Null) => 0.0,
        Predicate::Compare(left, comparison, right) => {
            let column = match (left, right) {
                (Term::Column(column) | Term::Function(column), Term::Constant(_))
                | (Term::Constant(_), Term::Column(column) | Term::Function(column)) => {
                    Some(*column)
                }
                _ => None,
            };
            let equal = match (left, right, column) {
                (_, _, Some(column)) => {
                    let share = outside(input, left, right)
                        .or_else(|| learned(input, left, right))
                        .unwrap_or_else(|| 1.0 / distinct(column));
                    share * (1.0 - nulls(column))
                }
                (Term::Column(left), Term::Column(right), _) => {
                    1.0 / distinct(*left).max(distinct(*right))
                }
                _ => 0.1,
            };
            match comparison {
                Comparison::Equal => equal,
                Comparison::NotEqual => 1.0 - equal,
                Comparison::Less | Comparison::Greater => match range_of(predicate) {
                    Some((column, low, high)) => range_share(input, column, low, high),
                    None => SELECTIVITY_UNKNOWN,
                },
            }
        }
        Predicate::In(Term::Column(column) | Term::Function(column), count) => {
            *count as f64 / distinct(*column)
        }
        Predicate::In(_, count) => 0.1 * *count as f64,
        // Every fixed character makes a match rarer, up to a point.
        Predicate::Like { fixed: 0, .. } => 1.0,
        Predicate::Like { fixed, prefix } => {
            let share = if *prefix { 0.1_f64 } else { 0.25 };
            (share * 0.75_f64.powi((*fixed).min(8) as i32 - 3)).clamp(0.01, 0.5)
        }
        Predicate::IsNull(Term::Column(column)) => nulls(*column),
        Predicate::IsNull(_) => 0.05,
        Predicate::Constant(holds) => f64::from(u8::from(*holds)),
        Predicate::Ignored => 1.0,
        Predicate::Unknown => SELECTIVITY_UNKNOWN,
    };
    share.clamp(0.0, 1.0)
}

/// The share of a value that ANALYZE met, or of one of the rest.
fn learned(input: &Estimate, left: &Term, right: &Term) -> Option<f64> {
    let ((Term::Column(column), Term::Constant(Some(value)))
    | (Term::Constant(Some(value)), Term::Column(column))) = (left, right)
    else {
        return None;
    };
    let column = input.columns.get(*column)?;
    let values = column.values.as_ref()?;
    Some(values.share_of(*value, column.distinct))
}

/// Nothing equals a constant beyond the extremes.
fn outside(input: &Estimate, left: &Term, right: &Term) -> Option<f64> {
    let ((Term::Column(column), Term::Constant(Some(value)))
    | (Term::Constant(Some(value)), Term::Column(column))) = (left, right)
    else {
        return None;
    };
    let column = input.columns.get(*column)?;
    (*value < column.low? || *value > column.high?).then_some(0.0)
}
