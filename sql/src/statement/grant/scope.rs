//! Permissions in a scope: `GRANT SELECT FOR TABLES IN SCHEMA s TO u`, on all objects of a kind, those to come too.

use super::{Grant, GrantObject, GrantTo, GrantWay, Item, Principal, principals, privileges};
use crate::error::{Error, Result};
use crate::parser::cursor::Cursor;
use crate::statement::Statement;

/// All objects of a kind in a schema or database.
#[derive(Clone, Debug)]
pub struct GrantScope {
    /// The kind.
    pub kind: ScopeKind,
    /// The schema; `None` is the whole database.
    pub schema: Option<String>,
    /// The database; `None` is this one.
    pub database: Option<String>,
}

/// What kind of objects permissions in a scope are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScopeKind {
    /// TABLES: tables and views.
    Tables,
    /// FUNCTIONS.
    Functions,
    /// PROCEDURES.
    Procedures,
    /// SCHEMAS of a database.
    Schemas,
    /// LANGUAGES of a database.
    Languages,
}

/// `FOR TABLES IN SCHEMA name [DATABASE name] TO ...`: the cursor is behind FOR.
pub(super) fn parse(
    cursor: &mut Cursor<'_>,
    mut way: GrantWay,
    items: Vec<Item>,
) -> Result<Statement> {
    let position = cursor.position();
    let kinds = [
        ("tables", ScopeKind::Tables),
        ("functions", ScopeKind::Functions),
        ("procedures", ScopeKind::Procedures),
        ("schemas", ScopeKind::Schemas),
        ("languages", ScopeKind::Languages),
    ];
    let kind = kinds.into_iter().find(|(word, _)| cursor.take_word(word));
    let Some((_, kind)) = kind else {
        if cursor.are_words(&["copy", "jobs"]) || cursor.is_word("templates") {
            return Err(Error::unsupported(
                "a permission FOR COPY JOBS or TEMPLATES",
                "Leave it out; there are none",
            )
            .at(position));
        }
        return Err(cursor.unexpected());
    };
    cursor.expect_word("in")?;
    let is_wide = matches!(kind, ScopeKind::Schemas | ScopeKind::Languages);
    let mut schema = None;
    if !is_wide && cursor.take_word("schema") {
        schema = Some(cursor.name()?);
    }
    let mut database = None;
    if schema.is_none() || cursor.is_word("database") {
        cursor.expect_word("database")?;
        database = Some(cursor.name()?);
    }
    if let Some(item) = items.iter().find(|item| !item.columns.is_empty()) {
        return Err(Error::syntax(
            "permissions in a scope are on whole objects",
            Some(item.position),
        ));
    }
    let position = cursor.position();
    let to = principals(cursor, &mut way)?;
    let is_alone = |to: &GrantTo| matches!(to.who, Principal::User(_) | Principal::Role(_));
    if !to.iter().all(is_alone) {
        return Err(Error::syntax(
            "permissions in a scope are for users and roles",
            Some(position),
        )
        .with_hint("Create a role, and grant it to the users"));
    }
    Ok(Statement::Grant(Box::new(Grant {
        way,
        privileges: privileges(items)?,
        object: GrantObject::Scope(GrantScope {
            kind,
            schema,
            database,
        }),
        to,
    })))
}
