//! Rows compared as a whole: `(a, b) = (c, d)`, `(a, b) IN ((1, 2), (3, 4))`, `(a, b) IN (SELECT ...)`.

use crate::error::{Error, Result};
use crate::statement::query::Query as Parsed;
use sqlparser::ast::{
    BinaryOperator, Expr, Ident, Query, Select, SetExpr, TableAliasColumnDef, TableFactor,
    UnaryOperator, Value,
};

/// The alias of a subquery that rows are looked for in; no user can write it, for the space.
const ROWS: &str = "rows of in";

pub(super) fn rewrite(expr: &mut Expr) -> Result<()> {
    let replaced = match expr {
        Expr::BinaryOp { left, op, right } => match (row(left), row(right)) {
            (Some(left), Some(right)) => Some(compared(left, op, right)?),
            _ => None,
        },
        Expr::InList {
            expr: subject,
            list,
            negated,
        } => match row(subject) {
            Some(subject) => Some(negate(any_of(subject, list)?, *negated)),
            None => None,
        },
        Expr::InSubquery {
            expr: subject,
            subquery,
            negated,
        } => match row(subject) {
            Some(subject) => Some(in_query(subject, subquery, *negated)?),
            None => None,
        },
        _ => None,
    };
    if let Some(replaced) = replaced {
        *expr = replaced;
    }
    Ok(())
}

fn row(expr: &Expr) -> Option<&[Expr]> {
    match expr {
        Expr::Tuple(parts) if parts.len() > 1 => Some(parts),
        Expr::Nested(inner) => row(inner),
        _ => None,
    }
}

fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::Nested(Box::new(Expr::BinaryOp {
        left: Box::new(left),
        op,
        right: Box::new(right),
    }))
}

fn negate(expr: Expr, negated: bool) -> Expr {
    match negated {
        true => Expr::UnaryOp {
            op: UnaryOperator::Not,
            expr: Box::new(Expr::Nested(Box::new(expr))),
        },
        false => expr,
    }
}

fn joined(parts: impl Iterator<Item = Expr>, op: &BinaryOperator) -> Expr {
    parts
        .reduce(|left, right| binary(left, op.clone(), right))
        .unwrap_or_else(|| Expr::Value(Value::Boolean(true).into()))
}

fn same_width(left: &[Expr], right: &[Expr]) -> Result<()> {
    if left.len() == right.len() {
        return Ok(());
    }
    Err(Error::syntax(
        "unequal number of entries in row expressions",
        None,
    ))
}

fn equal(left: &[Expr], right: &[Expr]) -> Expr {
    let pairs = left.iter().zip(right);
    joined(
        pairs.map(|(left, right)| binary(left.clone(), BinaryOperator::Eq, right.clone())),
        &BinaryOperator::And,
    )
}

/// The first parts that differ decide.
fn compared(left: &[Expr], op: &BinaryOperator, right: &[Expr]) -> Result<Expr> {
    same_width(left, right)?;
    let strict = match op {
        BinaryOperator::Eq => return Ok(equal(left, right)),
        BinaryOperator::NotEq => return Ok(negate(equal(left, right), true)),
        BinaryOperator::Lt | BinaryOperator::LtEq => BinaryOperator::Lt,
        BinaryOperator::Gt | BinaryOperator::GtEq => BinaryOperator::Gt,
        _ => {
            return Err(Error::unsupported(
                format!("operator {op} between rows"),
                "Compare the parts of the rows",
            ));
        }
    };
    let mut pairs = left.iter().zip(right).rev();
    let Some((last_left, last_right)) = pairs.next() else {
        return Ok(equal(left, right));
    };
    let last = binary(last_left.clone(), op.clone(), last_right.clone());
    Ok(pairs.fold(last, |rest, (left, right)| {
        let decided = binary(left.clone(), strict.clone(), right.clone());
        let same = binary(left.clone(), BinaryOperator::Eq, right.clone());
        binary(
            decided,
            BinaryOperator::Or,
            binary(same, BinaryOperator::And, rest),
        )
    }))
}

fn any_of(subject: &[Expr], list: &[Expr]) -> Result<Expr> {
    let mut tests = Vec::with_capacity(list.len());
    for item in list {
        let Some(item) = row(item) else {
            return Err(Error::syntax(
                "unequal number of entries in row expressions",
                None,
            ));
        };
        same_width(subject, item)?;
        tests.push(equal(subject, item));
    }
    Ok(joined(tests.into_iter(), &BinaryOperator::Or))
}

/// `EXISTS`, with the subquery's columns under names of ours, so that they hide none outside it. A row is not in a
/// query only if each of its rows differs for certain.
fn in_query(subject: &[Expr], subquery: &Query, negated: bool) -> Result<Expr> {
    let mut exists = Parsed::parse(&format!(
        "SELECT 1 FROM (SELECT 1) AS \"{ROWS}\" WHERE true"
    ))?;
    let Some(select) = select_of(exists.tree.as_mut()) else {
        return Err(Error::syntax("a row is not looked for in this query", None));
    };
    let name = |index: usize| format!("{ROWS} {index}");
    let mut tests = Vec::with_capacity(subject.len());
    for (index, part) in subject.iter().enumerate() {
        let column = Expr::CompoundIdentifier(vec![
            Ident::with_quote('"', ROWS),
            Ident::with_quote('"', name(index)),
        ]);
        let test = binary(column, BinaryOperator::Eq, part.clone());
        tests.push(match negated {
            true => Expr::IsNotFalse(Box::new(test)),
            false => test,
        });
    }
    select.selection = Some(joined(tests.into_iter(), &BinaryOperator::And));
    if let Some(from) = select.from.first_mut()
        && let TableFactor::Derived {
            subquery: place,
            alias: Some(alias),
            ..
        } = &mut from.relation
    {
        **place = subquery.clone();
        let columns = (0..subject.len()).map(|index| TableAliasColumnDef {
            name: Ident::with_quote('"', name(index)),
            data_type: None,
        });
        alias.columns = columns.collect();
    }
    Ok(Expr::Exists {
        subquery: Box::new(exists.tree.as_ref().clone()),
        negated,
    })
}

fn select_of(query: &mut Query) -> Option<&mut Select> {
    match query.body.as_mut() {
        SetExpr::Select(select) => Some(select),
        _ => None,
    }
}
