//! DECLARE, FETCH, CLOSE: a query's rows, some at a time.

use super::{Parsed, Statement};
use crate::error::{Error, Result};
use crate::parser::cursor::Cursor as Tokens;
use sqlparser::tokenizer::Token;

/// `DECLARE name CURSOR FOR query`.
#[derive(Clone, Debug)]
pub struct Declare {
    /// Its name.
    pub name: String,
    /// The query: a `Statement::Select`.
    pub query: Parsed,
}

/// `FETCH [NEXT | ALL | FORWARD [count | ALL]] FROM name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// The cursor.
    pub name: String,
    /// Rows to fetch; 0 is the row the cursor stands on, `None` is all that are left.
    pub count: Option<u64>,
}

/// Parses the statement that begins with `word`; `None` if it is not of this family.
pub(crate) fn parse(tokens: &mut Tokens<'_>, word: &str) -> Result<Option<Statement>> {
    Ok(match word {
        "declare" => Some(declare(tokens)?),
        "fetch" => Some(fetch(tokens)?),
        "close" => {
            tokens.skip();
            let name = match tokens.take_word("all") {
                true => None,
                false => Some(tokens.name()?),
            };
            Some(Statement::CloseCursor(name))
        }
        _ => None,
    })
}

fn declare(tokens: &mut Tokens<'_>) -> Result<Statement> {
    tokens.skip();
    let name = tokens.name()?;
    loop {
        if tokens.is_word("scroll") || tokens.is_word("binary") {
            let word = tokens.word()?.to_uppercase();
            return Err(Error::unsupported(
                format!("DECLARE ... {word} CURSOR"),
                "Cursors go forward and give text: leave the word out",
            ));
        }
        if !tokens.take_word("insensitive") && !tokens.take_words(&["no", "scroll"]) {
            break;
        }
    }
    tokens.expect_word("cursor")?;
    if tokens.take_words(&["with", "hold"]) {
        return Err(Error::unsupported(
            "DECLARE ... CURSOR WITH HOLD",
            "Fetch the rows before the transaction ends",
        ));
    }
    tokens.take_words(&["without", "hold"]);
    tokens.expect_word("for")?;
    let start = tokens.clone();
    let query = super::parse_one(&mut tokens.rest())?;
    match query.statement {
        Statement::Select(_) => Ok(Statement::Declare(Box::new(Declare { name, query }))),
        _ => Err(start.unexpected()),
    }
}

fn fetch(tokens: &mut Tokens<'_>) -> Result<Statement> {
    tokens.skip();
    for word in ["prior", "first", "last", "absolute", "relative", "backward"] {
        let is_name = tokens.peek_at(1).is_none();
        if tokens.is_word(word) && !is_name {
            return Err(Error::unsupported(
                format!("FETCH {}", word.to_uppercase()),
                "Cursors go forward: use FETCH NEXT or FETCH FORWARD",
            ));
        }
    }
    let forward = tokens.take_word("forward");
    let count = if tokens.take_word("all") {
        None
    } else if let Some(Token::Number(digits, _)) = tokens.peek() {
        let count = digits.parse().map_err(|_| tokens.unexpected())?;
        tokens.skip();
        Some(count)
    } else {
        if !forward {
            tokens.take_word("next");
        }
        Some(1)
    };
    let _ = tokens.take_word("from") || tokens.take_word("in");
    let name = tokens.name()?;
    Ok(Statement::Fetch(Fetch { name, count }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, count: Option<u64>) {
        let parsed = super::super::parse(text).expect(text);
        match parsed.first().map(|parsed| &parsed.statement) {
            Some(Statement::Fetch(fetch)) => {
                assert_eq!((fetch.name.as_str(), fetch.count), ("c", count), "{text}");
            }
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn fetch_takes_its_forms() {
        check("FETCH c", Some(1));
        check("fetch next from c", Some(1));
        check("fetch 5 from c", Some(5));
        check("fetch forward 5 from \"c\"", Some(5));
        check("fetch forward from c", Some(1));
        check("fetch forward 0 in c", Some(0));
        check("fetch all from c", None);
        check("FETCH FORWARD ALL FROM c", None);
        for wrong in [
            "fetch",
            "fetch backward 1 from c",
            "fetch 1.5 from c",
            "declare c cursor",
        ] {
            assert!(super::super::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn declare_keeps_its_query() {
        let text = "declare c no scroll cursor without hold for select 1";
        let parsed = super::super::parse(text).expect(text);
        match parsed.first().map(|parsed| &parsed.statement) {
            Some(Statement::Declare(declare)) => assert_eq!(declare.query.text, "select 1"),
            other => panic!("{other:?}"),
        }
        assert!(super::super::parse("declare c cursor for delete from t").is_err());
    }
}
