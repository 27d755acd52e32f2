//! INSERT, UPDATE, DELETE.

use super::query::{Expression, Query};
use super::{ObjectName, Statement};
use crate::error::{Error, Result};
use crate::parser::cursor::Cursor;
use crate::sqlstate::SqlState;
use sqlparser::ast::{Expr, JoinOperator, TableWithJoins, With};
use sqlparser::keywords::Keyword;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

/// `INSERT INTO table [(columns)] source`.
#[derive(Clone, Debug)]
pub struct Insert {
    /// The target.
    pub table: ObjectName,
    /// Named columns; empty means all, in order.
    pub columns: Vec<String>,
    /// The rows.
    pub source: InsertSource,
}

/// Where inserted rows come from.
#[derive(Clone, Debug)]
pub enum InsertSource {
    /// `VALUES (...), (...)`; `None` is the word DEFAULT.
    Values(Vec<Vec<Option<Expression>>>),
    /// A query.
    Query(Query),
    /// `DEFAULT VALUES`.
    DefaultValues,
}

/// `UPDATE table [alias] SET column = expression, ... [FROM ...] [WHERE ...]`.
#[derive(Clone, Debug)]
pub struct Update {
    /// The target.
    pub table: ObjectName,
    /// Column and new value; `None` is the word DEFAULT.
    pub assignments: Vec<(String, Option<Expression>)>,
    pub(crate) with: Option<Box<With>>,
    pub(crate) target_alias: Option<String>,
    pub(crate) from: Vec<TableWithJoins>,
    pub(crate) selection: Option<Box<Expr>>,
    /// A row that joins to several rows is an error.
    pub is_strict: bool,
}

impl Update {
    /// Gives every name that may be of a column the statement reads, each part of a qualified one.
    pub fn names_read(&self) -> Vec<String> {
        let values = self
            .assignments
            .iter()
            .filter_map(|(_, value)| value.as_ref());
        let mut names = Vec::new();
        for value in values {
            note_names(&*value.tree, &mut names);
        }
        note_names(&self.selection, &mut names);
        note_names(&self.from, &mut names);
        names
    }
}

impl Delete {
    /// Gives every name that may be of a column the statement reads, each part of a qualified one.
    pub fn names_read(&self) -> Vec<String> {
        let mut names = Vec::new();
        note_names(&self.selection, &mut names);
        note_names(&self.using, &mut names);
        names
    }
}

/// Collects the names of a part of a statement.
fn note_names(part: &impl sqlparser::ast::Visit, names: &mut Vec<String>) {
    let mut note = |ident: &sqlparser::ast::Ident| {
        let name = match ident.quote_style {
            Some(_) => ident.value.clone(),
            None => ident.value.to_lowercase(),
        };
        names.push(name);
    };
    let _: std::ops::ControlFlow<()> = sqlparser::ast::visit_expressions(part, |expr| {
        match expr {
            Expr::Identifier(ident) => note(ident),
            Expr::CompoundIdentifier(idents) => idents.iter().for_each(&mut note),
            _ => {}
        }
        std::ops::ControlFlow::Continue(())
    });
}

/// `DELETE [FROM] table [alias] [USING ...] [WHERE ...]`.
#[derive(Clone, Debug)]
pub struct Delete {
    /// The target.
    pub table: ObjectName,
    pub(crate) with: Option<Box<With>>,
    pub(crate) target_alias: Option<String>,
    pub(crate) using: Vec<TableWithJoins>,
    pub(crate) selection: Option<Box<Expr>>,
    /// A row that joins to several rows is an error.
    pub is_strict: bool,
}

