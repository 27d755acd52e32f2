//! Functions written in SQL: a call is replaced by the function's expression, its arguments in the place of `$1`...
//!
//! The planner meets such a function as one that cannot run; after planning every call is replaced, so that all rules
//! see through it. Arguments are converted to the declared types first, the result to the declared type last.

use super::assign::convert;
use super::context::{Context, external};
use super::{Names, planner_context, rewrite};
use crate::error::Error;
use crate::sqlstate::SqlState;
use crate::stack::STACK_BYTES;
use crate::statement::query::Query;
use crate::statement::routine::RoutineVolatility;
use crate::types::SqlType;
use arrow_schema::{DataType, Field, FieldRef};
use datafusion_common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion_common::{DFSchema, Result};
use datafusion_expr::expr::{Cast, Placeholder, ScalarFunction};
use datafusion_expr::expr_rewriter::NamePreserver;
use datafusion_expr::utils::merge_schema;
use datafusion_expr::{
    ColumnarValue, Expr, ExprSchemable, LogicalPlan, ReturnFieldArgs, ScalarFunctionArgs,
    ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};
use datafusion_sql::planner::SqlToRel;
use sqlparser::ast::{SelectItem, SetExpr};
use std::sync::Arc;

/// Functions that call functions, how deep.
const DEPTH_MAX: usize = 64;
/// Parts of an expression that one call may become.
const NODES_MAX: usize = 100_000;

/// A function written in SQL.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SqlFunction {
    /// Its name.
    pub name: String,
    /// The types of its arguments.
    pub arguments: Vec<SqlType>,
    /// The type of its result.
    pub returns: SqlType,
    /// What it promises of its results.
    pub volatility: RoutineVolatility,
    /// Its text: `SELECT expression`.
    pub body: String,
}

/// All functions of a name, as the planner sees them.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Overloads {
    name: String,
    functions: Vec<Arc<SqlFunction>>,
    signature: Signature,
}

/// Makes the planner's function of all SQL functions of a name.
pub(super) fn function(name: &str, functions: Vec<Arc<SqlFunction>>) -> Arc<ScalarUDF> {
    let volatilities = functions.iter().map(|one| one.volatility);
    let volatility = match volatilities.min_by_key(|one| *one as u8) {
        Some(RoutineVolatility::Immutable) => Volatility::Immutable,
        Some(RoutineVolatility::Stable) => Volatility::Stable,
        _ => Volatility::Volatile,
    };
    let types = TypeSignature::OneOf(vec![TypeSignature::Nullary, TypeSignature::VariadicAny]);
    Arc::new(ScalarUDF::new_from_impl(Overloads {
        name: name.to_owned(),
        functions,
        signature: Signature::new(types, volatility),
    }))
}

impl Overloads {
    fn pick(&self, given: &[DataType]) -> crate::Result<&Arc<SqlFunction>> {
        let costs: Vec<Option<u32>> = self
            .functions
            .iter()
            .map(|function| call_cost(&function.arguments, given))
            .collect();
        let refuse = |code, what: &str| {
            let given: Vec<_> = given.iter().map(shown).collect();
            let text = format!("function {}({}) {what}", self.name, given.join(", "));
            Err(Error::new(code, text))
        };
        let hint = "Add explicit casts to the arguments";
        let Some(best) = costs.iter().flatten().min().copied() else {
            return refuse(SqlState::UNDEFINED_FUNCTION, "does not exist")
                .map_err(|error: Error| error.with_hint(hint));
        };
        let mut fitting = self.functions.iter().zip(&costs);
        let found = fitting.find(|(_, cost)| **cost == Some(best));
        if fitting.any(|(_, cost)| *cost == Some(best)) {
            return refuse(SqlState::AMBIGUOUS_FUNCTION, "is not unique")
                .map_err(|error: Error| error.with_hint(hint));
        }
        match found {
            Some((function, _)) => Ok(function),
            None => refuse(SqlState::UNDEFINED_FUNCTION, "does not exist"),
        }
    }
}

