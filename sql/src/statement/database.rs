//! ALTER DATABASE.

use super::Statement;
use crate::error::{Error, Result};
use crate::parser::cursor::Cursor;

/// `ALTER DATABASE name ISOLATION LEVEL SERIALIZABLE | SNAPSHOT`.
#[derive(Clone, Debug)]
pub struct AlterDatabase {
    /// Its name.
    pub name: String,
    /// SERIALIZABLE; otherwise SNAPSHOT.
    pub serializable: bool,
}

/// The other forms, with the way out.
const REFUSED: &[(&str, &str, &str)] = &[
    (
        "rename",
        "ALTER DATABASE RENAME TO",
        "The server has one database, whose name stays",
    ),
    (
        "owner",
        "ALTER DATABASE OWNER TO",
        "Superusers may do all that an owner may",
    ),
    (
        "connection",
        "ALTER DATABASE CONNECTION LIMIT",
        "Bound the connections of the server by its configuration",
    ),
    (
        "collate",
        "ALTER DATABASE COLLATE",
        "Compare LOWER() of texts",
    ),
];

/// Parses ALTER DATABASE.
pub(crate) fn parse_alter(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect_word("alter")?;
    cursor.expect_word("database")?;
    let name = cursor.name()?;
    if let Some((_, clause, hint)) = REFUSED.iter().find(|(word, ..)| cursor.is_word(word)) {
        return Err(Error::unsupported(*clause, *hint).at(cursor.position()));
    }
    cursor.expect_word("isolation")?;
    cursor.expect_word("level")?;
    let serializable = cursor.take_word("serializable");
    if !serializable {
        cursor.expect_word("snapshot")?;
    }
    Ok(Statement::AlterDatabase(AlterDatabase {
        name,
        serializable,
    }))
}
