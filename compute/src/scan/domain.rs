//! What a predicate that storage cannot test still says about single columns: values and ranges outside of
//! which it is never true. These only prune; the rows are tested again by the whole predicate.

use super::translate::{ColumnPredicate, Translator, compare_values};
use blueshift_storage::table::predicate::{ColumnTest, CompareOp, Conjunct, Value};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{BinaryExpr, CaseExpr, LikeExpr, Literal};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

/// More values and ranges than this become one range: more of them prune little more and cost more to test.
const SPANS_MAX: usize = 1_024;

/// Predicates deeper than this are not looked into.
const DEPTH_MAX: usize = 64;

/// Where a column must lie for a predicate to be true.
#[derive(Clone, Debug, PartialEq)]
struct Domain {
    /// Sorted, apart from each other; none if the column must be null.
    spans: Vec<Span>,
    /// Whether it may be null too.
    or_null: bool,
}

/// Neighbouring values, the ends included.
#[derive(Clone, Debug, Default, PartialEq)]
struct Span {
    /// `None` where there is no end.
    least: Option<Value>,
    /// `None` where there is no end.
    greatest: Option<Value>,
}

/// The domains a predicate implies by column; `None` if it is never true.
type Domains = Option<BTreeMap<usize, Domain>>;

/// Derives conjuncts that only prune, which every row passing `predicate` passes.
pub(super) fn domains(
    translator: &Translator<'_>,
    predicate: &Arc<dyn PhysicalExpr>,
) -> Vec<Conjunct> {
    let Some(domains) = derive(translator, predicate, 0) else {
        return Vec::new();
    };
    let mut conjuncts = Vec::new();
    for (column, domain) in domains {
        if let Some(values) = domain.values().filter(|_| !domain.or_null) {
            let test = ColumnTest::In(values.into());
            conjuncts.push(Conjunct::PruneOnly { column, test });
            continue;
        }
        if let ([only], false) = (domain.spans.as_slice(), domain.or_null) {
            let end = |op, value: &Option<Value>| {
                let test = ColumnTest::Compare(op, value.clone()?);
                Some(Conjunct::PruneOnly { column, test })
            };
            conjuncts.extend(end(CompareOp::GtEq, &only.least));
            conjuncts.extend(end(CompareOp::LtEq, &only.greatest));
            continue;
        }
        let spans = domain.spans.into_iter();
        let ranges = spans.map(|span| (span.least, span.greatest)).collect();
        let or_null = domain.or_null;
        let test = ColumnTest::Within { ranges, or_null };
        conjuncts.push(Conjunct::PruneOnly { column, test });
    }
    conjuncts
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
        let domain = |(column, prefix): (usize, Vec<u8>)| {
            (column, Domain::of_span(Span::of_prefix(&prefix)))
        };
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

impl Span {
    fn point(value: Value) -> Self {
        Self {
            least: Some(value.clone()),
            greatest: Some(value),
        }
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
        }
    }

    /// Tells whether it begins above the end of `other`.
    fn is_above(&self, other: &Self) -> bool {
        match (&self.least, &other.greatest) {
            (Some(least), Some(greatest)) => compare_values(least, greatest) == Ordering::Greater,
            _ => false,
        }
    }
}

/// Orders beginnings: none is before all.
fn compare_least(a: &Option<Value>, b: &Option<Value>) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => compare_values(a, b),
        (a, b) => a.is_some().cmp(&b.is_some()),
    }
}

/// Orders ends: none is after all.
fn compare_greatest(a: &Option<Value>, b: &Option<Value>) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => compare_values(a, b),
        (a, b) => b.is_some().cmp(&a.is_some()),
    }
}

impl Domain {
    fn of(test: ColumnTest) -> Option<Self> {
        let span = match test {
            ColumnTest::Compare(CompareOp::Eq, value) => Span::point(value),
            ColumnTest::In(values) => {
                let spans = values.iter().cloned().map(Span::point).collect();
                return Self::of_spans(spans, false);
            }
            // Open ends are closed: a prune may keep too much.
            ColumnTest::Compare(CompareOp::Lt | CompareOp::LtEq, value) => Span {
                least: None,
                greatest: Some(value),
            },
            ColumnTest::Compare(CompareOp::Gt | CompareOp::GtEq, value) => Span {
                least: Some(value),
                greatest: None,
            },
            ColumnTest::StartsWith(prefix) => Span::of_prefix(&prefix),
            ColumnTest::IsNull => return Self::of_spans(Vec::new(), true),
            ColumnTest::Compare(CompareOp::NotEq, _)
            | ColumnTest::Within { .. }
            | ColumnTest::IsNotNull => return None,
        };
        Some(Self::of_span(span))
    }

    fn of_span(span: Span) -> Self {
        Self {
            spans: vec![span],
            or_null: false,
        }
    }

    /// Makes one of spans in any order; `None` if nothing lies outside.
    fn of_spans(mut spans: Vec<Span>, or_null: bool) -> Option<Self> {
        spans.sort_by(|a, b| compare_least(&a.least, &b.least));
        let mut apart: Vec<Span> = Vec::with_capacity(spans.len());
        for span in spans {
            match apart.last_mut() {
                Some(last) if !span.is_above(last) => {
                    if compare_greatest(&span.greatest, &last.greatest) == Ordering::Greater {
                        last.greatest = span.greatest;
                    }
                }
                _ => apart.push(span),
            }
        }
        if apart.len() > SPANS_MAX {
            let greatest = apart.pop().and_then(|last| last.greatest);
            apart.truncate(1);
            if let Some(all) = apart.first_mut() {
                all.greatest = greatest;
            }
        }
        let is_everything = |span: &Span| span.least.is_none() && span.greatest.is_none();
        let says_something = !apart.first().is_some_and(is_everything);
        let spans = apart;
        says_something.then_some(Self { spans, or_null })
    }

    /// Gives its values, if it is nothing but single ones.
    fn values(&self) -> Option<Vec<Value>> {
        let value = |span: &Span| match span.least == span.greatest {
            true => span.least.clone(),
            false => None,
        };
        self.spans.iter().map(value).collect()
    }

    /// Gives what lies in both; `None` if nothing does.
    fn narrowed(&self, other: &Self) -> Option<Self> {
        let mut spans = Vec::new();
        let (mut ours, mut theirs) = (self.spans.iter().peekable(), other.spans.iter().peekable());
        while let (Some(our), Some(their)) = (ours.peek(), theirs.peek()) {
            if !our.is_above(their) && !their.is_above(our) {
                let later = compare_least(&our.least, &their.least) == Ordering::Greater;
                let sooner = compare_greatest(&our.greatest, &their.greatest) == Ordering::Less;
                spans.push(Span {
                    least: if later { &our.least } else { &their.least }.clone(),
                    greatest: if sooner {
                        &our.greatest
                    } else {
                        &their.greatest
                    }
                    .clone(),
                });
            }
            match compare_greatest(&our.greatest, &their.greatest) {
                Ordering::Less => ours.next(),
                _ => theirs.next(),
            };
        }
        let or_null = self.or_null && other.or_null;
        (or_null || !spans.is_empty()).then_some(Self { spans, or_null })
    }

    /// Gives what lies in either; `None` if that is everything.
    fn widened(self, other: Self) -> Option<Self> {
        let or_null = self.or_null || other.or_null;
        Self::of_spans(self.spans.into_iter().chain(other.spans).collect(), or_null)
    }
}