/// Parses `INSERT INTO table [(columns)] source`.
pub(crate) fn parse_insert(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect_word("insert")?;
    cursor.expect_word("into")?;
    let table = cursor.object_name()?;
    // `(` begins the columns unless a query in parentheses follows.
    let query_follows = cursor.is_word_at(1, "select") || cursor.is_word_at(1, "with");
    let has_columns = cursor.peek() == Some(&Token::LParen)
        && !query_follows
        && !matches!(cursor.peek_at(1), Some(Token::LParen));
    let columns = if has_columns {
        cursor.name_list()?
    } else {
        Vec::new()
    };
    for (idx, column) in columns.iter().enumerate() {
        if columns.iter().take(idx).any(|other| other == column) {
            return Err(Error::new(
                SqlState::DUPLICATE_COLUMN,
                format!("column \"{column}\" specified more than once"),
            ));
        }
    }
    let source = if cursor.take_words(&["default", "values"]) {
        if !columns.is_empty() {
            return Err(Error::syntax(
                "DEFAULT VALUES takes no column list",
                Some(cursor.position()),
            ));
        }
        InsertSource::DefaultValues
    } else if cursor.is_word("values") {
        values(cursor)?
    } else {
        InsertSource::Query(cursor.query()?)
    };
    if cursor.is_word("returning") {
        return Err(
            Error::unsupported("RETURNING", "Select the rows after the INSERT")
                .at(cursor.position()),
        );
    }
    if cursor.are_words(&["on", "conflict"]) {
        return Err(Error::unsupported(
            "ON CONFLICT",
            "Delete the old rows first, in a transaction",
        )
        .at(cursor.position()));
    }
    Ok(Statement::Insert(Box::new(Insert {
        table,
        columns,
        source,
    })))
}

/// All rows in one run of the expression parser: an INSERT may have a million values.
fn values(cursor: &mut Cursor<'_>) -> Result<InsertSource> {
    let start = cursor.position();
    cursor.skip();
    let mut plain = cursor.clone();
    if let Some(rows) = constants(&mut plain) {
        *cursor = plain;
        ensure_width(&rows, start)?;
        return Ok(InsertSource::Values(rows));
    }
    let rows = cursor.with_parser(|parser| {
        parser.parse_comma_separated(|parser| {
            parser.expect_token(&Token::LParen)?;
            let row = parser.parse_comma_separated(|parser| {
                if parser.parse_keyword(Keyword::DEFAULT) {
                    return Ok(None);
                }
                parser.parse_expr().map(Some)
            })?;
            parser.expect_token(&Token::RParen)?;
            Ok(row)
        })
    })?;
    ensure_width(&rows, start)?;
    let rows = rows
        .into_iter()
        .map(|row| {
            row.into_iter()
                .map(|cell| {
                    cell.map(|tree| Expression {
                        tree: Box::new(tree),
                        text: String::new(),
                    })
                })
                .collect()
        })
        .collect();
    Ok(InsertSource::Values(rows))
}

fn ensure_width<T>(rows: &[Vec<T>], start: usize) -> Result<()> {
    let width = rows.first().map_or(0, Vec::len);
    match rows.iter().all(|row| row.len() == width) {
        true => Ok(()),
        false => Err(Error::syntax(
            "VALUES lists must all be the same length",
            Some(start),
        )),
    }
}

/// Reads rows of nothing but constants as the expression parser would, without its stack and its copy of all tokens:
/// that is most of the time of a small INSERT. `None` if anything else comes, or anything is wrong.
fn constants(cursor: &mut Cursor<'_>) -> Option<Vec<Vec<Option<Expression>>>> {
    let mut rows: Vec<Vec<_>> = Vec::new();
    loop {
        let mut row = Vec::with_capacity(rows.first().map_or(0, Vec::len));
        if !cursor.take(&Token::LParen) {
            return None;
        }
        loop {
            row.push(match cursor.take_word("default") {
                true => None,
                false => Some(cursor.constant()?),
            });
            if cursor.take(&Token::RParen) {
                break;
            }
            if !cursor.take(&Token::Comma) {
                return None;
            }
        }
        rows.push(row);
        if !cursor.take(&Token::Comma) {
            return Some(rows);
        }
    }
}

/// Parses `UPDATE table [[AS] alias] SET ... [FROM ...] [WHERE ...]`.
pub(crate) fn parse_update(cursor: &mut Cursor<'_>, with: Option<Box<With>>) -> Result<Statement> {
    cursor.expect_word("update")?;
    let table = cursor.object_name()?;
    let explicit = cursor.take_word("as");
    let target_alias = if explicit || !cursor.is_word("set") {
        Some(cursor.name()?)
    } else {
        None
    };
    cursor.expect_word("set")?;
    let assignments = assignments(cursor, &table)?;
    let position = cursor.position();
    let from = if cursor.take_word("from") {
        relations(cursor)?
    } else {
        Vec::new()
    };
    refuse_outer_join(&from, position)?;
    let selection = selection(cursor)?;
    Ok(Statement::Update(Box::new(Update {
        table,
        assignments,
        with,
        target_alias,
        from,
        selection,
        is_strict: false,
    })))
}

