//! CREATE, ALTER and DROP DATABASE; USE.

use super::Statement;
use crate::error::{Error, Result};
use crate::parser::cursor::Cursor;
use sqlparser::tokenizer::Token;

/// `CREATE DATABASE name [WITH] [OWNER [=] user] [CONNECTION LIMIT n | UNLIMITED] [COLLATE ...] [ISOLATION LEVEL ...]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CreateDatabase {
    /// Its name.
    pub name: String,
    /// OWNER.
    pub owner: Option<String>,
    /// CONNECTION LIMIT; `None` is UNLIMITED.
    pub connection_limit: Option<u32>,
    /// SERIALIZABLE; otherwise SNAPSHOT.
    pub serializable: bool,
    /// COLLATE CASE_INSENSITIVE.
    pub case_insensitive: bool,
}

/// `ALTER DATABASE name action`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlterDatabase {
    /// Its name.
    pub name: String,
    /// What to change.
    pub action: AlterDatabaseAction,
}

/// What ALTER DATABASE changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlterDatabaseAction {
    /// RENAME TO.
    Rename(String),
    /// OWNER TO.
    Owner(String),
    /// CONNECTION LIMIT; `None` is UNLIMITED.
    ConnectionLimit(Option<u32>),
    /// ISOLATION LEVEL: whether it is SERIALIZABLE.
    Isolation(bool),
    /// COLLATE: whether it is CASE_INSENSITIVE.
    Collation(bool),
}

/// `DROP DATABASE name [FORCE]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DropDatabase {
    /// Its name.
    pub name: String,
    /// FORCE: sessions in it are ended.
    pub force: bool,
}

/// Parses CREATE DATABASE; the cursor is at DATABASE.
pub(crate) fn parse_create(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect_word("database")?;
    let mut create = CreateDatabase {
        name: cursor.name()?,
        ..CreateDatabase::default()
    };
    cursor.take_word("with");
    let mut given: Vec<String> = Vec::new();
    while !cursor.at_end() {
        let position = cursor.position();
        let word = cursor.word()?;
        if given.contains(&word) {
            let text = "conflicting or redundant options";
            return Err(Error::syntax(text, Some(position)));
        }
        match word.as_str() {
            "owner" => {
                cursor.take(&Token::Eq);
                create.owner = Some(cursor.name()?);
            }
            "connection" => create.connection_limit = limit(cursor)?,
            "collate" => create.case_insensitive = collate(cursor)?,
            "isolation" => create.serializable = isolation(cursor)?,
            "from" => {
                return Err(Error::unsupported(
                    "CREATE DATABASE FROM a datashare or the data catalog",
                    "Create the database empty and load it with COPY",
                )
                .at(position));
            }
            "template" | "encoding" => {
                return Err(Error::unsupported(
                    format!("CREATE DATABASE with {}", word.to_uppercase()),
                    "Leave it out: a database begins empty, in UTF8",
                )
                .at(position));
            }
            _ => {
                let text = format!("syntax error at or near \"{word}\"");
                return Err(Error::syntax(text, Some(position)));
            }
        }
        given.push(word);
    }
    Ok(Statement::CreateDatabase(create))
}

/// Parses ALTER DATABASE.
pub(crate) fn parse_alter(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect_word("alter")?;
    cursor.expect_word("database")?;
    let name = cursor.name()?;
    let position = cursor.position();
    let action = if cursor.take_words(&["rename", "to"]) {
        AlterDatabaseAction::Rename(cursor.name()?)
    } else if cursor.take_words(&["owner", "to"]) {
        AlterDatabaseAction::Owner(cursor.name()?)
    } else if cursor.take_word("connection") {
        AlterDatabaseAction::ConnectionLimit(limit(cursor)?)
    } else if cursor.take_word("collate") {
        AlterDatabaseAction::Collation(collate(cursor)?)
    } else if cursor.is_word("integration") {
        return Err(Error::unsupported(
            "ALTER DATABASE ... INTEGRATION",
            "There are no zero-ETL integrations; load the rows with COPY",
        )
        .at(position));
    } else {
        cursor.expect_word("isolation")?;
        AlterDatabaseAction::Isolation(isolation(cursor)?)
    };
    Ok(Statement::AlterDatabase(AlterDatabase { name, action }))
}