fn shown(ty: &DataType) -> String {
    if ty.is_null() {
        return "\"unknown\"".to_owned();
    }
    let shown = SqlType::from_arrow(ty).display();
    shown.split('(').next().unwrap_or_default().to_owned()
}

/// Tells how well arguments of some types fit declared ones: 0 is exactly, `None` not at all. Source: the rules of
/// PostgreSQL for calls; texts fit everything, as a literal has no type of its own there.
pub fn call_cost(declared: &[SqlType], given: &[DataType]) -> Option<u32> {
    if declared.len() != given.len() {
        return None;
    }
    let costs = declared.iter().zip(given);
    costs.map(|(declared, given)| cost(*declared, given)).sum()
}

fn cost(declared: SqlType, given: &DataType) -> Option<u32> {
    let rank = |ty: SqlType| match ty {
        SqlType::SmallInt => Some(1_u32),
        SqlType::Integer => Some(2),
        SqlType::BigInt => Some(3),
        SqlType::Decimal { .. } => Some(4),
        SqlType::Real => Some(5),
        SqlType::Double => Some(6),
        _ => None,
    };
    let source = SqlType::from_arrow(given);
    if given.is_null() || declared.arrow() == *given {
        return Some(0);
    }
    match (rank(source), rank(declared)) {
        (Some(from), Some(to)) if to >= from => return Some(to - from),
        // A whole number is often written wider than it is; the conversion is checked.
        (Some(2..=3), Some(1..=2)) => return Some(10),
        _ => {}
    }
    match (source, declared) {
        (SqlType::Date, SqlType::Timestamp) | (SqlType::Timestamp, SqlType::TimestampTz) => Some(1),
        (SqlType::Date, SqlType::TimestampTz) => Some(2),
        (SqlType::Varchar(_), SqlType::Varchar(_)) => Some(0),
        (SqlType::Varchar(_), _) => Some(20),
        (_, SqlType::Varchar(_)) => Some(40),
        _ => None,
    }
}

impl ScalarUDFImpl for Overloads {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        let function = self.pick(arguments).map_err(external)?;
        Ok(function.returns.arrow())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let types: Vec<_> = args
            .arg_fields
            .iter()
            .map(|field| field.data_type().clone())
            .collect();
        let function = self.pick(&types).map_err(external)?;
        Ok(Arc::new(match is_noted(function.returns) {
            true => function.returns.field(&self.name, true),
            false => Field::new(&self.name, function.returns.arrow(), true),
        }))
    }

    fn invoke_with_args(&self, _args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Err(external(Error::unsupported(
            format!("function {} here", self.name),
            "Call it in a query",
        )))
    }
}

/// Tells whether a type needs a note beside its arrow form.
fn is_noted(ty: SqlType) -> bool {
    matches!(ty, SqlType::Char(_) | SqlType::Super)
}

/// Replaces the calls in a plan.
pub(super) fn plan(names: &dyn Names, plan: LogicalPlan) -> Result<LogicalPlan> {
    let replaced = plan.transform_up_with_subqueries(|plan| {
        let schema = merge_schema(&plan.inputs());
        let preserver = NamePreserver::new(&plan);
        let changed = plan.map_expressions(|expr| {
            let name = preserver.save(&expr);
            let changed = replace(names, expr, &schema, 0)?;
            Ok(changed.update_data(|expr| name.restore(expr)))
        })?;
        match changed.transformed {
            true => changed.map_data(LogicalPlan::recompute_schema),
            false => Ok(changed),
        }
    })?;
    Ok(replaced.data)
}

/// Replaces the calls in an expression.
pub(super) fn expression(names: &dyn Names, expr: Expr, schema: &DFSchema) -> Result<Expr> {
    Ok(replace(names, expr, schema, 0)?.data)
}

fn replace(
    names: &dyn Names,
    expr: Expr,
    schema: &DFSchema,
    depth: usize,
) -> Result<Transformed<Expr>> {
    expr.transform_up(|expr| match expr {
        Expr::ScalarFunction(call) => match overloads(&call.func) {
            Some(found) => Ok(Transformed::yes(inlined(
                names, found, &call, schema, depth,
            )?)),
            None => Ok(Transformed::no(Expr::ScalarFunction(call))),
        },
        other => Ok(Transformed::no(other)),
    })
}

