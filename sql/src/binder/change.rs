//! DELETE and UPDATE -> queries over the target with its row ids.

use super::assign::assign;
use super::{BoundUpdate, KEPT_OF, Names, ROW_ID, bind_tree, error};
use crate::error::{Error, Result};
use crate::nearest::nearest;
use crate::sqlstate::SqlState;
use crate::statement::dml::{Delete, Update};
use crate::statement::query::{Expression, Query};
use crate::types::SqlType;
use arrow_schema::DataType;
use datafusion_common::DFSchema;
use datafusion_expr::{Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, TableSource};
use sqlparser::ast::{self, SelectItem, SetExpr, TableWithJoins};
use std::sync::Arc;

/// The name the target has in the query we make; no user can write it, for the space.
const TARGET: &str = "target of change";

pub(super) fn delete(
    names: &dyn Names,
    target: Arc<dyn TableSource>,
    delete: &Delete,
) -> Result<LogicalPlan> {
    let alias = delete.target_alias.as_deref().unwrap_or(&delete.table.name);
    let distinct = if delete.using.is_empty() || delete.is_strict {
        ""
    } else {
        "DISTINCT "
    };
    let text = format!(
        "SELECT {distinct}{alias}.{ROW_ID} FROM {} AS {alias}",
        quoted(TARGET),
        alias = quoted(alias)
    );
    let query = filled(&text, &delete.with, &delete.using, &delete.selection)?;
    bind_tree(names, &query, &[], &[(TARGET, target)])
}

pub(super) fn update(
    names: &dyn Names,
    target: Arc<dyn TableSource>,
    update: &Update,
    defaults: &[Expr],
) -> Result<BoundUpdate> {
    let schema = target.schema();
    let columns: Vec<_> = schema
        .fields()
        .iter()
        .filter(|field| field.name() != ROW_ID && !field.metadata().contains_key(KEPT_OF))
        .cloned()
        .collect();
    // What a column holds whatever is shown of it.
    let kept = |name: &str| {
        let mut fields = schema.fields().iter();
        let kept = fields.find(|field| field.metadata().get(KEPT_OF).is_some_and(|of| of == name));
        kept.map_or_else(|| quoted(name), |field| quoted(field.name()))
    };
    for (name, _) in &update.assignments {
        if !columns.iter().any(|column| column.name() == name) {
            let missing = Error::new(
                SqlState::UNDEFINED_COLUMN,
                format!(
                    "column \"{name}\" of relation \"{}\" does not exist",
                    update.table.name
                ),
            );
            return Err(
                match nearest(name, columns.iter().map(|column| column.name().as_str())) {
                    Some(near) => missing.with_hint(format!("Did you mean \"{near}\"?")),
                    None => missing,
                },
            );
        }
    }
    let alias = update.target_alias.as_deref().unwrap_or(&update.table.name);
    // A row that joins to several rows is changed once, by any of them, unless that is an error.
    let distinct = if update.from.is_empty() || update.is_strict {
        String::new()
    } else {
        format!("DISTINCT ON ({}.{ROW_ID}) ", quoted(alias))
    };
    let items: Vec<String> = columns
        .iter()
        .map(|column| {
            format!(
                "{}.{} AS {}",
                quoted(alias),
                kept(column.name()),
                quoted(column.name())
            )
        })
        .collect();
    let text = format!(
        "SELECT {distinct}{alias}.{ROW_ID} AS {ROW_ID}, {} FROM {} AS {alias}",
        items.join(", "),
        quoted(TARGET),
        alias = quoted(alias)
    );
    let mut query = filled(&text, &update.with, &update.from, &update.selection)?;
    if let SetExpr::Select(select) = query.body.as_mut() {
        for (item, column) in select.projection.iter_mut().skip(1).zip(&columns) {
            let assigned = update
                .assignments
                .iter()
                .find(|(name, _)| name == column.name());
            if let (Some((_, Some(value))), SelectItem::ExprWithAlias { expr, .. }) =
                (assigned, item)
            {
                *expr = typed(&value.tree, SqlType::from_field(column))?;
            }
        }
    }
    let plan = bind_tree(names, &query, &[], &[(TARGET, target)])?;
    let input_columns = plan.schema().columns();
    let mut outputs = Vec::with_capacity(columns.len() + 1);
    for (idx, input) in input_columns.into_iter().enumerate() {
        let Some(position) = idx.checked_sub(1) else {
            outputs.push(Expr::Column(input));
            continue;
        };
        let (Some(column), Some(field)) = (columns.get(position), plan.schema().fields().get(idx))
        else {
            return Err(Error::new(
                SqlState::INTERNAL_ERROR,
                "a column of the rows is missing",
            ));
        };
        let assigned = update
            .assignments
            .iter()
            .find(|(name, _)| name == column.name());
        let ty = SqlType::from_field(column);
        let value = match assigned {
            None => Expr::Column(input),
            Some((_, Some(_))) => assign(Expr::Column(input), field, ty),
            Some((_, None)) => {
                let default = defaults
                    .get(position)
                    .cloned()
                    .unwrap_or_else(|| Expr::Literal(datafusion_common::ScalarValue::Null, None));
                let field = default
                    .to_field(&DFSchema::empty())
                    .map_err(|engine| error::from_engine(&engine))?
                    .1;
                assign(default, &field, ty)
            }
        };
        outputs.push(value.alias(column.name().clone()));
    }
    let input = LogicalPlanBuilder::from(plan)
        .project(outputs)
        .and_then(LogicalPlanBuilder::build)
        .map_err(|engine| error::from_engine(&engine))?;
    Ok(BoundUpdate { input })
}

/// Gives a value, if it is `$n` with the type of its column, by which it is described to clients. Text is left alone:
/// a cast would cut what is too long.
fn typed(value: &ast::Expr, ty: SqlType) -> Result<ast::Expr> {
    let ast::Expr::Value(ast::ValueWithSpan {
        value: ast::Value::Placeholder(name),
        ..
    }) = value
    else {
        return Ok(value.clone());
    };
    match ty.arrow() {
        DataType::Utf8View | DataType::BinaryView => Ok(value.clone()),
        _ => Ok(*Expression::parse(&format!("CAST({name} AS {ty})"))?.tree),
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Parses the frame of a query and puts in what the user wrote.
fn filled(
    text: &str,
    with: &Option<Box<ast::With>>,
    relations: &[TableWithJoins],
    selection: &Option<Box<ast::Expr>>,
) -> Result<ast::Query> {
    let mut query = *Query::parse(text)?.tree;
    query.with = with.as_deref().cloned();
    if let SetExpr::Select(select) = query.body.as_mut() {
        select.from.extend(relations.iter().cloned());
        select.selection = selection.as_deref().cloned();
    }
    Ok(query)
}