/// Parses DROP DATABASE.
pub(crate) fn parse_drop(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect_word("drop")?;
    cursor.expect_word("database")?;
    Ok(Statement::DropDatabase(DropDatabase {
        name: cursor.name()?,
        force: cursor.take_word("force"),
    }))
}

/// Parses USE name.
pub(crate) fn parse_use(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect_word("use")?;
    Ok(Statement::Use(Some(cursor.name()?)))
}

/// Parses RESET USE.
pub(crate) fn parse_reset_use(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect_word("reset")?;
    cursor.expect_word("use")?;
    Ok(Statement::Use(None))
}

/// Parses `LIMIT n | UNLIMITED`.
fn limit(cursor: &mut Cursor<'_>) -> Result<Option<u32>> {
    cursor.expect_word("limit")?;
    if cursor.take_word("unlimited") {
        return Ok(None);
    }
    let position = cursor.position();
    let limit = cursor.integer()?;
    u32::try_from(limit).map(Some).map_err(|_| {
        let text = format!("invalid connection limit: {limit}");
        Error::new(crate::SqlState::INVALID_PARAMETER_VALUE, text).at(position)
    })
}

/// Parses `LEVEL SERIALIZABLE | SNAPSHOT`.
fn isolation(cursor: &mut Cursor<'_>) -> Result<bool> {
    cursor.expect_word("level")?;
    let serializable = cursor.take_word("serializable");
    if !serializable {
        cursor.expect_word("snapshot")?;
    }
    Ok(serializable)
}

/// Parses `CASE_SENSITIVE | CS | CASE_INSENSITIVE | CI`; tells whether it is the latter.
fn collate(cursor: &mut Cursor<'_>) -> Result<bool> {
    let mut at = cursor.clone();
    let folds = match cursor.word()?.as_str() {
        "case_insensitive" | "ci" => true,
        "case_sensitive" | "cs" => false,
        _ => return Err(at.rest().unexpected()),
    };
    Ok(folds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Statement> {
        let mut parsed = crate::statement::parse(text)?;
        Ok(parsed.remove(0).statement)
    }

    #[test]
    fn every_clause_in_any_order() {
        let Ok(Statement::CreateDatabase(create)) = parse(
            "CREATE DATABASE d WITH ISOLATION LEVEL SERIALIZABLE CONNECTION LIMIT 5 OWNER = u COLLATE CASE_SENSITIVE",
        ) else {
            panic!("it is a CREATE DATABASE");
        };
        let wanted = CreateDatabase {
            name: "d".into(),
            owner: Some("u".into()),
            connection_limit: Some(5),
            serializable: true,
            case_insensitive: false,
        };
        assert_eq!(create, wanted);
        for (text, code) in [
            ("CREATE DATABASE", "42601"),
            ("CREATE DATABASE d OWNER u OWNER u", "42601"),
            ("CREATE DATABASE d CONNECTION LIMIT -1", "22023"),
            ("CREATE DATABASE d COLLATE \"x\"", "42601"),
            ("ALTER DATABASE d INTEGRATION REFRESH ALL TABLES", "0A000"),
            (
                "CREATE DATABASE d FROM DATASHARE s OF NAMESPACE 'n'",
                "0A000",
            ),
            ("CREATE DATABASE d TEMPLATE t", "0A000"),
            ("ALTER DATABASE d SET x TO 1", "42601"),
            ("DROP DATABASE d CASCADE", "42601"),
            ("USE", "42601"),
        ] {
            let code_found = parse(text).map(|_| ()).map_err(|error| error.code.0);
            assert_eq!(code_found, Err(code), "{text}");
        }
        for text in [
            "ALTER DATABASE d RENAME TO e",
            "ALTER DATABASE d OWNER TO u",
            "ALTER DATABASE d CONNECTION LIMIT UNLIMITED",
            "DROP DATABASE d FORCE",
            "USE d",
            "RESET USE",
        ] {
            assert!(parse(text).is_ok(), "{text}");
        }
    }
}
