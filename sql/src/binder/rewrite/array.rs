//! Arrays of the catalogs, which are kept as text (`{a,b}`), as psql and drivers use them:
//! `ARRAY(SELECT ...)`, `ARRAY[...]`, `x = ANY(array)`, `conkey[1]`.

use super::call;
use crate::error::{Error, Result};
use sqlparser::ast::{
    AccessExpr, BinaryOperator, CastKind, DataType, Expr, FunctionArg, FunctionArgExpr,
    FunctionArgumentClause, FunctionArguments, GroupByExpr, OrderByKind, Query, Select, SelectItem,
    SetExpr, Subscript, TableFactor, Value,
};

/// Columns of the catalogs that are arrays of numbers.
const NUMBERS: &[&str] = &[
    "conkey",
    "confkey",
    "indkey",
    "indclass",
    "indoption",
    "proargtypes",
    "proallargtypes",
    "tgattr",
];
/// Columns and functions of the catalogs that are arrays of names.
const NAMES: &[&str] = &[
    "current_schemas",
    "proargnames",
    "proargmodes",
    "relacl",
    "reloptions",
];

pub(super) fn rewrite(expr: &mut Expr) -> Result<()> {
    let replaced = match expr {
        Expr::Function(function) => match &mut function.args {
            FunctionArguments::Subquery(query)
                if function.name.to_string().eq_ignore_ascii_case("array") =>
            {
                Some(of_query(query)?)
            }
            _ => None,
        },
        Expr::AnyOp {
            left,
            compare_op: BinaryOperator::Eq,
            right,
            ..
        } => any(left, right),
        Expr::CompoundFieldAccess { root, access_chain } => element(root, access_chain),
        Expr::Array(array) => Some(of_items(&array.elem)),
        _ => None,
    };
    if let Some(replaced) = replaced {
        *expr = replaced;
    }
    Ok(())
}

fn text(value: &str) -> Expr {
    Expr::Value(Value::SingleQuotedString(value.to_owned()).into())
}

fn concatenated(left: Expr, right: Expr) -> Expr {
    Expr::BinaryOp {
        left: Box::new(left),
        op: BinaryOperator::StringConcat,
        right: Box::new(right),
    }
}

/// `ARRAY[a, b]` -> `'{' || a || ',' || b || '}'`.
fn of_items(items: &[Expr]) -> Expr {
    let mut whole = text("{");
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            whole = concatenated(whole, text(","));
        }
        whole = concatenated(whole, call("blueshift_array_item", vec![item.clone()]));
    }
    concatenated(whole, text("}"))
}

/// `ARRAY(SELECT x FROM ...)` -> `(SELECT '{' || NVL(LISTAGG(x, ','), '') || '}' FROM ...)`.
fn of_query(query: &mut Query) -> Result<Expr> {
    let refusal = || {
        Error::unsupported(
            "ARRAY() over this query",
            "Select one expression without DISTINCT, GROUP BY and LIMIT",
        )
    };
    if query.limit_clause.is_some() || query.with.is_some() {
        return Err(refusal());
    }
    let order = match query.order_by.take().map(|order| order.kind) {
        None => Vec::new(),
        Some(OrderByKind::Expressions(order)) => order,
        Some(_) => return Err(refusal()),
    };
    let SetExpr::Select(select) = query.body.as_mut() else {
        return Err(refusal());
    };
    let plain = select.distinct.is_none()
        && select.having.is_none()
        && matches!(&select.group_by, GroupByExpr::Expressions(by, _) if by.is_empty());
    let item = match select.projection.as_slice() {
        [SelectItem::UnnamedExpr(item) | SelectItem::ExprWithAlias { expr: item, .. }] if plain => {
            item.clone()
        }
        _ => return Err(refusal()),
    };
    if let Some(array) = of_array(select, &item) {
        return Ok(array);
    }
    // An order by the item's own place is the order of the item.
    let order = order.into_iter().map(|mut by| {
        if matches!(&by.expr, Expr::Value(value) if matches!(value.value, Value::Number(..))) {
            by.expr = item.clone();
        }
        by
    });
    let order: Vec<_> = order.collect();
    let item = call("blueshift_array_item", vec![item]);
    let mut joined = call("listagg", vec![item, text(",")]);
    if let Expr::Function(function) = &mut joined
        && let FunctionArguments::List(list) = &mut function.args
        && !order.is_empty()
    {
        list.clauses.push(FunctionArgumentClause::OrderBy(order));
    }
    let items = call("nvl", vec![joined, text("")]);
    let whole = concatenated(concatenated(text("{"), items), text("}"));
    select.projection = vec![SelectItem::UnnamedExpr(whole)];
    Ok(Expr::Subquery(Box::new(query.clone())))
}

