//! Text beside another type: casts to dates and times read every form Redshift takes, also where a comparison implies
//! them, and a constant text beside a boolean is one. Numbers in a comparison: see `inexact`.
//!
//! The engine's own casts read ISO 8601 alone.

use super::inexact;
use super::moment;
use super::named::keep_name;
use crate::function;
use crate::function::semistructured::{self, Use};
use arrow_schema::{DataType, IntervalUnit, TimeUnit};
use datafusion_common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion_common::{ExprSchema, Result, ScalarValue};
use datafusion_expr::expr::{Between, InList, ScalarFunction};
use datafusion_expr::expr_rewriter::NamePreserver;
use datafusion_expr::utils::merge_schema;
use datafusion_expr::{
    BinaryExpr, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Operator, Subquery, lit,
};
use std::sync::Arc;

/// Rewrites every such expression of a plan, also in subqueries.
pub(super) fn settle(plan: LogicalPlan) -> Result<LogicalPlan> {
    let mut open = false;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            open = open || expr.exists(|part| Ok(may_read(part)))?;
            Ok(match open {
                true => TreeNodeRecursion::Stop,
                false => TreeNodeRecursion::Continue,
            })
        })
    })?;
    if !open {
        return Ok(plan);
    }
    let plan = plan.transform_up_with_subqueries(|node| {
        let schema = merge_schema(&node.inputs());
        let names = NamePreserver::new(&node);
        node.map_expressions(|expr| {
            if !expr.exists(|part| Ok(may_read(part)))? {
                return Ok(Transformed::no(expr));
            }
            let settled = keep_name(&names, expr, &|expr| settle_expr(expr, &schema))?;
            Ok(Transformed::yes(settled))
        })
    })?;
    Ok(plan.data)
}

/// Settles an expression that stands in no plan yet.
pub(super) fn settle_expr(expr: Expr, schema: &dyn ExprSchema) -> Result<Expr> {
    if !expr.exists(|part| Ok(may_read(part)))? {
        return Ok(expr);
    }
    Ok(expr.transform_up(|part| settle_one(part, schema))?.data)
}

/// Tells whether an expression of this shape may have to change, without looking at types.
fn may_read(expr: &Expr) -> bool {
    match expr {
        Expr::Cast(_) => true,
        Expr::TryCast(_) => true,
        Expr::BinaryExpr(binary) => is_comparison(binary.op),
        Expr::ScalarFunction(function) => readies_cast(function),
        Expr::Case(case) => case.expr.is_some(),
        Expr::Between(_)
        | Expr::InList(_)
        | Expr::InSubquery(_)
        | Expr::SetComparison(_)
        | Expr::Like(_) => true,
        Expr::AggregateFunction(call) => adds_up(call.func.name()),
        Expr::WindowFunction(call) => adds_up(call.fun.name()),
        _ => false,
    }
}

/// Tells whether a function stands between a value and its cast.
fn readies_cast(function: &ScalarFunction) -> bool {
    matches!(function.name(), "blueshift_whole" | "blueshift_cut")
}

/// Tells whether an aggregate function reads a SUPER as a number.
fn adds_up(name: &str) -> bool {
    matches!(name, "sum" | "avg")
}

/// Reads the SUPER arguments of such a function as numbers.
fn added_up(args: &mut [Expr], schema: &dyn ExprSchema) -> bool {
    let mut changed = false;
    for arg in args {
        if is_super_expr(arg, schema) {
            *arg = Use::Number.call(vec![std::mem::take(arg)]);
            changed = true;
        }
    }
    changed
}

fn is_comparison(operator: Operator) -> bool {
    matches!(
        operator,
        Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
            | Operator::IsDistinctFrom
            | Operator::IsNotDistinctFrom
    )
}

