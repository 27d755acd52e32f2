//! The token cursor every statement parses with.
//!
//! Tokens come from `sqlparser`, with two changes: string literals are unescaped here, by Redshift's rules, and
//! every location is rewritten to line 1 with the column equal to the character position in the whole text. So
//! the position in any error, of the parser or of the binder, is simply its column.

use crate::error::{Error, Result};
use crate::sqlstate::SqlState;
use crate::statement::ObjectName;
use crate::statement::query::{Expression, Query};
use sqlparser::dialect::{Dialect, PostgreSqlDialect, Precedence};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan, Tokenizer, Word};
use std::any::TypeId;

/// The longest statement text Redshift takes: 16 MB.
pub const TEXT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The longest name, in bytes.
pub const NAME_BYTES_MAX: usize = 127;
/// How deep parentheses may nest.
const NESTING_MAX: usize = 200;
/// How many tokens one expression may have, which bounds the depth of a chain such as `a + b + c ...`.
const CHAIN_TOKENS_MAX: usize = 6_000;
/// How deep the expression parser may recurse; each nesting costs it a few levels.
const RECURSION_MAX: usize = 1_000;
/// Stack for the recursive parser: about 30 KB for each level of [`NESTING_MAX`] in an unoptimized build.
const STACK_BYTES: usize = 64 * 1024 * 1024;

/// Redshift's words and operators, on top of PostgreSQL's.
#[derive(Debug)]
pub(crate) struct RedshiftDialect {
    /// Whether `x NOT NULL` tests for null, as in a query; after a column's DEFAULT it is a constraint.
    not_null_is_test: bool,
}

impl Dialect for RedshiftDialect {
    fn dialect(&self) -> TypeId {
        // Inherit what `sqlparser` does for PostgreSQL alone, such as OPERATOR(pg_catalog.~), which psql sends.
        TypeId::of::<PostgreSqlDialect>()
    }
    fn identifier_quote_style(&self, _identifier: &str) -> Option<char> {
        Some('"')
    }
    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        ch == '"'
    }
    fn is_identifier_start(&self, ch: char) -> bool {
        ch.is_alphabetic() || ch == '_' || ch == '#' || !ch.is_ascii()
    }
    fn is_identifier_part(&self, ch: char) -> bool {
        self.is_identifier_start(ch) || ch.is_ascii_digit() || ch == '$'
    }
    fn is_reserved_for_identifier(&self, word: Keyword) -> bool {
        PostgreSqlDialect {}.is_reserved_for_identifier(word)
    }
    fn get_next_precedence(&self, parser: &Parser) -> Option<Result<u8, ParserError>> {
        let ends_default = match &parser.peek_token_ref().token {
            Token::Word(word) => matches!(word.keyword, Keyword::NOT | Keyword::COLLATE),
            _ => false,
        };
        if ends_default && !self.not_null_is_test {
            return Some(Ok(self.prec_unknown()));
        }
        PostgreSqlDialect {}.get_next_precedence(parser)
    }
    fn prec_value(&self, precedence: Precedence) -> u8 {
        PostgreSqlDialect {}.prec_value(precedence)
    }
    fn supports_filter_during_aggregation(&self) -> bool {
        true
    }
    fn supports_group_by_expr(&self) -> bool {
        true
    }
    fn allow_extract_custom(&self) -> bool {
        true
    }
    fn allow_extract_single_quotes(&self) -> bool {
        true
    }
    fn supports_bitwise_shift_operators(&self) -> bool {
        true
    }
    fn supports_nested_comments(&self) -> bool {
        true
    }
    fn supports_string_escape_constant(&self) -> bool {
        true
    }
    fn supports_string_literal_backslash_escape(&self) -> bool {
        true
    }
    fn supports_notnull_operator(&self) -> bool {
        self.not_null_is_test
    }
    fn supports_interval_options(&self) -> bool {
        true
    }
    fn convert_type_before_value(&self) -> bool {
        true
    }
    fn supports_top_before_distinct(&self) -> bool {
        true
    }
    fn supports_connect_by(&self) -> bool {
        true
    }
    fn supports_select_wildcard_exclude(&self) -> bool {
        true
    }
    fn supports_select_exclude(&self) -> bool {
        true
    }
    fn supports_select_wildcard_with_alias(&self) -> bool {
        true
    }
    fn supports_window_function_null_treatment_arg(&self) -> bool {
        true
    }
    fn supports_array_typedef_with_brackets(&self) -> bool {
        true
    }
    fn supports_within_after_array_aggregation(&self) -> bool {
        true
    }
}

