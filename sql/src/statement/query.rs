//! SELECT: a query, kept as the syntax tree of `sqlparser`, which only the binder looks into.

use super::create_table::{CreateTableAs, TableAttributes};
use super::{ObjectName, Statement, dml};
use crate::error::{Error, Result};
pub use crate::parser::tree::{Expression, Query};

use crate::parser::cursor::Cursor;
use sqlparser::ast::{
    Expr, Ident, ObjectNamePart, Select, SelectItem, SetExpr, TableFactor, Visit,
};
use std::ops::ControlFlow;

/// Literals of a row that is small.
const CONSTANTS_MAX: usize = 64;

impl Query {
    /// Parses a text that is one query, as a view's text in the catalog.
    pub fn parse(text: &str) -> Result<Self> {
        let parsed = super::parse(text)?;
        match parsed.into_iter().next() {
            Some(super::Parsed {
                statement: Statement::Select(query),
                ..
            }) => Ok(query),
            _ => Err(Error::syntax("the text is not a query", None)),
        }
    }

    /// Gives the tables and views it names, as written; what it defines itself in WITH is not among them, nor is a
    /// path into a column of another table of the query.
    pub fn relations(&self) -> Vec<ObjectName> {
        #[derive(Default)]
        struct Relations {
            named: Vec<ObjectName>,
            /// Names of WITH, and those by which tables are known in the query.
            own: Vec<String>,
        }
        impl sqlparser::ast::Visitor for Relations {
            type Break = ();

            fn pre_visit_query(&mut self, query: &sqlparser::ast::Query) -> ControlFlow<()> {
                if let Some(with) = &query.with {
                    let names = with.cte_tables.iter().map(|cte| &cte.alias.name);
                    self.own.extend(names.map(ident_name));
                }
                ControlFlow::Continue(())
            }

            fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
                if let TableFactor::Table {
                    name,
                    args: None,
                    alias,
                    ..
                } = factor
                {
                    let mut parts: Vec<String> = name.0.iter().map(part_name).collect();
                    let position = name.0.first().and_then(|part| part.as_ident());
                    let position = position.map_or(0, |ident| ident.span.start.column);
                    let name = parts.pop().unwrap_or_default();
                    let known = alias.as_ref().map(|alias| ident_name(&alias.name));
                    self.own.extend(known);
                    self.named.push(ObjectName {
                        schema: parts.pop(),
                        database: parts.pop(),
                        name,
                        position: usize::try_from(position).unwrap_or(0),
                    });
                }
                ControlFlow::Continue(())
            }
        }
        let mut found = Relations::default();
        let _ = self.tree.visit(&mut found);
        let Relations { mut named, own } = found;
        named.retain(|name| match (&name.database, &name.schema) {
            (None, None) => !own.contains(&name.name),
            (None, Some(first)) | (Some(first), _) => !own.contains(first),
        });
        named
    }

    /// Tells whether it is one row of literals and parameters and nothing else, as `SELECT 1`. More than
    /// [`CONSTANTS_MAX`] are not looked at.
    pub fn is_constants(&self) -> bool {
        let is_constant = |item: &SelectItem| match item {
            SelectItem::UnnamedExpr(value) | SelectItem::ExprWithAlias { expr: value, .. } => {
                matches!(value, Expr::Value(_))
            }
            _ => false,
        };
        let SetExpr::Select(select) = self.tree.body.as_ref() else {
            return false;
        };
        select.from.is_empty()
            && select.selection.is_none()
            && select.projection.len() <= CONSTANTS_MAX
            && select.projection.iter().all(is_constant)
            && self.limiting_clause().is_none()
            && self.tree.with.is_none()
    }

    /// Names the clause that orders its rows or lets only some of them through, if it has one.
    pub fn limiting_clause(&self) -> Option<&'static str> {
        if self.tree.order_by.is_some() {
            return Some("ORDER BY");
        }
        if self.tree.limit_clause.is_some() || self.tree.fetch.is_some() {
            return Some("LIMIT or OFFSET");
        }
        match self.tree.body.as_ref() {
            SetExpr::Select(select) if select.top.is_some() => Some("TOP"),
            _ => None,
        }
    }

    /// Tells whether LIMIT, OFFSET, FETCH or TOP lets only some of its rows through.
    pub fn is_cut_off(&self) -> bool {
        let has_top =
            matches!(self.tree.body.as_ref(), SetExpr::Select(select) if select.top.is_some());
        has_top || self.tree.limit_clause.is_some() || self.tree.fetch.is_some()
    }

    /// Tells whether `*` or `table.*` is selected anywhere.
    pub fn has_wildcard(&self) -> bool {
        struct Stars;
        impl sqlparser::ast::Visitor for Stars {
            type Break = ();

            fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
                let is_star = |item: &SelectItem| {
                    matches!(
                        item,
                        SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..)
                    )
                };
                match select.projection.iter().any(is_star) {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                }
            }
        }
        self.tree.visit(&mut Stars).is_break()
    }
}

