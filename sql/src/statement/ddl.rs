//! Small statements about objects: DROP, schemas, COMMENT.

use super::routine::{self, RoutineKind, RoutineName};
use super::{ObjectName, Statement};
use crate::error::{Error, Result};
use crate::parser::cursor::Cursor;
use crate::sqlstate::SqlState;
use sqlparser::tokenizer::Token;

/// `DROP kind [IF EXISTS] name, ... [CASCADE | RESTRICT]`.
#[derive(Clone, Debug)]
pub struct DropObjects {
    /// What to drop.
    pub names: Vec<ObjectName>,
    /// IF EXISTS.
    pub if_exists: bool,
    /// DROP EXTERNAL DATABASE, of DROP SCHEMA.
    pub external_database: bool,
    /// CASCADE.
    pub cascade: bool,
}

/// `CREATE SCHEMA [IF NOT EXISTS] name [AUTHORIZATION user] [QUOTA size] [element ...]`.
#[derive(Clone, Debug)]
pub struct CreateSchema {
    /// Its name.
    pub name: String,
    /// IF NOT EXISTS.
    pub if_not_exists: bool,
    /// AUTHORIZATION.
    pub owner: Option<String>,
    /// QUOTA in megabytes; `None` is UNLIMITED.
    pub quota: Option<u64>,
    /// CREATE TABLE, CREATE VIEW and GRANT of what is to be in it.
    pub elements: Vec<Statement>,
}

/// `COMMENT ON kind name IS 'text'`.
#[derive(Clone, Debug)]
pub struct Comment {
    /// `table`, `column`, `constraint`, `schema`, `view`, `database`, `function`, `procedure`.
    pub kind: String,
    /// The object; for a column or constraint its table, and its own name is in `column`.
    pub name: ObjectName,
    /// For a column or a constraint.
    pub column: Option<String>,
    /// For a function or procedure, with its arguments.
    pub routine: Option<RoutineName>,
    /// NULL removes.
    pub text: Option<String>,
}

/// Parses DROP TABLE, VIEW, SCHEMA, USER and GROUP.
pub(crate) fn parse_drop(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let start = cursor.clone();
    cursor.skip();
    let make: fn(DropObjects) -> Statement = match cursor.peek_word().as_deref() {
        Some("table") => Statement::DropTable,
        Some("view") => Statement::DropView,
        Some("schema") => Statement::DropSchema,
        Some("user") => Statement::DropUser,
        Some("group") => Statement::DropGroup,
        Some("role") => return super::group::parse_drop_role(cursor),
        _ => return Err(super::refused::refuse(&start)),
    };
    let is_schema = cursor.is_word("schema");
    cursor.skip();
    let if_exists = cursor.take_words(&["if", "exists"]);
    let mut names = vec![cursor.object_name()?];
    while cursor.take(&Token::Comma) {
        names.push(cursor.object_name()?);
    }
    let external_database = is_schema && cursor.take_words(&["drop", "external", "database"]);
    let cascade = cursor.take_word("cascade");
    if !cascade {
        cursor.take_word("restrict");
    }
    Ok(make(DropObjects {
        names,
        if_exists,
        external_database,
        cascade,
    }))
}

/// Parses CREATE SCHEMA; the cursor is at SCHEMA.
pub(crate) fn parse_create_schema(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect_word("schema")?;
    let if_not_exists = cursor.take_words(&["if", "not", "exists"]);
    let named = !cursor.is_word("authorization");
    let mut name = if named { cursor.name()? } else { String::new() };
    let mut owner = None;
    if cursor.take_word("authorization") {
        let user = cursor.name()?;
        if !named {
            name.clone_from(&user);
        }
        owner = Some(user);
    }
    let quota = match cursor.take_word("quota") {
        true => quota(cursor)?,
        false => None,
    };
    let elements = elements(cursor)?;
    let position = cursor.position();
    if if_not_exists && !elements.is_empty() {
        let text = "CREATE SCHEMA IF NOT EXISTS cannot include schema elements";
        return Err(Error::new(SqlState::FEATURE_NOT_SUPPORTED, text)
            .with_hint("Send them as statements of their own")
            .at(position));
    }
    Ok(Statement::CreateSchema(CreateSchema {
        name,
        if_not_exists,
        owner,
        quota,
        elements,
    }))
}

