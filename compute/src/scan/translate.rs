//! Predicate -> conjuncts of storage: tests of one column where storage understands them, a row filter for
//! everything else, and bounds that only prune for what is hidden inside OR and join filters.
//!
//! Columns of every expression here count within the table.

use super::constant::{Comparison, bytes, comparison};
use super::domain::domains;
use super::filter::ExpressionFilter;
use arrow_schema::Schema;
use blueshift_storage::TableLayout;
use blueshift_storage::table::predicate::{ColumnTest, CompareOp, Conjunct, Value};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{
    BinaryExpr, CaseExpr, CastExpr, Column, DynamicFilterPhysicalExpr, InListExpr, IsNotNullExpr,
    IsNullExpr, LikeExpr, Literal, NotExpr,
};
use datafusion::physical_expr::{PhysicalExpr, split_conjunction};
use datafusion::physical_plan::joins::HashExpr;
use std::sync::Arc;

/// A predicate as storage takes it.
#[derive(Clone, Debug, Default)]
pub(super) struct Translated {
    /// All must hold.
    pub conjuncts: Vec<Conjunct>,
    /// Set if no row can pass; then the conjuncts do not matter.
    pub never: bool,
}

/// What the rows under a predicate are known to be, so that a join filter that routes by hash can be cut down
/// to the one branch that concerns them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placement {
    /// The distribution key (index in the table).
    pub key: usize,
    /// The slice all rows lie on.
    pub slice: u32,
    /// Slices of the cluster.
    pub slice_count: u32,
}

/// Translates a conjunction of predicates over `schema`, the arrow form of `layout`.
pub(super) struct Translator<'a> {
    /// The table's columns.
    pub layout: &'a TableLayout,
    /// The same for the engine.
    pub schema: &'a Schema,
    /// Where the rows lie, if the distribution key tells.
    pub placement: Option<Placement>,
}

