//! Aggregates with WITHIN GROUP, and RATIO_TO_REPORT, into calls the engine can plan, also as window functions.

use super::call;
use crate::error::{Error, Result};
use sqlparser::ast::{
    BinaryOperator, CastKind, DataType, DuplicateTreatment, Expr, Function, FunctionArg,
    FunctionArgExpr, FunctionArgumentClause, FunctionArgumentList, FunctionArguments, Ident,
    ObjectName, OrderByExpr, Value, WindowFrame, WindowFrameBound, WindowFrameUnits, WindowType,
};

/// What LISTAGG is called once it is rewritten.
const JOINED: &str = "blueshift_string_agg";

pub(super) fn rewrite(expr: &mut Expr) -> Result<()> {
    let Expr::Function(function) = expr else {
        return Ok(());
    };
    match function.name.to_string().to_lowercase().as_str() {
        "listagg" => {
            list(function)?;
            // Known by another name from here on, so that it is met once.
            rename(function, JOINED);
            let joined = std::mem::replace(expr, Expr::Value(Value::Null.into()));
            *expr = call("blueshift_listagg", vec![joined]);
            Ok(())
        }
        "median" => {
            if let Some(args) = arguments(function)
                && args.args.len() == 1
            {
                args.args.push(unnamed(number("0.5")));
                rename(function, "blueshift_percentile_cont");
            }
            Ok(())
        }
        name @ ("percentile_cont" | "percentile_disc") => {
            let name = name.to_owned();
            percentile(function, &name)
        }
        "ratio_to_report" => {
            if let Some(ratio) = ratio(function)? {
                *expr = ratio;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn arguments(function: &mut Function) -> Option<&mut FunctionArgumentList> {
    match &mut function.args {
        FunctionArguments::List(list) => Some(list),
        _ => None,
    }
}

fn unnamed(expr: Expr) -> FunctionArg {
    FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))
}

fn number(digits: &str) -> Expr {
    Expr::Value(Value::Number(digits.to_owned(), false).into())
}

fn rename(function: &mut Function, name: &str) {
    function.name = ObjectName::from(vec![Ident::new(name)]);
}

fn converted(expr: &Expr, data_type: DataType) -> Expr {
    Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(expr.clone()),
        data_type,
        array: false,
        format: None,
    }
}

/// `PERCENTILE_CONT(p) WITHIN GROUP (ORDER BY x)` -> a function of `x` and `p`.
fn percentile(function: &mut Function, name: &str) -> Result<()> {
    let order = std::mem::take(&mut function.within_group);
    let [order] = order.as_slice() else {
        return Err(Error::syntax(
            format!("{} needs WITHIN GROUP (ORDER BY ...)", name.to_uppercase()),
            None,
        )
        .with_hint(format!("Write {name}(0.5) WITHIN GROUP (ORDER BY column)")));
    };
    let descending = order.options.asc == Some(false);
    let end = if descending { "_desc" } else { "" };
    if let Some(args) = arguments(function) {
        args.args.insert(0, unnamed(order.expr.clone()));
    }
    rename(function, &format!("blueshift_{name}{end}"));
    Ok(())
}

/// `RATIO_TO_REPORT(x) OVER w` -> `x / SUM(x) OVER w`, in doubles.
fn ratio(function: &mut Function) -> Result<Option<Expr>> {
    let Some(over) = function.over.clone() else {
        return Err(Error::syntax("RATIO_TO_REPORT needs an OVER clause", None));
    };
    let value = match arguments(function).map(|list| list.args.as_slice()) {
        Some([FunctionArg::Unnamed(FunctionArgExpr::Expr(value))]) => {
            converted(value, DataType::DoublePrecision)
        }
        _ => return Ok(None),
    };
    let mut sum = call("sum", vec![value.clone()]);
    if let Expr::Function(sum) = &mut sum {
        sum.over = Some(over);
    }
    Ok(Some(Expr::Nested(Box::new(Expr::BinaryOp {
        left: Box::new(value),
        op: BinaryOperator::Divide,
        right: Box::new(sum),
    }))))
}

/// `LISTAGG(x [, d]) WITHIN GROUP (ORDER BY y)` -> the engine's `string_agg`, without nulls and empty texts.
fn list(function: &mut Function) -> Result<()> {
    let mut order = std::mem::take(&mut function.within_group);
    let windowed = function.over.is_some();
    let Some(args) = arguments(function) else {
        return Ok(());
    };
    if args.args.len() == 1 {
        args.args.push(unnamed(Expr::Value(
            Value::SingleQuotedString(String::new()).into(),
        )));
    }
    let distinct = args.duplicate_treatment == Some(DuplicateTreatment::Distinct);
    if windowed && distinct {
        return Err(Error::unsupported(
            "LISTAGG(DISTINCT ...) as a window function",
            "Remove the duplicates in a subquery",
        ));
    }
    if let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(value))) = args.args.first_mut() {
        let empty = Expr::Value(Value::SingleQuotedString(String::new()).into());
        let text = call(
            "nullif",
            vec![converted(value, DataType::Varchar(None)), empty],
        );
        // Distinct values can only be ordered by themselves.
        for order in order
            .iter_mut()
            .filter(|order| distinct && order.expr == *value)
        {
            order.expr = text.clone();
        }
        *value = text;
    }
    if order.is_empty() {
        return Ok(());
    }
    if windowed {
        window(function, order);
    } else {
        args.clauses.push(FunctionArgumentClause::OrderBy(order));
    }
    Ok(())
}

/// Orders a window; its frame stays the whole partition.
fn window(function: &mut Function, order: Vec<OrderByExpr>) {
    if let Some(WindowType::WindowSpec(spec)) = &mut function.over {
        spec.order_by = order;
        spec.window_frame = Some(WindowFrame {
            units: WindowFrameUnits::Rows,
            start_bound: WindowFrameBound::Preceding(None),
            end_bound: Some(WindowFrameBound::Following(None)),
        });
    }
}
