//! What a predicate that storage cannot test still says about single columns: values or a range outside of
//! which it is never true. These only prune; the rows are tested again by the whole predicate.

use super::translate::{ColumnPredicate, Translator, compare_values, sorted};
use blueshift_storage::table::predicate::{ColumnTest, CompareOp, Value};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{BinaryExpr, CaseExpr, LikeExpr, Literal};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

/// More values than this become a range: a longer list prunes little more and costs more to test.
const VALUES_MAX: usize = 1_024;

/// Predicates deeper than this are not looked into.
const DEPTH_MAX: usize = 64;

/// Where a column must lie for a predicate to be true; null never does.
#[derive(Clone, Debug, Default, PartialEq)]
struct Domain {
    /// Inclusive.
    least: Option<Value>,
    /// Inclusive.
    greatest: Option<Value>,
    /// Sorted; if set, the bounds are its ends.
    values: Option<Vec<Value>>,
}

/// The domains a predicate implies by column; `None` if it is never true.
type Domains = Option<BTreeMap<usize, Domain>>;

/// Derives tests that every row passing `predicate` passes.
pub(super) fn domains(
    translator: &Translator<'_>,
    predicate: &Arc<dyn PhysicalExpr>,
) -> Vec<(usize, ColumnTest)> {
    let Some(domains) = derive(translator, predicate, 0) else {
        return Vec::new();
    };
    let mut tests = Vec::new();
    for (column, domain) in domains {
        if let Some(values) = domain.values {
            tests.push((column, ColumnTest::In(values.into())));
            continue;
        }
        let least = domain
            .least
            .map(|value| ColumnTest::Compare(CompareOp::GtEq, value));
        let greatest = domain
            .greatest
            .map(|value| ColumnTest::Compare(CompareOp::LtEq, value));
        tests.extend(least.into_iter().chain(greatest).map(|test| (column, test)));
    }
    tests
}

fn derive(translator: &Translator<'_>, predicate: &Arc<dyn PhysicalExpr>, depth: usize) -> Domains {
    if depth > DEPTH_MAX {
        return Some(BTreeMap::new());
    }
    if let Some(binary) = predicate.downcast_ref::<BinaryExpr>() {
        let side = |side| derive(translator, side, depth + 1);
        match binary.op() {
            Operator::And => return both(side(binary.left())?, side(binary.right())?),
            Operator::Or => return either(side(binary.left()), side(binary.right())),
            _ => {}
        }
    }
    if let Some(literal) = predicate.downcast_ref::<Literal>() {
        let passes = *literal.value() == datafusion::common::ScalarValue::Boolean(Some(true));
        return passes.then(BTreeMap::new);
    }
    if let Some(case) = predicate.downcast_ref::<CaseExpr>() {
        // Whichever branch a row takes, one of them holds.
        let branches = case.when_then_expr().iter().map(|(_, then)| then);
        let other = case.else_expr();
        let taken = branches
            .chain(other)
            .map(|branch| derive(translator, branch, depth + 1));
        return taken.reduce(either).unwrap_or_default();
    }
    if let Some(like) = predicate.downcast_ref::<LikeExpr>() {
        let beginning = translator.beginning(like);
        let domain = |(column, prefix): (usize, Vec<u8>)| (column, Domain::of_prefix(&prefix));
        return Some(beginning.map(domain).into_iter().collect());
    }
    match translator.column_test(predicate) {
        Some(ColumnPredicate::Never) => None,
        Some(ColumnPredicate::Test(column, test)) => Some(
            Domain::of(test)
                .map(|domain| (column, domain))
                .into_iter()
                .collect(),
        ),
        None => Some(BTreeMap::new()),
    }
}

/// What holds if both do.
fn both(mut left: BTreeMap<usize, Domain>, right: BTreeMap<usize, Domain>) -> Domains {
    for (column, domain) in right {
        match left.entry(column) {
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(domain);
            }
            std::collections::btree_map::Entry::Occupied(mut entry) => {
                let narrowed = entry.get().narrowed(&domain)?;
                entry.insert(narrowed);
            }
        }
    }
    Some(left)
}