fn overloads(function: &ScalarUDF) -> Option<&Overloads> {
    let any: &dyn std::any::Any = function.inner().as_ref();
    any.downcast_ref()
}

fn inlined(
    names: &dyn Names,
    overloads: &Overloads,
    call: &ScalarFunction,
    schema: &DFSchema,
    depth: usize,
) -> Result<Expr> {
    let too_deep = || {
        external(
            Error::new(
                SqlState::STATEMENT_TOO_COMPLEX,
                format!("function {} is nested too deeply", overloads.name),
            )
            .with_detail(format!(
                "Functions may call functions {DEPTH_MAX} deep, and an expression may have {NODES_MAX} parts."
            )),
        )
    };
    if depth >= DEPTH_MAX {
        return Err(too_deep());
    }
    let fields = call
        .args
        .iter()
        .map(|arg| Ok(arg.to_field(schema)?.1))
        .collect::<Result<Vec<_>>>()?;
    let types: Vec<_> = fields
        .iter()
        .map(|field| field.data_type().clone())
        .collect();
    let function = overloads.pick(&types).map_err(external)?;
    let body = bind(names, function, depth)?;
    let arguments: Vec<Expr> = call
        .args
        .iter()
        .zip(&types)
        .zip(&function.arguments)
        .map(|((arg, given), declared)| converted(arg.clone(), given, *declared))
        .collect();
    let mut used = vec![0_usize; arguments.len()];
    let filled = body.transform_up(|expr| match &expr {
        Expr::Placeholder(placeholder) => match place(placeholder, &arguments) {
            Some((index, argument)) => {
                used.iter_mut()
                    .skip(index)
                    .take(1)
                    .for_each(|count| *count += 1);
                Ok(Transformed::new(
                    argument.clone(),
                    true,
                    TreeNodeRecursion::Jump,
                ))
            }
            None => Ok(Transformed::no(expr)),
        },
        _ => Ok(Transformed::no(expr)),
    })?;
    let is_copied = |(argument, count): (&Expr, &usize)| *count > 1 && argument.is_volatile();
    if arguments.iter().zip(&used).any(is_copied) {
        return Err(external(Error::unsupported(
            format!("a volatile argument of function {}", overloads.name),
            "The function uses it more than once; compute it in a subquery first",
        )));
    }
    let mut nodes = 0;
    filled.data.apply(|_| {
        nodes += 1;
        Ok(match nodes > NODES_MAX {
            true => TreeNodeRecursion::Stop,
            false => TreeNodeRecursion::Continue,
        })
    })?;
    match nodes > NODES_MAX {
        true => Err(too_deep()),
        false => Ok(filled.data),
    }
}

fn place<'a>(placeholder: &Placeholder, arguments: &'a [Expr]) -> Option<(usize, &'a Expr)> {
    let number: usize = placeholder.id.strip_prefix('$')?.parse().ok()?;
    let index = number.checked_sub(1)?;
    Some((index, arguments.get(index)?))
}

/// Converts a value to a declared type.
fn converted(expr: Expr, given: &DataType, declared: SqlType) -> Expr {
    match declared.arrow() == *given {
        true => expr,
        false => convert(expr, given, declared.arrow()),
    }
}

/// Binds a function's text to the expression it stands for, with `$1`... of the declared types in it.
fn bind(names: &dyn Names, function: &SqlFunction, depth: usize) -> Result<Expr> {
    let mut expr = body(&function.body).map_err(external)?;
    rewrite::apply(&mut expr).map_err(external)?;
    let types: Vec<_> = function
        .arguments
        .iter()
        .map(|ty| Some(ty.arrow()))
        .collect();
    let context = Context::new(names);
    let planner = SqlToRel::new_with_options(&context, Context::parser_options());
    let schema = DFSchema::empty();
    // Functions within functions share a stack as long as there is room on it.
    let bound = stacker::maybe_grow(STACK_BYTES / 4, STACK_BYTES, || {
        planner.sql_to_expr(expr, &schema, &mut planner_context(&types))
    })?;
    let bound = replace(names, bound, &schema, depth + 1)?.data;
    let (_, field) = bound.to_field(&schema)?;
    let result = converted(bound, field.data_type(), function.returns);
    let is_told = SqlType::from_field(&field) == function.returns || !is_noted(function.returns);
    Ok(match is_told {
        true => result,
        false => Expr::Cast(Cast::new_from_field(
            Box::new(result),
            Arc::new(function.returns.field("result", true)),
        )),
    })
}

