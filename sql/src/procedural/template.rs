//! SQL text with the places marked where a variable may stand.
//!
//! A name is a variable wherever a value may stand and a variable of that name is in sight, as in Redshift. Where only
//! the name of a table, column, function or type can stand it is left alone, even if a variable has that name.

use crate::error::Result;
use crate::parser::source::Source;
use sqlparser::tokenizer::Token;

/// Text and names in turn.
#[derive(Clone, Debug, Default)]
pub struct Template {
    pieces: Vec<Piece>,
    /// The text as written.
    pub text: String,
    /// Whether it is an expression of values and operators alone, which means the same at any time.
    pub is_plain: bool,
}

#[derive(Clone, Debug)]
enum Piece {
    Text(String),
    /// A name that may be a variable: its parts, and how it was written.
    Name(Vec<String>, String),
}

/// Functions whose arguments are told apart by FROM.
const WITH_FROM: &[&str] = &["extract", "trim", "substring", "overlay", "position"];
/// A name behind one of these is no value.
const BEFORE_NAME: &[&str] = &[
    "as",
    "join",
    "into",
    "update",
    "table",
    "view",
    "schema",
    "only",
    "truncate",
    "exists",
    "copy",
    "unload",
    "procedure",
    "function",
    "user",
    "lock",
    "using_table",
];
/// Statements in which no value can stand as a name.
const WITHOUT_VALUES: &[&str] = &[
    "alter", "drop", "grant", "revoke", "truncate", "analyze", "vacuum", "comment", "set", "reset",
    "lock", "show",
];

impl Template {
    /// Reads a text.
    pub(super) fn new(text: &str) -> Result<Self> {
        let source = Source::new(text)?;
        let mut walk = Walk::default();
        let mut template = Self {
            text: text.trim().to_owned(),
            is_plain: true,
            ..Self::default()
        };
        let count = source.token_count();
        let (mut at, mut written) = (0, 0);
        while at < count {
            let Some((token, (start, end))) = source.token_at(at) else {
                break;
            };
            let next = source.token_at(at + 1).map(|(token, _)| token);
            if !walk.has_value(token, next, &source, at) {
                template.is_plain &= !is_lively(token, next);
                walk.step(token, next, &source, at);
                at += 1;
                continue;
            }
            let mut parts = vec![name_of(token)];
            let (mut last, mut stop) = (at, end);
            while let (Some((Token::Period, _)), Some((part @ Token::Word(_), (_, part_end)))) =
                (source.token_at(last + 1), source.token_at(last + 2))
            {
                parts.push(name_of(part));
                (last, stop) = (last + 2, part_end);
            }
            let after = source.token_at(last + 1).map(|(token, _)| token);
            let is_function = after == Some(&Token::LParen) && matches!(token, Token::Word(_));
            let is_all = after == Some(&Token::Period);
            let parts_count = parts.len();
            if !is_function && !is_all {
                let before = text.get(written..start).unwrap_or_default();
                template.pieces.push(Piece::Text(before.to_owned()));
                let shown = text.get(start..stop).unwrap_or_default();
                template.pieces.push(Piece::Name(parts, shown.to_owned()));
                written = stop;
            }
            let is_qualified_call = is_function && parts_count > 1;
            template.is_plain &= !is_lively(token, next) && !is_qualified_call;
            while at <= last {
                if let Some((token, _)) = source.token_at(at) {
                    let next = source.token_at(at + 1).map(|(token, _)| token);
                    walk.step(token, next, &source, at);
                }
                at += 1;
            }
        }
        let rest = text.get(written..).unwrap_or_default();
        template.pieces.push(Piece::Text(rest.to_owned()));
        Ok(template)
    }

