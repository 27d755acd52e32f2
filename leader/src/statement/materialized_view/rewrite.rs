//! Answers the groups of a query from a materialized view that keeps them, if it shows all that its tables hold.
//!
//! A query's groups are those of a view when both join the same tables by the same conditions, the query groups by
//! some of the view's keys, filters besides only by those keys, and asks for aggregates that the view keeps. Each
//! table may stand once in either, so that a column is told by its table and its id whatever it is called. Sums of
//! floating-point numbers are left alone: added up in another order they may differ. Source: the manual's "Automatic
//! query rewriting to use materialized views".

use super::definition::{Definition, Groups, Shape, stored};
use super::flat::Flat;
use super::pieces;
use crate::access::check;
use crate::catalog::name::Relation;
use crate::catalog::{Table, View};
use crate::error::Result;
use crate::statement::context::Context;
use crate::statement::names::SessionNames;
use blueshift_sql::statement::grant::Privilege;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan, LogicalPlanBuilder};
use std::sync::Arc;

/// A view that may answer.
struct Candidate {
    table: Arc<Table>,
    groups: Groups,
    flat: Flat,
}

/// Puts materialized views in the place of what they keep.
pub(crate) fn rewritten(
    ctx: &Context<'_>,
    names: &SessionNames,
    bound: LogicalPlan,
) -> Result<LogicalPlan> {
    let is_on = ctx.settings.get("mv_enable_aqmv_for_session") == Some("true");
    if !is_on || names.catalog().materialized.is_empty() {
        return Ok(bound);
    }
    let (mut has_groups, mut read) = (false, Vec::new());
    bound.apply(|node| {
        match node {
            LogicalPlan::Aggregate(_) => has_groups = true,
            LogicalPlan::TableScan(scan) => {
                let stored = stored(scan);
                read.extend(stored.and_then(|stored| u32::try_from(stored.version.id.0).ok()));
            }
            _ => {}
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    if !has_groups {
        return Ok(bound);
    }
    let candidates = candidates(names, &read);
    if candidates.is_empty() {
        return Ok(bound);
    }
    let mut is_changed = false;
    let changed = bound.transform_down(|node| {
        let LogicalPlan::Aggregate(aggregate) = &node else {
            return Ok(Transformed::no(node));
        };
        let mut answers = candidates.iter();
        match answers.find_map(|candidate| answer(names, candidate, aggregate)) {
            Some(answer) => {
                is_changed = true;
                Ok(Transformed::new(answer, true, TreeNodeRecursion::Jump))
            }
            None => Ok(Transformed::no(node)),
        }
    })?;
    if !is_changed {
        return Ok(changed.data);
    }
    let settled = changed
        .data
        .transform_up(|node| node.recompute_schema().map(Transformed::yes))?;
    Ok(settled.data)
}

/// Gives the views that keep groups of some of the tables read, show all of them and may be read by the user.
fn candidates(names: &SessionNames, read: &[u32]) -> Vec<Candidate> {
    let catalog = names.catalog();
    let mut oids: Vec<_> = catalog.materialized.keys().copied().collect();
    oids.sort_unstable();
    let fitting = oids.into_iter().filter_map(|oid| {
        let rows = catalog.materialized.get(&oid)?;
        let is_read = rows.bases.iter().all(|base| read.contains(&base.table));
        if !rows.is_rewritable || !is_read || rows.is_stale(&names.system.view) {
            return None;
        }
        let view: &Arc<View> = catalog.views.get(&oid)?;
        let relation = Relation::View(Arc::clone(view));
        check::relation(catalog, names.user(), &relation, Privilege::Select).ok()?;
        let table = Arc::clone(catalog.tables.get(&view.rows_table()?)?);
        let definition = Definition::of(names.bind_definition(view).ok()?).ok()?;
        let Shape::Groups(groups) = definition.shape else {
            return None;
        };
        let flat = Flat::of(groups.rows())?;
        Some(Candidate {
            table,
            groups: *groups,
            flat,
        })
    });
    fitting.collect()
}

/// Gives the plan that computes an aggregate from a view, if it keeps what is asked for.
fn answer(
    names: &SessionNames,
    candidate: &Candidate,
    aggregate: &Aggregate,
) -> Option<LogicalPlan> {
    // What is not the same for the same row cannot be looked at once for a whole group.
    pieces::check_rows(&aggregate.input).ok()?;
    let asked = Groups::of(aggregate).ok()?;
    let flat = Flat::of(&aggregate.input)?;
    if flat.tables != candidate.flat.tables {
        return None;
    }
    let keys = candidate.groups.keys(&candidate.flat)?;
    if !candidate
        .flat
        .conditions
        .iter()
        .all(|one| flat.conditions.contains(one))
    {
        return None;
    }
    let further = flat.conditions.iter();
    let further = further.filter(|one| !candidate.flat.conditions.contains(one));
    let further = further.map(|condition| over_keys(condition, &keys));
    let further = further.collect::<Option<Vec<_>>>()?;
    let columns = asked.read_from(&flat, &candidate.groups, &candidate.flat)?;
    let mut stored = names.stored_table(&candidate.table, false).ok()?;
    stored.name += " derived_table1";
    let source = provider_as_source(Arc::new(stored));
    let mut kept = LogicalPlanBuilder::scan("derived_table1", source, None).ok()?;
    if let Some(condition) = further.into_iter().reduce(Expr::and) {
        kept = kept.filter(condition).ok()?;
    }
    let kept = kept.project(columns).ok()?.build().ok()?;
    let types = kept.schema().fields().iter();
    let types: Vec<_> = types.map(|field| field.data_type().clone()).collect();
    let merged = asked.merged(&names.state, vec![kept], &types).ok()?;
    asked.values(merged).ok()
}

/// Writes a condition over the view's keys instead of what they are computed of; `None` if it looks at anything else.
fn over_keys(condition: &Expr, keys: &[(Expr, Expr)]) -> Option<Expr> {
    let written =
        condition
            .clone()
            .transform_down(|part| match keys.iter().find(|(key, _)| *key == part) {
                Some((_, column)) => Ok(Transformed::new(
                    column.clone(),
                    true,
                    TreeNodeRecursion::Jump,
                )),
                None => Ok(Transformed::no(part)),
            });
    let written = written.ok()?.data;
    let is_kept = |column: &datafusion::common::Column| {
        let relation = column.relation.as_ref();
        relation.is_some_and(|relation| relation.table() == "derived_table1")
    };
    written
        .column_refs()
        .into_iter()
        .all(is_kept)
        .then_some(written)
}