/// Binds a function once, to learn what is wrong with it. Gives the expression it stands for.
pub fn check_function(names: &dyn Names, function: &SqlFunction) -> crate::Result<Expr> {
    let bound = bind(names, function, 0).map_err(|error| super::from_engine(&error))?;
    let mut refused = None;
    let walked = bound.apply(|expr| {
        let what = match expr {
            Expr::Placeholder(placeholder) => {
                let count = function.arguments.len();
                let number = placeholder
                    .id
                    .strip_prefix('$')
                    .and_then(|id| id.parse().ok());
                if number.is_none_or(|number: usize| number == 0 || number > count) {
                    refused = Some(Error::new(
                        SqlState::UNDEFINED_PARAMETER,
                        format!("there is no parameter {}", placeholder.id),
                    ));
                }
                return Ok(TreeNodeRecursion::Continue);
            }
            Expr::AggregateFunction(_) => "an aggregate function",
            Expr::WindowFunction(_) => "a window function",
            Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_) => "a subquery",
            _ => return Ok(TreeNodeRecursion::Continue),
        };
        refused = Some(Error::unsupported(
            format!("{what} in a SQL function"),
            "Write it in the query that calls the function",
        ));
        Ok(TreeNodeRecursion::Stop)
    });
    walked.map_err(|error| super::from_engine(&error))?;
    match refused {
        Some(error) => Err(error),
        None => Ok(bound),
    }
}

/// Reads `SELECT expression`, which may have no other clause.
fn body(text: &str) -> crate::Result<sqlparser::ast::Expr> {
    let refuse = |what: &str| {
        Err(Error::unsupported(
            format!("{what} in a SQL function"),
            "The function is one SELECT of one expression; write the clause in the query that calls it",
        ))
    };
    let Ok(query) = Query::parse(text) else {
        // A text that is no query at all tells what is wrong with it; another statement is refused by name.
        let statements = crate::statement::parse(text)?;
        return match statements.len() {
            1 => refuse("a statement other than SELECT"),
            _ => refuse("more than one statement"),
        };
    };
    let tree = *query.tree;
    let clauses = [
        (tree.with.is_some(), "WITH"),
        (tree.order_by.is_some(), "ORDER BY"),
        (tree.limit_clause.is_some(), "LIMIT"),
    ];
    if let Some((_, what)) = clauses.into_iter().find(|(is_there, _)| *is_there) {
        return refuse(what);
    }
    let SetExpr::Select(mut select) = *tree.body else {
        return refuse("a set operation");
    };
    let clauses = [
        (!select.from.is_empty(), "FROM"),
        (select.into.is_some(), "INTO"),
        (select.selection.is_some(), "WHERE"),
        (select.having.is_some(), "HAVING"),
        (select.qualify.is_some(), "QUALIFY"),
        (select.top.is_some(), "TOP"),
        (select.distinct.is_some(), "DISTINCT"),
        (
            !matches!(&select.group_by, sqlparser::ast::GroupByExpr::Expressions(list, _) if list.is_empty()),
            "GROUP BY",
        ),
    ];
    if let Some((_, what)) = clauses.into_iter().find(|(is_there, _)| *is_there) {
        return refuse(what);
    }
    match (select.projection.pop(), select.projection.is_empty()) {
        (Some(SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }), true) => {
            Ok(expr)
        }
        _ => Err(Error::new(
            SqlState::INVALID_FUNCTION_DEFINITION,
            "return type mismatch in function",
        )
        .with_detail("Function's SELECT must return exactly one column.")),
    }
}
