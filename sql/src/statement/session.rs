//! Statements about the session: transactions, settings, EXPLAIN, prepared statements.

use super::query::Expression;
use super::{Parsed, Statement};
use crate::error::{Error, Result};
use crate::parser::cursor::Cursor;
use crate::sqlstate::SqlState;
use sqlparser::tokenizer::Token;

/// `EXPLAIN [ANALYZE] [VERBOSE] statement`.
#[derive(Clone, Debug)]
pub struct Explain {
    /// Run it and show what happened.
    pub analyze: bool,
    /// Print the plan tree too.
    pub verbose: bool,
    /// What to explain.
    pub statement: Parsed,
}

/// `BEGIN [modes]`.
#[derive(Clone, Debug, Default)]
pub struct Begin {
    /// READ ONLY is `true`, READ WRITE `false`.
    pub read_only: Option<bool>,
}

/// `SET [SESSION | LOCAL] name TO value, ...`.
#[derive(Clone, Debug)]
pub struct Set {
    /// Lower case; `time zone` becomes `timezone`.
    pub name: String,
    /// The values; empty means DEFAULT.
    pub values: Vec<String>,
    /// LOCAL.
    pub local: bool,
}

/// `RESET name | ALL`.
#[derive(Clone, Debug)]
pub struct Reset {
    /// `None` is ALL.
    pub name: Option<String>,
}

/// `SHOW name | ALL`.
#[derive(Clone, Debug)]
pub struct Show {
    /// `None` is ALL.
    pub name: Option<String>,
}

/// `PREPARE name [(types)] AS statement`.
#[derive(Clone, Debug)]
pub struct Prepare {
    /// Its name.
    pub name: String,
    /// The declared types of `$1`...; those not declared are inferred.
    pub types: Vec<crate::types::SqlType>,
    /// What to prepare, with `$n`.
    pub statement: Parsed,
}

/// `EXECUTE name [(values)]`.
#[derive(Clone, Debug)]
pub struct Execute {
    /// Its name.
    pub name: String,
    /// The values.
    pub arguments: Vec<Expression>,
}

/// `DEALLOCATE [PREPARE] name | ALL`.
#[derive(Clone, Debug)]
pub struct Deallocate {
    /// `None` is ALL.
    pub name: Option<String>,
}

/// `DISCARD ALL | TEMP | PLANS`.
#[derive(Clone, Debug)]
pub struct Discard {
    /// Lower case.
    pub what: String,
}

/// `CANCEL process_id ['message']`.
#[derive(Clone, Debug)]
pub struct Cancel {
    /// The process id of the session.
    pub pid: i64,
    /// What its client is told.
    pub message: Option<String>,
}

/// Parses the statement that begins with `word`; `None` if it is not of this family.
pub(crate) fn parse(cursor: &mut Cursor<'_>, word: &str) -> Result<Option<Statement>> {
    let start = cursor.clone();
    cursor.skip();
    let statement = match word {
        "begin" | "start" => {
            if word == "start" {
                cursor.expect_word("transaction")?;
            } else {
                skip_work(cursor);
            }
            Statement::Begin(transaction_modes(cursor)?)
        }
        "commit" | "end" => {
            skip_work(cursor);
            Statement::Commit
        }
        "rollback" | "abort" => {
            skip_work(cursor);
            if cursor.is_word("to") {
                return Err(Error::unsupported(
                    "ROLLBACK TO SAVEPOINT",
                    "Roll back the whole transaction",
                ));
            }
            Statement::Rollback
        }
        "lock" => {
            cursor.take_word("table");
            let mut names = vec![cursor.object_name()?];
            while cursor.take(&Token::Comma) {
                names.push(cursor.object_name()?);
            }
            Statement::Lock(names)
        }
        "cancel" => {
            let pid = cursor.integer()?;
            let message = match cursor.is_string() {
                true => Some(cursor.string()?),
                false => None,
            };
            Statement::Cancel(Cancel { pid, message })
        }
        "explain" => explain(cursor)?,
        "set" => set(cursor)?,
        "reset" => Statement::Reset(Reset {
            name: setting_or_all(cursor)?,
        }),
        "show" => match super::show::parse(cursor)? {
            Some(statement) => statement,
            None => match show(cursor)? {
                Some(show) => Statement::Show(show),
                None => {
                    *cursor = start;
                    return Ok(None);
                }
            },
        },
        "prepare" => prepare(cursor)?,
        "execute" => {
            let name = cursor.name()?;
            let mut arguments = Vec::new();
            if cursor.take(&Token::LParen) && !cursor.take(&Token::RParen) {
                loop {
                    arguments.push(cursor.expression()?);
                    if !cursor.take(&Token::Comma) {
                        break;
                    }
                }
                cursor.expect(&Token::RParen)?;
            }
            Statement::Execute(Execute { name, arguments })
        }
        "deallocate" => {
            cursor.take_word("prepare");
            let all = cursor.take_word("all");
            let name = if all { None } else { Some(cursor.name()?) };
            Statement::Deallocate(Deallocate { name })
        }
        "discard" => {
            let what = cursor.word()?;
            if !["all", "temp", "temporary", "plans"].contains(&what.as_str()) {
                return Err(Error::syntax(
                    format!("syntax error at or near \"{what}\""),
                    Some(cursor.position()),
                ));
            }
            let what = if what == "temporary" {
                "temp".to_owned()
            } else {
                what
            };
            Statement::Discard(Discard { what })
        }
        _ => {
            *cursor = start;
            return Ok(None);
        }
    };
    Ok(Some(statement))
}

