//! SHOW of objects: lists of them, and the statement that would make one again.
//!
//! `SHOW DATABASES`, `SHOW SCHEMAS FROM DATABASE d`, `SHOW TABLES FROM SCHEMA [d.]s`, `SHOW COLUMNS FROM TABLE
//! [d.]s.t`, each with `[LIKE 'pattern'] [LIMIT n]`, `SHOW CONSTRAINTS PRIMARY KEYS | FOREIGN KEYS [EXPORTED] FROM
//! TABLE [d.]s.t`, `SHOW FUNCTIONS | PROCEDURES FROM SCHEMA [d.]s [LIKE 'pattern'] [LIMIT n]`, `SHOW GRANTS [ON DATABASE
//! | SCHEMA | [TABLE] | FUNCTION | PROCEDURE name] [FOR grantee] [LIMIT n]`, `SHOW PARAMETERS OF FUNCTION | PROCEDURE
//! [d.]s.name(types) [LIKE 'pattern']`, `SHOW COLUMN GRANTS ON TABLE [d.]s.t [LIKE
//! 'pattern'] [FOR grantee] [LIMIT n]`, `SHOW RLS | MASKING POLICIES [ON [d.]s.t [FOR grantee] | FROM DATABASE d]
//! [LIMIT n]`, `SHOW TABLE t`, `SHOW VIEW v`

use super::policy::PolicyKind;
use super::routine::{self, RoutineKind, RoutineName};
use super::{ObjectName, Statement};
use crate::error::{Error, Result};
use crate::parser::cursor::Cursor;
use crate::sqlstate::SqlState;

/// A SHOW that lists objects.
#[derive(Clone, Debug)]
pub struct ShowList {
    /// What is listed.
    pub listed: Listed,
    /// LIKE: a pattern of names.
    pub like: Option<String>,
    /// LIMIT.
    pub limit: Option<u64>,
}

/// What a SHOW lists.
#[derive(Clone, Debug)]
pub enum Listed {
    /// Databases.
    Databases,
    /// Schemas of a database.
    Schemas(String),
    /// Tables and views of a schema.
    Tables(ObjectName),
    /// Columns of a table or view.
    Columns(ObjectName),
    /// The primary key of a table.
    PrimaryKeys(ObjectName),
    /// The foreign keys of a table.
    ForeignKeys(ObjectName),
    /// The foreign keys of others that refer to a table.
    ExportedKeys(ObjectName),
    /// Functions of a schema.
    Functions(ObjectName),
    /// Procedures of a schema.
    Procedures(ObjectName),
    /// The arguments of a function or procedure.
    Parameters(RoutineKind, RoutineName),
    /// Who may do what with an object, or what a grantee may do with anything.
    Grants(Option<GrantsOn>, Option<ShownGrantee>),
    /// Who may do what with the columns of a table.
    ColumnGrants(ObjectName, Option<ShownGrantee>),
    /// The policies of a database; `None` is this one.
    Policies(PolicyKind, Option<String>),
    /// The policies that are attached to a relation, and for whom.
    AttachedPolicies(PolicyKind, ObjectName, Option<ShownGrantee>),
}

/// An object whose grants are listed.
#[derive(Clone, Debug)]
pub enum GrantsOn {
    /// A database.
    Database(String),
    /// A schema.
    Schema(ObjectName),
    /// A table or view.
    Table(ObjectName),
    /// A function or procedure.
    Routine(RoutineName),
}

/// FOR: whose grants are listed.
#[derive(Clone, Debug)]
pub struct ShownGrantee {
    /// `user`, `role`, `group` or `public`.
    pub kind: &'static str,
    /// The name; that of PUBLIC is `public`.
    pub name: String,
}

/// A SHOW of the statement that would make an object again.
#[derive(Clone, Debug)]
pub enum ShowDefinition {
    /// SHOW TABLE.
    Table(ObjectName),
    /// SHOW VIEW.
    View(ObjectName),
    /// SHOW EXTERNAL TABLE, and whether with its partitions.
    External(ObjectName, bool),
}