    /// Writes the text with `value` of each name that has one in its place.
    pub(super) fn fill(
        &self,
        mut value: impl FnMut(&[String]) -> Result<Option<String>>,
    ) -> Result<String> {
        let mut filled = String::with_capacity(self.text.len() + 16);
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => filled.push_str(text),
                Piece::Name(parts, written) => match value(parts)? {
                    Some(literal) => filled.push_str(&literal),
                    None => filled.push_str(written),
                },
            }
        }
        Ok(filled)
    }

    /// Gives the one name that the whole text is.
    pub(super) fn only_name(&self) -> Option<&[String]> {
        let mut names = self.pieces.iter().filter(|piece| match piece {
            Piece::Text(text) => !text.trim().is_empty(),
            Piece::Name(..) => true,
        });
        match (names.next(), names.next()) {
            (Some(Piece::Name(parts, _)), None) => Some(parts),
            _ => None,
        }
    }
}

/// A name folded as SQL folds it.
pub(super) fn name_of(token: &Token) -> String {
    match token {
        Token::Word(word) if word.quote_style.is_some() => word.value.replace("\"\"", "\""),
        Token::Word(word) => word.value.to_lowercase(),
        Token::Placeholder(text) => text.clone(),
        other => other.to_string(),
    }
}

fn word_of(token: &Token) -> Option<String> {
    match token {
        Token::Word(word) if word.quote_style.is_none() => Some(word.value.to_lowercase()),
        _ => None,
    }
}

/// Tells whether a token may make an expression mean something else later: a call, a query, the time.
fn is_lively(token: &Token, next: Option<&Token>) -> bool {
    match word_of(token) {
        Some(word) => {
            (next == Some(&Token::LParen) && !["in", "and", "or", "not"].contains(&word.as_str()))
                || [
                    "select",
                    "sysdate",
                    "user",
                    "session_user",
                    "localtime",
                    "localtimestamp",
                ]
                .contains(&word.as_str())
                || word.starts_with("current_")
        }
        None => false,
    }
}

/// Where in a statement the walk stands.
#[derive(Default)]
struct Walk {
    /// The first word.
    first: Option<String>,
    /// The token before, as a word if it is one.
    before: Option<String>,
    /// Whether `::` or a period stands before.
    is_part: bool,
    /// What stands before each open parenthesis.
    open: Vec<String>,
    /// The depth of the list of columns an INSERT names.
    columns: Option<usize>,
    /// Between SET and WHERE of an UPDATE.
    in_set: bool,
    /// A CREATE, before its query.
    in_definition: bool,
}

impl Walk {
    /// Tells whether a value may stand at a token.
    fn has_value(
        &self,
        token: &Token,
        next: Option<&Token>,
        _source: &Source<'_>,
        _at: usize,
    ) -> bool {
        match token {
            Token::Placeholder(_) => return true,
            Token::Word(_) => {}
            _ => return false,
        }
        let before = self.before.as_deref().unwrap_or_default();
        let in_call = self.open.last().map(String::as_str).unwrap_or_default();
        let is_source = before == "from" && !WITH_FROM.contains(&in_call);
        let first = self.first.as_deref().unwrap_or_default();
        let is_set = self.in_set
            && self.open.is_empty()
            && (before == "set" || before == ",")
            && next == Some(&Token::Eq);
        let begins = self.first.is_none() && next.is_some() && is_statement(token);
        let is_name = is_source || is_set || self.columns.is_some() || self.in_definition;
        let is_plain = !begins && !self.is_part && !is_name;
        is_plain && !BEFORE_NAME.contains(&before) && !WITHOUT_VALUES.contains(&first)
    }

