//! Walks over the tokens of one statement.

use super::dialect::{RedshiftDialect, nests_joins};
use super::literal::{is_reserved, literal, near, syntax_error, unescaped};
use super::source::Source;
use super::tree::{Expression, ObjectName, Query};
use super::unpivot;
use super::{NAME_BYTES_MAX, RECURSION_MAX};
use crate::error::{Error, Result};
use crate::sqlstate::SqlState;
use crate::stack::{self, SMALL_TOKENS};
use sqlparser::ast;
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, TokenWithSpan};

/// Walks over the tokens of one statement.
#[derive(Clone)]
pub(crate) struct Cursor<'a> {
    pub(super) source: &'a Source<'a>,
    pub(super) begin: usize,
    pub(super) at: usize,
    pub(super) end: usize,
}

impl<'a> Cursor<'a> {
    /// The statement's text.
    pub(crate) fn text(&self) -> &'a str {
        self.text_of(self.begin, self.end)
    }

    /// The characters before the statement in the whole text.
    pub(crate) fn offset(&self) -> usize {
        self.source.character(self.begin)
    }

    /// The index of the next token, to cut text with [`Cursor::text_from`].
    pub(crate) fn mark(&self) -> usize {
        self.at
    }

    /// The text from a mark up to the next token.
    pub(crate) fn text_from(&self, mark: usize) -> &'a str {
        self.text_of(mark, self.at)
    }

    fn text_of(&self, begin: usize, end: usize) -> &'a str {
        let range = (
            self.source.bytes.get(begin),
            self.source.bytes.get(end.wrapping_sub(1)),
        );
        match range {
            (Some((start, _)), Some((_, stop))) if begin < end => {
                self.source.text.get(*start..*stop).unwrap_or_default()
            }
            _ => "",
        }
    }

    /// The byte of the whole text where the next token begins.
    pub(crate) fn byte(&self) -> usize {
        let next = self.source.bytes.get(self.at.min(self.end));
        next.map_or(self.source.text.len(), |(start, _)| *start)
    }

    /// The rest of the statement as a cursor of its own, as for EXPLAIN and PREPARE.
    pub(crate) fn rest(&mut self) -> Cursor<'a> {
        let rest = Cursor {
            begin: self.at,
            ..self.clone()
        };
        self.at = self.end;
        rest
    }

    /// Cuts off what stands before a mark as a cursor of its own, as for the elements of CREATE SCHEMA.
    pub(crate) fn cut(&mut self, mark: usize) -> Cursor<'a> {
        let piece = Cursor {
            begin: self.at,
            end: mark.min(self.end),
            ..self.clone()
        };
        self.at = piece.end;
        piece
    }

    /// Whether nothing is left.
    pub(crate) fn at_end(&self) -> bool {
        self.at >= self.end
    }

    /// The next token.
    pub(crate) fn peek(&self) -> Option<&'a Token> {
        self.peek_at(0)
    }

    /// The token `ahead` of the next.
    pub(crate) fn peek_at(&self, ahead: usize) -> Option<&'a Token> {
        let idx = self.at + ahead;
        if idx < self.end {
            self.source.tokens.get(idx).map(|token| &token.token)
        } else {
            None
        }
    }

    /// The character position of the next token, from 1.
    pub(crate) fn position(&self) -> usize {
        if self.at < self.end {
            return self.source.character(self.at) + 1;
        }
        match self
            .end
            .checked_sub(1)
            .and_then(|last| self.source.tokens.get(last))
        {
            Some(token) => token.span.end.column as usize,
            None => 1,
        }
    }

    /// Steps over the next token.
    pub(crate) fn skip(&mut self) {
        if self.at < self.end {
            self.at += 1;
        }
    }

    /// Whether the token `ahead` is this word, unquoted, in any case.
    pub(crate) fn is_word_at(&self, ahead: usize, word: &str) -> bool {
        matches!(self.peek_at(ahead), Some(Token::Word(found))
            if found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word))
    }

    /// Whether the next token is this word.
    pub(crate) fn is_word(&self, word: &str) -> bool {
        self.is_word_at(0, word)
    }

    /// The unquoted word `ahead`, if it is one.
    pub(crate) fn word_after(&self, ahead: usize) -> Option<String> {
        match self.peek_at(ahead) {
            Some(Token::Word(word)) if word.quote_style.is_none() => Some(word.value.clone()),
            _ => None,
        }
    }

    /// Whether these words come next.
    pub(crate) fn are_words(&self, words: &[&str]) -> bool {
        words
            .iter()
            .enumerate()
            .all(|(ahead, word)| self.is_word_at(ahead, word))
    }

    /// Steps over a word if it is next.
    pub(crate) fn take_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        if found {
            self.at += 1;
        }
        found
    }

    /// Steps over words if all of them are next.
    pub(crate) fn take_words(&mut self, words: &[&str]) -> bool {
        let found = self.are_words(words);
        if found {
            self.at += words.len();
        }
        found
    }

    /// Steps over a word or fails.
    pub(crate) fn expect_word(&mut self, word: &str) -> Result<()> {
        if self.take_word(word) {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    /// Steps over a token if it is next.
    pub(crate) fn take(&mut self, token: &Token) -> bool {
        let found = self.peek() == Some(token);
        if found {
            self.at += 1;
        }
        found
    }

    /// Steps over a token or fails.
    pub(crate) fn expect(&mut self, token: &Token) -> Result<()> {
        if self.take(token) {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    /// Fails if something is left.
    pub(crate) fn expect_end(&self) -> Result<()> {
        if self.at_end() {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    /// The next token does not belong here.
    pub(crate) fn unexpected(&self) -> Error {
        match self.peek() {
            Some(token) => Error::syntax(
                format!("syntax error at or near \"{}\"", near(token)),
                Some(self.position()),
            ),
            None => Error::syntax("syntax error at end of input", Some(self.position())),
        }
    }

    /// An unquoted word in lower case, if one is next.
    pub(crate) fn peek_word(&self) -> Option<String> {
        match self.peek() {
            Some(Token::Word(word)) if word.quote_style.is_none() => {
                Some(word.value.to_lowercase())
            }
            _ => None,
        }
    }

    /// Any unquoted word, in lower case.
    pub(crate) fn word(&mut self) -> Result<String> {
        let word = self.peek_word().ok_or_else(|| self.unexpected())?;
        self.skip();
        Ok(word)
    }

    /// A name, folded to lower case unless quoted.
    pub(crate) fn name(&mut self) -> Result<String> {
        let name = match self.peek() {
            Some(Token::Word(word)) => match word.quote_style {
                Some(_) => word.value.replace("\"\"", "\""),
                None if is_reserved(&word.value) => return Err(self.unexpected()),
                None => word.value.to_lowercase(),
            },
            _ => return Err(self.unexpected()),
        };
        if name.is_empty() {
            return Err(Error::syntax(
                "zero-length delimited identifier",
                Some(self.position()),
            ));
        }
        if name.len() > NAME_BYTES_MAX {
            return Err(Error::new(
                SqlState::NAME_TOO_LONG,
                format!("identifier of {} bytes is too long", name.len()),
            )
            .with_detail("A name may have 127 bytes.")
            .at(self.position()));
        }
        self.skip();
        Ok(name)
    }

    /// A name of one to three parts.
    pub(crate) fn object_name(&mut self) -> Result<ObjectName> {
        let position = self.position();
        let first = self.name()?;
        let mut parts = vec![first];
        while self.take(&Token::Period) {
            let at = self.position();
            parts.push(self.name()?);
            if parts.len() > 3 {
                return Err(Error::syntax(
                    "improper qualified name (too many dotted names)",
                    Some(at),
                ));
            }
        }
        let name = parts.pop().unwrap_or_default();
        let schema = parts.pop();
        let database = parts.pop();
        Ok(ObjectName {
            database,
            schema,
            name,
            position,
        })
    }

    /// `(name, ...)`.
    pub(crate) fn name_list(&mut self) -> Result<Vec<String>> {
        self.expect(&Token::LParen)?;
        let mut names = vec![self.name()?];
        while self.take(&Token::Comma) {
            names.push(self.name()?);
        }
        self.expect(&Token::RParen)?;
        Ok(names)
    }

    /// `(name, ...)` if a parenthesis is next.
    pub(crate) fn optional_name_list(&mut self) -> Result<Vec<String>> {
        if self.peek() == Some(&Token::LParen) {
            self.name_list()
        } else {
            Ok(Vec::new())
        }
    }

    /// A string literal with its escapes resolved.
    pub(crate) fn string(&mut self) -> Result<String> {
        let value = self
            .peek()
            .and_then(literal)
            .ok_or_else(|| self.unexpected())?;
        self.skip();
        Ok(value)
    }

    /// A string literal in which only `''` is resolved, as COPY's options are written (`'\N'`, `'\t'`).
    pub(crate) fn raw_string(&mut self) -> Result<String> {
        let value = match self.peek() {
            Some(Token::SingleQuotedString(raw)) => raw.replace("''", "'"),
            Some(token) => literal(token).ok_or_else(|| self.unexpected())?,
            None => return Err(self.unexpected()),
        };
        self.skip();
        Ok(value)
    }

    /// The body of a routine: a string literal, most often in dollars.
    pub(crate) fn raw_body(&mut self) -> Result<String> {
        match self.peek() {
            Some(Token::DollarQuotedString(quoted)) => {
                let value = quoted.value.clone();
                self.skip();
                Ok(value)
            }
            _ => self.string(),
        }
    }

    /// Whether a string literal is next.
    pub(crate) fn is_string(&self) -> bool {
        self.peek().and_then(literal).is_some()
    }

    /// A whole number, perhaps with a sign.
    pub(crate) fn integer(&mut self) -> Result<i64> {
        let start = self.clone();
        let negative = self.take(&Token::Minus);
        if !negative {
            self.take(&Token::Plus);
        }
        let Some(Token::Number(digits, _)) = self.peek() else {
            return Err(self.unexpected());
        };
        let sign = if negative { "-" } else { "" };
        let value = format!("{sign}{digits}")
            .parse()
            .map_err(|_| start.unexpected())?;
        self.skip();
        Ok(value)
    }

    /// A number, string, truth value, null or `$n`, and steps over it; `None` if none is next. Its text is left empty.
    pub(crate) fn constant(&mut self) -> Option<Expression> {
        let is_negative = self.take(&Token::Minus);
        let TokenWithSpan { token, span } = self.source.tokens.get(self.at..self.end)?.first()?;
        let value = match token {
            Token::Number(digits, is_long) => ast::Value::Number(digits.clone(), *is_long),
            _ if is_negative => return None,
            Token::SingleQuotedString(_) => ast::Value::SingleQuotedString(literal(token)?),
            Token::Placeholder(name) => ast::Value::Placeholder(name.clone()),
            Token::Word(word) if word.quote_style.is_none() => match word.keyword {
                Keyword::NULL => ast::Value::Null,
                Keyword::TRUE => ast::Value::Boolean(true),
                Keyword::FALSE => ast::Value::Boolean(false),
                _ => return None,
            },
            _ => return None,
        };
        self.skip();
        let mut tree = ast::Expr::Value(value.with_span(*span));
        if is_negative {
            tree = ast::Expr::UnaryOp {
                op: ast::UnaryOperator::Minus,
                expr: Box::new(tree),
            };
        }
        Some(Expression {
            tree: Box::new(tree),
            text: String::new(),
        })
    }

    /// Hands the rest to `sqlparser` and steps over what it took.
    pub(crate) fn with_parser<T>(
        &mut self,
        run: impl FnOnce(&mut Parser<'_>) -> Result<T, ParserError>,
    ) -> Result<T> {
        self.with_dialect(true, run)
    }

    fn with_dialect<T>(
        &mut self,
        not_null_is_test: bool,
        run: impl FnOnce(&mut Parser<'_>) -> Result<T, ParserError>,
    ) -> Result<T> {
        let rest = self
            .source
            .tokens
            .get(self.at..self.end)
            .unwrap_or_default();
        let tokens = rest.iter().map(unescaped).collect::<Result<Vec<_>>>()?;
        let (tokens, joined) = unpivot::joined(tokens);
        let dialect = RedshiftDialect {
            not_null_is_test,
            nests_joins: nests_joins(&tokens),
        };
        let at_end = Cursor {
            at: self.end,
            ..self.clone()
        };
        let is_small = tokens.len() <= SMALL_TOKENS;
        let outcome = stack::enough(is_small, || {
            let mut parser = Parser::new(&dialect)
                .with_recursion_limit(RECURSION_MAX)
                .with_tokens_with_locations(tokens);
            let value = run(&mut parser)?;
            Ok((value, parser.index()))
        });
        match outcome {
            Ok((value, index)) => {
                let joined = joined.iter().filter(|place| **place < index).count();
                self.at = (self.at + index + joined).min(self.end);
                Ok(value)
            }
            Err(error) => Err(syntax_error(&error, &at_end)),
        }
    }

    /// A query, up to where it ends.
    pub(crate) fn query(&mut self) -> Result<Query> {
        let tree = self.with_parser(|parser| parser.parse_query())?;
        Ok(Query { tree })
    }

    /// The expression of a column's DEFAULT: a NOT NULL and a COLLATE after it are the column's.
    pub(crate) fn default_expression(&mut self) -> Result<Expression> {
        let mark = self.mark();
        // The parser of expressions takes a COLLATE behind any value.
        let mut before = Cursor {
            end: self.collate_at(),
            ..self.clone()
        };
        let tree = Box::new(before.with_dialect(false, |parser| parser.parse_expr())?);
        self.at = before.at;
        Ok(Expression {
            tree,
            text: self.text_from(mark).to_owned(),
        })
    }

    /// Where the next COLLATE outside parentheses stands, or the end.
    fn collate_at(&self) -> usize {
        let mut at = self.clone();
        let mut depth = 0_usize;
        while let Some(token) = at.peek() {
            match token {
                Token::LParen => depth += 1,
                Token::RParen if depth == 0 => break,
                Token::RParen => depth -= 1,
                _ if depth == 0 && at.is_word("collate") => return at.at,
                _ => {}
            }
            at.skip();
        }
        self.end
    }

    /// An expression, up to where it ends.
    pub(crate) fn expression(&mut self) -> Result<Expression> {
        let mark = self.mark();
        let tree = Box::new(self.with_parser(|parser| parser.parse_expr())?);
        Ok(Expression {
            tree,
            text: self.text_from(mark).to_owned(),
        })
    }
}