impl Translator<'_> {
    /// Translates predicates that must all hold.
    pub(super) fn all<'p>(
        &self,
        predicates: impl IntoIterator<Item = &'p Arc<dyn PhysicalExpr>>,
    ) -> Result<Translated> {
        let mut translated = Translated::default();
        for predicate in predicates {
            self.conjunction(predicate, &mut translated)?;
        }
        Ok(translated)
    }

    fn conjunction(&self, predicate: &Arc<dyn PhysicalExpr>, out: &mut Translated) -> Result<()> {
        for conjunct in split_conjunction(predicate) {
            self.conjunct(conjunct, out)?;
        }
        Ok(())
    }

    fn conjunct(&self, predicate: &Arc<dyn PhysicalExpr>, out: &mut Translated) -> Result<()> {
        if let Some(dynamic) = predicate.downcast_ref::<DynamicFilterPhysicalExpr>() {
            return self.conjunction(&dynamic.current()?, out);
        }
        if let Some(literal) = predicate.downcast_ref::<Literal>() {
            out.never |= !matches!(literal.value(), ScalarValue::Boolean(Some(true)));
            return Ok(());
        }
        if let Some(branch) = self.routed_branch(predicate) {
            return self.conjunction(&branch, out);
        }
        match self.column_test(predicate) {
            Some(ColumnPredicate::Never) => out.never = true,
            Some(ColumnPredicate::Test(column, test)) => {
                out.conjuncts.push(Conjunct::Column { column, test });
            }
            None => {
                out.conjuncts.extend(domains(self, predicate));
                let filter = ExpressionFilter::new(predicate, self.schema)?;
                out.conjuncts.push(Conjunct::Filter(Arc::new(filter)));
            }
        }
        Ok(())
    }

    /// Picks the branch of `CASE hash(key) % n WHEN slice THEN filter .. END` that concerns the rows at hand.
    fn routed_branch(&self, predicate: &Arc<dyn PhysicalExpr>) -> Option<Arc<dyn PhysicalExpr>> {
        let placement = self.placement?;
        let case = predicate.downcast_ref::<CaseExpr>()?;
        let modulo = case.expr()?.downcast_ref::<BinaryExpr>()?;
        let hash = modulo.left().downcast_ref::<HashExpr>()?;
        let count = modulo.right().downcast_ref::<Literal>()?;
        let [key] = hash.on_columns() else {
            return None;
        };
        let by_slice = *modulo.op() == Operator::Modulo
            && *count.value() == ScalarValue::UInt64(Some(u64::from(placement.slice_count)))
            && key.downcast_ref::<Column>()?.index() == placement.key
            && hash.seed() == 0;
        if !by_slice {
            return None;
        }
        let slice = ScalarValue::UInt64(Some(u64::from(placement.slice)));
        let branch = case.when_then_expr().iter().find(|(when, _)| {
            when.downcast_ref::<Literal>()
                .is_some_and(|when| *when.value() == slice)
        });
        branch.map(|(_, then)| then).or(case.else_expr()).cloned()
    }

    /// Translates a predicate of one column exactly, if storage understands it.
    pub(super) fn column_test(&self, predicate: &Arc<dyn PhysicalExpr>) -> Option<ColumnPredicate> {
        if let Some(binary) = predicate.downcast_ref::<BinaryExpr>() {
            let op = compare_op(binary.op())?;
            return self
                .comparison(binary.left(), op, binary.right())
                .or_else(|| self.comparison(binary.right(), mirrored(op), binary.left()));
        }
        if let Some(list) = predicate.downcast_ref::<InListExpr>() {
            return self.in_list(list);
        }
        if let Some(null) = predicate.downcast_ref::<IsNullExpr>() {
            return Some(ColumnPredicate::Test(
                self.column(null.arg())?,
                ColumnTest::IsNull,
            ));
        }
        if let Some(null) = predicate.downcast_ref::<IsNotNullExpr>() {
            return Some(ColumnPredicate::Test(
                self.column(null.arg())?,
                ColumnTest::IsNotNull,
            ));
        }
        if let Some(like) = predicate.downcast_ref::<LikeExpr>() {
            return self.prefix(like);
        }
        let (operand, wanted) = match predicate.downcast_ref::<NotExpr>() {
            Some(not) => (not.arg(), false),
            None => (predicate, true),
        };
        let column = self.column(operand)?;
        let test = ColumnTest::Compare(CompareOp::Eq, Value::Bool(wanted));
        let boolean = self.layout.columns.get(column)?.ty == blueshift_storage::ColumnType::Bool;
        boolean.then_some(ColumnPredicate::Test(column, test))
    }

    /// Gives the column of an expression that is nothing else. The hidden row id is not a column of storage.
    fn column(&self, expression: &Arc<dyn PhysicalExpr>) -> Option<usize> {
        let index = expression.downcast_ref::<Column>()?.index();
        (index < self.layout.columns.len()).then_some(index)
    }

    /// Gives the column below casts that lose nothing; comparing with a constant of the cast's type then is
    /// comparing stored values.
    fn widened_column(&self, expression: &Arc<dyn PhysicalExpr>) -> Option<usize> {
        match expression.downcast_ref::<CastExpr>() {
            Some(cast) => self.column(cast.expr()),
            None => self.column(expression),
        }
    }

    fn comparison(
        &self,
        operand: &Arc<dyn PhysicalExpr>,
        op: CompareOp,
        constant: &Arc<dyn PhysicalExpr>,
    ) -> Option<ColumnPredicate> {
        let column = self.widened_column(operand)?;
        let value = constant.downcast_ref::<Literal>()?.value();
        Some(
            match comparison(self.layout.columns.get(column)?.ty, op, value)? {
                Comparison::Test(op, value) => {
                    ColumnPredicate::Test(column, ColumnTest::Compare(op, value))
                }
                Comparison::Never => ColumnPredicate::Never,
                Comparison::NotNull => ColumnPredicate::Test(column, ColumnTest::IsNotNull),
            },
        )
    }

    fn in_list(&self, list: &InListExpr) -> Option<ColumnPredicate> {
        if list.negated() {
            return None;
        }
        let column = self.widened_column(list.expr())?;
        let ty = self.layout.columns.get(column)?.ty;
        let mut values = Vec::with_capacity(list.len());
        for item in list.list() {
            let value = item.downcast_ref::<Literal>()?.value();
            // A null in the list makes a miss unknown, which is no pass either.
            if value.is_null() {
                continue;
            }
            match comparison(ty, CompareOp::Eq, value)? {
                Comparison::Test(_, value) => values.push(value),
                Comparison::Never => {}
                Comparison::NotNull => return None,
            }
        }
        Some(match sorted(values) {
            values if values.is_empty() => ColumnPredicate::Never,
            values => ColumnPredicate::Test(column, ColumnTest::In(values.into())),
        })
    }

    /// What texts begin with that are LIKE a pattern: all before its first wildcard or escape.
    pub(super) fn beginning(&self, like: &LikeExpr) -> Option<(usize, Vec<u8>)> {
        let (column, pattern) = self.pattern_of(like)?;
        let is_plain = |byte: &&u8| !matches!(byte, b'%' | b'_' | b'\\');
        let beginning: Vec<u8> = pattern.iter().take_while(is_plain).copied().collect();
        (!beginning.is_empty()).then_some((column, beginning))
    }

    fn pattern_of<'p>(&self, like: &'p LikeExpr) -> Option<(usize, &'p [u8])> {
        if like.negated() || like.case_insensitive() {
            return None;
        }
        let column = self.widened_column(like.expr())?;
        Some((
            column,
            bytes(like.pattern().downcast_ref::<Literal>()?.value())?,
        ))
    }

    /// `LIKE 'prefix%'`, and LIKE without any wildcard.
    fn prefix(&self, like: &LikeExpr) -> Option<ColumnPredicate> {
        let (column, pattern) = self.pattern_of(like)?;
        let (prefix, open) = match pattern.split_last() {
            Some((b'%', prefix)) => (prefix, true),
            _ => (pattern, false),
        };
        if prefix
            .iter()
            .any(|byte| matches!(byte, b'%' | b'_' | b'\\'))
        {
            return None;
        }
        let test = match (prefix.is_empty(), open) {
            (true, true) => ColumnTest::IsNotNull,
            (_, true) => ColumnTest::StartsWith(prefix.into()),
            (_, false) => ColumnTest::Compare(CompareOp::Eq, Value::Bytes(prefix.into())),
        };
        Some(ColumnPredicate::Test(column, test))
    }
}