    /// Goes past a token.
    fn step(&mut self, token: &Token, next: Option<&Token>, source: &Source<'_>, at: usize) {
        let word = word_of(token);
        if self.first.is_none() {
            self.first = Some(word.clone().unwrap_or_default());
            self.in_definition = word.as_deref() == Some("create");
        }
        let first = self.first.as_deref().unwrap_or_default();
        match token {
            Token::LParen => {
                let second = next.and_then(word_of).unwrap_or_default();
                let is_query = ["select", "with", "values"].contains(&second.as_str());
                let is_target = first == "insert" && self.open.is_empty() && self.columns.is_none();
                if is_target && !is_query && !self.has_source(source, at) {
                    self.columns = Some(self.open.len());
                }
                self.open.push(self.before.clone().unwrap_or_default());
            }
            Token::RParen => {
                self.open.pop();
                if self.columns == Some(self.open.len()) {
                    self.columns = None;
                }
            }
            _ => {}
        }
        match word.as_deref() {
            Some("set") if first == "update" && self.open.is_empty() => self.in_set = true,
            Some("where" | "from") if self.open.is_empty() => self.in_set = false,
            Some("as") if self.in_definition && self.open.is_empty() => {
                let next = next.and_then(word_of).unwrap_or_default();
                let opens = source.token_at(at + 1).map(|(token, _)| token) == Some(&Token::LParen);
                self.in_definition = !(["select", "with"].contains(&next.as_str()) || opens);
            }
            _ => {}
        }
        self.is_part = matches!(token, Token::DoubleColon | Token::Period);
        self.before = match token {
            Token::Comma => Some(",".to_owned()),
            Token::LParen => Some("(".to_owned()),
            _ => word.or_else(|| matches!(token, Token::Word(_)).then(|| name_of(token))),
        };
    }

    /// Tells whether the words before a parenthesis of an INSERT have come to its rows.
    fn has_source(&self, source: &Source<'_>, at: usize) -> bool {
        (0..at).any(|index| {
            let word = source.token_at(index).and_then(|(token, _)| word_of(token));
            matches!(word.as_deref(), Some("values" | "select"))
        })
    }
}

/// Tells whether a word can begin a statement.
fn is_statement(token: &Token) -> bool {
    const FIRST: &[&str] = &[
        "select", "with", "insert", "update", "delete", "merge", "create", "copy", "unload", "call",
    ];
    word_of(token).is_some_and(|word| {
        FIRST.contains(&word.as_str()) || WITHOUT_VALUES.contains(&word.as_str())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fills every name but those that begin with `t_` with `<name>`.
    fn check(text: &str, filled: &str) {
        let template = Template::new(text).unwrap();
        let found = template.fill(|parts| {
            let name = parts.join(".");
            let is_variable = name.starts_with("v") || name.starts_with('$');
            Ok(is_variable.then(|| format!("<{name}>")))
        });
        assert_eq!(found.unwrap(), filled);
    }

    #[test]
    fn values_stand_where_values_may() {
        check("v + 1", "<v> + 1");
        check(
            "select v, x.v, f(v), v(1) from v where a = v",
            "select <v>, x.v, f(<v>), v(1) from v where a = <v>",
        );
        check(
            "insert into v (v, w) values (v, $1)",
            "insert into v (v, w) values (<v>, <$1>)",
        );
        check(
            "insert into t select v from t",
            "insert into t select <v> from t",
        );
        check("insert into t (select v)", "insert into t (select <v>)");
        check(
            "update v set v = v + 1, v2 = v where v.a = v",
            "update v set v = <v> + 1, v2 = <v> where <v.a> = <v>",
        );
        check("select extract(day from v)", "select extract(day from <v>)");
        check("create table v (v int)", "create table v (v int)");
        check(
            "create temp table v as select v as v",
            "create temp table v as select <v> as v",
        );
        check(
            "delete from v where a = v::v",
            "delete from v where a = <v>::v",
        );
        check("drop table if exists v", "drop table if exists v");
        check("select 'v' || \"v\"", "select 'v' || <v>");
    }

    #[test]
    fn only_operators_are_plain() {
        let is_plain = |text: &str| Template::new(text).unwrap().is_plain;
        assert!(is_plain("i + 1 > 2 and not (b or c)"));
        assert!(!is_plain("random() + 1"));
        assert!(!is_plain("sysdate"));
        assert!(!is_plain("(select 1)"));
    }
}
