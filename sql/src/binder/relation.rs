//! What a FROM item tells the query around it: its columns with their types, and nothing of which of them determine others.
//!
//! The engine takes `GROUP BY k` of a subquery for a key of it, adds the columns it determines to a GROUP BY around
//! it that the user did not name them in, and carries it through joins, where it goes wrong: after
//! `GROUP BY d.k, a.v` above a join it still says that `k` determines every column. Redshift knows no such keys: a
//! column that is neither grouped nor aggregated is an error.

use super::context::external;
use super::rewrite::NOTHING;
use super::{branches, pivot, unnest};
use crate::error::Error;
use crate::sqlstate::SqlState;
use datafusion_common::{DFSchemaRef, FunctionalDependencies, Result};
use datafusion_expr::planner::{
    PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning,
};
use datafusion_expr::{LogicalPlan, LogicalPlanBuilder};
use sqlparser::ast::{
    Expr, Ident, NullInclusion, ObjectName, Query, TableAlias, TableAliasColumnDef, TableFactor,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Plans FROM items as the engine does and takes their keys away.
#[derive(Debug, Default)]
pub(super) struct Relations {
    /// Whether the item asked for is the one already in hand.
    inside: AtomicBool,
}

impl RelationPlanner for Relations {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        match relation {
            TableFactor::Pivot {
                table,
                aggregate_functions,
                value_column,
                value_source,
                alias,
                ..
            } => {
                let input = context.plan(table.as_ref().clone())?;
                let query = pivot::pivoted(
                    input.schema(),
                    &table,
                    &aggregate_functions,
                    &value_column,
                    &value_source,
                );
                return derived(query.map_err(external)?, alias, context);
            }
            TableFactor::Unpivot {
                table,
                value,
                name,
                columns,
                alias,
                null_inclusion,
            } if columns.is_empty() => {
                let input = context.plan(table.as_ref().clone())?;
                let is_plain = null_inclusion.is_none() && alias.is_none();
                let array = context.sql_to_expr(value.clone(), input.schema());
                if is_plain
                    && !array
                        .as_ref()
                        .is_ok_and(|array| unnest::is_array(array, &input))
                    && let Some(plan) = table_named(&value, &name, &input, context)?
                {
                    return Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(
                        plan, None,
                    ))));
                }
                let array = array?;
                let name = context.normalize_ident(name);
                let (place, qualifier) = match alias {
                    Some(alias) => {
                        let mut qualifiers = alias.columns.into_iter();
                        let qualifier = qualifiers.next();
                        let qualifier = qualifier.map(|one| context.normalize_ident(one.name));
                        let place = context.normalize_ident(alias.name);
                        (Some(place).filter(|place| !place.is_empty()), qualifier)
                    }
                    None => (None, None),
                };
                let plan = match null_inclusion {
                    None => {
                        let qualifier = qualifier.as_deref();
                        unnest::unnested(input, array, &name, place.as_deref(), qualifier)?
                    }
                    Some(NullInclusion::ExcludeNulls) => {
                        unnest::unnested_left(input, array, &name, place.as_deref())?
                    }
                    Some(NullInclusion::IncludeNulls) => {
                        unnest::unpivoted(input, array, &name, place.as_deref())?
                    }
                };
                return Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(
                    plan, None,
                ))));
            }
            TableFactor::Unpivot {
                table,
                value,
                name,
                columns,
                null_inclusion,
                alias,
            } => {
                let input = context.plan(table.as_ref().clone())?;
                let query = pivot::unpivoted(
                    input.schema(),
                    &table,
                    &value,
                    &name,
                    &columns,
                    null_inclusion.as_ref(),
                );
                return derived(query.map_err(external)?, alias, context);
            }
            _ => {}
        }
        let (relation, alias) = without_column_names(relation);
        if let Some(mut alias) = alias {
            let plan = context.plan(relation)?;
            let columns = plan.schema().fields();
            let (given, there) = (alias.columns.len(), columns.len());
            if given > there {
                let name = context.normalize_ident(alias.name);
                let text = format!(
                    "table \"{name}\" has {there} columns available but {given} columns specified"
                );
                return Err(external(Error::new(
                    SqlState::INVALID_COLUMN_REFERENCE,
                    text,
                )));
            }
            // Columns without a new name keep theirs.
            let rest = columns.iter().skip(given);
            alias.columns.extend(rest.map(|column| TableAliasColumnDef {
                name: Ident::with_quote('"', column.name()),
                data_type: None,
            }));
            return Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(
                plan,
                Some(alias),
            ))));
        }
        let keyed = matches!(
            relation,
            TableFactor::Table { .. } | TableFactor::Derived { .. }
        );
        if !keyed || self.inside.swap(false, Ordering::Relaxed) {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        }
        self.inside.store(true, Ordering::Relaxed);
        let plan = without_keys(branches::settle(context.plan(relation)?)?)?;
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(
            plan, None,
        ))))
    }
}