/// A predicate of one column.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum ColumnPredicate {
    /// The column (index in the table) and the test.
    Test(usize, ColumnTest),
    /// No row passes.
    Never,
}

/// Orders values of one type and drops repeats.
pub(super) fn sorted(mut values: Vec<Value>) -> Vec<Value> {
    values.sort_by(compare_values);
    values.dedup();
    values
}

/// Orders two values of one type; values of different types never meet.
pub(super) fn compare_values(a: &Value, b: &Value) -> std::cmp::Ordering {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Int(a), Value::Int(b)) => a.cmp(b),
        (Value::Float(a), Value::Float(b)) => a.total_cmp(b),
        (Value::Bytes(a), Value::Bytes(b)) => a.cmp(b),
        _ => std::cmp::Ordering::Equal,
    }
}

fn compare_op(op: &Operator) -> Option<CompareOp> {
    Some(match op {
        Operator::Eq => CompareOp::Eq,
        Operator::NotEq => CompareOp::NotEq,
        Operator::Lt => CompareOp::Lt,
        Operator::LtEq => CompareOp::LtEq,
        Operator::Gt => CompareOp::Gt,
        Operator::GtEq => CompareOp::GtEq,
        _ => return None,
    })
}

/// The operator with its sides exchanged.
fn mirrored(op: CompareOp) -> CompareOp {
    match op {
        CompareOp::Lt => CompareOp::Gt,
        CompareOp::LtEq => CompareOp::GtEq,
        CompareOp::Gt => CompareOp::Lt,
        CompareOp::GtEq => CompareOp::LtEq,
        CompareOp::Eq | CompareOp::NotEq => op,
    }
}

#[cfg(test)]
mod tests;
