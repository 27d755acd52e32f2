//! What a query's text tells of an error in it: where it is, and what was probably meant.

use super::Names;
use super::ident::folded;
use super::refusal::correlated;
use super::rewrite::using::name_of;
use crate::error::Error;
use crate::nearest::nearest;
use crate::sqlstate::SqlState;
use sqlparser::ast::{Expr, Ident, Query, Select, TableFactor, VisitMut, VisitorMut};
use std::ops::ControlFlow;

/// Says more of an error met while a query was bound.
pub(super) fn explain(names: &dyn Names, query: &mut Query, mut error: Error) -> Error {
    if is_skipping(query, &error) {
        return correlated();
    }
    let name = error.message.split('"').nth(1).map(str::to_owned);
    match error.code {
        SqlState::UNDEFINED_TABLE if error.message.starts_with("missing FROM-clause entry") => {
            if let Some(table) = &name {
                missing_table(query, table, &mut error);
            }
        }
        // What stands behind a comma beside its table is found before.
        SqlState::INVALID_SCHEMA_NAME if is_table(query, name.as_deref()) => {
            let table = name.unwrap_or_default();
            let unsupported = Error::unsupported(
                format!("an array of \"{table}\" in an outer join, or in a table beside it,"),
                "Unnest it in a query of its own, (SELECT t.id, a FROM t, t.array AS a), and join that",
            );
            return Error {
                position: error.position,
                ..unsupported
            };
        }
        SqlState::UNDEFINED_FUNCTION => missing_function(names, &mut error),
        _ => {}
    }
    let is_named = matches!(
        error.code,
        SqlState::UNDEFINED_COLUMN | SqlState::GROUPING_ERROR | SqlState::AMBIGUOUS_COLUMN
    );
    if let (None, true, Some(name)) = (error.position, is_named, &name) {
        error.position = place(query, name);
    }
    error
}

/// A table that FROM has under another name.
fn missing_table(query: &mut Query, table: &str, error: &mut Error) {
    let mut tables = Tables::default();
    let _ = VisitMut::visit(query, &mut tables);
    let known = |(name, _): &&(String, String)| name == table;
    if let Some((_, alias)) = tables.aliases.iter().find(known) {
        error.message = format!("invalid reference to FROM-clause entry for table \"{table}\"");
        error.hint = Some(format!(
            "Perhaps you meant to reference the table alias \"{alias}\""
        ));
    } else if error.hint.is_none()
        && let Some(near) = nearest(table, tables.names.iter().map(String::as_str))
    {
        error.hint = Some(format!("Perhaps you meant \"{near}\""));
    }
}

/// Tells whether a FROM clause of the query has a table of that name.
fn is_table(query: &mut Query, name: Option<&str>) -> bool {
    let mut tables = Tables::default();
    let _ = VisitMut::visit(query, &mut tables);
    name.is_some_and(|name| tables.names.iter().any(|known| known == name))
}

#[derive(Default)]
struct Tables {
    names: Vec<String>,
    /// Names of tables, and what they are called in their query.
    aliases: Vec<(String, String)>,
}

impl VisitorMut for Tables {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if let Some(name) = name_of(factor).and_then(|name| name.last().map(folded)) {
            if let TableFactor::Table {
                name: table,
                alias: Some(_),
                ..
            } = factor
                && let Some(table) = table.0.last().and_then(|part| part.as_ident())
                && folded(table) != name
            {
                self.aliases.push((folded(table), name.clone()));
            }
            self.names.push(name);
        }
        ControlFlow::Continue(())
    }
}

/// A function that is there under a name like it, or that wants OVER.
fn missing_function(names: &dyn Names, error: &mut Error) {
    let name = error.message.strip_prefix("function ");
    let Some(name) = name.and_then(|rest| rest.strip_suffix("(...) does not exist")) else {
        return;
    };
    if names.window_function(name).is_some() {
        let text = format!("window function {name} requires an OVER clause");
        *error = Error {
            position: error.position,
            ..Error::new(SqlState::WRONG_OBJECT_TYPE, text)
        };
        return;
    }
    if let Some((_, hint)) = INSTEAD.iter().find(|(known, _)| *known == name) {
        error.hint = Some((*hint).to_owned());
        return;
    }
    let all = names.function_names();
    let shown = all
        .iter()
        .filter(|known| !known.starts_with("blueshift_") && *known != name);
    // What the engine has and Redshift has not is no hint.
    error.hint = Some(match nearest(name, shown.map(String::as_str)) {
        Some(near) => format!("Did you mean \"{near}\"?"),
        None => "Look for the function in the manual".to_owned(),
    });
}

