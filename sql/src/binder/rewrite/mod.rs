//! Rewrites of the syntax tree before binding, one file each.

mod around;
mod array;
mod balance;
mod cast;
mod cast_name;
mod coalesce;
pub(super) mod column_name;
mod condition;
mod connect_by;
mod date_part;
mod decode;
mod expand_array;
mod grouping;
mod integer;
mod interval;
mod join_condition;
mod joined_array;
mod like;
mod niladic;
mod number;
pub(super) mod one_row;
mod operator;
mod order_by;
mod ordered;
mod outer_join;
mod path;
mod row;
mod same_name;
mod set_operator;
mod synonym;
mod table_function;
mod top;
pub(super) mod using;
mod window;
mod with_columns;
mod with_size;

pub(super) use cast::shown_names;
pub(super) use operator::NEGATIVE;
pub(super) use path::NOTHING;

use crate::binder::ident::folded;
use crate::error::{Error, Result};
use crate::sqlstate::SqlState;
use sqlparser::ast::{Expr, ObjectName, Query, Select, TableFactor, VisitMut, VisitorMut};
use std::collections::HashMap;
use std::ops::ControlFlow;

/// Applies every rewrite to a part of a tree and gives where each relation is named.
pub(super) fn apply(part: &mut impl VisitMut) -> Result<HashMap<String, usize>> {
    let mut rewriter = Rewriter::default();
    match part.visit(&mut rewriter) {
        ControlFlow::Continue(()) => Ok(rewriter.positions),
        ControlFlow::Break(error) => Err(error),
    }
}

/// Subqueries in conditions and values, one in the other; each level doubles what planning costs, and 18 take a second.
const NESTED_MAX: usize = 16;
/// Tables in one FROM clause; what planning a join costs grows faster than their number, and 300 take a second.
const RELATIONS_MAX: usize = 256;

#[derive(Default)]
struct Rewriter {
    positions: HashMap<String, usize>,
    /// How many subqueries inside expressions stand around; their columns are not seen by name.
    nested: usize,
    /// What the queries around call their tables and elements.
    around: around::Around,
}

/// Tells whether an expression is a subquery.
fn holds_query(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::Subquery(_) | Expr::InSubquery { .. } | Expr::Exists { .. }
    )
}

/// Entries of a select list at most, as PostgreSQL has it.
pub(in crate::binder) const TARGETS_MAX: usize = 1_664;

/// The refusal of a select list that is too long.
pub(in crate::binder) fn too_many_targets() -> Error {
    Error::new(
        SqlState::TOO_MANY_COLUMNS,
        format!("target lists can have at most {TARGETS_MAX} entries"),
    )
    .with_hint("Name the columns that are needed, or put many values into a SUPER")
}

/// Refuses a clause that the engine passes over.
fn refuse_sample(factor: &TableFactor) -> Result<()> {
    match factor {
        TableFactor::Table {
            sample: Some(_), ..
        }
        | TableFactor::Derived {
            sample: Some(_), ..
        } => Err(Error::unsupported(
            "TABLESAMPLE",
            "Write WHERE RANDOM() < 0.1 for a tenth of the rows",
        )),
        _ => Ok(()),
    }
}

fn flow(result: Result<()>) -> ControlFlow<Error> {
    match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(error),
    }
}

