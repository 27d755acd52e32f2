//! Masks secrets in a statement's text, for logs and system tables.

use crate::parser::source::Source;
use sqlparser::tokenizer::Token;

/// Words after which a string literal is a secret.
const SECRET_WORDS: &[&str] = &[
    "credentials",
    "password",
    "access_key_id",
    "secret_access_key",
    "session_token",
    "master_symmetric_key",
    "token",
];

/// Literals within literals that are looked into; one that lies deeper and has a secret's word is masked whole.
const DEPTH_MAX: usize = 8;

/// What the words of secrets begin with.
const FIRST_LETTERS: &[u8] = b"cpasmt";

/// Gives the text with every secret replaced by `***`. A text that cannot be cut into tokens but has a secret's
/// word is masked whole: better nothing than a password.
pub fn redacted(text: &str) -> String {
    redacted_within(text, 0)
}

fn redacted_within(text: &str, depth: usize) -> String {
    if !may_have_secret(text.as_bytes()) {
        return text.to_owned();
    }
    let Ok(source) = Source::new(text) else {
        return "*** (text with a secret)".to_owned();
    };
    let mut result = String::with_capacity(text.len());
    let mut kept = 0;
    let mut secret = false;
    let mut is_load = None;
    for (token, (start, end)) in source.tokens() {
        let is_load = *is_load.get_or_insert_with(|| is_load_word(token));
        if start < kept {
            continue;
        }
        // What should be a literal and lacks its quotes ends where the blanks begin.
        if secret && is_load && !is_before_secret(token) {
            let rest = text.get(start..).unwrap_or_default();
            result.push_str(text.get(kept..start).unwrap_or_default());
            result.push_str("***");
            kept = start + rest.find(char::is_whitespace).unwrap_or(rest.len());
            secret = false;
            continue;
        }
        match token {
            Token::Word(word) => {
                let word = word.value.to_lowercase();
                // CREDENTIALS AS '...', ENCRYPTED PASSWORD '...': a plain word between keeps the state.
                secret = SECRET_WORDS.contains(&word.as_str()) || (secret && word == "as");
            }
            Token::Eq if secret => {}
            Token::SingleQuotedString(_)
            | Token::EscapedStringLiteral(_)
            | Token::NationalStringLiteral(_)
            | Token::DollarQuotedString(_) => {
                let raw = text.get(start..end).unwrap_or_default();
                let masked = if secret {
                    Some("'***'".to_owned())
                } else {
                    redacted_literal(raw, depth)
                };
                if let Some(masked) = masked {
                    result.push_str(text.get(kept..start).unwrap_or_default());
                    result.push_str(&masked);
                    kept = end;
                }
                secret = false;
            }
            _ => secret = false,
        }
    }
    result.push_str(text.get(kept..).unwrap_or_default());
    result
}

/// Tells whether a statement that begins so has options with secrets.
fn is_load_word(token: &Token) -> bool {
    matches!(token, Token::Word(word) if ["copy", "unload"].contains(&word.value.to_lowercase().as_str()))
}

/// Tells whether a token may stand between the word of a secret and the secret, or is a literal, or follows the name of a
/// column.
fn is_before_secret(token: &Token) -> bool {
    match token {
        Token::Word(word) => word.value.eq_ignore_ascii_case("as"),
        Token::Eq
        | Token::Comma
        | Token::RParen
        | Token::SingleQuotedString(_)
        | Token::EscapedStringLiteral(_)
        | Token::NationalStringLiteral(_)
        | Token::DollarQuotedString(_) => true,
        _ => false,
    }
}

/// Masks the secrets of a literal that is a statement itself: the body of a procedure, or what EXECUTE is given. `None`
/// if there is none.
fn redacted_literal(raw: &str, depth: usize) -> Option<String> {
    if !may_have_secret(raw.as_bytes()) {
        return None;
    }
    if depth >= DEPTH_MAX {
        return Some("'***'".to_owned());
    }
    if let Some(tag_bytes) = raw.strip_prefix('$').and_then(|rest| rest.find('$')) {
        let tag = raw.get(..tag_bytes + 2)?;
        let inner = raw.strip_prefix(tag)?.strip_suffix(tag)?;
        let masked = redacted_within(inner, depth + 1);
        return (masked != inner).then(|| format!("{tag}{masked}{tag}"));
    }
    let (start, end) = (raw.find('\'')? + 1, raw.rfind('\'')?);
    let inner = raw.get(start..end)?;
    let inner = inner.replace("\\'", "'").replace("''", "'");
    let masked = redacted_within(&inner, depth + 1);
    (masked != inner).then(|| format!("'{}'", masked.replace('\'', "''")))
}

/// Looks for the words of secrets in any case, without a copy of the text: every statement comes by here.
fn may_have_secret(text: &[u8]) -> bool {
    (0..text.len()).any(|at| {
        let first = text.get(at).map(u8::to_ascii_lowercase);
        if !first.is_some_and(|first| FIRST_LETTERS.contains(&first)) {
            return false;
        }
        let rest = text.get(at..).unwrap_or_default();
        SECRET_WORDS.iter().any(|word| {
            let start = rest.get(..word.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes()))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::{FIRST_LETTERS, SECRET_WORDS, redacted};

    #[test]
    fn every_word_is_looked_for() {
        let starts = SECRET_WORDS.iter().map(|word| word.as_bytes()[0]);
        assert!(
            starts
                .into_iter()
                .all(|start| FIRST_LETTERS.contains(&start))
        );
    }

    #[test]
    fn secrets_are_masked_and_nothing_else() {
        for (text, expected) in [
            ("select 'a'", "select 'a'"),
            (
                "create user u password 'Abc''123'",
                "create user u password '***'",
            ),
            (
                "copy t from 's3://b/k' credentials as 'aws_access_key_id=x' csv",
                "copy t from 's3://b/k' credentials as '***' csv",
            ),
            (
                "copy t from 's3://b' ACCESS_KEY_ID 'x' SECRET_ACCESS_KEY 'y' delimiter '|'",
                "copy t from 's3://b' ACCESS_KEY_ID '***' SECRET_ACCESS_KEY '***' delimiter '|'",
            ),
            (
                "copy t (id, password, token) from 's3://b' access_key_id AKIA secret_access_key a/b+c= csv",
                "copy t (id, password, token) from 's3://b' access_key_id *** secret_access_key *** csv",
            ),
            ("create user u password 'open", "*** (text with a secret)"),
            (
                "create procedure p() as $b$ begin execute 'create user u password ''x1'''; end $b$",
                "create procedure p() as $b$ begin execute 'create user u password ''***'''; end $b$",
            ),
            (
                "select 'alter user u password ''' || pw || ''''",
                "select '*** (text with a secret)' || pw || ''''",
            ),
            (
                "select 'a password', 'token'",
                "select 'a password', 'token'",
            ),
        ] {
            assert_eq!(redacted(text), expected);
        }
    }

    #[test]
    fn literals_within_literals_end_somewhere() {
        let tags = (0..20_000).map(|level| format!("$t{level}$"));
        let tags: Vec<String> = tags.collect();
        let back: String = tags.iter().rev().map(String::as_str).collect();
        let text = format!("select {} password 'x1' {back}", tags.concat());
        let masked = redacted(&text);
        assert!(masked.contains("'***'") && !masked.contains("x1"));
    }
}