/// Parses what follows SHOW; `None` if it is about something else, and then nothing was taken.
pub(crate) fn parse(cursor: &mut Cursor<'_>) -> Result<Option<Statement>> {
    if cursor.take_word("table") {
        let shown = ShowDefinition::Table(cursor.object_name()?);
        return Ok(Some(Statement::ShowDefinition(shown)));
    }
    if cursor.take_words(&["external", "table"]) {
        let name = cursor.object_name()?;
        let with_partitions = cursor.take_word("partition");
        let shown = ShowDefinition::External(name, with_partitions);
        return Ok(Some(Statement::ShowDefinition(shown)));
    }
    if cursor.take_word("view") {
        let shown = ShowDefinition::View(cursor.object_name()?);
        return Ok(Some(Statement::ShowDefinition(shown)));
    }
    let listed = if cursor.take_word("databases") {
        if cursor.is_word("from") {
            return Err(Error::unsupported(
                "SHOW DATABASES FROM DATA CATALOG",
                "Use SHOW DATABASES, which lists the databases of this server",
            )
            .at(cursor.position()));
        }
        Listed::Databases
    } else if cursor.take_word("schemas") {
        from(cursor, "database")?;
        Listed::Schemas(cursor.name()?)
    } else if cursor.take_word("tables") {
        from(cursor, "schema")?;
        Listed::Tables(cursor.object_name()?)
    } else if cursor.take_word("columns") {
        from(cursor, "table")?;
        Listed::Columns(cursor.object_name()?)
    } else if cursor.take_word("functions") {
        from(cursor, "schema")?;
        Listed::Functions(cursor.object_name()?)
    } else if cursor.take_word("procedures") {
        from(cursor, "schema")?;
        Listed::Procedures(cursor.object_name()?)
    } else if cursor.take_words(&["parameters", "of"]) {
        let kind = match cursor.take_word("function") {
            true => RoutineKind::Function,
            false => {
                cursor.expect_word("procedure")?;
                RoutineKind::Procedure
            }
        };
        Listed::Parameters(kind, routine::named(cursor, kind)?)
    } else if cursor.take_word("constraints") {
        return constraints(cursor).map(Some);
    } else if cursor.take_word("grants") {
        let on = match cursor.take_word("on") {
            true => Some(grants_on(cursor)?),
            false => None,
        };
        Listed::Grants(on, grantee(cursor)?)
    } else if cursor.take_words(&["column", "grants", "on"]) {
        cursor.take_word("table");
        let table = cursor.object_name()?;
        let like = like(cursor)?;
        let listed = Listed::ColumnGrants(table, grantee(cursor)?);
        return list(cursor, listed, like).map(Some);
    } else if cursor.take_words(&["rls", "policies"]) {
        policies(cursor, PolicyKind::Rows)?
    } else if cursor.take_words(&["masking", "policies"]) {
        policies(cursor, PolicyKind::Mask)?
    } else {
        return Ok(None);
    };
    let like = match listed {
        Listed::Grants(..) | Listed::Policies(..) | Listed::AttachedPolicies(..) => None,
        _ => like(cursor)?,
    };
    list(cursor, listed, like).map(Some)
}

fn like(cursor: &mut Cursor<'_>) -> Result<Option<String>> {
    match cursor.take_word("like") {
        true => cursor.string().map(Some),
        false => Ok(None),
    }
}

/// What may stand at the end of every list.
fn list(cursor: &mut Cursor<'_>, listed: Listed, like: Option<String>) -> Result<Statement> {
    let limit = match cursor.take_word("limit") {
        true => Some(limit(cursor)?),
        false => None,
    };
    let list = ShowList {
        listed,
        like,
        limit,
    };
    Ok(Statement::ShowList(list))
}

fn policies(cursor: &mut Cursor<'_>, kind: PolicyKind) -> Result<Listed> {
    if cursor.take_word("on") {
        cursor.take_word("table");
        let relation = cursor.object_name()?;
        return Ok(Listed::AttachedPolicies(kind, relation, grantee(cursor)?));
    }
    let database = match cursor.take_word("from") {
        true => {
            cursor.expect_word("database")?;
            Some(cursor.name()?)
        }
        false => None,
    };
    Ok(Listed::Policies(kind, database))
}

