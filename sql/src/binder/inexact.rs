//! Numbers beside REAL and DOUBLE PRECISION: compared as DOUBLE PRECISION, to which Redshift converts every other
//! number.
//!
//! The engine would make a decimal of both: an error for a double out of its range, and no use to a zone map.

use arrow_schema::DataType;
use datafusion_common::{Column, ExprSchema, Result, ScalarValue};
use datafusion_expr::expr::InSubquery;
use datafusion_expr::{Case, Expr, ExprSchemable, LogicalPlanBuilder, Subquery, cast};
use std::sync::Arc;

/// Makes doubles of numbers that are compared with each other, if one of them is a REAL or DOUBLE PRECISION and not
/// all are of one type; tells whether any changed. What is no number, or has no type yet, is left to the engine.
pub(super) fn settle(values: &mut [&mut Expr], schema: &dyn ExprSchema) -> bool {
    let types: Vec<Option<DataType>> = values
        .iter()
        .map(|value| value.get_type(schema).ok())
        .collect();
    if !is_mixed(types.iter().flatten()) {
        return false;
    }
    for (value, ty) in values.iter_mut().zip(&types) {
        if ty.as_ref().is_some_and(becomes_double) {
            **value = double(std::mem::take(value));
        }
    }
    true
}

/// Does so for a CASE that compares its operand with values; tells whether any changed.
pub(super) fn settle_case(case: &mut Case, schema: &dyn ExprSchema) -> bool {
    let Some(operand) = &mut case.expr else {
        return false;
    };
    let whens = case.when_then_expr.iter_mut().map(|(when, _)| &mut **when);
    let mut values: Vec<&mut Expr> = std::iter::once(&mut **operand).chain(whens).collect();
    settle(&mut values, schema)
}

/// Does so for a value that is looked for in what a subquery gives.
pub(super) fn settle_subquery(
    mut search: InSubquery,
    schema: &dyn ExprSchema,
) -> Result<(InSubquery, bool)> {
    let plan = &search.subquery.subquery;
    let (Ok(ty), Some((qualifier, field))) =
        (search.expr.get_type(schema), plan.schema().iter().next())
    else {
        return Ok((search, false));
    };
    if !is_mixed([&ty, field.data_type()].into_iter()) {
        return Ok((search, false));
    }
    if becomes_double(field.data_type()) {
        let column = Expr::Column(Column::from((qualifier, field)));
        let doubles = double(column).alias(field.name());
        let plan = LogicalPlanBuilder::from(Arc::clone(plan)).project([doubles])?;
        search.subquery = Subquery {
            subquery: Arc::new(plan.build()?),
            ..search.subquery
        };
    }
    if becomes_double(&ty) {
        search.expr = Box::new(double(*search.expr));
    }
    Ok((search, true))
}

fn is_mixed<'a>(types: impl Iterator<Item = &'a DataType> + Clone) -> bool {
    let mut numbers = types.filter(|ty| ty.is_numeric());
    let has_float = numbers.clone().any(DataType::is_floating);
    let first = numbers.next();
    has_float && numbers.any(|ty| Some(ty) != first)
}

fn becomes_double(ty: &DataType) -> bool {
    ty.is_numeric() && *ty != DataType::Float64
}

fn double(expr: Expr) -> Expr {
    match constant(&expr) {
        Some(value) => Expr::Literal(ScalarValue::Float64(Some(value)), None),
        None => cast(expr, DataType::Float64),
    }
}

/// Gives the double nearest to an exact constant.
fn constant(expr: &Expr) -> Option<f64> {
    match expr {
        Expr::Literal(ScalarValue::Int64(value), _) => value.map(|value| value as f64),
        Expr::Literal(ScalarValue::Decimal128(Some(value), _, scale), _) => {
            // Read as text: a quotient of two doubles may be off by one place.
            format!("{value}e{}", -i32::from(*scale)).parse().ok()
        }
        _ => None,
    }
}