/// `ARRAY(SELECT x FROM unnest(a) x)` is `a`, and with `'p' || x` for `x` every item of `a` begins with `p`.
fn of_array(select: &Select, item: &Expr) -> Option<Expr> {
    let [from] = select.from.as_slice() else {
        return None;
    };
    let TableFactor::Table {
        name,
        args: Some(args),
        ..
    } = &from.relation
    else {
        return None;
    };
    let is_unnest = name
        .0
        .last()
        .and_then(|part| part.as_ident())
        .is_some_and(|ident| ident.value.eq_ignore_ascii_case("unnest"));
    let [FunctionArg::Unnamed(FunctionArgExpr::Expr(array))] = args.args.as_slice() else {
        return None;
    };
    if !is_unnest || !from.joins.is_empty() || select.selection.is_some() {
        return None;
    }
    match item {
        Expr::Identifier(_) => Some(array.clone()),
        Expr::BinaryOp {
            left,
            op: BinaryOperator::StringConcat,
            right,
        } if matches!(right.as_ref(), Expr::Identifier(_)) => Some(call(
            "blueshift_array_prefixed",
            vec![array.clone(), left.as_ref().clone()],
        )),
        _ => None,
    }
}

/// `x = ANY(array)`.
fn any(left: &Expr, right: &Expr) -> Option<Expr> {
    match right {
        Expr::Subquery(_) => None,
        Expr::Nested(inner) => any(left, inner),
        Expr::Array(array) => Some(Expr::InList {
            expr: Box::new(left.clone()),
            list: array.elem.clone(),
            negated: false,
        }),
        // The text of an array, as drivers write lists of values.
        Expr::Cast {
            kind: CastKind::DoubleColon | CastKind::Cast,
            expr: inner,
            data_type: DataType::Array(_),
            ..
        } => any(left, inner),
        array => Some(call(
            "blueshift_array_has",
            vec![array.clone(), left.clone()],
        )),
    }
}

/// `conkey[1]`, `(current_schemas(false))[1]`.
fn element(root: &Expr, chain: &[AccessExpr]) -> Option<Expr> {
    let [rest @ .., AccessExpr::Subscript(Subscript::Index { index })] = chain else {
        return None;
    };
    let (name, array) = match (root, rest) {
        (Expr::Identifier(ident), []) => (ident.value.clone(), root.clone()),
        (Expr::Identifier(table), [AccessExpr::Dot(Expr::Identifier(column))]) => (
            column.value.clone(),
            Expr::CompoundIdentifier(vec![table.clone(), column.clone()]),
        ),
        (Expr::CompoundIdentifier(parts), []) => (parts.last()?.value.clone(), root.clone()),
        (Expr::Nested(inner), []) => return element(inner, chain),
        (Expr::Function(function), []) => (
            function.name.0.last()?.as_ident()?.value.clone(),
            root.clone(),
        ),
        _ => return None,
    };
    let name = name.to_lowercase();
    let function = match name.as_str() {
        name if NUMBERS.contains(&name) => "blueshift_array_number",
        name if NAMES.contains(&name) => "blueshift_array_element",
        _ => return None,
    };
    Some(call(function, vec![array, index.clone()]))
}
