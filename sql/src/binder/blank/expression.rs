//! Blanks at the end of texts within expressions: what may have them, and where they must not count.

use super::{Scope, Walk, can_be_padded, trimmed};
use crate::function::unpadded::{self, unpadded};
use crate::types::SqlType;
use datafusion_common::tree_node::{Transformed, TreeNode};
use datafusion_common::{Result, ScalarValue};
use datafusion_expr::expr::{
    AggregateFunction, Between, InList, InSubquery, ScalarFunction, SetComparison, WindowFunction,
};
use datafusion_expr::{
    BinaryExpr, Case, Expr, ExprSchemable, LogicalPlan, Operator, Subquery, binary_expr, when,
};
use std::sync::Arc;

/// Functions whose result ends with a blank only if one of their texts does.
const FAITHFUL: &[&str] = &[
    "upper",
    "lower",
    "initcap",
    "coalesce",
    "nullif",
    "greatest",
    "least",
    "concat",
    "ltrim",
    "blueshift_assign_text",
    // Aggregates and window functions that give one of the values.
    "min",
    "max",
    "any_value",
    "first_value",
    "last_value",
    "nth_value",
    "lag",
    "lead",
];

/// Functions whose result never ends with a blank.
const CLEAN: &[&str] = &[
    unpadded::NAME,
    "md5",
    "sha",
    "sha1",
    "sha2",
    "func_sha1",
    "to_hex",
];

fn text_of(value: &ScalarValue) -> Option<&str> {
    match value {
        ScalarValue::Utf8(text) | ScalarValue::LargeUtf8(text) | ScalarValue::Utf8View(text) => {
            text.as_deref()
        }
        _ => None,
    }
}

/// Gives a constant of the same type with another text.
fn with_text(value: &ScalarValue, text: String) -> ScalarValue {
    match value {
        ScalarValue::Utf8(_) => ScalarValue::Utf8(Some(text)),
        ScalarValue::LargeUtf8(_) => ScalarValue::LargeUtf8(Some(text)),
        _ => ScalarValue::Utf8View(Some(text)),
    }
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

/// Tells whether an expression of this shape compares something or holds a query.
fn compares(expr: &Expr) -> bool {
    match expr {
        Expr::BinaryExpr(binary) => is_comparison(binary.op),
        Expr::ScalarFunction(function) => function.name() == "nullif",
        Expr::Case(case) => case.expr.is_some(),
        Expr::Between(_)
        | Expr::InList(_)
        | Expr::InSubquery(_)
        | Expr::SetComparison(_)
        | Expr::Exists(_)
        | Expr::ScalarSubquery(_) => true,
        _ => false,
    }
}

/// Gives what a comparison of a column without its blanks says of the column itself, for zone maps: `v` without
/// blanks equals `'x'` only if `v` lies from `'x'` up to `'x!'`, `!` being the character after the blank.
pub(super) fn bound(expr: &Expr) -> Option<Expr> {
    let column = |expr: &Expr| match expr {
        Expr::ScalarFunction(function) if function.name() == unpadded::NAME => {
            match function.args.as_slice() {
                [column @ Expr::Column(_)] => Some(column.clone()),
                _ => None,
            }
        }
        _ => None,
    };
    let from = |column: &Expr, least: &ScalarValue| {
        binary_expr(
            column.clone(),
            Operator::GtEq,
            Expr::Literal(least.clone(), None),
        )
    };
    // A character before the blank would come before it and after the end of a text.
    let below = |column: &Expr, most: &ScalarValue| {
        let text = text_of(most).filter(|text| text.bytes().all(|byte| byte > b' '))?;
        let end = with_text(most, format!("{text}!"));
        Some(binary_expr(
            column.clone(),
            Operator::Lt,
            Expr::Literal(end, None),
        ))
    };
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let (column, op, value) = match (&**left, &**right) {
                (left, Expr::Literal(value, _)) => (column(left)?, *op, value),
                (Expr::Literal(value, _), right) => (column(right)?, op.swap()?, value),
                _ => return None,
            };
            text_of(value)?;
            match op {
                Operator::Eq => Some(match below(&column, value) {
                    Some(below) => from(&column, value).and(below),
                    None => from(&column, value),
                }),
                Operator::Gt | Operator::GtEq => Some(from(&column, value)),
                Operator::Lt | Operator::LtEq => below(&column, value),
                _ => None,
            }
        }
        Expr::InList(InList {
            expr,
            list,
            negated: false,
        }) => {
            let column = column(expr)?;
            let values = list.iter().map(|item| match item {
                Expr::Literal(value, _) => text_of(value).map(|text| (text, value)),
                _ => None,
            });
            let values = values.collect::<Option<Vec<_>>>()?;
            let (_, least) = values.iter().min_by_key(|(text, _)| *text)?;
            let (_, most) = values.iter().max_by_key(|(text, _)| *text)?;
            let from = from(&column, least);
            Some(match below(&column, most) {
                Some(below) => from.and(below),
                None => from,
            })
        }
        _ => None,
    }
}

