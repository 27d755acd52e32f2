//! CREATE, ALTER and DROP of groups and roles.

use super::Statement;
use super::grant::{names, role_name};
use crate::error::Result;
use crate::parser::cursor::Cursor;
use sqlparser::tokenizer::Token;

/// `CREATE GROUP name [WITH] [USER name, ...]`.
#[derive(Clone, Debug)]
pub struct CreateGroup {
    /// Its name.
    pub name: String,
    /// Users to begin with.
    pub users: Vec<String>,
}

/// `ALTER GROUP name ...`.
#[derive(Clone, Debug)]
pub struct AlterGroup {
    /// Its name.
    pub name: String,
    /// What changes.
    pub action: GroupAction,
}

/// What ALTER GROUP changes.
#[derive(Clone, Debug)]
pub enum GroupAction {
    /// ADD USER.
    Add(Vec<String>),
    /// DROP USER.
    Drop(Vec<String>),
    /// RENAME TO.
    Rename(String),
}

/// `CREATE ROLE name [EXTERNALID id]`.
#[derive(Clone, Debug)]
pub struct CreateRole {
    /// Its name.
    pub name: String,
    /// EXTERNALID.
    pub external_id: Option<String>,
}

/// `ALTER ROLE name [WITH] RENAME TO | OWNER TO | EXTERNALID TO`.
#[derive(Clone, Debug, Default)]
pub struct AlterRole {
    /// Its name.
    pub name: String,
    /// RENAME TO.
    pub rename: Option<String>,
    /// OWNER TO.
    pub owner: Option<String>,
    /// EXTERNALID TO.
    pub external_id: Option<String>,
}

/// `DROP ROLE name [FORCE | RESTRICT]`.
#[derive(Clone, Debug)]
pub struct DropRole {
    /// Its name.
    pub name: String,
    /// FORCE.
    pub force: bool,
}

/// Parses CREATE GROUP; the cursor is at GROUP.
pub(crate) fn parse_create_group(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect_word("group")?;
    let name = cursor.name()?;
    cursor.take_word("with");
    let mut users = Vec::new();
    while cursor.take_word("user") {
        users.extend(names(cursor)?);
    }
    Ok(Statement::CreateGroup(CreateGroup { name, users }))
}

/// Parses ALTER GROUP.
pub(crate) fn parse_alter_group(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect_word("alter")?;
    cursor.expect_word("group")?;
    let name = cursor.name()?;
    let action = if cursor.take_words(&["add", "user"]) {
        GroupAction::Add(names(cursor)?)
    } else if cursor.take_words(&["drop", "user"]) {
        GroupAction::Drop(names(cursor)?)
    } else {
        cursor.expect_word("rename")?;
        cursor.expect_word("to")?;
        GroupAction::Rename(cursor.name()?)
    };
    Ok(Statement::AlterGroup(AlterGroup { name, action }))
}

/// Parses CREATE ROLE; the cursor is at ROLE.
pub(crate) fn parse_create_role(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect_word("role")?;
    let name = role_name(cursor)?;
    let external_id = match cursor.take_word("externalid") {
        true => Some(external_id(cursor)?),
        false => None,
    };
    Ok(Statement::CreateRole(CreateRole { name, external_id }))
}

/// Parses ALTER ROLE.
pub(crate) fn parse_alter_role(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect_word("alter")?;
    cursor.expect_word("role")?;
    let mut alter = AlterRole {
        name: role_name(cursor)?,
        ..AlterRole::default()
    };
    cursor.take_word("with");
    loop {
        if cursor.take_words(&["rename", "to"]) {
            alter.rename = Some(role_name(cursor)?);
        } else if cursor.take_words(&["owner", "to"]) {
            alter.owner = Some(cursor.name()?);
        } else {
            cursor.expect_word("externalid")?;
            cursor.expect_word("to")?;
            alter.external_id = Some(external_id(cursor)?);
        }
        let goes_on = cursor.take(&Token::Comma) || cursor.is_word("externalid");
        if !goes_on {
            return Ok(Statement::AlterRole(alter));
        }
    }
}

/// Parses DROP ROLE; the cursor is at ROLE.
pub(crate) fn parse_drop_role(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect_word("role")?;
    let name = role_name(cursor)?;
    let force = cursor.take_word("force");
    if !force {
        cursor.take_word("restrict");
    }
    Ok(Statement::DropRole(DropRole { name, force }))
}

/// An id at an identity provider: a string or a name in quotes.
fn external_id(cursor: &mut Cursor<'_>) -> Result<String> {
    match cursor.is_string() {
        true => cursor.string(),
        false => cursor.name(),
    }
}