/// Refuses what Redshift refuses, with its text.
fn refuse_outer_join(from: &[TableWithJoins], position: usize) -> Result<()> {
    let mut joins = from.iter().flat_map(|table| &table.joins);
    let is_outer = joins.any(|join| {
        matches!(
            join.join_operator,
            JoinOperator::Left(_)
                | JoinOperator::LeftOuter(_)
                | JoinOperator::Right(_)
                | JoinOperator::RightOuter(_)
                | JoinOperator::FullOuter(_)
        )
    });
    match is_outer {
        true => Err(Error::new(
            SqlState::FEATURE_NOT_SUPPORTED,
            "Target table must be part of an equijoin predicate",
        )
        .with_detail("An UPDATE takes no outer join in its FROM.")
        .with_hint("Put the outer join into a subquery: FROM (SELECT ...) AS name")
        .at(position)),
        false => Ok(()),
    }
}

/// Parses `column = expression | DEFAULT, ...` for columns of `table`, which are named without it.
pub(super) fn assignments(
    cursor: &mut Cursor<'_>,
    table: &ObjectName,
) -> Result<Vec<(String, Option<Expression>)>> {
    let mut assignments: Vec<(String, Option<Expression>)> = Vec::new();
    loop {
        let position = cursor.position();
        if cursor.peek() == Some(&Token::LParen) {
            return Err(Error::unsupported(
                "SET with a list of columns",
                "Write one assignment for each column",
            )
            .at(position));
        }
        let column = cursor.name()?;
        if cursor.peek() == Some(&Token::Period) {
            let table = &table.name;
            return Err(Error::new(
                SqlState::UNDEFINED_COLUMN,
                format!("column \"{column}\" of relation \"{table}\" does not exist"),
            )
            .with_hint("Name the target column alone: SET column = value.")
            .at(position));
        }
        if assignments.iter().any(|(other, _)| *other == column) {
            return Err(Error::new(
                SqlState::SYNTAX_ERROR,
                format!("multiple assignments to same column \"{column}\""),
            )
            .at(position));
        }
        cursor.expect(&Token::Eq)?;
        let value = if cursor.take_word("default") {
            None
        } else {
            Some(cursor.expression()?)
        };
        assignments.push((column, value));
        if !cursor.take(&Token::Comma) {
            break;
        }
    }
    Ok(assignments)
}

/// Parses `DELETE [FROM] table [[AS] alias] [USING ...] [WHERE ...]`.
pub(crate) fn parse_delete(cursor: &mut Cursor<'_>, with: Option<Box<With>>) -> Result<Statement> {
    cursor.expect_word("delete")?;
    cursor.take_word("from");
    let table = cursor.object_name()?;
    let explicit = cursor.take_word("as");
    let alias_follows =
        cursor.peek().is_some() && !cursor.is_word("using") && !cursor.is_word("where");
    let target_alias = if explicit || alias_follows {
        Some(cursor.name()?)
    } else {
        None
    };
    let using = if cursor.take_word("using") {
        relations(cursor)?
    } else {
        Vec::new()
    };
    let selection = selection(cursor)?;
    Ok(Statement::Delete(Box::new(Delete {
        table,
        with,
        target_alias,
        using,
        selection,
        is_strict: false,
    })))
}

fn relations(cursor: &mut Cursor<'_>) -> Result<Vec<TableWithJoins>> {
    cursor.with_parser(|parser| parser.parse_comma_separated(Parser::parse_table_and_joins))
}

fn selection(cursor: &mut Cursor<'_>) -> Result<Option<Box<Expr>>> {
    if !cursor.take_word("where") {
        return Ok(None);
    }
    Ok(Some(cursor.expression()?.tree))
}

/// Parses `TRUNCATE [TABLE] table`.
pub(crate) fn parse_truncate(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect_word("truncate")?;
    cursor.take_word("table");
    let name = cursor.object_name()?;
    if cursor.peek() == Some(&Token::Comma) {
        return Err(
            Error::unsupported("TRUNCATE of several tables", "Truncate them one by one")
                .at(cursor.position()),
        );
    }
    Ok(Statement::Truncate(name))
}
