//! `ColocatedSubsetJoin`: `ON a.k = b.k AND a.x = b.x` with both tables placed by `k` joins slice by slice.
//!
//! The engine demands that rows be placed by *all* keys. Rows equal in all keys are equal in `k`, so they lie together
//! already: the join is made on `k` alone and the other equalities become its filter. Only for large sides, since the
//! hash table then finds more candidates per key than it keeps.

use super::colocated_join_mode::{BUILD_ROWS_MIN, key_position, placed_by};
use crate::planner::estimate::physical;
use datafusion::arrow::datatypes::Schema;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{JoinSide, NullEquality};
use datafusion::error::Result;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{BinaryExpr, Column};
use datafusion::physical_expr::{PhysicalExpr, PhysicalExprRef};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::joins::utils::{ColumnIndex, JoinFilter};
use std::sync::Arc;

/// Candidates per row up to which the filter is cheaper than moving the rows.
const CANDIDATES_MAX: f64 = 50.0;

/// Moves the keys that are not distribution keys into the filter of every join that can stay on its slices by it.
pub(super) fn free_keys(
    plan: Arc<dyn ExecutionPlan>,
    partitions: usize,
) -> Result<Arc<dyn ExecutionPlan>> {
    if partitions < 2 {
        return Ok(plan);
    }
    plan.transform_up(|node| {
        let freed = match node.downcast_ref::<HashJoinExec>() {
            Some(join) => freed(join, partitions)?,
            None => None,
        };
        Ok(match freed {
            Some(freed) => Transformed::yes(freed),
            None => Transformed::no(node),
        })
    })
    .data()
}

fn freed(join: &HashJoinExec, partitions: usize) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    if join.on().len() < 2
        || join.null_aware
        || join.null_equality() != NullEquality::NullEqualsNothing
    {
        return Ok(None);
    }
    let Some(key) = shared_key(join, partitions) else {
        return Ok(None);
    };
    let left = physical::estimate(join.left().as_ref());
    let right = physical::estimate(join.right().as_ref());
    if left.rows.min(right.rows) <= BUILD_ROWS_MIN {
        return Ok(None);
    }
    let Some((left_key, right_key)) = join.on().get(key) else {
        return Ok(None);
    };
    // The smaller side is the table; how often does it hold the same key?
    let (small, side) = if left.rows <= right.rows {
        (&left, left_key)
    } else {
        (&right, right_key)
    };
    let Some(column) = side.downcast_ref::<Column>() else {
        return Ok(None);
    };
    if small.rows / small.distinct_present(column.index()).max(1.0) > CANDIDATES_MAX {
        return Ok(None);
    }
    let on = vec![(Arc::clone(left_key), Arc::clone(right_key))];
    let rest = join
        .on()
        .iter()
        .enumerate()
        .filter(|(index, _)| *index != key)
        .map(|(_, pair)| pair);
    let Some(filter) = with_equalities(join, rest)? else {
        return Ok(None);
    };
    Ok(Some(Arc::new(
        join.builder()
            .with_on(on)
            .with_filter(Some(filter))
            .build()?,
    )))
}

/// Finds the one key both sides are placed by.
fn shared_key(join: &HashJoinExec, partitions: usize) -> Option<usize> {
    let side = |plan: &Arc<dyn ExecutionPlan>, keys: Vec<PhysicalExprRef>| {
        let placed = placed_by(plan, partitions)?;
        let [expr] = placed.as_slice() else {
            return None;
        };
        key_position(plan, &keys, expr)
    };
    let left = side(
        join.left(),
        join.on().iter().map(|(l, _)| Arc::clone(l)).collect(),
    )?;
    let right = side(
        join.right(),
        join.on().iter().map(|(_, r)| Arc::clone(r)).collect(),
    )?;
    (left == right).then_some(left)
}

fn with_equalities<'a>(
    join: &HashJoinExec,
    pairs: impl Iterator<Item = &'a (PhysicalExprRef, PhysicalExprRef)>,
) -> Result<Option<JoinFilter>> {
    let (mut expression, mut places, mut fields) = match join.filter() {
        Some(filter) => (
            Some(Arc::clone(filter.expression())),
            filter.column_indices().to_vec(),
            filter.schema().fields().to_vec(),
        ),
        None => (None, Vec::new(), Vec::new()),
    };
    let mut place = |expr: &PhysicalExprRef, side: JoinSide| -> Option<Arc<dyn PhysicalExpr>> {
        let column = expr.downcast_ref::<Column>()?;
        let schema = match side {
            JoinSide::Left => join.left().schema(),
            _ => join.right().schema(),
        };
        let field = schema.fields().get(column.index())?;
        places.push(ColumnIndex {
            index: column.index(),
            side,
        });
        fields.push(Arc::clone(field));
        Some(Arc::new(Column::new(column.name(), fields.len() - 1)))
    };
    for (left, right) in pairs {
        let (Some(left), Some(right)) =
            (place(left, JoinSide::Left), place(right, JoinSide::Right))
        else {
            // A computed key stays a key.
            return Ok(None);
        };
        let equal: Arc<dyn PhysicalExpr> = Arc::new(BinaryExpr::new(left, Operator::Eq, right));
        expression = Some(match expression {
            Some(before) => Arc::new(BinaryExpr::new(before, Operator::And, equal)),
            None => equal,
        });
    }
    Ok(expression
        .map(|expression| JoinFilter::new(expression, places, Arc::new(Schema::new(fields)))))
}
