//! CREATE USER and ALTER USER.

use super::Statement;
use super::grant::names;
use crate::error::{Error, Result};
use crate::parser::cursor::Cursor;

/// What CREATE USER and ALTER USER say of a user; what is `None` was not said.
#[derive(Clone, Default)]
pub struct UserOptions {
    /// The name.
    pub name: String,
    /// The password in clear or as a digest; `None` for DISABLE or not named.
    pub password: Option<String>,
    /// PASSWORD DISABLE.
    pub password_disabled: bool,
    /// CREATEUSER (superuser).
    pub superuser: Option<bool>,
    /// CREATEDB.
    pub create_database: Option<bool>,
    /// SYSLOG ACCESS UNRESTRICTED.
    pub syslog_unrestricted: Option<bool>,
    /// IN GROUP.
    pub groups: Vec<String>,
    /// VALID UNTIL, as written.
    pub valid_until: Option<String>,
    /// CONNECTION LIMIT; inside, `None` is UNLIMITED.
    pub connection_limit: Option<Option<u32>>,
    /// SESSION TIMEOUT in seconds; inside, `None` is RESET SESSION TIMEOUT.
    pub session_timeout: Option<Option<u32>>,
    /// EXTERNALID.
    pub external_id: Option<String>,
    /// RENAME TO.
    pub rename: Option<String>,
    /// SET parameter TO value; no value is RESET.
    pub parameters: Vec<(String, Option<String>)>,
}

impl std::fmt::Debug for UserOptions {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("UserOptions")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// The least SESSION TIMEOUT, a minute, and the greatest, 20 days.
const SESSION_TIMEOUT_SECONDS: std::ops::RangeInclusive<i64> = 60..=1_728_000;

/// Parses CREATE USER and ALTER USER.
pub(crate) fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let create = cursor.take_word("create");
    if !create {
        cursor.expect_word("alter")?;
    }
    cursor.expect_word("user")?;
    let mut user = UserOptions {
        name: cursor.name()?,
        ..UserOptions::default()
    };
    cursor.take_word("with");
    while !cursor.at_end() {
        option(cursor, &mut user, create)?;
    }
    if !create {
        return Ok(Statement::AlterUser(Box::new(user)));
    }
    if user.password.is_none() && !user.password_disabled {
        return Err(
            Error::syntax("CREATE USER needs a PASSWORD", Some(cursor.position()))
                .with_hint("Add PASSWORD '...' or PASSWORD DISABLE"),
        );
    }
    Ok(Statement::CreateUser(Box::new(user)))
}

fn option(cursor: &mut Cursor<'_>, user: &mut UserOptions, create: bool) -> Result<()> {
    let position = cursor.position();
    let before = cursor.clone();
    let word = cursor.word()?;
    match word.as_str() {
        "password" if cursor.take_word("disable") => user.password_disabled = true,
        "password" => user.password = Some(cursor.string()?),
        "createuser" => user.superuser = Some(true),
        "nocreateuser" => user.superuser = Some(false),
        "createdb" => user.create_database = Some(true),
        "nocreatedb" => user.create_database = Some(false),
        "syslog" => {
            cursor.expect_word("access")?;
            let unrestricted = cursor.take_word("unrestricted");
            if !unrestricted {
                cursor.expect_word("restricted")?;
            }
            user.syslog_unrestricted = Some(unrestricted);
        }
        "in" if create => {
            cursor.expect_word("group")?;
            user.groups = names(cursor)?;
        }
        "valid" => {
            cursor.expect_word("until")?;
            user.valid_until = Some(cursor.string()?);
        }
        "connection" => {
            cursor.expect_word("limit")?;
            user.connection_limit = Some(match cursor.take_word("unlimited") {
                true => None,
                false => match cursor.integer()? {
                    -1 => None,
                    limit => Some(u32::try_from(limit).map_err(|_| {
                        Error::syntax("CONNECTION LIMIT is out of range", Some(position))
                    })?),
                },
            });
        }
        "session" => {
            cursor.expect_word("timeout")?;
            let seconds = cursor.integer()?;
            if !SESSION_TIMEOUT_SECONDS.contains(&seconds) {
                return Err(Error::new(
                    crate::SqlState::INVALID_PARAMETER_VALUE,
                    "SESSION TIMEOUT is out of range",
                )
                .with_detail("It has 60 to 1728000 seconds.")
                .at(position));
            }
            user.session_timeout = Some(u32::try_from(seconds).ok());
        }
        "externalid" => {
            user.external_id = Some(match cursor.is_string() {
                true => cursor.string()?,
                false => cursor.name()?,
            });
        }
        "rename" if !create => {
            cursor.expect_word("to")?;
            user.rename = Some(cursor.name()?);
        }
        "reset" if !create && cursor.take_words(&["session", "timeout"]) => {
            user.session_timeout = Some(None);
        }
        "set" | "reset" if !create => {
            let mut rest = before.clone();
            match super::session::parse(&mut rest, &word)? {
                Some(Statement::Set(set)) => {
                    let value = (!set.values.is_empty()).then(|| set.values.join(", "));
                    user.parameters.push((set.name, value));
                }
                Some(Statement::Reset(super::session::Reset { name: Some(name) })) => {
                    user.parameters.push((name, None));
                }
                _ => return Err(before.unexpected()),
            }
            *cursor = rest;
        }
        _ => return Err(before.unexpected()),
    }
    Ok(())
}
