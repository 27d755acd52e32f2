//! Expressions of a plan as SQL text.
//!
//! The engine names a computed column by the text of what computed it, in its own words; here such a name is looked up
//! below and written as SQL again.

use blueshift_sql::function::{as_is, chain, checked, exact, unpadded};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{JoinSide, ScalarValue};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::expressions::{
    BinaryExpr, CastExpr, Column, InListExpr, IsNotNullExpr, IsNullExpr, LikeExpr, Literal,
    NegativeExpr, NotExpr,
};
use datafusion::physical_expr::{PhysicalExpr, PhysicalSortExpr, ScalarFunctionExpr};
use datafusion::physical_expr_common::physical_expr::fmt_sql;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::joins::utils::JoinFilter;
use datafusion::physical_plan::projection::ProjectionExec;
use std::sync::Arc;

type Expression = Arc<dyn PhysicalExpr>;

/// Writes an expression over the rows of a plan.
pub(super) fn text(expr: &Expression, input: &Arc<dyn ExecutionPlan>) -> String {
    write(expr, &|column| column_name(column.name(), input))
}

/// Writes conditions that all must hold, in one pair of parentheses.
pub(super) fn all(conditions: &[String]) -> String {
    match conditions {
        [one] => one.clone(),
        many => format!("({})", many.join(" AND ")),
    }
}