impl Expression {
    /// Parses a text that is one expression, as a DEFAULT in the catalog.
    pub fn parse(text: &str) -> Result<Self> {
        let source = crate::parser::source::Source::new(text)?;
        let mut statements = source.statements();
        let [cursor] = statements.as_mut_slice() else {
            return Err(Error::syntax("the text is not an expression", None));
        };
        let expression = cursor.expression()?;
        cursor.expect_end()?;
        Ok(expression)
    }
}

/// SELECT, VALUES or a query in parentheses; with INTO it makes a table.
pub(crate) fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let mut query = cursor.query()?;
    let Some(into) = first_into(&mut query.tree.body) else {
        return Ok(Statement::Select(query));
    };
    let mut parts: Vec<String> = into.name.0.iter().map(part_name).collect();
    let name = parts.pop().unwrap_or_default();
    let schema = parts.pop();
    let name = ObjectName {
        database: parts.pop(),
        schema,
        name,
        position: 0,
    };
    let temporary = into.temporary || name.name.starts_with('#');
    Ok(Statement::CreateTableAs(Box::new(CreateTableAs {
        name,
        temporary,
        columns: Vec::new(),
        attributes: TableAttributes::default(),
        query,
    })))
}

/// Takes INTO from the first SELECT of a query.
fn first_into(body: &mut SetExpr) -> Option<sqlparser::ast::SelectInto> {
    match body {
        SetExpr::Select(select) => select.into.take(),
        SetExpr::SetOperation { left, .. } => first_into(left),
        SetExpr::Query(query) => first_into(&mut query.body),
        _ => None,
    }
}

/// WITH before SELECT, or before UPDATE and DELETE.
pub(crate) fn parse_with(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let start = cursor.clone();
    let with = cursor.with_parser(|parser| {
        let token = parser.next_token();
        let recursive = parser.parse_keyword(sqlparser::keywords::Keyword::RECURSIVE);
        let cte_tables = parser.parse_comma_separated(|parser| parser.parse_cte())?;
        Ok(sqlparser::ast::With {
            with_token: token.into(),
            recursive,
            cte_tables,
        })
    })?;
    match cursor.peek_word().as_deref() {
        Some("update") => dml::parse_update(cursor, Some(Box::new(with))),
        Some("delete") => dml::parse_delete(cursor, Some(Box::new(with))),
        Some("insert") => Err(Error::unsupported(
            "WITH before INSERT",
            "Write the WITH clause after the table name: INSERT INTO t WITH ... SELECT",
        )),
        Some("merge") => Err(Error::unsupported(
            "WITH before MERGE",
            "Write the query after USING: MERGE INTO t USING (SELECT ...) s ON ...",
        )),
        _ => {
            *cursor = start;
            parse(cursor)
        }
    }
}

fn part_name(part: &ObjectNamePart) -> String {
    match part.as_ident() {
        Some(ident) => ident_name(ident),
        None => part.to_string(),
    }
}

fn ident_name(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    }
}
