//! ALTER SYSTEM: parameters of the whole server, kept over restarts.
//!
//! `ALTER SYSTEM SET name { TO | = } { 'value' | DEFAULT }`
//! `ALTER SYSTEM RESET name`
//!
//! Redshift keeps these in parameter groups of its service; the words are PostgreSQL's.

use super::{Statement, refused};
use crate::error::Result;
use crate::parser::cursor::Cursor;
use sqlparser::tokenizer::Token;

/// Parameters that can be changed so.
const NAMES: [&str; 1] = ["wlm_json_configuration"];

/// An ALTER SYSTEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlterSystem {
    /// The parameter, in lower case.
    pub name: String,
    /// Its value; `None` is what the server was started with.
    pub value: Option<String>,
}

/// Parses an ALTER SYSTEM. Other parameters are refused with 0A000.
pub(crate) fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let start = cursor.clone();
    cursor.expect_word("alter")?;
    cursor.expect_word("system")?;
    let is_reset = cursor.take_word("reset");
    if !is_reset && !cursor.take_word("set") {
        return Err(refused::refuse(&start));
    }
    let is_known = cursor
        .peek_word()
        .is_some_and(|word| NAMES.contains(&word.as_str()));
    if !is_known {
        return Err(refused::refuse(&start));
    }
    let name = cursor.word()?;
    let mut value = None;
    if !is_reset {
        if !cursor.take(&Token::Eq) {
            cursor.expect_word("to")?;
        }
        if !cursor.take_word("default") {
            value = Some(cursor.string()?);
        }
    }
    Ok(Statement::AlterSystem(AlterSystem { name, value }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Statement> {
        let mut all = crate::statement::parse(text)?;
        Ok(all.remove(0).statement)
    }

    #[test]
    fn every_form_parses() {
        let cases = [
            ("ALTER SYSTEM SET wlm_json_configuration = '[]'", Some("[]")),
            (
                "alter system set WLM_JSON_CONFIGURATION to '[]'",
                Some("[]"),
            ),
            ("ALTER SYSTEM SET wlm_json_configuration TO DEFAULT", None),
            ("ALTER SYSTEM RESET wlm_json_configuration", None),
        ];
        for (text, value) in cases {
            let Ok(Statement::AlterSystem(alter)) = parsed(text) else {
                panic!("{text}");
            };
            assert_eq!(alter.name, "wlm_json_configuration", "{text}");
            assert_eq!(alter.value.as_deref(), value, "{text}");
        }
    }

    #[test]
    fn others_are_refused_by_name() {
        for text in [
            "ALTER SYSTEM SET metadata_security = TRUE",
            "ALTER SYSTEM SET data_catalog_auto_mount = on",
        ] {
            let error = parsed(text).expect_err(text);
            assert_eq!(error.code.0, "0A000", "{text}");
        }
    }
}