/// What holds if one of them does: only columns that both speak of.
fn either(left: Domains, right: Domains) -> Domains {
    let (left, mut right) = match (left, right) {
        (Some(left), Some(right)) => (left, right),
        (one, other) => return one.or(other),
    };
    let united = left
        .into_iter()
        .filter_map(|(column, domain)| Some((column, domain.widened(right.remove(&column)?)?)));
    Some(united.collect())
}

impl Domain {
    fn of(test: ColumnTest) -> Option<Self> {
        let mut domain = Self::default();
        match test {
            ColumnTest::Compare(CompareOp::Eq, value) => {
                return Some(Self::values(vec![value]));
            }
            ColumnTest::In(values) => return Some(Self::values(values.to_vec())),
            // Open ends are closed: a prune may keep too much.
            ColumnTest::Compare(CompareOp::Lt | CompareOp::LtEq, value) => {
                domain.greatest = Some(value);
            }
            ColumnTest::Compare(CompareOp::Gt | CompareOp::GtEq, value) => {
                domain.least = Some(value);
            }
            ColumnTest::StartsWith(prefix) => return Some(Self::of_prefix(&prefix)),
            ColumnTest::Compare(CompareOp::NotEq, _)
            | ColumnTest::IsNull
            | ColumnTest::IsNotNull => {
                return None;
            }
        }
        Some(domain)
    }

    /// From the prefix itself to the least text above all that begin so.
    fn of_prefix(prefix: &[u8]) -> Self {
        let mut above = prefix.to_vec();
        while above.last() == Some(&0xFF) {
            above.pop();
        }
        if let Some(last) = above.last_mut() {
            *last += 1;
        }
        Self {
            least: Some(Value::Bytes(prefix.into())),
            greatest: (!above.is_empty()).then(|| Value::Bytes(above.into())),
            values: None,
        }
    }

    /// `values` are sorted.
    fn values(values: Vec<Value>) -> Self {
        let (least, greatest) = (values.first().cloned(), values.last().cloned());
        let values = (values.len() <= VALUES_MAX).then_some(values);
        Self {
            least,
            greatest,
            values,
        }
    }

    fn holds(&self, value: &Value) -> bool {
        let above = |least| compare_values(value, least) != Ordering::Less;
        let below = |greatest| compare_values(value, greatest) != Ordering::Greater;
        self.least.as_ref().is_none_or(above) && self.greatest.as_ref().is_none_or(below)
    }

    /// Gives what lies in both; `None` if nothing does.
    fn narrowed(&self, other: &Self) -> Option<Self> {
        let listed = match (&self.values, &other.values) {
            (Some(values), _) => Some((values, other)),
            (None, Some(values)) => Some((values, self)),
            (None, None) => None,
        };
        if let Some((values, range)) = listed {
            let kept = values
                .iter()
                .filter(|value| range.holds(value))
                .cloned()
                .collect::<Vec<_>>();
            return (!kept.is_empty()).then(|| Self::values(kept));
        }
        let pick = |a: &Option<Value>, b: &Option<Value>, wanted| match (a, b) {
            (Some(a), Some(b)) => Some(if compare_values(a, b) == wanted { a } else { b }.clone()),
            (one, other) => one.clone().or_else(|| other.clone()),
        };
        Some(Self {
            least: pick(&self.least, &other.least, Ordering::Greater),
            greatest: pick(&self.greatest, &other.greatest, Ordering::Less),
            values: None,
        })
    }

    /// Gives the least domain that holds both; `None` if it is everything.
    fn widened(self, other: Self) -> Option<Self> {
        if let (Some(a), Some(b)) = (&self.values, &other.values) {
            return Some(Self::values(sorted(a.iter().chain(b).cloned().collect())));
        }
        let pick = |a: Option<Value>, b: Option<Value>, wanted| {
            a.zip(b).map(|(a, b)| {
                if compare_values(&a, &b) == wanted {
                    a
                } else {
                    b
                }
            })
        };
        let least = pick(self.least, other.least, Ordering::Less);
        let greatest = pick(self.greatest, other.greatest, Ordering::Greater);
        (least.is_some() || greatest.is_some()).then_some(Self {
            least,
            greatest,
            values: None,
        })
    }
}