/// A text cut into tokens, comments and white space left out.
pub(crate) struct Source<'a> {
    text: &'a str,
    /// Tokens whose span is their character position in `text`.
    tokens: Vec<TokenWithSpan>,
    /// Byte range of each token, as long as `tokens`.
    bytes: Vec<(usize, usize)>,
}

impl<'a> Source<'a> {
    /// Cuts a text into tokens, within the documented bounds.
    pub(crate) fn new(text: &'a str) -> Result<Self> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(Error::new(
                SqlState::PROGRAM_LIMIT_EXCEEDED,
                format!("statement is too large: {} bytes", text.len()),
            )
            .with_detail("Statement too large. A statement may have 16777216 bytes.")
            .with_hint("Load rows with COPY instead of INSERT"));
        }
        let dialect = RedshiftDialect {
            not_null_is_test: true,
        };
        let mut walk = Walk::new(text);
        let mut raw = Vec::new();
        Tokenizer::new(&dialect, text)
            .with_unescape(false)
            .tokenize_with_location_into_buf(&mut raw)
            .map_err(|error| {
                let (_, character) = walk.to(error.location);
                token_error(&error.message).at(character + 1)
            })?;
        let mut tokens: Vec<TokenWithSpan> = Vec::with_capacity(raw.len());
        let mut bytes: Vec<(usize, usize)> = Vec::with_capacity(raw.len());
        let mut newline = false;
        for TokenWithSpan { token, span } in raw {
            let (start, start_character) = walk.to(span.start);
            let (end, end_character) = walk.to(span.end);
            match token {
                Token::Whitespace(_) => {
                    newline |= text
                        .get(start..end)
                        .is_some_and(|space| space.contains('\n'));
                }
                Token::EOF => {}
                Token::SingleQuotedString(second)
                    if newline
                        && matches!(
                            tokens.last(),
                            Some(TokenWithSpan {
                                token: Token::SingleQuotedString(_),
                                ..
                            })
                        ) =>
                {
                    // 'a' newline 'b' is one literal, as in the SQL standard.
                    if let Some(TokenWithSpan {
                        token: Token::SingleQuotedString(first),
                        ..
                    }) = tokens.last_mut()
                    {
                        first.push_str(&second);
                    }
                    if let Some(last) = bytes.last_mut() {
                        *last = (last.0, end);
                    }
                    newline = false;
                }
                token => {
                    let place = |character: usize| Location::new(1, character as u64 + 1);
                    let span = Span::new(place(start_character), place(end_character));
                    tokens.push(TokenWithSpan { token, span });
                    bytes.push((start, end));
                    newline = false;
                }
            }
        }
        let source = Self {
            text,
            tokens,
            bytes,
        };
        source.ensure_bounds()?;
        Ok(source)
    }

    /// Refuses what would nest so deep that working on the syntax tree would need an unbounded stack.
    fn ensure_bounds(&self) -> Result<()> {
        let (mut depth, mut chains) = (0usize, vec![0usize]);
        for (idx, token) in self.tokens.iter().enumerate() {
            match token.token {
                Token::LParen | Token::LBracket | Token::LBrace => {
                    depth += 1;
                    chains.push(0);
                }
                Token::RParen | Token::RBracket | Token::RBrace => {
                    depth = depth.saturating_sub(1);
                    if chains.len() > 1 {
                        chains.pop();
                    }
                }
                Token::Comma | Token::SemiColon => {
                    if let Some(chain) = chains.last_mut() {
                        *chain = 0;
                    }
                }
                _ => {
                    if let Some(chain) = chains.last_mut() {
                        *chain += 1;
                    }
                }
            }
            let long = chains.last().is_some_and(|chain| *chain > CHAIN_TOKENS_MAX);
            if depth > NESTING_MAX || long {
                let what = if long {
                    "has too many operators"
                } else {
                    "is nested too deeply"
                };
                return Err(Error::new(
                    SqlState::STATEMENT_TOO_COMPLEX,
                    format!("expression {what}"),
                )
                .with_detail(format!(
                    "An expression may nest {NESTING_MAX} deep and have {CHAIN_TOKENS_MAX} words."
                ))
                .with_hint("Put the values into a temporary table and join it")
                .at(self.character(idx) + 1));
            }
        }
        Ok(())
    }

    /// Gives one cursor per statement; the semicolons are left out.
    pub(crate) fn statements(&self) -> Vec<Cursor<'_>> {
        let mut cursors = Vec::new();
        let mut begin = 0;
        for (idx, token) in self.tokens.iter().enumerate() {
            if token.token == Token::SemiColon {
                cursors.push(Cursor {
                    source: self,
                    begin,
                    at: begin,
                    end: idx,
                });
                begin = idx + 1;
            }
        }
        if begin < self.tokens.len() {
            cursors.push(Cursor {
                source: self,
                begin,
                at: begin,
                end: self.tokens.len(),
            });
        }
        cursors
    }

    /// Every token with its byte range.
    pub(crate) fn tokens(&self) -> impl Iterator<Item = (&Token, (usize, usize))> {
        self.tokens
            .iter()
            .map(|token| &token.token)
            .zip(self.bytes.iter().copied())
    }

    fn character(&self, idx: usize) -> usize {
        match self.tokens.get(idx) {
            Some(token) => (token.span.start.column as usize).saturating_sub(1),
            None => self.text.chars().count(),
        }
    }
}