impl Walk<'_> {
    /// Tells whether an expression is a text that may end with a blank.
    pub(super) fn may_be_padded(&self, expr: &Expr, scope: &Scope) -> bool {
        let any = |exprs: &[Expr]| exprs.iter().any(|expr| self.may_be_padded(expr, scope));
        match expr {
            Expr::Literal(value, _) => text_of(value).is_some_and(|text| text.ends_with(' ')),
            Expr::Column(column) => scope.flag(column).unwrap_or(true),
            Expr::OuterReferenceColumn(field, column) => {
                let mut scopes = self.outer.iter().rev();
                can_be_padded(field) && scopes.find_map(|scope| scope.flag(column)).unwrap_or(true)
            }
            Expr::Alias(alias) => self.may_be_padded(&alias.expr, scope),
            Expr::Cast(cast) => {
                cast.field.data_type().is_string() && self.may_be_padded(&cast.expr, scope)
            }
            Expr::TryCast(cast) => {
                cast.field.data_type().is_string() && self.may_be_padded(&cast.expr, scope)
            }
            Expr::Case(case) => {
                let results = case.when_then_expr.iter().map(|(_, then)| then);
                let mut results = results.chain(&case.else_expr);
                results.any(|result| self.may_be_padded(result, scope))
            }
            Expr::BinaryExpr(binary) => {
                binary.op == Operator::StringConcat
                    && (self.may_be_padded(&binary.left, scope)
                        || self.may_be_padded(&binary.right, scope))
            }
            Expr::ScalarFunction(function) => match (function.name(), function.args.as_slice()) {
                ("btrim" | "trim" | "rtrim", [_]) => false,
                ("blueshift_cut", [text, Expr::Literal(ScalarValue::Int64(Some(length)), _)])
                    if self.is_short(text, *length, scope) =>
                {
                    self.may_be_padded(text, scope)
                }
                (name, _) if CLEAN.contains(&name) => false,
                (name, args) if FAITHFUL.contains(&name) => any(args),
                _ => self.is_text(expr, scope),
            },
            Expr::AggregateFunction(AggregateFunction { func, params }) => {
                match FAITHFUL.contains(&func.name()) {
                    true => any(&params.args),
                    false => self.is_text(expr, scope),
                }
            }
            Expr::WindowFunction(window) => match FAITHFUL.contains(&window.fun.name()) {
                true => any(&window.params.args),
                false => self.is_text(expr, scope),
            },
            Expr::Not(_)
            | Expr::IsNull(_)
            | Expr::IsNotNull(_)
            | Expr::Negative(_)
            | Expr::Like(_)
            | Expr::InList(_)
            | Expr::Between(_)
            | Expr::Exists(_)
            | Expr::InSubquery(_) => false,
            other => self.is_text(other, scope),
        }
    }

    fn is_text(&self, expr: &Expr, scope: &Scope) -> bool {
        match expr.to_field(scope.schema()) {
            Ok((_, field)) => can_be_padded(&field),
            Err(_) => false,
        }
    }

    /// Tells whether a text is declared to be no longer than this.
    fn is_short(&self, text: &Expr, length: i64, scope: &Scope) -> bool {
        let field = text.to_field(scope.schema());
        match field.map(|(_, field)| SqlType::from_field(&field)) {
            Ok(SqlType::Varchar(declared) | SqlType::Char(declared)) => {
                i64::from(declared) <= length
            }
            _ => false,
        }
    }

    /// Gives an expression as a key or one side of a comparison sees it.
    pub(super) fn key(&self, expr: Expr, scope: &Scope) -> Expr {
        if !self.may_be_padded(&expr, scope) {
            return expr;
        }
        match expr {
            Expr::Literal(value, metadata) => {
                let text = text_of(&value).map(|text| text.trim_end_matches(' ').to_owned());
                match text {
                    Some(text) => Expr::Literal(with_text(&value, text), metadata),
                    None => Expr::Literal(value, metadata),
                }
            }
            Expr::Alias(mut alias) => {
                *alias.expr = self.key(*alias.expr, scope);
                Expr::Alias(alias)
            }
            other => unpadded().call(vec![other]),
        }
    }

    /// Tells whether an expression can stand beside a text without making a number or a date of it.
    fn is_text_or_null(&self, expr: &Expr, scope: &Scope) -> bool {
        match expr {
            Expr::Literal(value, _) => value.is_null() || value.data_type().is_string(),
            other => match other.get_type(scope.schema()) {
                Ok(ty) => ty.is_string(),
                Err(_) => false,
            },
        }
    }

    /// Makes two sides ready to be compared.
    pub(super) fn pair(&self, left: Expr, right: Expr, scope: &Scope) -> (Expr, Expr) {
        let either = self.may_be_padded(&left, scope) || self.may_be_padded(&right, scope);
        if !either || !self.is_text_or_null(&left, scope) || !self.is_text_or_null(&right, scope) {
            return (left, right);
        }
        (self.key(left, scope), self.key(right, scope))
    }

    /// Settles every comparison in an expression, also in its subqueries.
    pub(super) fn expr(&mut self, expr: Expr, scope: &Scope) -> Result<Expr> {
        if !expr.exists(|part| Ok(compares(part)))? {
            return Ok(expr);
        }
        let settled = expr.transform_up(|part| {
            if !compares(&part) {
                return Ok(Transformed::no(part));
            }
            self.comparison(part, scope).map(Transformed::yes)
        });
        Ok(settled?.data)
    }

    fn comparison(&mut self, expr: Expr, scope: &Scope) -> Result<Expr> {
        Ok(match expr {
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                let (left, right) = self.pair(*left, *right, scope);
                Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)))
            }
            Expr::Between(Between {
                expr,
                negated,
                low,
                high,
            }) => {
                let (subject, low) = self.pair(*expr.clone(), *low, scope);
                let (other, high) = self.pair(*expr, *high, scope);
                // One of the bounds may be what has blanks to lose, or be no text at all.
                if subject == other {
                    let between =
                        Between::new(Box::new(subject), negated, Box::new(low), Box::new(high));
                    return Ok(Expr::Between(between));
                }
                let (from, to) = match negated {
                    false => (Operator::GtEq, Operator::LtEq),
                    true => (Operator::Lt, Operator::Gt),
                };
                let (from, to) = (
                    binary_expr(subject, from, low),
                    binary_expr(other, to, high),
                );
                match negated {
                    false => from.and(to),
                    true => from.or(to),
                }
            }
            Expr::InList(InList {
                expr,
                list,
                negated,
            }) => {
                let any = self.may_be_padded(&expr, scope)
                    || list.iter().any(|item| self.may_be_padded(item, scope));
                if !any || !self.is_text_or_null(&expr, scope) {
                    return Ok(Expr::InList(InList::new(expr, list, negated)));
                }
                let expr = self.key(*expr, scope);
                let list = list.into_iter().map(|item| self.key(item, scope)).collect();
                Expr::InList(InList::new(Box::new(expr), list, negated))
            }
            Expr::Case(Case {
                expr: Some(subject),
                when_then_expr,
                else_expr,
            }) => {
                let mut whens = when_then_expr.iter().map(|(when, _)| &**when);
                let any = self.may_be_padded(&subject, scope)
                    || whens.any(|when| self.may_be_padded(when, scope));
                if !any || !self.is_text_or_null(&subject, scope) {
                    return Ok(Expr::Case(Case::new(
                        Some(subject),
                        when_then_expr,
                        else_expr,
                    )));
                }
                let branches = when_then_expr.into_iter();
                let branches =
                    branches.map(|(when, then)| (Box::new(self.key(*when, scope)), then));
                let branches = branches.collect();
                let subject = Box::new(self.key(*subject, scope));
                Expr::Case(Case::new(Some(subject), branches, else_expr))
            }
            Expr::ScalarFunction(function) => self.null_if(function, scope)?,
            Expr::Exists(mut exists) => {
                exists.subquery = self.subquery(exists.subquery, scope)?.0;
                Expr::Exists(exists)
            }
            Expr::ScalarSubquery(subquery) => {
                Expr::ScalarSubquery(self.subquery(subquery, scope)?.0)
            }
            Expr::InSubquery(InSubquery {
                expr,
                subquery,
                negated,
            }) => {
                let (expr, subquery) = self.beside_query(*expr, subquery, scope)?;
                Expr::InSubquery(InSubquery::new(Box::new(expr), subquery, negated))
            }
            Expr::SetComparison(SetComparison {
                expr,
                subquery,
                op,
                quantifier,
            }) => {
                let (expr, subquery) = self.beside_query(*expr, subquery, scope)?;
                let expr = Box::new(expr);
                Expr::SetComparison(SetComparison::new(expr, subquery, op, quantifier))
            }
            other => other,
        })
    }

    /// NULLIF gives its first argument as it is, so only its comparison may see it without blanks.
    fn null_if(&self, function: ScalarFunction, scope: &Scope) -> Result<Expr> {
        let [left, right] = function.args.as_slice() else {
            return Ok(Expr::ScalarFunction(function));
        };
        let (compared, with) = self.pair(left.clone(), right.clone(), scope);
        if compared == *left && with == *right {
            return Ok(Expr::ScalarFunction(function));
        }
        let ty = left.get_type(scope.schema())?;
        let null = Expr::Literal(ScalarValue::try_from(&ty)?, None);
        when(compared.eq(with), null).otherwise(left.clone())
    }

    /// Settles a query within an expression; also gives the flags of its columns.
    fn subquery(&mut self, subquery: Subquery, scope: &Scope) -> Result<(Subquery, Vec<bool>)> {
        let around = Scope::new(scope.parts.clone());
        self.outer.push(around);
        let settled = self.plan(Arc::unwrap_or_clone(subquery.subquery));
        self.outer.pop();
        let (plan, flags) = settled?;
        let subquery = Subquery {
            subquery: Arc::new(plan),
            outer_ref_columns: subquery.outer_ref_columns,
            spans: subquery.spans,
        };
        Ok((subquery, flags))
    }

    fn beside_query(
        &mut self,
        expr: Expr,
        subquery: Subquery,
        scope: &Scope,
    ) -> Result<(Expr, Subquery)> {
        let (mut subquery, flags) = self.subquery(subquery, scope)?;
        let first = flags.first().copied().unwrap_or(false);
        let either = first || self.may_be_padded(&expr, scope);
        let fields = subquery.subquery.schema().fields();
        let texts = fields.first().is_some_and(|field| can_be_padded(field));
        if !either || !texts || !self.is_text_or_null(&expr, scope) {
            return Ok((expr, subquery));
        }
        if first {
            let plan: LogicalPlan = Arc::unwrap_or_clone(subquery.subquery);
            subquery.subquery = Arc::new(trimmed(plan, &flags)?);
        }
        Ok((self.key(expr, scope), subquery))
    }

    /// Settles the keys of an aggregate or window function.
    pub(super) fn call(&mut self, call: Expr, scope: &Scope) -> Result<Expr> {
        Ok(match call {
            Expr::Alias(mut alias) => {
                *alias.expr = self.call(*alias.expr, scope)?;
                Expr::Alias(alias)
            }
            Expr::AggregateFunction(AggregateFunction { func, mut params }) => {
                if params.distinct || is_by_value(func.name()) {
                    let args = params.args.into_iter();
                    params.args = args.map(|arg| self.key(arg, scope)).collect();
                }
                params.order_by = self.sort_keys(params.order_by, scope)?;
                Expr::AggregateFunction(AggregateFunction { func, params })
            }
            Expr::WindowFunction(window) => {
                let WindowFunction { fun, mut params } = *window;
                if params.distinct || is_by_value(fun.name()) {
                    let args = params.args.into_iter();
                    params.args = args.map(|arg| self.key(arg, scope)).collect();
                }
                let keys = params.partition_by.into_iter();
                params.partition_by = keys.map(|key| self.key(key, scope)).collect();
                params.order_by = self.sort_keys(params.order_by, scope)?;
                Expr::WindowFunction(Box::new(WindowFunction { fun, params }))
            }
            other => other,
        })
    }
}

/// Tells whether an aggregate function asks which of its values are the same, or must name a group's key.
fn is_by_value(name: &str) -> bool {
    matches!(name, "approx_distinct" | "grouping")
}