fn settle_one(expr: Expr, schema: &dyn ExprSchema) -> Result<Transformed<Expr>> {
    Ok(match expr {
        Expr::Cast(cast) if is_super_expr(&cast.expr, schema) => {
            Transformed::yes(lax(*cast.expr, cast.field.data_type(), schema))
        }
        Expr::TryCast(cast) if is_super_expr(&cast.expr, schema) => {
            Transformed::yes(lax(*cast.expr, cast.field.data_type(), schema))
        }
        Expr::Cast(cast) => match read(&cast.expr, cast.field.data_type(), schema, false)
            .or_else(|| converted(&cast.expr, cast.field.data_type(), schema))
        {
            Some(read) => Transformed::yes(read),
            None => Transformed::no(Expr::Cast(cast)),
        },
        Expr::ScalarFunction(mut function) if readies_cast(&function) => {
            let is_whole = function.name() == "blueshift_whole";
            match function.args.first_mut() {
                // The cast around it rounds.
                Some(value) if is_whole && is_super_expr(value, schema) => {
                    Transformed::yes(std::mem::take(value))
                }
                Some(value) if is_super_expr(value, schema) => {
                    *value = Use::Text.call(vec![std::mem::take(value)]);
                    Transformed::yes(Expr::ScalarFunction(function))
                }
                _ => Transformed::no(Expr::ScalarFunction(function)),
            }
        }
        Expr::TryCast(cast) => match read(&cast.expr, cast.field.data_type(), schema, true) {
            Some(read) => Transformed::yes(read),
            None => Transformed::no(Expr::TryCast(cast)),
        },
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_comparison(op) => {
            let (mut left, mut right) = (*left, *right);
            if is_super_expr(&left, schema) && is_super_expr(&right, schema) {
                return compared(left, op, right).map(Transformed::yes);
            }
            let changed = beside(&mut right, &mut left, schema)
                | beside(&mut left, &mut right, schema)
                | inexact::settle(&mut [&mut left, &mut right], schema);
            if let Some(by_day) = moment::by_day(&left, op, &right, schema) {
                return Ok(Transformed::yes(by_day));
            }
            let expr = Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)));
            match changed {
                true => Transformed::yes(expr),
                false => Transformed::no(expr),
            }
        }
        Expr::Between(Between {
            expr,
            negated,
            low,
            high,
        }) => {
            let (mut expr, mut low, mut high) = (*expr, *low, *high);
            let mut changed = beside(&mut expr, &mut low, schema);
            changed |= beside(&mut low, &mut expr, schema);
            changed |= beside(&mut high, &mut expr, schema);
            changed |= inexact::settle(&mut [&mut expr, &mut low, &mut high], schema);
            if let Some(by_day) = moment::between_by_day(&expr, negated, &low, &high, schema) {
                return Ok(Transformed::yes(by_day));
            }
            let expr = Expr::Between(Between::new(
                Box::new(expr),
                negated,
                Box::new(low),
                Box::new(high),
            ));
            match changed {
                true => Transformed::yes(expr),
                false => Transformed::no(expr),
            }
        }
        Expr::InList(InList {
            expr,
            mut list,
            negated,
        }) => {
            let mut expr = *expr;
            let mut changed = match list.first_mut() {
                Some(first) => beside(&mut expr, first, schema),
                None => false,
            };
            for item in &mut list {
                changed |= beside(item, &mut expr, schema);
            }
            let mut values: Vec<&mut Expr> = std::iter::once(&mut expr).chain(&mut list).collect();
            changed |= inexact::settle(&mut values, schema);
            let expr = Expr::InList(InList::new(Box::new(expr), list, negated));
            match changed {
                true => Transformed::yes(expr),
                false => Transformed::no(expr),
            }
        }
        // `saletime LIKE '2008-09%'`: what is no text is written as one.
        Expr::Like(mut like) => match as_text(&like.expr, schema) {
            Some(text) => {
                *like.expr = text;
                Transformed::yes(Expr::Like(like))
            }
            None => Transformed::no(Expr::Like(like)),
        },
        Expr::Case(mut case) => {
            let mut changed = false;
            if let Some(operand) = &mut case.expr {
                for (when, _) in &mut case.when_then_expr {
                    changed |= beside(when, operand, schema);
                }
            }
            changed |= inexact::settle_case(&mut case, schema);
            match changed {
                true => Transformed::yes(Expr::Case(case)),
                false => Transformed::no(Expr::Case(case)),
            }
        }
        Expr::AggregateFunction(mut call) if adds_up(call.func.name()) => {
            match added_up(&mut call.params.args, schema) {
                true => Transformed::yes(Expr::AggregateFunction(call)),
                false => Transformed::no(Expr::AggregateFunction(call)),
            }
        }
        Expr::WindowFunction(mut call) if adds_up(call.fun.name()) => {
            match added_up(&mut call.params.args, schema) {
                true => Transformed::yes(Expr::WindowFunction(call)),
                false => Transformed::no(Expr::WindowFunction(call)),
            }
        }
        Expr::SetComparison(mut comparison) => {
            let (subquery, changed) =
                beside_subquery(&mut comparison.expr, comparison.subquery, schema)?;
            comparison.subquery = subquery;
            match changed {
                true => Transformed::yes(Expr::SetComparison(comparison)),
                false => Transformed::no(Expr::SetComparison(comparison)),
            }
        }
        Expr::InSubquery(mut search) => {
            let (subquery, read) = beside_subquery(&mut search.expr, search.subquery, schema)?;
            search.subquery = subquery;
            let (search, changed) = inexact::settle_subquery(search, schema)?;
            let changed = changed || read;
            let expr = Expr::InSubquery(search);
            match changed {
                true => Transformed::yes(expr),
                false => Transformed::no(expr),
            }
        }
        other => Transformed::no(other),
    })
}