fn skip_work(cursor: &mut Cursor<'_>) {
    let _ = cursor.take_word("work") || cursor.take_word("transaction");
}

fn read_only(begin: &Begin) -> String {
    match begin.read_only {
        Some(true) => "on".to_owned(),
        _ => "off".to_owned(),
    }
}

/// `ISOLATION LEVEL ...`, `READ ONLY`, `READ WRITE`: every level gives serializable, as in Redshift.
fn transaction_modes(cursor: &mut Cursor<'_>) -> Result<Begin> {
    let mut begin = Begin::default();
    while !cursor.at_end() {
        if cursor.take_words(&["isolation", "level"]) {
            let known = cursor.take_word("serializable")
                || cursor.take_words(&["read", "committed"])
                || cursor.take_words(&["read", "uncommitted"])
                || cursor.take_words(&["repeatable", "read"]);
            if !known {
                return Err(cursor.unexpected());
            }
        } else if cursor.take_words(&["read", "only"]) {
            begin.read_only = Some(true);
        } else if cursor.take_words(&["read", "write"]) {
            begin.read_only = Some(false);
        } else {
            return Err(cursor.unexpected());
        }
        cursor.take(&Token::Comma);
    }
    Ok(begin)
}

fn explain(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let (mut analyze, mut verbose) = (false, false);
    if cursor.peek() == Some(&Token::LParen) && !cursor.is_word_at(1, "select") {
        cursor.skip();
        loop {
            let option = cursor.word()?;
            let off = cursor.take_word("false") || cursor.take_word("off");
            let on = !off;
            if on {
                let _ = cursor.take_word("true") || cursor.take_word("on");
            }
            match option.as_str() {
                "analyze" => analyze = on,
                "verbose" => verbose = on,
                other => {
                    return Err(Error::unsupported(
                        format!("EXPLAIN option {other}"),
                        "Use EXPLAIN [ANALYZE] [VERBOSE]",
                    ));
                }
            }
            if !cursor.take(&Token::Comma) {
                break;
            }
        }
        cursor.expect(&Token::RParen)?;
    } else {
        analyze = cursor.take_word("analyze") || cursor.take_word("analyse");
        verbose = cursor.take_word("verbose");
    }
    if cursor.at_end() {
        return Err(cursor.unexpected());
    }
    let start = cursor.clone();
    let statement = super::parse_one(&mut cursor.rest())?;
    match statement.statement {
        Statement::Select(_)
        | Statement::CreateTableAs(_)
        | Statement::Insert(_)
        | Statement::Update(_)
        | Statement::Delete(_)
        | Statement::Execute(_) => Ok(Statement::Explain(Box::new(Explain {
            analyze,
            verbose,
            statement,
        }))),
        _ => Err(start.unexpected()),
    }
}

fn set(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let local = cursor.take_word("local");
    if cursor.is_word("session") {
        if !local && cursor.take_words(&["session", "characteristics", "as", "transaction"]) {
            let begin = transaction_modes(cursor)?;
            return Ok(Statement::Set(Set {
                name: "default_transaction_read_only".to_owned(),
                values: vec![read_only(&begin)],
                local: false,
            }));
        }
        if cursor.is_word_at(1, "authorization") {
            cursor.skip();
            cursor.skip();
            let name = "session_authorization".to_owned();
            let values = if cursor.take_word("default") {
                Vec::new()
            } else if cursor.is_string() {
                vec![cursor.string()?]
            } else {
                vec![cursor.name()?]
            };
            return Ok(Statement::Set(Set {
                name,
                values,
                local,
            }));
        }
        let is_name = matches!(cursor.peek_at(1), Some(Token::Eq)) || cursor.is_word_at(1, "to");
        if !local && !is_name {
            cursor.skip();
        }
    }
    if cursor.take_word("transaction") {
        let begin = transaction_modes(cursor)?;
        return Ok(Statement::Set(Set {
            name: "transaction_read_only".to_owned(),
            values: vec![read_only(&begin)],
            local: true,
        }));
    }
    if cursor.take_words(&["time", "zone"]) {
        let values = if cursor.take_word("local") || cursor.take_word("default") {
            Vec::new()
        } else {
            vec![value(cursor)?]
        };
        return Ok(Statement::Set(Set {
            name: "timezone".to_owned(),
            values,
            local,
        }));
    }
    if cursor.take_word("names") {
        let values = vec![value(cursor)?];
        return Ok(Statement::Set(Set {
            name: "client_encoding".to_owned(),
            values,
            local,
        }));
    }
    let set = parse_setting(cursor)?;
    Ok(Statement::Set(Set { local, ..set }))
}

