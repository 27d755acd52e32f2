//! Functions and procedures: CREATE, DROP, ALTER, SHOW and CALL. The body of a routine stays a text here.

use super::query::Expression;
use super::session::Set;
use super::{ObjectName, Statement};
use crate::error::{Error, Result};
use crate::parser::cursor::Cursor;
use crate::sqlstate::SqlState;
use crate::types::{SqlType, VARCHAR_MAX};
use serde::{Deserialize, Serialize};
use sqlparser::tokenizer::Token;

/// Arguments a routine may have of each direction.
const ARGUMENTS_MAX: usize = 32;
/// The longest source of a procedure.
const BODY_BYTES_MAX: usize = 2 * 1024 * 1024;

/// A function or a procedure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RoutineKind {
    /// Called in expressions.
    Function,
    /// Called by CALL.
    Procedure,
}

impl RoutineKind {
    /// Gives the word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Function => "function",
            Self::Procedure => "procedure",
        }
    }
}

/// Which way an argument goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ArgumentMode {
    /// Given by the caller.
    #[default]
    In,
    /// Given back.
    Out,
    /// Both.
    InOut,
}

impl ArgumentMode {
    /// Tells whether the caller gives it.
    pub fn is_input(self) -> bool {
        self != Self::Out
    }

    /// Tells whether the caller gets it.
    pub fn is_output(self) -> bool {
        self != Self::In
    }
}

/// The type of an argument or variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RoutineType {
    /// A type of SQL.
    Sql(SqlType),
    /// The name of a cursor.
    Refcursor,
}

impl RoutineType {
    /// Gives the type of its values.
    pub fn sql(self) -> SqlType {
        match self {
            Self::Sql(ty) => ty,
            Self::Refcursor => SqlType::Varchar(VARCHAR_MAX),
        }
    }

    /// Gives its name without lengths, as signatures show it.
    pub fn signature(self) -> String {
        match self {
            Self::Sql(ty) => {
                let shown = ty.display();
                shown.split('(').next().unwrap_or_default().to_owned()
            }
            Self::Refcursor => "refcursor".to_owned(),
        }
    }

    /// Gives the type without the length of a text: signatures keep none, so values pass whole.
    fn without_length(self) -> Self {
        match self {
            Self::Sql(SqlType::Varchar(_)) => Self::Sql(SqlType::Varchar(VARCHAR_MAX)),
            other => other,
        }
    }
}

/// An argument.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Argument {
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Its direction.
    #[serde(default)]
    pub mode: ArgumentMode,
    /// Its type.
    pub ty: RoutineType,
}

/// What a function promises of its results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RoutineVolatility {
    /// Nothing.
    #[default]
    Volatile,
    /// The same within a statement.
    Stable,
    /// The same for ever.
    Immutable,
}

/// `CREATE [OR REPLACE] FUNCTION | PROCEDURE`.
#[derive(Clone, Debug)]
pub struct CreateRoutine {
    /// Which.
    pub kind: RoutineKind,
    /// OR REPLACE.
    pub or_replace: bool,
    /// Its name.
    pub name: ObjectName,
    /// Its arguments.
    pub arguments: Vec<Argument>,
    /// RETURNS; a procedure has none.
    pub returns: Option<SqlType>,
    /// VOLATILE, STABLE, IMMUTABLE.
    pub volatility: RoutineVolatility,
    /// Its text.
    pub body: String,
    /// NONATOMIC.
    pub nonatomic: bool,
    /// SECURITY DEFINER.
    pub security_definer: bool,
    /// SET parameter.
    pub settings: Vec<Set>,
}

/// A routine as DROP, ALTER and SHOW name it.
#[derive(Clone, Debug)]
pub struct RoutineName {
    /// Its name.
    pub name: ObjectName,
    /// Its arguments; `None` if none were written, as where only one has the name.
    pub arguments: Option<Vec<Argument>>,
}

/// `DROP FUNCTION | PROCEDURE`.
#[derive(Clone, Debug)]
pub struct DropRoutine {
    /// Which.
    pub kind: RoutineKind,
    /// IF EXISTS.
    pub if_exists: bool,
    /// What to drop.
    pub routines: Vec<RoutineName>,
    /// CASCADE.
    pub cascade: bool,
}

/// `ALTER FUNCTION | PROCEDURE`.
#[derive(Clone, Debug)]
pub struct AlterRoutine {
    /// Which.
    pub kind: RoutineKind,
    /// What to change.
    pub routine: RoutineName,
    /// How.
    pub change: RoutineChange,
}

/// What ALTER changes.
#[derive(Clone, Debug)]
pub enum RoutineChange {
    /// RENAME TO.
    Rename(String),
    /// OWNER TO a name, or to `current_user` or `session_user`.
    Owner(String),
}

