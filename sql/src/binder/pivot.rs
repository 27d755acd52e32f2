//! PIVOT and UNPIVOT in FROM, as queries without them.
//!
//! Which columns a PIVOT groups by depends on what columns its table has, so the table is planned first.

use crate::binder::ident::folded;
use crate::binder::rewrite::column_name::numbered;
use crate::error::{Error, Result};
use crate::sqlstate::SqlState;
use crate::statement::query::Query as Parsed;
use datafusion_common::DFSchema;
use sqlparser::ast::helpers::attached_token::AttachedToken;
use sqlparser::ast::{
    CaseWhen, Expr, ExprWithAlias, FunctionArg, FunctionArgExpr, FunctionArguments, Ident,
    NullInclusion, PivotValueSource, Query, SetExpr, TableFactor, Value, VisitMut, VisitorMut,
};
use std::collections::HashSet;
use std::ops::ControlFlow;

/// Aggregates that PIVOT takes.
const AGGREGATES: &[&str] = &["avg", "count", "max", "min", "sum"];
/// The columns of the list that UNPIVOT joins with; no user can write them, for the space.
const INDEX: &str = "unpivot index";
/// The name of a value that is no constant.
const NAMELESS: &str = "?column?";

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The columns an expression names, without their tables.
fn named_columns(expr: &Expr) -> HashSet<String> {
    struct Names(HashSet<String>);
    impl VisitorMut for Names {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
            match expr {
                Expr::Identifier(ident) => {
                    self.0.insert(folded(ident));
                }
                Expr::CompoundIdentifier(parts) => {
                    self.0.extend(parts.last().map(folded));
                }
                _ => {}
            }
            ControlFlow::Continue(())
        }
    }
    let mut names = Names(HashSet::new());
    let _ = VisitMut::visit(&mut expr.clone(), &mut names);
    names.0
}

/// The columns of the table that are not among `used`, each once.
fn others(schema: &DFSchema, used: &HashSet<String>) -> Vec<String> {
    let names = schema.fields().iter().map(|field| field.name());
    names
        .filter(|name| !used.contains(*name))
        .map(|name| quoted(name))
        .collect()
}

/// Makes a query from a text, with a table in the place of the first one in it.
fn over(text: &str, table: &TableFactor) -> Result<Query> {
    let mut query = *Parsed::parse(text)?.tree;
    if let SetExpr::Select(select) = query.body.as_mut()
        && let Some(from) = select.from.first_mut()
    {
        from.relation = table.clone();
    }
    Ok(query)
}

/// `t PIVOT (f(x) FOR c IN (v, ...))` -> `SELECT others, f(CASE c WHEN v THEN x END) AS v FROM t GROUP BY others`.
pub(super) fn pivoted(
    schema: &DFSchema,
    table: &TableFactor,
    aggregates: &[ExprWithAlias],
    columns: &[Expr],
    values: &PivotValueSource,
) -> Result<Query> {
    let [column] = columns else {
        return Err(Error::unsupported(
            "PIVOT on several columns",
            "Name one column after FOR",
        ));
    };
    let PivotValueSource::List(values) = values else {
        return Err(Error::unsupported(
            "PIVOT on the values of a subquery",
            "Write the values after IN",
        ));
    };
    let mut used = named_columns(column);
    for aggregate in aggregates {
        used.extend(named_columns(&aggregate.expr));
    }
    let groups = others(schema, &used);
    let mut items = Vec::new();
    let mut names = HashSet::new();
    for value in values {
        if !named_columns(&value.expr).is_empty() {
            return Err(Error::unsupported(
                format!("{} as a value of PIVOT", value.expr),
                "Write constants after IN",
            ));
        }
        for aggregate in aggregates {
            let mut name = match (&value.alias, &aggregate.alias) {
                (Some(value), None) => folded(value),
                (Some(value), Some(aggregate)) => {
                    format!("{}_{}", folded(value), folded(aggregate))
                }
                (None, None) => default_name(&value.expr),
                (None, Some(aggregate)) => {
                    format!("{}_{}", default_name(&value.expr), folded(aggregate))
                }
            };
            // What has no name of its own may be there several times.
            if value.alias.is_none() && name.starts_with(NAMELESS) && names.contains(&name) {
                name = numbered(&name, names.len());
            }
            if !names.insert(name.clone()) {
                return Err(Error::new(
                    SqlState::DUPLICATE_COLUMN,
                    format!("column name \"{name}\" is there twice"),
                )
                .with_hint("Give each aggregate and each value of PIVOT its own alias"));
            }
            let expr = aggregated(&aggregate.expr, column, &value.expr)?;
            items.push((expr, name));
        }
    }
    let placeholders = items
        .iter()
        .map(|(_, name)| format!("1 AS {}", quoted(name)));
    let list: Vec<String> = groups.iter().cloned().chain(placeholders).collect();
    let by = match groups.is_empty() {
        true => String::new(),
        false => format!(" GROUP BY {}", groups.join(", ")),
    };
    let mut query = over(&format!("SELECT {} FROM t{by}", list.join(", ")), table)?;
    if let SetExpr::Select(select) = query.body.as_mut() {
        let places = select.projection.iter_mut().skip(groups.len());
        for (place, (expr, _)) in places.zip(items) {
            if let sqlparser::ast::SelectItem::ExprWithAlias { expr: place, .. } = place {
                *place = expr;
            }
        }
    }
    Ok(query)
}

