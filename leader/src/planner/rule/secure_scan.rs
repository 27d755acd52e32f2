//! `SecureScan`: a protected table, as a wall that only harmless conditions pass.
//!
//! What policies make of a table stands below a [`SecureScan`]; the engine's rules take nothing of a user's through it.
//! A condition that can neither fail nor tell anybody what it saw is as good below as above, where it lets the scan
//! skip blocks: the rule [`SecureFilter`] takes it down. Source: the manual's "Safety of operators and functions".

use blueshift_compute::operator::secure::{Protected, SecureExec};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchemaRef, Result, internal_err};
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{
    BinaryExpr, Expr, Extension, Filter, LogicalPlan, Operator, UserDefinedLogicalNodeCore,
};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};
use datafusion::physical_plan::ExecutionPlan;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// Stands over the rows of a protected table.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SecureScan {
    /// What protects it.
    pub protected: Arc<Protected>,
    /// Names of the columns that are masked.
    pub masked: BTreeSet<String>,
    /// What the user may see.
    pub input: LogicalPlan,
}

impl SecureScan {
    /// Makes a node of it.
    pub fn into_plan(self) -> LogicalPlan {
        LogicalPlan::Extension(Extension {
            node: Arc::new(self),
        })
    }

    /// Makes it an operator over the physical plan of its input.
    pub(crate) fn operator(&self, input: &Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
        Arc::new(SecureExec::new(
            Arc::clone(&self.protected),
            Arc::clone(input),
        ))
    }

    /// Tells whether a condition may be looked at before the policies are.
    fn lets_through(&self, condition: &Expr) -> bool {
        let mut columns = condition.column_refs().into_iter();
        is_safe(condition) && columns.all(|column| !self.masked.contains(&column.name))
    }
}

impl PartialOrd for SecureScan {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        self.protected.oid.partial_cmp(&other.protected.oid)
    }
}

impl UserDefinedLogicalNodeCore for SecureScan {
    fn name(&self) -> &str {
        "SecureScan"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        self.input.schema()
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn fmt_for_explain(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SecureScan: {}", self.protected.table)
    }

    fn with_exprs_and_inputs(
        &self,
        _exprs: Vec<Expr>,
        mut inputs: Vec<LogicalPlan>,
    ) -> Result<Self> {
        match inputs.pop() {
            Some(input) => Ok(Self {
                input,
                ..self.clone()
            }),
            None => internal_err!("a protected table has one input"),
        }
    }

    /// Columns that nobody asks for need not be read.
    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        Some(vec![output_columns.to_vec()])
    }
}

/// Tells whether a condition can neither fail nor tell what it saw: comparisons of columns and constants.
fn is_safe(condition: &Expr) -> bool {
    let is_unsafe = condition.exists(|part| {
        Ok(!match part {
            Expr::Column(_)
            | Expr::Literal(..)
            | Expr::Alias(_)
            | Expr::Not(_)
            | Expr::IsNull(_)
            | Expr::IsNotNull(_)
            | Expr::IsTrue(_)
            | Expr::IsFalse(_)
            | Expr::IsUnknown(_)
            | Expr::IsNotTrue(_)
            | Expr::IsNotFalse(_)
            | Expr::IsNotUnknown(_)
            | Expr::Between(_)
            | Expr::InList(_) => true,
            Expr::BinaryExpr(BinaryExpr { op, .. }) => matches!(
                op,
                Operator::Eq
                    | Operator::NotEq
                    | Operator::Lt
                    | Operator::LtEq
                    | Operator::Gt
                    | Operator::GtEq
                    | Operator::And
                    | Operator::Or
                    | Operator::IsDistinctFrom
                    | Operator::IsNotDistinctFrom
            ),
            _ => false,
        })
    });
    !is_unsafe.unwrap_or(true)
}

/// The rule. See the module.
#[derive(Debug)]
pub struct SecureFilter;

impl OptimizerRule for SecureFilter {
    fn name(&self) -> &str {
        "secure_filter"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Filter(filter) = &plan else {
            return Ok(Transformed::no(plan));
        };
        let LogicalPlan::Extension(extension) = filter.input.as_ref() else {
            return Ok(Transformed::no(plan));
        };
        let Some(secure) = extension.node.as_any().downcast_ref::<SecureScan>() else {
            return Ok(Transformed::no(plan));
        };
        let parts = split_conjunction_owned(filter.predicate.clone());
        let (down, kept): (Vec<_>, Vec<_>) = parts
            .into_iter()
            .partition(|part| secure.lets_through(part));
        let Some(down) = conjunction(down) else {
            return Ok(Transformed::no(plan));
        };
        let below = Filter::try_new(down, Arc::new(secure.input.clone()))?;
        let secure = SecureScan {
            input: LogicalPlan::Filter(below),
            ..secure.clone()
        };
        let scan = secure.into_plan();
        Ok(Transformed::yes(match conjunction(kept) {
            Some(kept) => LogicalPlan::Filter(Filter::try_new(kept, Arc::new(scan))?),
            None => scan,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::datatypes::DataType;
    use datafusion::logical_expr::{cast, col, lit};

    #[test]
    fn what_can_fail_is_not_safe() {
        let safe = [
            col("a").eq(lit(1)),
            col("a").gt(lit(1)).and(col("b").is_null()).or(col("c")),
            col("a").between(lit(1), lit(2)),
            col("a").in_list(vec![lit(1), lit(2)], true),
        ];
        for condition in safe {
            assert!(is_safe(&condition), "{condition}");
        }
        let unsafe_ones = [
            (lit(1) / col("a")).gt(lit(0)),
            col("a").like(lit("x%")),
            cast(col("a"), DataType::Int32).eq(lit(1)),
            datafusion::functions::math::expr_fn::sqrt(col("a")).eq(lit(1)),
        ];
        for condition in unsafe_ones {
            assert!(!is_safe(&condition), "{condition}");
        }
    }
}