impl VisitorMut for Rewriter {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        if let Err(error) = with_size::check(query)
            .and_then(|()| with_columns::rewrite(query))
            .and_then(|()| connect_by::rewrite(query))
        {
            return ControlFlow::Break(error);
        }
        if let Err(error) = using::rewrite(query, &mut |_| None) {
            return ControlFlow::Break(error);
        }
        order_by::rewrite(query);
        cast_name::rewrite(query);
        self.around.enter_query(query);
        flow(top::rewrite(query).and_then(|()| set_operator::rewrite(&mut query.body)))
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<Error> {
        self.around.leave_query();
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
        if let Err(error) = join_condition::check(select) {
            return ControlFlow::Break(error);
        }
        if select.projection.len() > TARGETS_MAX {
            return ControlFlow::Break(too_many_targets());
        }
        table_function::name_series(select);
        if let Err(error) = table_function::rewrite_list(select) {
            return ControlFlow::Break(error);
        }
        let relations: usize = select.from.iter().map(|from| 1 + from.joins.len()).sum();
        if relations > RELATIONS_MAX {
            let error = Error::new(
                SqlState::STATEMENT_TOO_COMPLEX,
                format!("a query cannot join {relations} tables"),
            )
            .with_detail(format!("A FROM clause may name {RELATIONS_MAX} tables."))
            .with_hint("Join some of them into a temporary table first");
            return ControlFlow::Break(error);
        }
        if select.into.is_some() {
            let error = Error::syntax(
                "INTO is allowed behind the first list of a SELECT statement alone",
                None,
            );
            return ControlFlow::Break(error.with_hint("Make the table with CREATE TABLE ... AS"));
        }
        if let Err(error) = grouping::rewrite(select) {
            return ControlFlow::Break(error);
        }
        if let Err(error) = path::rewrite_from(select, &self.around) {
            return ControlFlow::Break(error);
        }
        condition::rewrite(select);
        if let Err(error) =
            same_name::check(select).and_then(|()| using::rewrite_select(select, &mut |_| None))
        {
            return ControlFlow::Break(error);
        }
        let joined = outer_join::rewrite(select).and_then(|()| expand_array::rewrite(select));
        if let Err(error) = joined {
            return ControlFlow::Break(error);
        }
        if self.nested == 0 {
            column_name::rewrite(select);
        }
        integer::rewrite_list(select);
        self.around.enter(select);
        flow(window::check_select(select))
    }

    fn post_visit_select(&mut self, _: &mut Select) -> ControlFlow<Error> {
        self.around.leave();
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        self.around.inside(factor, true);
        flow(refuse_sample(factor).and_then(|()| table_function::rewrite(factor)))
    }

    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        self.around.inside(factor, false);
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &mut ObjectName) -> ControlFlow<Error> {
        if let Some(ident) = relation.0.last().and_then(|part| part.as_ident()) {
            let name = folded(ident);
            let column = usize::try_from(ident.span.start.column).unwrap_or(0);
            self.positions.entry(name).or_insert(column);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        path::rewrite_access(expr);
        self.around.rewrite(expr);
        balance::rewrite(expr);
        // First, as they make subqueries.
        let queries = window::settle(expr)
            .and_then(|()| expand_array::rewrite_field(expr))
            .and_then(|()| array::rewrite(expr))
            .and_then(|()| row::rewrite(expr));
        if let Err(error) = queries {
            return ControlFlow::Break(error);
        }
        if holds_query(expr) {
            self.nested += 1;
        }
        if self.nested > NESTED_MAX {
            let error = Error::new(
                SqlState::STATEMENT_TOO_COMPLEX,
                "subqueries are nested too deeply",
            )
            .with_detail(format!("A subquery may stand in {NESTED_MAX} others."))
            .with_hint("Put the result of the inner ones into a temporary table");
            return ControlFlow::Break(error);
        }
        niladic::rewrite(expr);
        path::rewrite(expr);
        if let Err(error) = number::rewrite(expr) {
            return ControlFlow::Break(error);
        }
        date_part::rewrite(expr);
        decode::rewrite(expr);
        synonym::rewrite(expr);
        coalesce::rewrite(expr);
        integer::rewrite(expr);
        flow(
            ordered::rewrite(expr)
                .and_then(|()| operator::rewrite(expr))
                .and_then(|()| like::rewrite(expr))
                .and_then(|()| interval::rewrite(expr)),
        )
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        if holds_query(expr) {
            self.nested -= 1;
        }
        operator::rewrite_negative(expr);
        table_function::rewrite_series(expr);
        flow(cast::rewrite(expr))
    }
}

/// Makes a call of a function.
fn call(name: &str, args: Vec<Expr>) -> Expr {
    use sqlparser::ast::{
        Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident,
    };
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: args
                .into_iter()
                .map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)))
                .collect(),
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}