/// A constant is its own name.
fn default_name(value: &Expr) -> String {
    match value {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => text.clone(),
            other => other.to_string().to_lowercase(),
        },
        Expr::UnaryOp { op, expr } => format!("{op}{}", default_name(expr)),
        Expr::Cast { expr, .. } => default_name(expr),
        _ => NAMELESS.to_owned(),
    }
}

/// An aggregate over the rows that have a value.
fn aggregated(aggregate: &Expr, column: &Expr, value: &Expr) -> Result<Expr> {
    let refusal = || {
        Error::unsupported(
            format!("{aggregate} in PIVOT"),
            "Use one of AVG, COUNT, MAX, MIN and SUM of an expression",
        )
    };
    let Expr::Function(function) = aggregate else {
        return Err(refusal());
    };
    let name = function.name.to_string().to_lowercase();
    if !AGGREGATES.contains(&name.as_str()) || function.over.is_some() {
        return Err(refusal());
    }
    let mut function = function.clone();
    let FunctionArguments::List(list) = &mut function.args else {
        return Err(refusal());
    };
    let [argument] = list.args.as_mut_slice() else {
        return Err(refusal());
    };
    let counted = match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(counted)) => counted.clone(),
        FunctionArg::Unnamed(FunctionArgExpr::Wildcard) => {
            Expr::Value(Value::Number("1".to_owned(), false).into())
        }
        _ => return Err(refusal()),
    };
    let is_null = matches!(value, Expr::Value(value) if value.value == Value::Null);
    let condition = match is_null {
        true => Expr::IsNull(Box::new(column.clone())),
        false => Expr::BinaryOp {
            left: Box::new(column.clone()),
            op: sqlparser::ast::BinaryOperator::Eq,
            right: Box::new(value.clone()),
        },
    };
    *argument = FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: vec![CaseWhen {
            condition,
            result: counted,
        }],
        else_result: None,
    }));
    Ok(Expr::Function(function))
}

/// `t UNPIVOT (v FOR n IN (a, b))` -> every row with each of the columns in turn; rows whose value is null are left
/// out unless they are asked for.
pub(super) fn unpivoted(
    schema: &DFSchema,
    table: &TableFactor,
    value: &Expr,
    name: &Ident,
    columns: &[ExprWithAlias],
    nulls: Option<&NullInclusion>,
) -> Result<Query> {
    let Expr::Identifier(value) = value else {
        return Err(Error::unsupported(
            "UNPIVOT into several columns",
            "Name one column for the values",
        ));
    };
    let mut used = HashSet::new();
    let (mut rows, mut branches) = (Vec::new(), Vec::new());
    for (index, column) in columns.iter().enumerate() {
        let own = match &column.expr {
            Expr::Identifier(ident) => folded(ident),
            other => {
                return Err(Error::unsupported(
                    format!("{other} in UNPIVOT"),
                    "Compute it as a column of a subquery",
                ));
            }
        };
        let shown = column.alias.as_ref().map_or_else(|| own.clone(), folded);
        let shown = shown.replace('\\', "\\\\").replace('\'', "''");
        rows.push(format!("({index}, '{shown}')"));
        branches.push(format!("WHEN {index} THEN {}", quoted(&own)));
        used.insert(own);
    }
    let mut list = others(schema, &used);
    let name = quoted(&folded(name));
    let value = quoted(&folded(value));
    list.push(name.clone());
    list.push(format!(
        "CASE \"{INDEX}\" {} END AS {value}",
        branches.join(" ")
    ));
    let text = format!(
        "SELECT {} FROM t CROSS JOIN (VALUES {}) AS \"unpivot names\"(\"{INDEX}\", {name})",
        list.join(", "),
        rows.join(", ")
    );
    let query = over(&text, table)?;
    if nulls == Some(&NullInclusion::IncludeNulls) {
        return Ok(query);
    }
    let derived = TableFactor::Derived {
        lateral: false,
        subquery: Box::new(query),
        alias: None,
        sample: None,
    };
    over(
        &format!("SELECT * FROM t WHERE {value} IS NOT NULL"),
        &derived,
    )
}