/// `CALL name (arguments)`.
#[derive(Clone, Debug)]
pub struct Call {
    /// The procedure.
    pub name: ObjectName,
    /// The values.
    pub arguments: Vec<Expression>,
}

/// Parses CREATE FUNCTION and CREATE PROCEDURE; the cursor is at FUNCTION or PROCEDURE.
pub(crate) fn parse_create(cursor: &mut Cursor<'_>, or_replace: bool) -> Result<Statement> {
    let kind = kind(cursor)?;
    let name = cursor.object_name()?;
    let at = cursor.position();
    let arguments = arguments(cursor, kind)?;
    check_counts(&arguments, at)?;
    let mut create = CreateRoutine {
        kind,
        or_replace,
        name,
        arguments,
        returns: None,
        volatility: RoutineVolatility::default(),
        body: String::new(),
        nonatomic: false,
        security_definer: false,
        settings: Vec::new(),
    };
    let (mut language, mut has_body) = (None, false);
    while !cursor.at_end() {
        let position = cursor.position();
        let word = cursor.word()?;
        let is_function = kind == RoutineKind::Function;
        match word.as_str() {
            "returns" if is_function => create.returns = Some(returned(cursor)?),
            "volatile" if is_function => create.volatility = RoutineVolatility::Volatile,
            "stable" if is_function => create.volatility = RoutineVolatility::Stable,
            "immutable" if is_function => create.volatility = RoutineVolatility::Immutable,
            "as" => {
                create.body = cursor.raw_body()?;
                has_body = true;
            }
            "language" => language = Some((cursor.name()?, position)),
            "nonatomic" if !is_function => create.nonatomic = true,
            "security" if !is_function => {
                create.security_definer = cursor.take_word("definer");
                if !create.security_definer {
                    cursor.expect_word("invoker")?;
                }
            }
            "set" if !is_function => create.settings.push(super::session::parse_setting(cursor)?),
            _ => {
                return Err(Error::syntax(
                    format!("syntax error at or near \"{word}\""),
                    Some(position),
                ));
            }
        }
    }
    let Some((language, position)) = language else {
        return Err(Error::new(SqlState::SYNTAX_ERROR, "no language specified"));
    };
    check_language(kind, &language).map_err(|error| error.at(position))?;
    if !has_body {
        return Err(Error::new(
            SqlState::SYNTAX_ERROR,
            format!("no {} body specified", kind.word()),
        ));
    }
    check(&create)?;
    Ok(Statement::CreateRoutine(Box::new(create)))
}

fn check(create: &CreateRoutine) -> Result<()> {
    if create.body.len() > BODY_BYTES_MAX {
        return Err(Error::new(
            SqlState::PROGRAM_LIMIT_EXCEEDED,
            format!(
                "source of {} \"{}\" is too large",
                create.kind.word(),
                create.name.name
            ),
        )
        .with_detail("The source of a routine may have 2097152 bytes."));
    }
    if create.kind == RoutineKind::Function && create.returns.is_none() {
        return Err(Error::new(
            SqlState::SYNTAX_ERROR,
            "function result type must be specified",
        ));
    }
    let refused = match create {
        _ if !create.nonatomic => return Ok(()),
        create if create.security_definer => "SECURITY DEFINER",
        create if !create.settings.is_empty() => "SET",
        _ => return Ok(()),
    };
    Err(Error::unsupported(
        format!("{refused} of a NONATOMIC procedure"),
        format!("Leave out NONATOMIC, or leave out {refused}"),
    ))
}

fn check_counts(arguments: &[Argument], at: usize) -> Result<()> {
    let inputs = arguments.iter().filter(|one| one.mode.is_input()).count();
    let outputs = arguments.iter().filter(|one| one.mode.is_output()).count();
    if inputs > ARGUMENTS_MAX || outputs > ARGUMENTS_MAX {
        return Err(Error::new(
            SqlState::TOO_MANY_ARGUMENTS,
            format!("routines cannot have more than {ARGUMENTS_MAX} arguments"),
        )
        .at(at));
    }
    for (index, argument) in arguments.iter().enumerate() {
        let is_twice = |other: &Argument| argument.name.is_some() && other.name == argument.name;
        if arguments.iter().take(index).any(is_twice) {
            let name = argument.name.as_deref().unwrap_or_default();
            return Err(Error::new(
                SqlState::INVALID_FUNCTION_DEFINITION,
                format!("parameter name \"{name}\" used more than once"),
            )
            .at(at));
        }
    }
    Ok(())
}