/// Plans `sales.listing` beside a table or in a query within one that is called `sales`, but has no such array: there
/// is a table of that name in a schema `sales`.
fn table_named(
    value: &Expr,
    name: &Ident,
    beside: &LogicalPlan,
    context: &mut dyn RelationPlannerContext,
) -> Result<Option<LogicalPlan>> {
    let Expr::CompoundIdentifier(parts) = value else {
        return Ok(None);
    };
    let table = context.plan(TableFactor::Table {
        name: ObjectName::from(parts.clone()),
        alias: Some(TableAlias {
            explicit: true,
            name: name.clone(),
            columns: Vec::new(),
            at: None,
        }),
        args: None,
        with_hints: Vec::new(),
        version: None,
        with_ordinality: false,
        partitions: Vec::new(),
        json_path: None,
        sample: None,
        index_hints: Vec::new(),
    });
    // What was not found is told of the array.
    let Ok(table) = table else {
        return Ok(None);
    };
    let is_alone = beside
        .schema()
        .fields()
        .iter()
        .any(|field| field.name() == NOTHING);
    match is_alone {
        true => Ok(Some(table)),
        false => LogicalPlanBuilder::from(beside.clone())
            .cross_join(table)?
            .build()
            .map(Some),
    }
}

/// Takes an alias with names of columns off a FROM item.
fn without_column_names(relation: TableFactor) -> (TableFactor, Option<TableAlias>) {
    let mut relation = relation;
    let alias = match &mut relation {
        TableFactor::Table { alias, .. } | TableFactor::Derived { alias, .. } => alias,
        _ => return (relation, None),
    };
    let taken = alias.take_if(|alias| !alias.columns.is_empty());
    (relation, taken)
}

/// Plans a query in the place of a FROM item.
fn derived(
    query: Query,
    alias: Option<TableAlias>,
    context: &mut dyn RelationPlannerContext,
) -> Result<RelationPlanning> {
    let plan = context.plan(TableFactor::Derived {
        lateral: false,
        subquery: Box::new(query),
        alias: None,
        sample: None,
    })?;
    Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(
        plan, alias,
    ))))
}

/// Gives `plan` with a schema that names no keys. Plans that have no schema of their own give their input's.
fn without_keys(mut plan: LogicalPlan) -> Result<LogicalPlan> {
    if plan.schema().functional_dependencies().is_empty() {
        return Ok(plan);
    }
    match &mut plan {
        LogicalPlan::SubqueryAlias(alias) => forget(&mut alias.schema)?,
        LogicalPlan::Projection(projection) => forget(&mut projection.schema)?,
        LogicalPlan::Aggregate(aggregate) => forget(&mut aggregate.schema)?,
        LogicalPlan::Window(window) => forget(&mut window.schema)?,
        LogicalPlan::Join(join) => forget(&mut join.schema)?,
        _ => {
            let inputs = plan
                .inputs()
                .into_iter()
                .map(|input| without_keys(input.clone()))
                .collect::<Result<Vec<_>>>()?;
            let expressions = plan.expressions();
            return plan.with_new_exprs(expressions, inputs);
        }
    }
    Ok(plan)
}

fn forget(schema: &mut DFSchemaRef) -> Result<()> {
    let keyless = schema
        .as_ref()
        .clone()
        .with_functional_dependencies(FunctionalDependencies::empty())?;
    *schema = Arc::new(keyless);
    Ok(())
}