/// Reads a SUPER as what stands on the other side of a comparison with the rows of a subquery.
fn beside_subquery(
    value: &mut Expr,
    subquery: Subquery,
    schema: &dyn ExprSchema,
) -> Result<(Subquery, bool)> {
    let plan = &subquery.subquery;
    let mut item = Expr::from(plan.schema().qualified_field(0));
    let both = plan.schema().as_ref().clone();
    // What the item is beside, where only the type of the value counts.
    let Ok((_, field)) = value.to_field(schema) else {
        return Ok((subquery, false));
    };
    let (is_value, is_item) = (
        semistructured::is_super(&field),
        is_super_expr(&item, &both),
    );
    if is_value == is_item {
        return Ok((subquery, false));
    }
    if is_value {
        let ty = plan.schema().field(0).data_type().clone();
        let mut typed = datafusion_expr::cast(lit(ScalarValue::Null), ty);
        return Ok((subquery, beside(value, &mut typed, schema)));
    }
    let name = plan.schema().field(0).name().clone();
    let ty = field.data_type().clone();
    let mut typed = datafusion_expr::cast(lit(ScalarValue::Null), ty);
    beside(&mut item, &mut typed, &both);
    let plan = LogicalPlanBuilder::from(Arc::clone(plan)).project([item.alias(name)])?;
    let subquery = Subquery {
        subquery: Arc::new(plan.build()?),
        ..subquery
    };
    Ok((subquery, true))
}

/// Converts a value that is no text, where the engine's cast would not do.
fn converted(value: &Expr, ty: &DataType, schema: &dyn ExprSchema) -> Option<Expr> {
    let from = value.get_type(schema).ok()?;
    let converter = function::converter(&from, ty)?;
    Some(converter.call(vec![value.clone()]))
}

/// Reads a text as a date or time, or writes one as a text.
fn read(text: &Expr, ty: &DataType, schema: &dyn ExprSchema, or_null: bool) -> Option<Expr> {
    if ty.is_string() {
        let writer = function::writer(&text.get_type(schema).ok()?)?;
        return Some(writer.call(vec![text.clone()]));
    }
    let float = function::float_reader(ty);
    let reader = function::reader(ty).or_else(|| float.clone())?;
    if !text.get_type(schema).ok()?.is_string() {
        return None;
    }
    let mut args = vec![text.clone()];
    if or_null {
        args.push(lit(true));
    }
    let read = reader.call(args);
    Some(match (float, ty) {
        (Some(_), DataType::Float32) => datafusion_expr::cast(read, DataType::Float32),
        _ => read,
    })
}

/// Casts a SUPER: what is no value of the type gives null.
pub(super) fn lax(value: Expr, ty: &DataType, schema: &dyn ExprSchema) -> Expr {
    let text = Use::Text.call(vec![value]);
    if let Some(read) = read(&text, ty, schema, true) {
        return read;
    }
    let plain = datafusion_expr::try_cast(text.clone(), ty.clone());
    if !ty.is_integer() {
        return plain;
    }
    // A number with a fraction is rounded, as a cast of it is.
    let number = datafusion_expr::try_cast(text, DataType::Float64);
    let rounded = function::round_half::round().call(vec![number]);
    let near = datafusion_expr::try_cast(rounded, ty.clone());
    Expr::Case(datafusion_expr::expr::Case::new(
        None,
        vec![(Box::new(plain.clone().is_not_null()), Box::new(plain))],
        Some(Box::new(near)),
    ))
}

/// Compares two SUPER values: values of two kinds are not equal, and neither is less.
fn compared(left: Expr, op: Operator, right: Expr) -> Result<Expr> {
    let rank = |value: &Expr| Box::new(Use::Rank.call(vec![value.clone()]));
    let ranks = Expr::BinaryExpr(BinaryExpr::new(rank(&left), op, rank(&right)));
    let is_order = matches!(
        op,
        Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq
    );
    if !is_order {
        return Ok(ranks);
    }
    let kind = |value: Expr| Use::Kind.call(vec![value]);
    datafusion_expr::when(kind(left).eq(kind(right)), ranks).end()
}