/// Functions that PostgreSQL has and Redshift has not, and what to write.
const INSTEAD: &[(&str, &str)] = &[
    ("string_agg", "Use LISTAGG(text, separator)"),
    (
        "array_agg",
        "Use LISTAGG, or SPLIT_TO_ARRAY(LISTAGG(text, ','), ',') for a SUPER",
    ),
    ("pg_sleep", "Wait in the client"),
    ("clock_timestamp", "Use GETDATE() or SYSDATE"),
    ("statement_timestamp", "Use GETDATE()"),
    ("transaction_timestamp", "Use SYSDATE"),
    (
        "corr",
        "Write it with AVG: (AVG(x*y) - AVG(x)*AVG(y)) / (STDDEV_POP(x) * STDDEV_POP(y))",
    ),
    ("covar_pop", "Write it with AVG: AVG(x*y) - AVG(x)*AVG(y)"),
    (
        "gen_random_uuid",
        "Use MD5(RANDOM()::VARCHAR), or make the identifiers in the client",
    ),
    ("to_json", "Use JSON_SERIALIZE of a SUPER"),
    ("json_agg", "Use LISTAGG and JSON_PARSE"),
    ("jsonb_agg", "Use LISTAGG and JSON_PARSE"),
    ("json_build_object", "Use OBJECT(name, value)"),
    ("jsonb_build_object", "Use OBJECT(name, value)"),
];

/// Finds where a name first stands as a column.
fn place(query: &mut Query, name: &str) -> Option<usize> {
    struct Place<'a>(&'a str);
    impl VisitorMut for Place<'_> {
        type Break = usize;
        fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<usize> {
            let column = match expr {
                Expr::Identifier(ident) => Some(&*ident),
                Expr::CompoundIdentifier(parts) => parts.last(),
                _ => None,
            };
            match column.filter(|ident| folded(ident) == self.0) {
                Some(ident) => match usize::try_from(ident.span.start.column) {
                    Ok(place) if place > 0 => ControlFlow::Break(place),
                    _ => ControlFlow::Continue(()),
                },
                None => ControlFlow::Continue(()),
            }
        }
    }
    match VisitMut::visit(query, &mut Place(name)) {
        ControlFlow::Break(place) => Some(place),
        ControlFlow::Continue(()) => None,
    }
}

/// Tells whether an error is about a column of a table that is named two or more queries further out.
fn is_skipping(query: &mut Query, error: &Error) -> bool {
    let table = match error.code {
        SqlState::UNDEFINED_COLUMN => error.message.strip_prefix("column ").and_then(|rest| {
            let path = rest.strip_suffix(" does not exist")?;
            path.split_once('.').map(|(table, _)| table.to_owned())
        }),
        SqlState::UNDEFINED_TABLE => error.message.split('"').nth(1).map(str::to_owned),
        _ => None,
    };
    table.is_some_and(|table| {
        let mut skips = Skips {
            table,
            queries: Vec::new(),
        };
        VisitMut::visit(query, &mut skips).is_break()
    })
}

struct Skips {
    table: String,
    /// The tables of the queries around, of the outermost first.
    queries: Vec<Vec<String>>,
}

impl VisitorMut for Skips {
    type Break = ();

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        let factors = select.from.iter().flat_map(|from| {
            let joined = from.joins.iter().map(|join| &join.relation);
            std::iter::once(&from.relation).chain(joined)
        });
        let names = factors.filter_map(|factor| name_of(factor)?.last().map(folded));
        self.queries.push(names.collect());
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, _: &mut Select) -> ControlFlow<()> {
        self.queries.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let Expr::CompoundIdentifier(parts) = expr else {
            return ControlFlow::Continue(());
        };
        let table: Option<&Ident> = parts.len().checked_sub(2).and_then(|at| parts.get(at));
        let has = |names: &Vec<String>| names.contains(&self.table);
        let skips = table.is_some_and(|table| folded(table) == self.table)
            && self
                .queries
                .iter()
                .rev()
                .position(has)
                .is_some_and(|out| out > 1);
        match skips {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }
}