/// Finds byte and character offsets of increasing locations in one pass over the text.
struct Walk<'a> {
    chars: std::str::Chars<'a>,
    line: u64,
    column: u64,
    byte: usize,
    character: usize,
}

impl<'a> Walk<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            chars: text.chars(),
            line: 1,
            column: 1,
            byte: 0,
            character: 0,
        }
    }

    fn to(&mut self, location: Location) -> (usize, usize) {
        while (self.line, self.column) < (location.line, location.column) {
            let Some(ch) = self.chars.next() else { break };
            if ch == '\n' {
                self.line += 1;
                self.column = 1;
            } else {
                self.column += 1;
            }
            self.byte += ch.len_utf8();
            self.character += 1;
        }
        (self.byte, self.character)
    }
}

fn token_error(message: &str) -> Error {
    let lower = message.to_lowercase();
    if lower.contains("unterminated") {
        let what = if lower.contains("string") || lower.contains("dollar") {
            "unterminated quoted string"
        } else if lower.contains("comment") {
            "unterminated comment"
        } else {
            "unterminated quoted identifier"
        };
        return Error::syntax(what, None);
    }
    if lower.contains("close delimiter") || lower.contains("unexpected eof") {
        return Error::syntax("unterminated quoted identifier or comment", None);
    }
    Error::syntax("syntax error in the text of the statement", None)
        .with_detail(format!("The text cannot be cut into words: {lower}."))
}