/// Parses the statements inside a CREATE SCHEMA. No semicolon parts them: the next begins with CREATE or GRANT outside
/// parentheses, but for `GRANT CREATE` and `WITH GRANT OPTION`.
fn elements(cursor: &mut Cursor<'_>) -> Result<Vec<Statement>> {
    let mut elements = Vec::new();
    while !cursor.at_end() {
        let position = cursor.position();
        let mut end = cursor.clone();
        let (mut depth, mut continues) = (0_usize, true);
        while let Some(token) = end.peek() {
            let begins = end.is_word("create") || end.is_word("grant");
            if begins && depth == 0 && !continues {
                break;
            }
            match token {
                Token::LParen => depth += 1,
                Token::RParen => depth = depth.saturating_sub(1),
                _ => {}
            }
            continues = *token == Token::Comma || end.is_word("grant") || end.is_word("with");
            end.skip();
        }
        let mark = end.mark();
        let is_element = cursor.is_word("create") || cursor.is_word("grant");
        if !is_element {
            return Err(cursor.unexpected());
        }
        let statement = super::parse_one(&mut cursor.cut(mark))?.statement;
        let is_element = matches!(
            statement,
            Statement::CreateTable(_) | Statement::CreateView(_) | Statement::Grant(_)
        );
        if !is_element {
            return Err(Error::unsupported(
                "CREATE SCHEMA with a statement other than CREATE TABLE, CREATE VIEW and GRANT inside",
                "Send it as a statement of its own",
            )
            .at(position));
        }
        elements.push(statement);
    }
    Ok(elements)
}

/// `n [MB | GB | TB] | UNLIMITED` after QUOTA, in megabytes; `None` is UNLIMITED. Gigabytes if no unit is given.
pub(super) fn quota(cursor: &mut Cursor<'_>) -> Result<Option<u64>> {
    if cursor.take_word("unlimited") {
        return Ok(None);
    }
    let position = cursor.position();
    let size = cursor.integer()?;
    let unit = if cursor.take_word("mb") {
        1
    } else if cursor.take_word("tb") {
        1024 * 1024
    } else {
        cursor.take_word("gb");
        1024
    };
    let megabytes = u64::try_from(size).ok().filter(|size| *size > 0);
    let megabytes = megabytes.and_then(|size| size.checked_mul(unit));
    megabytes.map(Some).ok_or_else(|| {
        Error::new(
            SqlState::INVALID_PARAMETER_VALUE,
            format!("the quota {size} is out of range"),
        )
        .with_hint("Write QUOTA 50 GB, or QUOTA UNLIMITED")
        .at(position)
    })
}

/// Parses COMMENT ON.
pub(crate) fn parse_comment(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect_word("comment")?;
    cursor.expect_word("on")?;
    let position = cursor.position();
    let kind = cursor.word()?;
    let mut routine = None;
    let (name, column) = match kind.as_str() {
        "function" | "procedure" => {
            let of = match kind == "function" {
                true => RoutineKind::Function,
                false => RoutineKind::Procedure,
            };
            let named = routine::named(cursor, of)?;
            (routine.insert(named).name.clone(), None)
        }
        "table" | "view" | "schema" | "database" => (cursor.object_name()?, None),
        "constraint" => {
            let constraint = cursor.name()?;
            cursor.expect_word("on")?;
            (cursor.object_name()?, Some(constraint))
        }
        "column" => {
            let mut parts = vec![cursor.name()?];
            while cursor.take(&Token::Period) {
                parts.push(cursor.name()?);
            }
            let column = parts.pop();
            let Some(name) = parts.pop() else {
                return Err(cursor.unexpected());
            };
            let schema = parts.pop();
            let database = parts.pop();
            (
                ObjectName {
                    database,
                    schema,
                    name,
                    position,
                },
                column,
            )
        }
        other => {
            return Err(Error::unsupported(
                format!("COMMENT ON {}", other.to_uppercase()),
                "Comment on a table, column, constraint, view, schema, function, procedure or database",
            )
            .at(position));
        }
    };
    cursor.expect_word("is")?;
    let text = if cursor.take_word("null") {
        None
    } else {
        Some(cursor.string()?)
    };
    Ok(Statement::Comment(Comment {
        kind,
        name,
        column,
        routine,
        text,
    }))
}
