//! CREATE, ALTER, REFRESH and DROP MATERIALIZED VIEW.

use super::alter_table::AlterAction;
use super::create_table::{TableAttributes, attributes_of, check_attributes};
use super::ddl::DropObjects;
use super::query::Query;
use super::{ObjectName, Statement};
use crate::error::{Error, Result};
use crate::parser::cursor::Cursor;
use sqlparser::tokenizer::Token;

/// `CREATE MATERIALIZED VIEW name [BACKUP YES | NO] [attributes] [AUTO REFRESH YES | NO] AS query`.
#[derive(Clone, Debug)]
pub struct CreateMaterializedView {
    /// Its name.
    pub name: ObjectName,
    /// Distribution, sorting, backup.
    pub attributes: TableAttributes,
    /// AUTO REFRESH YES.
    pub auto_refresh: bool,
    /// The query.
    pub query: Query,
    /// The query's text as the user wrote it, for the catalog.
    pub query_text: String,
    /// The whole statement as the user wrote it, for the catalog.
    pub statement: String,
}

/// `REFRESH MATERIALIZED VIEW name [RESTRICT | CASCADE]`.
#[derive(Clone, Debug)]
pub struct RefreshMaterializedView {
    /// Its name.
    pub name: ObjectName,
    /// CASCADE: also those that read it.
    pub cascade: bool,
}

/// `ALTER MATERIALIZED VIEW name action`.
#[derive(Clone, Debug)]
pub struct AlterMaterializedView {
    /// Its name.
    pub name: ObjectName,
    /// What to change.
    pub action: AlterMaterializedAction,
}

/// What ALTER MATERIALIZED VIEW changes.
#[derive(Clone, Debug)]
pub enum AlterMaterializedAction {
    /// AUTO REFRESH YES | NO.
    AutoRefresh(bool),
    /// OWNER TO.
    Owner(String),
    /// ALTER DISTSTYLE, DISTKEY or SORTKEY of the stored rows.
    Design(Box<AlterAction>),
    /// ROW LEVEL SECURITY ON | OFF.
    RowSecurity(super::policy::RowSecurity),
}

fn yes_or_no(cursor: &mut Cursor<'_>) -> Result<bool> {
    match cursor.take_word("yes") {
        true => Ok(true),
        false => cursor.expect_word("no").map(|()| false),
    }
}

/// Parses CREATE MATERIALIZED VIEW; the cursor is at MATERIALIZED.
pub(crate) fn parse_create(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect_word("materialized")?;
    cursor.expect_word("view")?;
    let name = cursor.object_name()?;
    if cursor.peek() == Some(&Token::LParen) {
        return Err(Error::unsupported(
            "CREATE MATERIALIZED VIEW with a list of column names",
            "Name the columns in the query with AS",
        )
        .at(cursor.position()));
    }
    let mut attributes = TableAttributes::default();
    let mut auto_refresh = None;
    loop {
        attributes_of(cursor, &mut attributes)?;
        let position = cursor.position();
        if !cursor.take_words(&["auto", "refresh"]) {
            break;
        }
        if auto_refresh.replace(yes_or_no(cursor)?).is_some() {
            return Err(Error::syntax(
                "AUTO REFRESH may be given once",
                Some(position),
            ));
        }
    }
    check_attributes(&attributes)?;
    cursor.expect_word("as")?;
    let (mark, position) = (cursor.mark(), cursor.position());
    let query = cursor.query()?;
    if let Some(clause) = query.limiting_clause() {
        return Err(Error::unsupported(
            format!("{clause} in the query of a materialized view"),
            "Leave it out, and write it where the view is read",
        )
        .at(position));
    }
    Ok(Statement::CreateMaterializedView(Box::new(
        CreateMaterializedView {
            name,
            attributes,
            auto_refresh: auto_refresh.unwrap_or(false),
            query_text: cursor.text_from(mark).to_owned(),
            query,
            statement: cursor.text().trim().to_owned(),
        },
    )))
}

/// Parses REFRESH MATERIALIZED VIEW.
pub(crate) fn parse_refresh(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect_word("refresh")?;
    cursor.expect_word("materialized")?;
    cursor.expect_word("view")?;
    let name = cursor.object_name()?;
    let cascade = cursor.take_word("cascade");
    if !cascade {
        cursor.take_word("restrict");
    }
    Ok(Statement::RefreshMaterializedView(
        RefreshMaterializedView { name, cascade },
    ))
}

/// Parses ALTER MATERIALIZED VIEW.
pub(crate) fn parse_alter(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect_word("alter")?;
    cursor.expect_word("materialized")?;
    cursor.expect_word("view")?;
    let name = cursor.object_name()?;
    let position = cursor.position();
    let action = if cursor.take_words(&["auto", "refresh"]) {
        AlterMaterializedAction::AutoRefresh(yes_or_no(cursor)?)
    } else if cursor.take_words(&["owner", "to"]) {
        AlterMaterializedAction::Owner(cursor.name()?)
    } else if cursor.is_word("alter") {
        match super::alter_table::action(cursor, &name)? {
            design @ AlterAction::Design { .. } => {
                AlterMaterializedAction::Design(Box::new(design))
            }
            _ => {
                return Err(Error::syntax(
                    "ALTER MATERIALIZED VIEW ALTER goes with DISTSTYLE, DISTKEY and SORTKEY",
                    Some(position),
                ));
            }
        }
    } else if cursor.is_word("row") {
        AlterMaterializedAction::RowSecurity(super::policy::row_security(cursor)?)
    } else if cursor.are_words(&["rename"]) {
        return Err(Error::unsupported(
            "ALTER MATERIALIZED VIEW RENAME",
            "Drop the materialized view and create it again",
        )
        .at(position));
    } else {
        return Err(cursor.unexpected());
    };
    Ok(Statement::AlterMaterializedView(AlterMaterializedView {
        name,
        action,
    }))
}

/// Parses DROP MATERIALIZED VIEW.
pub(crate) fn parse_drop(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect_word("drop")?;
    cursor.expect_word("materialized")?;
    cursor.expect_word("view")?;
    let if_exists = cursor.take_words(&["if", "exists"]);
    let mut names = vec![cursor.object_name()?];
    while cursor.take(&Token::Comma) {
        names.push(cursor.object_name()?);
    }
    let cascade = cursor.take_word("cascade");
    if !cascade {
        cursor.take_word("restrict");
    }
    Ok(Statement::DropMaterializedView(DropObjects {
        names,
        if_exists,
        external_database: false,
        cascade,
    }))
}
