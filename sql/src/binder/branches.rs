//! The types of UNION, CASE and COALESCE: those that all their branches can be, known before anything is built on them.
//!
//! The engine gives both the type of the first branch until it optimizes; by then the types of what stands above, and
//! of the result, are settled: 2.5 became 2 in `SELECT 1 UNION SELECT 2.5`.

use super::context::external;
use super::inexact;
use super::named::keep_name;
use super::refusal::type_shown;
use crate::error::Error;
use crate::function::semistructured::{Use, is_super};
use crate::function::{chain, checked};
use crate::sqlstate::SqlState;
use arrow_schema::DataType;
use datafusion_common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion_common::{DFSchema, ExprSchema, Result};
use datafusion_expr::expr::ScalarFunction;
use datafusion_expr::expr_rewriter::{NamePreserver, coerce_plan_expr_for_schema};
use datafusion_expr::type_coercion::binary::type_union_coercion;
use datafusion_expr::utils::merge_schema;
use datafusion_expr::{Case, Expr, ExprSchemable, LogicalPlan, Union, lit};
use std::sync::Arc;

/// Gives every UNION and CASE of a plan its type, also those in subqueries. Types without a common one are left to
/// the engine, which tells of it.
pub(super) fn settle(plan: LogicalPlan) -> Result<LogicalPlan> {
    let mut open = false;
    plan.apply_with_subqueries(|node| {
        open |= matches!(node, LogicalPlan::Union(union) if !is_settled(union));
        if !open {
            node.apply_expressions(|expr| {
                open |= holds_case(expr);
                Ok(TreeNodeRecursion::Continue)
            })?;
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    if !open {
        return Ok(plan);
    }
    let plan = plan.transform_up_with_subqueries(|node| {
        if matches!(&node, LogicalPlan::Union(union) if !is_settled(union)) {
            let LogicalPlan::Union(union) = node else {
                return Ok(Transformed::no(node));
            };
            return Ok(Transformed::yes(coerce_union(union)?));
        }
        let schema = merge_schema(&node.inputs());
        let names = NamePreserver::new(&node);
        let node = node.map_expressions(|expr| {
            if !holds_case(&expr) {
                return Ok(Transformed::no(expr));
            }
            let settled = keep_name(&names, expr, &|expr| settle_cases(expr, &schema))?;
            Ok(Transformed::yes(settled))
        })?;
        Ok(Transformed::yes(node.data.recompute_schema()?))
    })?;
    Ok(plan.data)
}

/// Settles what stands beside an arithmetic operator. Other operators in it settled theirs when they were planned, so
/// that a long chain of them is not walked for each.
pub(super) fn settle_operand(expr: Expr, schema: &dyn ExprSchema) -> Result<Expr> {
    if is_open(&expr) {
        return settle_cases(expr, schema);
    }
    Ok(expr)
}

fn is_open(expr: &Expr) -> bool {
    match expr {
        Expr::Case(_) => true,
        Expr::Negative(inner) => is_open(inner),
        Expr::ScalarFunction(function) => {
            checked::operator(function.name()).is_none()
                && function.name() != chain::NAME
                && (is_choice(function) || function.args.iter().any(is_open))
        }
        _ => false,
    }
}

/// Tells whether a function gives one of its arguments, so that they need a common type.
fn is_choice(function: &ScalarFunction) -> bool {
    matches!(
        function.name(),
        "coalesce" | "nvl" | "nvl2" | "nullif" | "greatest" | "least"
    )
}

/// Casts the branches of every CASE in an expression to their common type, and so the arguments of functions that choose
/// among numbers. Subqueries are left alone.
fn settle_cases(expr: Expr, schema: &dyn ExprSchema) -> Result<Expr> {
    let settled = expr.transform_up(|part| match part {
        Expr::Case(mut case) => {
            let then = case.when_then_expr.iter_mut().map(|(_, then)| then);
            let branches = then.chain(case.else_expr.as_mut()).map(|one| one.as_mut());
            let has_super = make_super(&mut branches.collect::<Vec<_>>(), schema);
            let settled = Expr::Case(coerce_case(case, schema)?);
            Ok(Transformed::yes(whole_super(settled, has_super)))
        }
        Expr::ScalarFunction(mut function) if is_choice(&function) => {
            // The first of NVL2 is looked at, and not given.
            let skipped = usize::from(function.name() == "nvl2");
            let gives_any = matches!(function.name(), "coalesce" | "nvl" | "nvl2");
            let mut values: Vec<&mut Expr> = function.args.iter_mut().skip(skipped).collect();
            let has_super = gives_any && make_super(&mut values, schema);
            let types = values
                .iter()
                .filter_map(|value| value.get_type(schema).ok());
            let (mut has_decimal, mut has_float) = (false, false);
            for ty in types {
                has_decimal |= matches!(ty, DataType::Decimal128(..));
                has_float |= ty.is_floating();
            }
            // The engine would make a decimal of both; of all else it makes what Redshift does.
            let changed = has_decimal && has_float && inexact::settle(&mut values, schema);
            let expr = whole_super(Expr::ScalarFunction(function), has_super);
            Ok(match changed || has_super {
                true => Transformed::yes(expr),
                false => Transformed::no(expr),
            })
        }
        part => Ok(Transformed::no(part)),
    })?;
    Ok(settled.data)
}

/// Makes SUPER values of those that stand beside one; `true` if one does, and others do not.
fn make_super(values: &mut [&mut Expr], schema: &dyn ExprSchema) -> bool {
    // A cast keeps the note of what it casts.
    let is_plain =
        |value: &Expr| matches!(value, Expr::Literal(..) | Expr::Cast(_) | Expr::TryCast(_));
    let is_one = |value: &Expr| {
        let field = value.to_field(schema);
        !is_plain(value) && field.is_ok_and(|(_, field)| is_super(&field))
    };
    let has_super = values.iter().any(|value| is_one(value));
    let mut changed = false;
    for value in values
        .iter_mut()
        .filter(|value| has_super && !is_one(value))
    {
        **value = Use::Make.call(vec![std::mem::take(*value)]);
        changed = true;
    }
    changed
}

/// Says that what is chosen among SUPER values is one.
fn whole_super(expr: Expr, has_super: bool) -> Expr {
    match has_super {
        true => Use::Raw.call(vec![expr]),
        false => expr,
    }
}

fn holds_case(expr: &Expr) -> bool {
    let is_one = |part: &Expr| match part {
        Expr::Case(_) => true,
        Expr::ScalarFunction(function) => is_choice(function),
        _ => false,
    };
    expr.exists(|part| Ok(is_one(part))).unwrap_or(true)
}

fn coerce_case(mut case: Case, schema: &dyn ExprSchema) -> Result<Case> {
    if case.expr.is_none() {
        for (when, _) in &mut case.when_then_expr {
            settle_condition(when, schema)?;
        }
    }
    let results = case.when_then_expr.iter();
    let types: Option<Vec<_>> = results
        .map(|(_, then)| then.get_type(schema).ok())
        .collect();
    let other = match &case.else_expr {
        Some(other) => other.get_type(schema).ok().map(Some),
        None => Some(None),
    };
    // What has no type yet, such as a parameter, is left to the engine.
    let (Some(types), Some(other)) = (types, other) else {
        return Ok(case);
    };
    let Some(common) = common_type(types.into_iter().chain(other)) else {
        return Ok(case);
    };
    for (_, then) in &mut case.when_then_expr {
        let branch = std::mem::take(then.as_mut());
        **then = branch.cast_to(&common, schema)?;
    }
    if let Some(other) = &mut case.else_expr {
        let branch = std::mem::take(other.as_mut());
        **other = branch.cast_to(&common, schema)?;
    }
    Ok(case)
}

/// Makes a condition of a whole number, which is true unless it is zero; refuses other numbers and dates.
fn settle_condition(when: &mut Expr, schema: &dyn ExprSchema) -> Result<()> {
    let Ok(ty) = when.get_type(schema) else {
        return Ok(());
    };
    if ty.is_integer() {
        *when = std::mem::take(when).not_eq(lit(0));
        return Ok(());
    }
    if !(ty.is_numeric() || ty.is_temporal()) {
        return Ok(());
    }
    let text = format!(
        "argument of CASE/WHEN must be type boolean, not type {}",
        type_shown(&ty.to_string())
    );
    Err(external(Error::new(SqlState::DATATYPE_MISMATCH, text)))
}

/// What a type of a branch goes with.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Kind {
    Number,
    Text,
    Date,
    Boolean,
}

fn kind(ty: &DataType) -> Option<Kind> {
    match ty {
        DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 => Some(Kind::Text),
        DataType::Boolean => Some(Kind::Boolean),
        DataType::Date32 | DataType::Timestamp(..) => Some(Kind::Date),
        ty if ty.is_numeric() => Some(Kind::Number),
        _ => None,
    }
}

/// Tells whether a column of a branch is a constant text, which is read as what the other branches give.
fn is_literal(branch: &LogicalPlan, index: usize) -> bool {
    match branch {
        LogicalPlan::Projection(projection) => {
            let mut expr = projection.expr.get(index);
            while let Some(Expr::Alias(alias)) = expr {
                expr = Some(&alias.expr);
            }
            match expr {
                Some(Expr::Literal(..)) => true,
                Some(Expr::Column(column)) => projection
                    .input
                    .schema()
                    .maybe_index_of_column(column)
                    .is_some_and(|index| is_literal(&projection.input, index)),
                _ => false,
            }
        }
        LogicalPlan::Union(union) => union.inputs.iter().all(|input| is_literal(input, index)),
        LogicalPlan::Distinct(distinct) => is_literal(distinct.input(), index),
        _ => false,
    }
}

/// Gives the types of the branches that count: a constant text is what the others are. Refuses those that do not go
/// together.
fn counted(union: &Union, index: usize) -> Result<Option<Vec<DataType>>> {
    let mut types = Vec::new();
    let mut texts = Vec::new();
    for input in &union.inputs {
        let Some(field) = input.schema().fields().get(index) else {
            return Ok(None);
        };
        let ty = field.data_type().clone();
        match kind(&ty) == Some(Kind::Text) && (is_super(field) || is_literal(input, index)) {
            true => texts.push(ty),
            false => types.push(ty),
        }
    }
    let known = |ty: &DataType| kind(ty).map(|kind| (kind, ty.clone()));
    let mut kinds = types.iter().filter_map(known);
    if let Some((first, left)) = kinds.next()
        && let Some((_, right)) = kinds.find(|(kind, _)| *kind != first)
    {
        let (left, right) = (left.to_string(), right.to_string());
        let text = format!(
            "UNION types {} and {} cannot be matched",
            type_shown(&left),
            type_shown(&right)
        );
        let error = Error::new(SqlState::DATATYPE_MISMATCH, text);
        return Err(external(error.with_hint("Cast one of them")));
    }
    let is_known = types.iter().any(|ty| kind(ty).is_some());
    if !is_known {
        types.extend(texts);
    }
    Ok(Some(types))
}

fn is_settled(union: &Union) -> bool {
    union.inputs.iter().all(|input| {
        let mut pairs = input.schema().fields().iter().zip(union.schema.fields());
        pairs.all(|(has, wanted)| has.data_type() == wanted.data_type())
    })
}

fn coerce_union(union: Union) -> Result<LogicalPlan> {
    let Some(schema) = common_schema(&union)? else {
        return Ok(LogicalPlan::Union(union));
    };
    let inputs = union.inputs.into_iter().map(|input| {
        let input = coerce_plan_expr_for_schema(Arc::unwrap_or_clone(input), &schema)?;
        Ok(Arc::new(input))
    });
    let inputs = inputs.collect::<Result<Vec<_>>>()?;
    let schema = Arc::new(schema);
    Ok(LogicalPlan::Union(Union { inputs, schema }))
}

/// Gives the schema all branches can have, if there is one.
fn common_schema(union: &Union) -> Result<Option<DFSchema>> {
    let mut fields = Vec::new();
    for (index, (qualifier, field)) in union.schema.iter().enumerate() {
        let branches: Option<Vec<_>> = union
            .inputs
            .iter()
            .map(|input| input.schema().fields().get(index))
            .collect();
        let Some(branches) = branches else {
            return Ok(None);
        };
        let nullable = branches.iter().any(|branch| branch.is_nullable());
        let Some(types) = counted(union, index)? else {
            return Ok(None);
        };
        let Some(ty) = common_type(types) else {
            return Ok(None);
        };
        let field = field.as_ref().clone();
        let field = field.with_data_type(ty).with_nullable(nullable);
        fields.push((qualifier.cloned(), Arc::new(field)));
    }
    let metadata = union.schema.as_arrow().metadata().clone();
    DFSchema::new_with_metadata(fields, metadata).map(Some)
}

/// Gives the type that values of all these types become, if there is one.
fn common_type(types: impl IntoIterator<Item = DataType>) -> Option<DataType> {
    let mut types = types.into_iter();
    let first = types.next()?;
    types.try_fold(first, |known, ty| match (&known, &ty) {
        // The engine would make a decimal of both.
        (DataType::Decimal128(..), DataType::Float32 | DataType::Float64)
        | (DataType::Float32 | DataType::Float64, DataType::Decimal128(..)) => {
            Some(DataType::Float64)
        }
        // The engine would make nanoseconds of both, which end in the year 2262.
        (DataType::Date32, moment @ DataType::Timestamp(..))
        | (moment @ DataType::Timestamp(..), DataType::Date32) => Some(moment.clone()),
        (known, ty) => type_union_coercion(known, ty),
    })
}
