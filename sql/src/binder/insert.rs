//! INSERT -> whole rows of the table.

use super::assign::{assign, convert};
use super::context::Context;
use super::{BoundInsert, Names, TargetColumn, bind_tree, error, planner_context};
use crate::error::{Error, Result};
use crate::function::semistructured::Use;
use crate::nearest::nearest;
use crate::sqlstate::SqlState;
use crate::statement::dml::{Insert, InsertSource};
use crate::statement::query::Expression;
use crate::types::SqlType;
use datafusion_common::datatype::DataTypeExt;
use datafusion_common::{DFSchema, ScalarValue};
use datafusion_expr::{Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, cast};
use datafusion_sql::planner::SqlToRel;

pub(super) fn bind(
    names: &dyn Names,
    target: &[TargetColumn],
    insert: &Insert,
    parameters: &[Option<arrow_schema::DataType>],
) -> Result<BoundInsert> {
    let named = named_columns(target, insert)?;
    let (plan, width, defaulted) = match &insert.source {
        InsertSource::DefaultValues => (None, 0, Vec::new()),
        InsertSource::Query(query) => {
            let plan = bind_tree(names, &query.tree, parameters, &[])?;
            let width = plan.schema().fields().len();
            check_width(insert, width, named.len())?;
            (Some(plan), width, vec![false; width])
        }
        InsertSource::Values(rows) => {
            let width = rows.first().map_or(0, Vec::len);
            check_width(insert, width, named.len())?;
            let columns: Vec<&TargetColumn> = named
                .iter()
                .take(width)
                .filter_map(|idx| target.get(*idx))
                .collect();
            let plan = values(names, &columns, rows, parameters)?;
            let all_default =
                |idx: usize| rows.iter().all(|row| matches!(row.get(idx), Some(None)));
            (Some(plan), width, (0..width).map(all_default).collect())
        }
    };
    let mut given = vec![false; target.len()];
    let mut outputs: Vec<Expr> = Vec::with_capacity(target.len());
    for (idx, column) in target.iter().enumerate() {
        let from = named.iter().take(width).position(|named| *named == idx);
        let value = match (from, &plan) {
            (Some(from), Some(plan)) => {
                if let Some(slot) = given.get_mut(idx) {
                    *slot = !defaulted.get(from).copied().unwrap_or(false);
                }
                let schema = plan.schema();
                let source = schema.columns().get(from).cloned();
                let (Some(source), Some(field)) = (source, schema.fields().get(from)) else {
                    return Err(Error::new(
                        SqlState::INTERNAL_ERROR,
                        "a column of the rows is missing",
                    ));
                };
                assign(Expr::Column(source), field, column.ty)
            }
            _ => default_of(column)?,
        };
        outputs.push(value.alias(column.name.clone()));
    }
    let builder = match plan {
        Some(plan) => LogicalPlanBuilder::from(plan),
        None => LogicalPlanBuilder::empty(true),
    };
    let input = builder
        .project(outputs)
        .and_then(LogicalPlanBuilder::build)
        .map_err(|engine| error::from_engine(&engine))?;
    Ok(BoundInsert { input, given })
}

fn default_of(column: &TargetColumn) -> Result<Expr> {
    let field = column
        .default
        .to_field(&DFSchema::empty())
        .map_err(|engine| error::from_engine(&engine))?
        .1;
    Ok(match &column.default {
        Expr::Literal(ScalarValue::Null, _) => cast(column.default.clone(), column.ty.arrow()),
        default => assign(default.clone(), &field, column.ty),
    })
}

/// The index in the table of each value the statement gives.
fn named_columns(target: &[TargetColumn], insert: &Insert) -> Result<Vec<usize>> {
    if insert.columns.is_empty() {
        return Ok((0..target.len()).collect());
    }
    insert
        .columns
        .iter()
        .map(|name| {
            target
                .iter()
                .position(|column| column.name == *name)
                .ok_or_else(|| {
                    let missing = Error::new(
                        SqlState::UNDEFINED_COLUMN,
                        format!(
                            "column \"{name}\" of relation \"{}\" does not exist",
                            insert.table.name
                        ),
                    );
                    match nearest(name, target.iter().map(|column| column.name.as_str())) {
                        Some(near) => missing.with_hint(format!("Did you mean \"{near}\"?")),
                        None => missing,
                    }
                })
        })
        .collect()
}

fn check_width(insert: &Insert, width: usize, named: usize) -> Result<()> {
    if width > named {
        return Err(Error::syntax(
            "INSERT has more expressions than target columns",
            None,
        ));
    }
    if width < named && !insert.columns.is_empty() {
        return Err(Error::syntax(
            "INSERT has more target columns than expressions",
            None,
        ));
    }
    Ok(())
}

/// Rows of constants, each cell already of its column's type so that a column may mix `1`, `'2'` and `2.5`.
fn values(
    names: &dyn Names,
    columns: &[&TargetColumn],
    rows: &[Vec<Option<Expression>>],
    parameters: &[Option<arrow_schema::DataType>],
) -> Result<LogicalPlan> {
    let context = Context::new(names);
    let planner = SqlToRel::new_with_options(&context, Context::parser_options());
    let mut planning = planner_context(parameters);
    let schema = DFSchema::empty();
    let mut bound = Vec::with_capacity(rows.len());
    for row in rows {
        let mut cells = Vec::with_capacity(columns.len());
        for (column, cell) in columns.iter().zip(row) {
            let arrow = column.ty.arrow();
            let Some(expression) = cell else {
                cells.push(default_of(column)?);
                continue;
            };
            let mut tree = expression.tree.as_ref().clone();
            super::rewrite::apply(&mut tree)?;
            let expr = planner
                .sql_to_expr(tree, &schema, &mut planning)
                .and_then(|expr| match context.has_sql_functions() {
                    true => super::inline::expression(names, expr, &schema),
                    false => Ok(expr),
                })
                .and_then(|expr| super::reading::settle_expr(expr, &schema))
                .map_err(|engine| error::from_engine(&engine))?;
            cells.push(match expr {
                Expr::Placeholder(placeholder) if column.ty == SqlType::Super => {
                    Expr::Placeholder(placeholder)
                }
                expr if column.ty == SqlType::Super => Use::Make.call(vec![expr]),
                Expr::Literal(value, _) => {
                    let from = value.data_type();
                    // Fold simple literals at once: most rows are nothing else.
                    if from == arrow {
                        Expr::Literal(value, None)
                    } else if from.is_null() || (from.is_integer() && arrow.is_numeric()) {
                        let value = value
                            .cast_to(&arrow)
                            .map_err(|engine| error::from_engine(&engine))?;
                        Expr::Literal(value, None)
                    } else {
                        convert(Expr::Literal(value, None), &from, arrow)
                    }
                }
                Expr::Placeholder(mut placeholder) => {
                    let field = placeholder
                        .field
                        .get_or_insert_with(|| arrow.clone().into_nullable_field_ref());
                    let from = field.data_type().clone();
                    if from == arrow {
                        Expr::Placeholder(placeholder)
                    } else {
                        convert(Expr::Placeholder(placeholder), &from, arrow)
                    }
                }
                expr => {
                    let from = expr
                        .get_type(&schema)
                        .map_err(|engine| error::from_engine(&engine))?;
                    if from == arrow {
                        expr
                    } else {
                        convert(expr, &from, arrow)
                    }
                }
            });
        }
        bound.push(cells);
    }
    LogicalPlanBuilder::values(bound)
        .and_then(LogicalPlanBuilder::build)
        .map_err(|engine| error::from_engine(&engine))
}