/// Parses `name = | TO values`.
pub(crate) fn parse_setting(cursor: &mut Cursor<'_>) -> Result<Set> {
    let name = setting(cursor)?;
    let zone_follows = name == "timezone" && cursor.is_word("interval");
    if !zone_follows && !cursor.take(&Token::Eq) {
        cursor.expect_word("to")?;
    }
    let mut values = Vec::new();
    if !cursor.take_word("default") {
        values.push(value(cursor)?);
        while cursor.take(&Token::Comma) {
            values.push(value(cursor)?);
        }
    }
    Ok(Set {
        name,
        values,
        local: false,
    })
}

/// A setting's name, perhaps with a prefix: `query_group`, `app.user`.
fn setting(cursor: &mut Cursor<'_>) -> Result<String> {
    let mut name = match cursor.peek() {
        Some(Token::Word(word)) => word.value.to_lowercase(),
        _ => return Err(cursor.unexpected()),
    };
    cursor.skip();
    while cursor.take(&Token::Period) {
        name = format!("{name}.{}", cursor.word()?);
    }
    Ok(name)
}

/// A setting's value: a string, a number, a word, or an interval for a time zone.
fn value(cursor: &mut Cursor<'_>) -> Result<String> {
    if cursor.is_word("interval") && matches!(cursor.peek_at(1), Some(Token::SingleQuotedString(_)))
    {
        cursor.skip();
    }
    if cursor.is_string() {
        return cursor.string();
    }
    let negative = cursor.take(&Token::Minus);
    let text = match cursor.peek() {
        Some(Token::Number(digits, _)) => digits.clone(),
        Some(Token::Word(word)) if !negative => match word.quote_style {
            Some(_) => word.value.replace("\"\"", "\""),
            None => word.value.to_lowercase(),
        },
        _ => return Err(cursor.unexpected()),
    };
    cursor.skip();
    Ok(if negative { format!("-{text}") } else { text })
}

fn setting_or_all(cursor: &mut Cursor<'_>) -> Result<Option<String>> {
    if cursor.take_word("all") {
        return Ok(None);
    }
    if cursor.take_words(&["time", "zone"]) {
        return Ok(Some("timezone".to_owned()));
    }
    if cursor.take_words(&["session", "authorization"]) {
        return Ok(Some("session_authorization".to_owned()));
    }
    if cursor.take_words(&["transaction", "isolation", "level"]) {
        return Ok(Some("transaction_isolation".to_owned()));
    }
    setting(cursor).map(Some)
}

/// `None` for the SHOW statements that are not about settings.
fn show(cursor: &mut Cursor<'_>) -> Result<Option<Show>> {
    const OBJECTS: &[&str] = &[
        "table",
        "view",
        "procedure",
        "external",
        "datashares",
        "model",
        "databases",
        "schemas",
        "tables",
        "columns",
        "constraints",
        "functions",
        "procedures",
        "parameters",
        "grants",
        "column",
        "policies",
        "template",
        "templates",
    ];
    let are_policies =
        cursor.are_words(&["rls", "policies"]) || cursor.are_words(&["masking", "policies"]);
    if are_policies || OBJECTS.iter().any(|word| cursor.is_word(word)) {
        return Ok(None);
    }
    Ok(Some(Show {
        name: setting_or_all(cursor)?,
    }))
}

fn prepare(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let name = cursor.name()?;
    let mut types = Vec::new();
    if cursor.take(&Token::LParen) {
        loop {
            types.push(crate::types::parse(cursor)?);
            if !cursor.take(&Token::Comma) {
                break;
            }
        }
        cursor.expect(&Token::RParen)?;
    }
    cursor.expect_word("as")?;
    let start = cursor.clone();
    let statement = super::parse_one(&mut cursor.rest())?;
    match statement.statement {
        Statement::Select(_)
        | Statement::Insert(_)
        | Statement::Update(_)
        | Statement::Delete(_) => Ok(Statement::Prepare(Box::new(Prepare {
            name,
            types,
            statement,
        }))),
        _ => Err(Error::new(
            SqlState::SYNTAX_ERROR,
            "only SELECT, INSERT, UPDATE and DELETE can be prepared",
        )
        .at(start.position())),
    }
}