fn grants_on(cursor: &mut Cursor<'_>) -> Result<GrantsOn> {
    if cursor.take_word("database") {
        return cursor.name().map(GrantsOn::Database);
    }
    if cursor.take_word("schema") {
        return cursor.object_name().map(GrantsOn::Schema);
    }
    for (word, kind) in [
        ("function", RoutineKind::Function),
        ("procedure", RoutineKind::Procedure),
    ] {
        if cursor.take_word(word) {
            return routine::named(cursor, kind).map(GrantsOn::Routine);
        }
    }
    cursor.take_word("table");
    cursor.object_name().map(GrantsOn::Table)
}

fn grantee(cursor: &mut Cursor<'_>) -> Result<Option<ShownGrantee>> {
    if !cursor.take_word("for") {
        return Ok(None);
    }
    let named = |kind, name| Some(ShownGrantee { kind, name });
    if cursor.take_word("public") {
        return Ok(named("public", "public".to_owned()));
    }
    for kind in ["role", "group"] {
        if cursor.take_word(kind) {
            return Ok(named(kind, cursor.name()?));
        }
    }
    Ok(named("user", cursor.name()?))
}

fn constraints(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let is_primary = cursor.take_words(&["primary", "keys"]);
    let mut is_exported = false;
    if !is_primary {
        cursor.expect_word("foreign")?;
        cursor.expect_word("keys")?;
        is_exported = cursor.take_word("exported");
    }
    from(cursor, "table")?;
    let table = cursor.object_name()?;
    let listed = match (is_primary, is_exported) {
        (true, _) => Listed::PrimaryKeys(table),
        (false, false) => Listed::ForeignKeys(table),
        (false, true) => Listed::ExportedKeys(table),
    };
    Ok(Statement::ShowList(ShowList {
        listed,
        like: None,
        limit: None,
    }))
}

fn from(cursor: &mut Cursor<'_>, kind: &str) -> Result<()> {
    cursor.expect_word("from")?;
    cursor.expect_word(kind)
}

fn limit(cursor: &mut Cursor<'_>) -> Result<u64> {
    let at = cursor.position();
    let rows = u64::try_from(cursor.integer()?);
    rows.map_err(|_| {
        let text = "LIMIT must not be negative";
        Error::new(SqlState::INVALID_PARAMETER_VALUE, text).at(at)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::parse as parse_text;

    fn list(text: &str) -> ShowList {
        match parse_text(text).unwrap().remove(0).statement {
            Statement::ShowList(list) => list,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn lists_are_told_apart() {
        let tables = list("SHOW TABLES FROM SCHEMA dev.public LIKE 'a%' LIMIT 5");
        assert!(
            matches!(&tables.listed, Listed::Tables(schema) if schema.name == "public" && schema.schema.as_deref() == Some("dev"))
        );
        assert_eq!(
            (tables.like.as_deref(), tables.limit),
            (Some("a%"), Some(5))
        );
        let columns = list("show columns from table s.t");
        assert!(matches!(&columns.listed, Listed::Columns(table) if table.name == "t"));
        let keys = list("SHOW CONSTRAINTS FOREIGN KEYS EXPORTED FROM TABLE dev.s.t");
        assert!(matches!(keys.listed, Listed::ExportedKeys(_)));
        assert!(matches!(list("SHOW DATABASES").listed, Listed::Databases));
        let policies = list("SHOW MASKING POLICIES ON s.t FOR ROLE r LIMIT 3");
        assert!(
            matches!(&policies.listed, Listed::AttachedPolicies(PolicyKind::Mask, table, Some(who)) if table.name == "t" && who.kind == "role")
        );
        let policies = list("SHOW RLS POLICIES FROM DATABASE dev");
        assert!(
            matches!(&policies.listed, Listed::Policies(PolicyKind::Rows, Some(database)) if database == "dev")
        );
        for refused in [
            "SHOW TABLES",
            "SHOW SCHEMAS FROM SCHEMA x",
            "SHOW DATABASES LIMIT -1",
            "SHOW DATABASES FROM DATA CATALOG",
            "SHOW CONSTRAINTS FROM TABLE t",
        ] {
            assert!(parse_text(refused).is_err(), "{refused}");
        }
    }
}
