//! `ColocatedSubsetJoin`: `ON a.k = b.k AND a.x = b.x` with both tables placed by `k` joins slice by slice.
//!
//! The engine demands that rows be placed by *all* keys. Rows equal in all keys are equal in `k`, so they lie together
//! already: the join is made on `k` alone and the other equalities become its filter, until the plan is finished; then
//! they become keys again. Only for large sides: small ones are collected anyway.

use super::colocated_join_mode::BUILD_ROWS_MIN;
use crate::planner::estimate::physical;
use blueshift_compute::profile::together::{key_position, placed_by};
use datafusion::arrow::datatypes::Schema;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{JoinSide, NullEquality};
use datafusion::error::Result;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{BinaryExpr, Column};
use datafusion::physical_expr::{PhysicalExpr, PhysicalExprRef, conjunction, split_conjunction};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::utils::{ColumnIndex, JoinFilter};
use datafusion::physical_plan::joins::{HashJoinExec, PartitionMode};
use std::sync::Arc;

/// Candidates per row up to which the filter is cheaper than moving the rows.
const CANDIDATES_MAX: f64 = 50.0;
/// Share of the probed rows a filter made of the hash table may let through and still be worth more than a table of
/// all keys.
const FILTER_SHARE_MAX: f64 = 0.5;
/// Candidates per row from which a table of all keys is worth more than any filter.
const CANDIDATES_MANY: f64 = 8.0;

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

/// Makes keys again of the equalities that [`free_keys`] made filters, once nothing asks any more where rows lie: a
/// hash table of all keys finds no candidates that are none.
///
/// The filter that a hash table sends to the scan of the other side finds the table of a row by *all* keys, and so
/// would look into the wrong one; such a join goes without, or keeps its single key where the filter is worth more.
pub(in crate::planner) fn gather_keys(
    plan: Arc<dyn ExecutionPlan>,
) -> Result<Arc<dyn ExecutionPlan>> {
    plan.transform_up(|node| {
        let gathered = match node.downcast_ref::<HashJoinExec>() {
            Some(join) => gathered(join)?,
            None => None,
        };
        Ok(match gathered {
            Some(gathered) => Transformed::yes(gathered),
            None => Transformed::no(node),
        })
    })
    .data()
}

fn gathered(join: &HashJoinExec) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let Some(filter) = join.filter() else {
        return Ok(None);
    };
    if *join.partition_mode() != PartitionMode::Partitioned
        || join.null_aware
        || join.null_equality() != NullEquality::NullEqualsNothing
        || is_filter_worth_more(join)
    {
        return Ok(None);
    }
    let (mut on, mut rest) = (join.on().to_vec(), Vec::new());
    for part in split_conjunction(filter.expression()) {
        match key_pair(part, filter, join) {
            Some(pair) => on.push(pair),
            None => rest.push(Arc::clone(part)),
        }
    }
    if on.len() == join.on().len() {
        return Ok(None);
    }
    let filter = (!rest.is_empty()).then(|| {
        JoinFilter::new(
            conjunction(rest),
            filter.column_indices().to_vec(),
            Arc::clone(filter.schema()),
        )
    });
    let join = join.builder().reset_state().with_on(on).with_filter(filter);
    Ok(Some(Arc::new(join.build()?)))
}

/// Reads `left column = right column`, of one type.
fn key_pair(
    part: &Arc<dyn PhysicalExpr>,
    filter: &JoinFilter,
    join: &HashJoinExec,
) -> Option<(PhysicalExprRef, PhysicalExprRef)> {
    let (left, right) = physical::equal_columns(part, filter)?;
    let (left_schema, right_schema) = (join.left().schema(), join.right().schema());
    let (l, r) = (
        left_schema.fields().get(left)?,
        right_schema.fields().get(right)?,
    );
    if l.data_type() != r.data_type() {
        return None;
    }
    let left: PhysicalExprRef = Arc::new(Column::new(l.name(), left));
    let right: PhysicalExprRef = Arc::new(Column::new(r.name(), right));
    Some((left, right))
}

/// Whether the filter the join sends to its other side, by the one key it has now, saves more than all keys would.
fn is_filter_worth_more(join: &HashJoinExec) -> bool {
    if join.dynamic_expressions_produced().is_empty() {
        return false;
    }
    let [(build_key, probe_key)] = join.on() else {
        return true;
    };
    let (Some(build_key), Some(probe_key)) = (
        build_key.downcast_ref::<Column>(),
        probe_key.downcast_ref::<Column>(),
    ) else {
        return true;
    };
    let build = physical::estimate(join.left().as_ref());
    let probe = physical::estimate(join.right().as_ref());
    let present = build.distinct_present(build_key.index()).max(1.0);
    let passing = present / probe.distinct_present(probe_key.index()).max(1.0);
    passing < FILTER_SHARE_MAX && build.rows / present < CANDIDATES_MANY
}
