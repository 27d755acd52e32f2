//! Blanks at the end of texts within expressions, and their case: what may have them, and where they must not count.

use super::{Flag, Scope, Walk, can_be_padded, trimmed};
use crate::error::Error;
use crate::function::adapter::failure;
use crate::function::folded;
use crate::function::semistructured::is_super;
use crate::function::unpadded;
use crate::sqlstate::SqlState;
use crate::types::SqlType;
use datafusion_common::tree_node::{Transformed, TreeNode};
use datafusion_common::{DataFusionError, Result, ScalarValue};
use datafusion_expr::expr::{
    AggregateFunction, AggregateFunctionParams, Between, InList, InSubquery, ScalarFunction,
    SetComparison, WindowFunction,
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
    folded::NAME,
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
        | Expr::Like(_)
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

fn is_insensitive(collation: &str) -> bool {
    matches!(
        collation.to_ascii_lowercase().as_str(),
        "case_insensitive" | "ci"
    )
}

/// Two texts meet of which one minds its case.
fn different() -> DataFusionError {
    failure(
        Error::new(
            SqlState::FEATURE_NOT_SUPPORTED,
            "Query with different collations is not supported yet.",
        )
        .with_hint("Give one side the collation of the other with COLLATE(text, collation)"),
    )
}

/// Gives an expression without what a flag says must not count.
fn keyed(expr: Expr, flag: Flag) -> Expr {
    match flag {
        Flag::Clean => return expr,
        Flag::Ranked => return flag.wrapped(expr),
        Flag::Padded | Flag::Folded => {}
    }
    match expr {
        Expr::Literal(value, metadata) => {
            let text = text_of(&value).map(|text| {
                let text = text.trim_end_matches(' ');
                match flag {
                    Flag::Folded => text.to_lowercase(),
                    _ => text.to_owned(),
                }
            });
            match text {
                Some(text) => Expr::Literal(with_text(&value, text), metadata),
                None => Expr::Literal(value, metadata),
            }
        }
        Expr::Alias(mut alias) => {
            *alias.expr = keyed(*alias.expr, flag);
            Expr::Alias(alias)
        }
        other => flag.wrapped(other),
    }
}

impl Walk<'_> {
    /// Tells what comparisons must not see of an expression.
    pub(super) fn flag(&self, expr: &Expr, scope: &Scope) -> Flag {
        let flag = self.text_flag(expr, scope);
        // Types are asked for only where they may matter.
        let is_call = matches!(expr, Expr::ScalarFunction(_));
        if flag != Flag::Ranked && !is_call && !scope.has_super() {
            return flag;
        }
        match expr.to_field(scope.schema()) {
            Ok((_, field)) if is_super(&field) => Flag::Ranked,
            // Made of a SUPER it may still be a text.
            _ if flag == Flag::Ranked => match self.is_text(expr, scope) {
                true => Flag::Padded,
                false => Flag::Clean,
            },
            _ => flag,
        }
    }

    fn text_flag(&self, expr: &Expr, scope: &Scope) -> Flag {
        let most = |exprs: &[Expr]| {
            let flags = exprs.iter().map(|expr| self.text_flag(expr, scope));
            flags.max().unwrap_or(Flag::Clean)
        };
        match expr {
            Expr::Literal(value, _) => match text_of(value) {
                Some(text) if text.ends_with(' ') => Flag::Padded,
                _ => Flag::Clean,
            },
            Expr::Column(column) => scope.flag(column).unwrap_or(Flag::Padded),
            Expr::OuterReferenceColumn(field, column) => {
                let mut scopes = self.outer.iter().rev();
                match scopes.find_map(|scope| scope.flag(column)) {
                    Some(flag) if can_be_padded(field) => flag,
                    _ => Flag::of(field),
                }
            }
            Expr::Alias(alias) => self.text_flag(&alias.expr, scope),
            Expr::Cast(cast) => match cast.field.data_type().is_string() {
                true => self.text_flag(&cast.expr, scope),
                false => Flag::Clean,
            },
            Expr::TryCast(cast) => match cast.field.data_type().is_string() {
                true => self.text_flag(&cast.expr, scope),
                false => Flag::Clean,
            },
            Expr::Case(case) => {
                let results = case.when_then_expr.iter().map(|(_, then)| then);
                let results = results.chain(&case.else_expr);
                let flags = results.map(|result| self.text_flag(result, scope));
                flags.max().unwrap_or(Flag::Clean)
            }
            Expr::BinaryExpr(binary) => match binary.op {
                Operator::StringConcat => {
                    let left = self.text_flag(&binary.left, scope);
                    left.max(self.text_flag(&binary.right, scope))
                }
                _ => Flag::Clean,
            },
            Expr::ScalarFunction(function) => match (function.name(), function.args.as_slice()) {
                ("collate", [text, Expr::Literal(name, _)]) => {
                    match text_of(name).is_some_and(is_insensitive) {
                        true => Flag::Folded,
                        false => self.text_flag(text, scope).min(Flag::Padded),
                    }
                }
                ("btrim" | "trim" | "rtrim", [text]) => self.computed(text, scope),
                ("blueshift_cut", [text, Expr::Literal(ScalarValue::Int64(Some(length)), _)])
                    if self.is_short(text, *length, scope) =>
                {
                    self.text_flag(text, scope)
                }
                (name, _) if CLEAN.contains(&name) => Flag::Clean,
                (name, args) if FAITHFUL.contains(&name) => most(args),
                (_, args) => match self.is_text(expr, scope) {
                    true => most(args).max(Flag::Padded),
                    false => Flag::Clean,
                },
            },
            Expr::AggregateFunction(AggregateFunction { func, params }) => {
                match FAITHFUL.contains(&func.name()) {
                    true => most(&params.args),
                    false if self.is_text(expr, scope) => most(&params.args).max(Flag::Padded),
                    false => Flag::Clean,
                }
            }
            Expr::WindowFunction(window) => match FAITHFUL.contains(&window.fun.name()) {
                true => most(&window.params.args),
                false if self.is_text(expr, scope) => most(&window.params.args).max(Flag::Padded),
                false => Flag::Clean,
            },
            Expr::Not(_)
            | Expr::IsNull(_)
            | Expr::IsNotNull(_)
            | Expr::Negative(_)
            | Expr::Like(_)
            | Expr::InList(_)
            | Expr::Between(_)
            | Expr::Exists(_)
            | Expr::InSubquery(_) => Flag::Clean,
            other => match self.is_text(other, scope) {
                true => Flag::Padded,
                false => Flag::Clean,
            },
        }
    }

    /// The flag of what has lost its blanks.
    fn computed(&self, text: &Expr, scope: &Scope) -> Flag {
        match self.text_flag(text, scope) {
            Flag::Folded => Flag::Folded,
            _ => Flag::Clean,
        }
    }

    /// Tells whether an expression may have blanks or a case that must not count.
    fn is_flagged(&self, expr: &Expr, scope: &Scope) -> bool {
        matches!(self.flag(expr, scope), Flag::Padded | Flag::Folded)
    }

    /// The flag under which values are compared; an error if one minds its case and another does not. A constant has
    /// no mind of its own.
    fn common(&self, exprs: &[&Expr], scope: &Scope) -> Result<Flag> {
        let flags = exprs.iter().map(|expr| self.flag(expr, scope));
        let most = flags
            .filter(|flag| *flag != Flag::Ranked)
            .max()
            .unwrap_or(Flag::Clean);
        if most == Flag::Folded {
            let minds = |expr: &&&Expr| {
                self.flag(expr, scope) != Flag::Folded
                    && self.is_text(expr, scope)
                    && (expr.any_column_refs() || expr.contains_outer())
            };
            if exprs.iter().any(|expr| minds(&expr)) {
                return Err(different());
            }
        }
        Ok(most)
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

    /// Gives the arguments of an aggregate whose values are told apart; what stands between those of a list is none.
    fn told_apart(&self, args: Vec<Expr>, scope: &Scope) -> Vec<Expr> {
        let args = args.into_iter().enumerate();
        args.map(|(place, arg)| match arg {
            Expr::Literal(..) if place > 0 => arg,
            arg => self.key(arg, scope),
        })
        .collect()
    }

    /// Gives an expression as a key sees it.
    pub(super) fn key(&self, expr: Expr, scope: &Scope) -> Expr {
        let flag = self.flag(&expr, scope);
        keyed(expr, flag)
    }

    /// Gives an expression as one side of a comparison under a flag sees it.
    fn side(&self, expr: Expr, common: Flag, scope: &Scope) -> Expr {
        match common {
            Flag::Folded => keyed(expr, common),
            _ => self.key(expr, scope),
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
    pub(super) fn pair(&self, left: Expr, right: Expr, scope: &Scope) -> Result<(Expr, Expr)> {
        let either = self.is_flagged(&left, scope) || self.is_flagged(&right, scope);
        if !either || !self.is_text_or_null(&left, scope) || !self.is_text_or_null(&right, scope) {
            return Ok((left, right));
        }
        let common = self.common(&[&left, &right], scope)?;
        Ok((
            self.side(left, common, scope),
            self.side(right, common, scope),
        ))
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
                let (left, right) = self.pair(*left, *right, scope)?;
                Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)))
            }
            Expr::Between(Between {
                expr,
                negated,
                low,
                high,
            }) => {
                let (subject, low) = self.pair(*expr.clone(), *low, scope)?;
                let (other, high) = self.pair(*expr, *high, scope)?;
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
                let any = self.is_flagged(&expr, scope)
                    || list.iter().any(|item| self.is_flagged(item, scope));
                if !any || !self.is_text_or_null(&expr, scope) {
                    return Ok(Expr::InList(InList::new(expr, list, negated)));
                }
                let all: Vec<&Expr> = std::iter::once(&*expr).chain(&list).collect();
                let common = self.common(&all, scope)?;
                let expr = self.side(*expr, common, scope);
                let list = list.into_iter();
                let list = list.map(|item| self.side(item, common, scope)).collect();
                Expr::InList(InList::new(Box::new(expr), list, negated))
            }
            Expr::Case(Case {
                expr: Some(subject),
                when_then_expr,
                else_expr,
            }) => {
                let whens = when_then_expr.iter().map(|(when, _)| &**when);
                let all: Vec<&Expr> = std::iter::once(&*subject).chain(whens).collect();
                let any = all.iter().any(|value| self.is_flagged(value, scope));
                if !any || !self.is_text_or_null(&subject, scope) {
                    return Ok(Expr::Case(Case::new(
                        Some(subject),
                        when_then_expr,
                        else_expr,
                    )));
                }
                let common = self.common(&all, scope)?;
                let branches = when_then_expr.into_iter();
                let branches =
                    branches.map(|(when, then)| (Box::new(self.side(*when, common, scope)), then));
                let branches = branches.collect();
                let subject = Box::new(self.side(*subject, common, scope));
                Expr::Case(Case::new(Some(subject), branches, else_expr))
            }
            Expr::Like(mut like) => {
                let flag = self.common(&[&like.expr, &like.pattern], scope)?;
                like.case_insensitive |= flag == Flag::Folded;
                Expr::Like(like)
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
        let (compared, with) = self.pair(left.clone(), right.clone(), scope)?;
        if compared == *left && with == *right {
            return Ok(Expr::ScalarFunction(function));
        }
        let ty = left.get_type(scope.schema())?;
        let null = Expr::Literal(ScalarValue::try_from(&ty)?, None);
        when(compared.eq(with), null).otherwise(left.clone())
    }

    /// Settles a query within an expression; also gives the flags of its columns.
    fn subquery(&mut self, subquery: Subquery, scope: &Scope) -> Result<(Subquery, Vec<Flag>)> {
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
        let first = flags.first().copied().unwrap_or(Flag::Clean);
        let own = self.flag(&expr, scope);
        let either = first != Flag::Clean || own != Flag::Clean;
        let fields = subquery.subquery.schema().fields();
        let texts = fields.first().is_some_and(|field| can_be_padded(field));
        if !either || !texts || !self.is_text_or_null(&expr, scope) {
            return Ok((expr, subquery));
        }
        let common = first.max(own);
        if common == Flag::Folded && first != own {
            let is_constant = matches!(expr, Expr::Literal(..));
            if !is_constant {
                return Err(different());
            }
        }
        if first != Flag::Clean {
            let plan: LogicalPlan = Arc::unwrap_or_clone(subquery.subquery);
            subquery.subquery = Arc::new(trimmed(plan, &flags)?);
        }
        Ok((self.side(expr, common, scope), subquery))
    }

    /// Tells whether a call asks for the least or the greatest of what is ordered without its case.
    fn orders_folded(&self, name: &str, args: &[Expr], scope: &Scope) -> bool {
        let of_order = matches!(name, "min" | "max");
        of_order && args.iter().any(|arg| self.flag(arg, scope) == Flag::Folded)
    }

    /// Tells whether a window function gives what [`folded::written`] must read.
    pub(super) fn is_ordered(&self, call: &Expr, scope: &Scope) -> bool {
        match call {
            Expr::Alias(alias) => self.is_ordered(&alias.expr, scope),
            Expr::WindowFunction(window) => {
                self.orders_folded(window.fun.name(), &window.params.args, scope)
            }
            _ => false,
        }
    }

    /// Gives the least or the greatest of a text ordered without its case, of which the engine knows nothing: the first
    /// in that order, and among texts that are the same but for their case the first as they are written.
    fn extreme(&self, call: AggregateFunction) -> Expr {
        let (Some(first), [text]) = (&self.first, call.params.args.as_slice()) else {
            return Expr::AggregateFunction(call);
        };
        let asc = call.func.name() == "min";
        let keys = [keyed(text.clone(), Flag::Folded), text.clone()];
        let order_by = keys.map(|key| key.sort(asc, false)).to_vec();
        let params = AggregateFunctionParams {
            order_by,
            distinct: false,
            ..call.params
        };
        Expr::AggregateFunction(AggregateFunction {
            func: Arc::clone(first),
            params,
        })
    }

    /// Settles the keys of an aggregate or window function.
    pub(super) fn call(&mut self, call: Expr, scope: &Scope) -> Result<Expr> {
        Ok(match call {
            Expr::Alias(mut alias) => {
                *alias.expr = self.call(*alias.expr, scope)?;
                Expr::Alias(alias)
            }
            Expr::AggregateFunction(AggregateFunction { func, mut params }) => {
                if self.orders_folded(func.name(), &params.args, scope) {
                    return Ok(self.extreme(AggregateFunction { func, params }));
                }
                if params.distinct || is_by_value(func.name()) {
                    params.args = self.told_apart(params.args, scope);
                }
                params.order_by = self.sort_keys(params.order_by, scope)?;
                Expr::AggregateFunction(AggregateFunction { func, params })
            }
            Expr::WindowFunction(window) => {
                let WindowFunction { fun, mut params } = *window;
                if self.orders_folded(fun.name(), &params.args, scope) {
                    let args = params.args.into_iter();
                    params.args = args
                        .map(|text| folded::ordered().call(vec![text]))
                        .collect();
                }
                if params.distinct || is_by_value(fun.name()) {
                    params.args = self.told_apart(params.args, scope);
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