fn check_language(kind: RoutineKind, language: &str) -> Result<()> {
    match (kind, language) {
        (RoutineKind::Function, "sql") | (RoutineKind::Procedure, "plpgsql") => Ok(()),
        (RoutineKind::Function, "plpythonu") => Err(Error::unsupported(
            "a function in Python (LANGUAGE plpythonu)",
            "Write the function in SQL: AS $$ SELECT ... $$ LANGUAGE sql",
        )),
        (RoutineKind::Function, "plpgsql") => Err(Error::unsupported(
            "a function in PL/pgSQL",
            "Write the function in SQL, or write a procedure",
        )),
        (RoutineKind::Procedure, "sql" | "plpythonu") => Err(Error::unsupported(
            format!("a procedure in LANGUAGE {language}"),
            "Write the procedure in LANGUAGE plpgsql",
        )),
        _ => Err(Error::new(
            SqlState::UNDEFINED_OBJECT,
            format!("language \"{language}\" does not exist"),
        )
        .with_hint("Functions are written in sql, procedures in plpgsql")),
    }
}

fn kind(cursor: &mut Cursor<'_>) -> Result<RoutineKind> {
    if cursor.take_word("function") {
        return Ok(RoutineKind::Function);
    }
    cursor.expect_word("procedure")?;
    Ok(RoutineKind::Procedure)
}

fn returned(cursor: &mut Cursor<'_>) -> Result<SqlType> {
    if cursor.is_word("anyelement") {
        return Err(any_element(cursor));
    }
    for words in ["setof", "table"] {
        if cursor.is_word(words) {
            return Err(Error::unsupported(
                "a function that returns rows",
                "Return one value; use a view for rows",
            )
            .at(cursor.position()));
        }
    }
    let ty = crate::types::parse(cursor)?;
    Ok(RoutineType::Sql(ty).without_length().sql())
}

fn any_element(cursor: &Cursor<'_>) -> Error {
    Error::unsupported(
        "type anyelement",
        "Name the type; functions of other types may have the same name",
    )
    .at(cursor.position())
}

/// `( [ [name] [mode] type [, ...] ] )`, name and mode in any order.
fn arguments(cursor: &mut Cursor<'_>, kind: RoutineKind) -> Result<Vec<Argument>> {
    cursor.expect(&Token::LParen)?;
    let mut arguments = Vec::new();
    if cursor.take(&Token::RParen) {
        return Ok(arguments);
    }
    loop {
        arguments.push(argument(cursor, kind)?);
        if !cursor.take(&Token::Comma) {
            break;
        }
    }
    cursor.expect(&Token::RParen)?;
    Ok(arguments)
}

fn argument(cursor: &mut Cursor<'_>, kind: RoutineKind) -> Result<Argument> {
    let mut mode = take_mode(cursor, kind);
    // A word may be the type or the name before it: it is the type if the argument ends behind it.
    let mut ahead = cursor.clone();
    let alone = routine_type(&mut ahead);
    let ends = |cursor: &Cursor<'_>| {
        matches!(cursor.peek(), Some(Token::Comma | Token::RParen)) || cursor.at_end()
    };
    if let Ok(ty) = &alone
        && ends(&ahead)
    {
        *cursor = ahead;
        return Ok(Argument {
            name: None,
            mode: mode.unwrap_or_default(),
            ty: ty.without_length(),
        });
    }
    let next_ends = matches!(cursor.peek_at(1), Some(Token::Comma | Token::RParen));
    if next_ends && let Err(error) = alone {
        return Err(error);
    }
    let name = cursor.name()?;
    if mode.is_none() {
        mode = take_mode(cursor, kind);
    }
    let ty = routine_type(cursor)?;
    if cursor.is_word("default") || cursor.peek() == Some(&Token::Eq) {
        return Err(Error::unsupported(
            "a default for an argument",
            "Make a second routine of the same name with fewer arguments",
        )
        .at(cursor.position()));
    }
    Ok(Argument {
        name: Some(name),
        mode: mode.unwrap_or_default(),
        ty: ty.without_length(),
    })
}

fn take_mode(cursor: &mut Cursor<'_>, kind: RoutineKind) -> Option<ArgumentMode> {
    if kind == RoutineKind::Function {
        return None;
    }
    let modes = [
        ("in", ArgumentMode::In),
        ("out", ArgumentMode::Out),
        ("inout", ArgumentMode::InOut),
    ];
    let found = modes.into_iter().find(|(word, _)| cursor.take_word(word));
    found.map(|(_, mode)| mode)
}

fn routine_type(cursor: &mut Cursor<'_>) -> Result<RoutineType> {
    if cursor.take_word("refcursor") {
        return Ok(RoutineType::Refcursor);
    }
    if cursor.is_word("anyelement") {
        return Err(any_element(cursor));
    }
    crate::types::parse(cursor).map(RoutineType::Sql)
}