/// Walks over the tokens of one statement.
#[derive(Clone)]
pub(crate) struct Cursor<'a> {
    source: &'a Source<'a>,
    begin: usize,
    at: usize,
    end: usize,
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

    /// The rest of the statement as a cursor of its own, as for EXPLAIN and PREPARE.
    pub(crate) fn rest(&mut self) -> Cursor<'a> {
        let rest = Cursor {
            begin: self.at,
            ..self.clone()
        };
        self.at = self.end;
        rest
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

    /// Hands the rest to `sqlparser` and steps over what it took.
    pub(crate) fn with_parser<T>(
        &mut self,
        run: impl FnOnce(&mut Parser<'_>) -> Result<T, ParserError>,
    ) -> Result<T> {
        self.with_dialect(
            &RedshiftDialect {
                not_null_is_test: true,
            },
            run,
        )
    }

    fn with_dialect<T>(
        &mut self,
        dialect: &RedshiftDialect,
        run: impl FnOnce(&mut Parser<'_>) -> Result<T, ParserError>,
    ) -> Result<T> {
        let rest = self
            .source
            .tokens
            .get(self.at..self.end)
            .unwrap_or_default();
        let tokens = rest.iter().map(unescaped).collect::<Result<Vec<_>>>()?;
        let at_end = Cursor {
            at: self.end,
            ..self.clone()
        };
        let outcome = stacker::grow(STACK_BYTES, || {
            let mut parser = Parser::new(dialect)
                .with_recursion_limit(RECURSION_MAX)
                .with_tokens_with_locations(tokens);
            let value = run(&mut parser)?;
            Ok((value, parser.index()))
        });
        match outcome {
            Ok((value, index)) => {
                self.at = (self.at + index).min(self.end);
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

    /// The expression of a column's DEFAULT: a NOT NULL after it is the column's.
    pub(crate) fn default_expression(&mut self) -> Result<Expression> {
        let mark = self.mark();
        let dialect = RedshiftDialect {
            not_null_is_test: false,
        };
        let tree = Box::new(self.with_dialect(&dialect, |parser| parser.parse_expr())?);
        Ok(Expression {
            tree,
            text: self.text_from(mark).to_owned(),
        })
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

/// What `syntax error at or near` shows of a token.
fn near(token: &Token) -> String {
    let text = match token {
        // Never show a literal whole: it may be a secret.
        Token::SingleQuotedString(_) | Token::EscapedStringLiteral(_) => "'".to_owned(),
        Token::DollarQuotedString(_) => "$$".to_owned(),
        Token::Word(Word { value, .. }) => value.clone(),
        other => other.to_string(),
    };
    text.chars().take(64).collect()
}

/// Words that can never be a name without quotes.
fn is_reserved(word: &str) -> bool {
    const RESERVED: &[&str] = &[
        "all",
        "and",
        "any",
        "as",
        "asc",
        "between",
        "case",
        "cast",
        "check",
        "collate",
        "column",
        "constraint",
        "create",
        "cross",
        "default",
        "deferrable",
        "desc",
        "distinct",
        "do",
        "else",
        "end",
        "except",
        "false",
        "for",
        "foreign",
        "from",
        "full",
        "grant",
        "group",
        "having",
        "in",
        "inner",
        "intersect",
        "into",
        "is",
        "join",
        "left",
        "like",
        "limit",
        "minus",
        "natural",
        "not",
        "null",
        "offset",
        "on",
        "only",
        "or",
        "order",
        "outer",
        "primary",
        "references",
        "right",
        "select",
        "similar",
        "some",
        "table",
        "then",
        "to",
        "true",
        "union",
        "unique",
        "user",
        "using",
        "when",
        "where",
        "with",
    ];
    let lower = word.to_lowercase();
    RESERVED.binary_search(&lower.as_str()).is_ok()
}

/// The value of a string literal token.
fn literal(token: &Token) -> Option<String> {
    match token {
        Token::SingleQuotedString(raw) => unescape(raw).ok(),
        Token::EscapedStringLiteral(raw) => Some(raw.clone()),
        Token::DollarQuotedString(quoted) => Some(quoted.value.clone()),
        _ => None,
    }
}

fn unescaped(token: &TokenWithSpan) -> Result<TokenWithSpan> {
    let value = match &token.token {
        Token::SingleQuotedString(raw) => Token::SingleQuotedString(
            unescape(raw).map_err(|error| error.at(token.span.start.column as usize))?,
        ),
        Token::Word(word) if word.quote_style.is_some() && word.value.contains("\"\"") => {
            Token::Word(Word {
                value: word.value.replace("\"\"", "\""),
                ..word.clone()
            })
        }
        Token::Word(word) if word.value.len() > NAME_BYTES_MAX => {
            return Err(Error::new(
                SqlState::NAME_TOO_LONG,
                format!("identifier of {} bytes is too long", word.value.len()),
            )
            .with_detail("A name may have 127 bytes.")
            .at(token.span.start.column as usize));
        }
        other => other.clone(),
    };
    Ok(TokenWithSpan {
        token: value,
        span: token.span,
    })
}

/// Resolves `''` and backslash escapes: `\b \f \n \r \t`, octal, `\xhh`; any other character stands for itself.
fn unescape(raw: &str) -> Result<String> {
    if !raw.contains(['\'', '\\']) {
        return Ok(raw.to_owned());
    }
    let mut bytes = Vec::with_capacity(raw.len());
    let mut chars = raw.chars().peekable();
    while let Some(ch) = chars.next() {
        match ch {
            '\'' => {
                chars.next_if_eq(&'\'');
                bytes.push(b'\'');
            }
            '\\' => match chars.next() {
                Some('b') => bytes.push(8),
                Some('f') => bytes.push(12),
                Some('n') => bytes.push(b'\n'),
                Some('r') => bytes.push(b'\r'),
                Some('t') => bytes.push(b'\t'),
                Some(first @ '0'..='7') => {
                    let mut value = first.to_digit(8).unwrap_or(0);
                    for _ in 0..2 {
                        let Some(digit) = chars.peek().and_then(|next| next.to_digit(8)) else {
                            break;
                        };
                        chars.next();
                        value = value * 8 + digit;
                    }
                    bytes.push((value & 0xff) as u8);
                }
                Some(other) => push_char(&mut bytes, other),
                None => bytes.push(b'\\'),
            },
            other => push_char(&mut bytes, other),
        }
    }
    String::from_utf8(bytes).map_err(|_| {
        Error::new(
            SqlState::DATA_EXCEPTION,
            "a backslash escape makes a string that is not UTF-8",
        )
    })
}

fn push_char(bytes: &mut Vec<u8>, ch: char) {
    bytes.extend_from_slice(ch.encode_utf8(&mut [0; 4]).as_bytes());
}

/// Turns an error of `sqlparser` into ours: its `found: x at Line: 1, Column: n` has all we need.
fn syntax_error(error: &ParserError, at_end: &Cursor<'_>) -> Error {
    let message = match error {
        ParserError::RecursionLimitExceeded => {
            return Error::new(
                SqlState::STATEMENT_TOO_COMPLEX,
                "statement is nested too deeply",
            )
            .with_hint("Put part of it into a view or a temporary table");
        }
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => message,
    };
    let position = message
        .rfind("Column: ")
        .and_then(|at| message.get(at + 8..))
        .and_then(|tail| tail.split(|ch: char| !ch.is_ascii_digit()).next())
        .and_then(|digits| digits.parse::<usize>().ok())
        .filter(|position| *position > 0);
    if let Some(position) = position {
        let found = at_end
            .source
            .tokens
            .partition_point(|token| (token.span.start.column as usize) < position);
        let cursor = Cursor {
            at: found,
            ..at_end.clone()
        };
        return cursor.unexpected();
    }
    if message.contains("found: EOF") {
        return at_end.unexpected();
    }
    Error::syntax("syntax error", None).with_detail(format!("{}.", message.trim_end_matches('.')))
}