/// Makes ORDER BY sort SUPER values by their kind first, then as values of that kind.
pub(super) fn settle_order(plan: LogicalPlan) -> Result<LogicalPlan> {
    let is_by_super = |node: &LogicalPlan| match node {
        LogicalPlan::Sort(sort) => {
            let mut keys = sort.expr.iter();
            keys.any(|key| is_super_expr(&key.expr, sort.input.schema()))
        }
        _ => false,
    };
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        found = found || is_by_super(node);
        Ok(match found {
            true => TreeNodeRecursion::Stop,
            false => TreeNodeRecursion::Continue,
        })
    })?;
    if !found {
        return Ok(plan);
    }
    let plan = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Sort(mut sort) => {
            for key in &mut sort.expr {
                if is_super_expr(&key.expr, sort.input.schema()) {
                    key.expr = Use::Rank.call(vec![std::mem::take(&mut key.expr)]);
                }
            }
            Ok(Transformed::yes(LogicalPlan::Sort(sort)))
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok(plan.data)
}

/// Writes a number, a date or a time as a text.
fn as_text(value: &Expr, schema: &dyn ExprSchema) -> Option<Expr> {
    let ty = value.get_type(schema).ok()?;
    if !ty.is_numeric() && function::reader(&ty).is_none() {
        return None;
    }
    let text = read(value, &DataType::Utf8View, schema, false);
    Some(text.unwrap_or_else(|| datafusion_expr::cast(value.clone(), DataType::Utf8View)))
}

fn is_super_expr(expr: &Expr, schema: &dyn ExprSchema) -> bool {
    match expr {
        Expr::Literal(..) => false,
        expr => expr
            .to_field(schema)
            .is_ok_and(|(_, field)| semistructured::is_super(&field)),
    }
}

/// Tells whether an expression is a constant of a whole type.
fn is_whole(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(number, _) if number.data_type().is_integer())
}

/// Makes `value` fit `other`, which it is compared with; `true` if one of them changed.
fn beside(value: &mut Expr, other: &mut Expr, schema: &dyn ExprSchema) -> bool {
    if is_super_expr(value, schema) {
        let Ok((_, field)) = other.to_field(schema) else {
            return false;
        };
        if semistructured::is_super(&field) {
            return false;
        }
        let part = std::mem::take(value);
        let ty = field.data_type();
        *value = if ty.is_numeric() {
            Use::Number.call(vec![part])
        } else if let Some(reader) = function::reader(ty) {
            reader.call(vec![Use::String.call(vec![part])])
        } else if *ty == DataType::Boolean {
            datafusion_expr::cast(Use::Text.call(vec![part]), DataType::Boolean)
        } else {
            Use::String.call(vec![part])
        };
        return true;
    }
    let is_constant = matches!(
        value,
        Expr::Literal(
            ScalarValue::Utf8(Some(_))
                | ScalarValue::LargeUtf8(Some(_))
                | ScalarValue::Utf8View(Some(_)),
            _
        )
    );
    // What has no type yet, such as a parameter, is left to the engine.
    let Ok(ty) = other.get_type(schema) else {
        return false;
    };
    if !ty.is_string()
        && let Some(read) = read(value, &ty, schema, false)
    {
        *value = read;
        return true;
    }
    // `likevegas = 1`: a constant whole number beside a boolean is one.
    if ty == DataType::Boolean
        && let Expr::Literal(number, _) = value
        && let Ok(ScalarValue::Int64(Some(number))) = number.cast_to(&DataType::Int64)
        && is_whole(value)
    {
        *value = lit(number != 0);
        return true;
    }
    if ty == DataType::Boolean && is_constant {
        *value = datafusion_expr::cast(std::mem::take(value), ty);
        return true;
    }
    // What is beside a column of an interval or a TIMETZ becomes one; without a column the engine compares parts.
    let is_kept = |ty: &DataType| {
        matches!(
            ty,
            DataType::Interval(IntervalUnit::YearMonth)
                | DataType::Duration(TimeUnit::Microsecond)
                | DataType::Time64(TimeUnit::Nanosecond)
        )
    };
    if is_kept(&ty)
        && let Some(converted) = converted(value, &ty, schema)
    {
        *value = converted;
        return true;
    }
    false
}