/// Parses a name with the arguments in parentheses, if they are there.
pub(super) fn named(cursor: &mut Cursor<'_>, kind: RoutineKind) -> Result<RoutineName> {
    let name = cursor.object_name()?;
    let arguments = match cursor.peek() {
        // DROP FUNCTION may name arguments, and their modes, though only the types count.
        Some(Token::LParen) => Some(arguments(cursor, kind)?),
        _ => None,
    };
    Ok(RoutineName { name, arguments })
}

/// Parses DROP FUNCTION and DROP PROCEDURE; the cursor is at DROP.
pub(crate) fn parse_drop(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect_word("drop")?;
    let kind = kind(cursor)?;
    let if_exists = cursor.take_words(&["if", "exists"]);
    let mut routines = vec![named(cursor, kind)?];
    while cursor.take(&Token::Comma) {
        routines.push(named(cursor, kind)?);
    }
    let cascade = cursor.take_word("cascade");
    if !cascade {
        cursor.take_word("restrict");
    }
    Ok(Statement::DropRoutine(Box::new(DropRoutine {
        kind,
        if_exists,
        routines,
        cascade,
    })))
}

/// Parses ALTER FUNCTION and ALTER PROCEDURE; the cursor is at ALTER.
pub(crate) fn parse_alter(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect_word("alter")?;
    let kind = kind(cursor)?;
    let routine = named(cursor, kind)?;
    let change = if cursor.take_words(&["rename", "to"]) {
        RoutineChange::Rename(cursor.name()?)
    } else {
        cursor.expect_word("owner")?;
        cursor.expect_word("to")?;
        RoutineChange::Owner(cursor.name()?)
    };
    Ok(Statement::AlterRoutine(Box::new(AlterRoutine {
        kind,
        routine,
        change,
    })))
}

/// Parses SHOW PROCEDURE; the cursor is at SHOW.
pub(crate) fn parse_show(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect_word("show")?;
    let kind = kind(cursor)?;
    Ok(Statement::ShowProcedure(Box::new(named(cursor, kind)?)))
}

/// Parses CALL; the cursor is at CALL.
pub(crate) fn parse_call(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect_word("call")?;
    let name = cursor.object_name()?;
    cursor.expect(&Token::LParen)?;
    let mut arguments = Vec::new();
    if !cursor.take(&Token::RParen) {
        loop {
            arguments.push(cursor.expression()?);
            if !cursor.take(&Token::Comma) {
                break;
            }
        }
        cursor.expect(&Token::RParen)?;
    }
    Ok(Statement::Call(Box::new(Call { name, arguments })))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn create(text: &str) -> CreateRoutine {
        match crate::statement::parse(text).unwrap().remove(0).statement {
            Statement::CreateRoutine(create) => *create,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn arguments_are_read_in_every_order() {
        let made = create(
            "create or replace procedure s.p(f1 in int, inout f2 varchar(20), date, out x double precision) \
             nonatomic as $$begin end$$ language plpgsql",
        );
        let shown: Vec<_> = made
            .arguments
            .iter()
            .map(|one| (one.name.as_deref(), one.mode, one.ty.signature()))
            .collect();
        assert_eq!(
            shown,
            [
                (Some("f1"), ArgumentMode::In, "integer".to_owned()),
                (
                    Some("f2"),
                    ArgumentMode::InOut,
                    "character varying".to_owned()
                ),
                (None, ArgumentMode::In, "date".to_owned()),
                (Some("x"), ArgumentMode::Out, "double precision".to_owned()),
            ]
        );
        assert!(made.nonatomic && made.or_replace);
        assert_eq!(made.body, "begin end");
    }

    #[test]
    fn clauses_that_do_not_fit_are_refused() {
        let check = |text: &str, code: &str| {
            assert_eq!(
                crate::statement::parse(text).unwrap_err().code.0,
                code,
                "{text}"
            );
        };
        check(
            "create function f(int) returns int as $$ select 1 $$ language plpythonu",
            "0A000",
        );
        check(
            "create function f(anyelement) returns int as $$ select 1 $$ language sql",
            "0A000",
        );
        check(
            "create function f(int) as $$ select 1 $$ language sql",
            "42601",
        );
        check(
            "create function f(int) returns int as $$ select 1 $$",
            "42601",
        );
        check(
            "create procedure p(nothing) as $$ begin end $$ language plpgsql",
            "42704",
        );
        check(
            "create procedure p() nonatomic as $$ begin end $$ language plpgsql security definer",
            "0A000",
        );
    }
}