/// Writes what to sort by.
pub(super) fn sort_key<'a>(
    exprs: impl IntoIterator<Item = &'a PhysicalSortExpr>,
    input: &Arc<dyn ExecutionPlan>,
) -> String {
    exprs
        .into_iter()
        .map(|item| text(&item.expr, input))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Writes the condition of a join whose left side is hashed.
pub(super) fn join_filter(
    filter: &JoinFilter,
    inner: &Arc<dyn ExecutionPlan>,
    outer: &Arc<dyn ExecutionPlan>,
) -> String {
    write(filter.expression(), &|column| {
        let side = filter
            .column_indices()
            .get(column.index())
            .map(|place| place.side);
        match side {
            Some(JoinSide::Left) => format!("\"inner\".{}", column_name(column.name(), inner)),
            Some(JoinSide::Right) => format!("\"outer\".{}", column_name(column.name(), outer)),
            _ => column.name().to_owned(),
        }
    })
}

/// Gives a column's name, or the SQL of what computed it.
fn column_name(name: &str, plan: &Arc<dyn ExecutionPlan>) -> String {
    let plain = |character: char| character.is_alphanumeric() || matches!(character, '_' | '$');
    if name.chars().all(plain) {
        return name.to_owned();
    }
    computed(name, plan).unwrap_or_else(|| name.to_owned())
}

/// Finds what computes the column of this name.
fn computed(name: &str, plan: &Arc<dyn ExecutionPlan>) -> Option<String> {
    let below = |plan: &Arc<dyn ExecutionPlan>| {
        plan.children()
            .into_iter()
            .find_map(|child| computed(name, child))
    };
    if let Some(aggregate) = plan.downcast_ref::<AggregateExec>() {
        if let Some(found) = aggregate.aggr_expr().iter().find(|of| of.name() == name) {
            // Both halves of an aggregate name the columns of the first one's input.
            return Some(aggregate_text(found, aggregate.input()));
        }
        let groups = aggregate.group_expr().expr();
        if let Some((expr, _)) = groups
            .iter()
            .find(|(expr, alias)| alias == name && expr.downcast_ref::<Column>().is_none())
        {
            return Some(text(expr, aggregate.input()));
        }
    }
    if let Some(projection) = plan.downcast_ref::<ProjectionExec>()
        && let Some(item) = projection.expr().iter().find(|item| item.alias == name)
        && item
            .expr
            .downcast_ref::<Column>()
            .is_none_or(|column| column.name() != name)
    {
        return Some(text(&item.expr, projection.input()));
    }
    below(plan)
}

fn aggregate_text(aggregate: &AggregateFunctionExpr, input: &Arc<dyn ExecutionPlan>) -> String {
    let name = aggregate.fun().name();
    let arguments = aggregate.expressions();
    let constant = |expr: &Expression| {
        expr.downcast_ref::<Literal>()
            .is_some_and(|literal| !literal.value().is_null())
    };
    if name == "count" && !aggregate.is_distinct() && arguments.iter().all(constant) {
        return "count(*)".to_owned();
    }
    let arguments: Vec<String> = arguments.iter().map(|expr| text(expr, input)).collect();
    let distinct = if aggregate.is_distinct() {
        "DISTINCT "
    } else {
        ""
    };
    format!("{name}({distinct}{})", arguments.join(", "))
}

fn write(expr: &Expression, name: &dyn Fn(&Column) -> String) -> String {
    let list = |exprs: &[Expression]| {
        exprs
            .iter()
            .map(|expr| write(expr, name))
            .collect::<Vec<_>>()
            .join(", ")
    };
    if let Some(column) = expr.downcast_ref::<Column>() {
        return name(column);
    }
    if let Some(literal) = expr.downcast_ref::<Literal>() {
        return constant(literal.value());
    }
    if let Some(binary) = expr.downcast_ref::<BinaryExpr>() {
        let (left, right) = (operand(binary.left(), name), operand(binary.right(), name));
        return format!("{left} {} {right}", operator(*binary.op()));
    }
    if let Some(cast) = expr.downcast_ref::<CastExpr>() {
        let inner = operand(cast.expr(), name);
        return match type_name(cast.cast_type()) {
            Some(wanted) => format!("{inner}::{wanted}"),
            None => inner,
        };
    }
    if let Some(not) = expr.downcast_ref::<NotExpr>() {
        return format!("NOT ({})", write(not.arg(), name));
    }
    if let Some(negative) = expr.downcast_ref::<NegativeExpr>() {
        return format!("- {}", operand(negative.arg(), name));
    }
    if let Some(null) = expr.downcast_ref::<IsNullExpr>() {
        return format!("{} IS NULL", operand(null.arg(), name));
    }
    if let Some(null) = expr.downcast_ref::<IsNotNullExpr>() {
        return format!("{} IS NOT NULL", operand(null.arg(), name));
    }
    if let Some(like) = expr.downcast_ref::<LikeExpr>() {
        let not = if like.negated() { "NOT " } else { "" };
        let word = if like.case_insensitive() {
            "ILIKE"
        } else {
            "LIKE"
        };
        let (value, pattern) = (operand(like.expr(), name), operand(like.pattern(), name));
        return format!("{value} {not}{word} {pattern}");
    }
    if let Some(of) = expr.downcast_ref::<InListExpr>() {
        let not = if of.negated() { "NOT " } else { "" };
        let value = operand(of.expr(), name);
        return format!("{value} {not}IN ({})", list(of.list()));
    }
    if let Some(function) = expr.downcast_ref::<ScalarFunctionExpr>() {
        if let Some((left, sign, right)) = infix(function) {
            let (left, right) = (operand(left, name), operand(right, name));
            return format!("{left} {sign} {right}");
        }
        if let (chain::NAME, [steps, first, rest @ ..]) = (function.name(), function.args())
            && let Some(Some(Some(steps))) = steps
                .downcast_ref::<Literal>()
                .map(|steps| steps.value().try_as_str())
        {
            let more = chain::signs(steps).zip(rest);
            let more = more.map(|(sign, next)| format!(" {sign} {}", operand(next, name)));
            return operand(first, name) + &more.collect::<String>();
        }
        if let (exact::chain::NAME, [steps, first, rest @ ..]) = (function.name(), function.args())
            && let Some(Some(Some(signs))) = steps
                .downcast_ref::<Literal>()
                .map(|steps| steps.value().try_as_str())
        {
            let more = signs.chars().zip(rest);
            let more = more.map(|(sign, next)| format!(" {sign} {}", operand(next, name)));
            return operand(first, name) + &more.collect::<String>();
        }
        // Comparisons say nothing of the blanks they do not see.
        if let (unpadded::NAME | as_is::NAME, [value]) = (function.name(), function.args()) {
            return write(value, name);
        }
        return format!("{}({})", function.name(), list(function.args()));
    }
    fmt_sql(expr.as_ref()).to_string()
}

/// Takes apart a function that stands for an operator.
fn infix(function: &ScalarFunctionExpr) -> Option<(&Expression, Operator, &Expression)> {
    let sign = checked::operator(function.name())?;
    match function.args() {
        [left, right] => Some((left, sign, right)),
        _ => None,
    }
}

/// Writes a part of an expression so that it stays one.
fn operand(expr: &Expression, name: &dyn Fn(&Column) -> String) -> String {
    if let Some(function) = expr.downcast_ref::<ScalarFunctionExpr>()
        && let (as_is::NAME, [value]) = (function.name(), function.args())
    {
        return operand(value, name);
    }
    let text = write(expr, name);
    let one = expr.downcast_ref::<Column>().is_some()
        || expr.downcast_ref::<Literal>().is_some()
        || expr
            .downcast_ref::<ScalarFunctionExpr>()
            .is_some_and(|function| infix(function).is_none())
        || expr.downcast_ref::<CastExpr>().is_some();
    if one { text } else { format!("({text})") }
}

fn operator(operator: Operator) -> String {
    match operator {
        Operator::NotEq => "<>".to_owned(),
        other => other.to_string(),
    }
}

fn constant(value: &ScalarValue) -> String {
    if value.is_null() {
        return "NULL".to_owned();
    }
    match value {
        ScalarValue::Utf8(Some(text))
        | ScalarValue::Utf8View(Some(text))
        | ScalarValue::LargeUtf8(Some(text)) => format!("'{}'", text.replace('\'', "''")),
        ScalarValue::Date32(_) | ScalarValue::Date64(_) => format!("'{value}'::date"),
        ScalarValue::Decimal128(Some(digits), _, scale) => decimal(*digits, *scale),
        ScalarValue::Boolean(Some(value)) => value.to_string(),
        other => match other.data_type() {
            // The engine's own text of a moment is that of a cast of it.
            DataType::Timestamp(..) => match other.cast_to(&DataType::Utf8) {
                Ok(ScalarValue::Utf8(Some(text))) => {
                    format!("'{}'::timestamp", text.replace('T', " "))
                }
                _ => other.to_string(),
            },
            _ => other.to_string(),
        },
    }
}

fn decimal(digits: i128, scale: i8) -> String {
    let Ok(places) = usize::try_from(scale) else {
        return format!("{digits}e{}", -i32::from(scale));
    };
    if places == 0 {
        return digits.to_string();
    }
    let sign = if digits < 0 { "-" } else { "" };
    let text = format!("{:0>width$}", digits.unsigned_abs(), width = places + 1);
    let (whole, fraction) = text.split_at(text.len() - places);
    format!("{sign}{whole}.{fraction}")
}

/// Redshift's name of a type of the engine.
fn type_name(data_type: &DataType) -> Option<String> {
    Some(match data_type {
        DataType::Boolean => "boolean".to_owned(),
        DataType::Int16 => "smallint".to_owned(),
        DataType::Int32 => "integer".to_owned(),
        DataType::Int64 => "bigint".to_owned(),
        DataType::Float32 => "real".to_owned(),
        DataType::Float64 => "double precision".to_owned(),
        DataType::Decimal128(precision, scale) => format!("numeric({precision},{scale})"),
        DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 => "character varying".to_owned(),
        DataType::Date32 => "date".to_owned(),
        DataType::Timestamp(_, None) => "timestamp without time zone".to_owned(),
        DataType::Timestamp(_, Some(_)) => "timestamp with time zone".to_owned(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::datatypes::{Field, Schema};
    use datafusion::physical_expr::expressions::{binary, col, lit};
    use datafusion::physical_plan::empty::EmptyExec;

    #[test]
    fn expressions_are_sql() {
        let fields = vec![
            Field::new("price", DataType::Int64, false),
            Field::new("note", DataType::Utf8, false),
        ];
        let schema = Arc::new(Schema::new(fields));
        let plan: Arc<dyn ExecutionPlan> = Arc::new(EmptyExec::new(Arc::clone(&schema)));
        let price = col("price", &schema).expect("a column");
        let note = col("note", &schema).expect("a column");
        let less = binary(lit(1_i64), Operator::Minus, Arc::clone(&price), &schema);
        let product = binary(price, Operator::Multiply, less.expect("a number"), &schema);
        let product = product.expect("a number");
        assert_eq!(text(&product, &plan), "price * (1 - price)");
        let other = binary(note, Operator::NotEq, lit("it's"), &schema).expect("a condition");
        assert_eq!(text(&other, &plan), "note <> 'it''s'");
        let both = binary(
            binary(product, Operator::Gt, lit(5_i64), &schema).expect("a condition"),
            Operator::And,
            other,
            &schema,
        );
        assert_eq!(
            text(&both.expect("a condition"), &plan),
            "((price * (1 - price)) > 5) AND (note <> 'it''s')"
        );
        assert_eq!(decimal(-5, 2), "-0.05");
        assert_eq!(decimal(12345, 2), "123.45");
        assert_eq!(
            constant(&ScalarValue::Date32(Some(0))),
            "'1970-01-01'::date"
        );
    }
}
