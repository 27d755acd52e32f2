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
/// What LISTAGG(DISTINCT) gathers its values with: the engine's own DISTINCT would leave their order to chance.
const GATHERED: &str = "blueshift_array_agg";

pub(super) fn rewrite(expr: &mut Expr) -> Result<()> {
    let Expr::Function(function) = expr else {
        return Ok(());
    };
    match function.name.to_string().to_lowercase().as_str() {
        "listagg" => {
            let delimiter = list(function);
            // Known by another name from here on, so that it is met once.
            let name = delimiter.as_ref().map_or(JOINED, |_| GATHERED);
            rename(function, name);
            let mut joined = std::mem::replace(expr, Expr::Value(Value::Null.into()));
            if let Some(delimiter) = delimiter {
                joined = call("blueshift_listagg_distinct", vec![joined, delimiter]);
            }
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
///
/// With DISTINCT it becomes `array_agg(x)`, and the delimiter is given back for the function that joins the array.
fn list(function: &mut Function) -> Option<Expr> {
    let order = std::mem::take(&mut function.within_group);
    let windowed = function.over.is_some();
    let args = arguments(function)?;
    let empty = || Expr::Value(Value::SingleQuotedString(String::new()).into());
    if args.args.len() == 1 {
        args.args.push(unnamed(empty()));
    }
    let distinct = args.duplicate_treatment == Some(DuplicateTreatment::Distinct);
    if let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(value))) = args.args.first_mut() {
        let text = converted(value, DataType::Varchar(None));
        *value = call("nullif", vec![text, empty()]);
    }
    let mut delimiter = None;
    if distinct && args.args.len() == 2 {
        args.duplicate_treatment = None;
        if let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(given))) = args.args.pop() {
            delimiter = Some(given);
        }
    }
    if order.is_empty() {
        return delimiter;
    }
    if windowed {
        window(function, order);
    } else {
        args.clauses.push(FunctionArgumentClause::OrderBy(order));
    }
    delimiter
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
