//! A text cut into tokens, and its statements told apart.

use super::chain::Chains;
use super::cursor::Cursor;
use super::dialect::RedshiftDialect;
use super::{CASE_BRANCHES_MAX, CHAIN_TOKENS_MAX, LIST_TOKENS_MAX, NESTING_MAX, TEXT_BYTES_MAX};
use crate::error::{Error, Result};
use crate::sqlstate::SqlState;
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan, Tokenizer};

/// Makes a word behind a point, that would be a value anywhere else, a name: `event.user.id`.
fn forget_meaning(token: &mut Token) {
    if let Token::Word(word) = token
        && matches!(
            word.keyword,
            Keyword::NULL
                | Keyword::TRUE
                | Keyword::FALSE
                | Keyword::USER
                | Keyword::CURRENT_USER
                | Keyword::SESSION_USER
                | Keyword::CURRENT_CATALOG
                | Keyword::CURRENT_ROLE
                | Keyword::CURRENT_DATE
                | Keyword::CURRENT_TIME
                | Keyword::CURRENT_TIMESTAMP
                | Keyword::LOCALTIME
                | Keyword::LOCALTIMESTAMP
        )
    {
        word.keyword = Keyword::NoKeyword;
    }
}

/// A text cut into tokens, comments and white space left out.
pub(crate) struct Source<'a> {
    pub(super) text: &'a str,
    /// Tokens whose span is their character position in `text`.
    pub(super) tokens: Vec<TokenWithSpan>,
    /// Byte range of each token, as long as `tokens`.
    pub(super) bytes: Vec<(usize, usize)>,
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
            nests_joins: false,
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
                mut token => {
                    if let Some(Token::Period) = tokens.last().map(|before| &before.token) {
                        forget_meaning(&mut token);
                    }
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
        let (mut depth, mut chains) = (0usize, Chains::default());
        // Where the outermost list of IN began, and how deep.
        let mut list: Option<(usize, usize)> = None;
        for (idx, token) in self.tokens.iter().enumerate() {
            match &token.token {
                Token::LParen | Token::LBracket | Token::LBrace => {
                    depth += 1;
                    chains.open();
                    if list.is_none() && idx > 0 && self.is_in(idx - 1) {
                        list = Some((idx, depth));
                    }
                }
                Token::RParen | Token::RBracket | Token::RBrace => {
                    list = list.filter(|(_, of)| *of != depth);
                    depth = depth.saturating_sub(1);
                    chains.close();
                }
                Token::Comma | Token::SemiColon => chains.part(),
                Token::Word(word) => chains.word(word.keyword),
                _ => chains.add(1),
            }
            if let Some((begin, _)) = list
                && idx - begin > LIST_TOKENS_MAX
            {
                return Err(Error::new(
                    SqlState::STATEMENT_TOO_COMPLEX,
                    "a list of IN is too long",
                )
                .with_detail(format!(
                    "A list of IN may have {} constants.",
                    LIST_TOKENS_MAX / 2
                ))
                .with_hint("Put the values into a temporary table and join it")
                .at(self.character(begin) + 1));
            }
            let what = match () {
                () if chains.is_long() => "has too many operators",
                () if chains.is_wide() => "has too many branches in a CASE",
                () if depth > NESTING_MAX => "is nested too deeply",
                () => continue,
            };
            return Err(Error::new(
                SqlState::STATEMENT_TOO_COMPLEX,
                format!("expression {what}"),
            )
            .with_detail(format!(
                "An expression may nest {NESTING_MAX} deep, have {CHAIN_TOKENS_MAX} words, and {CASE_BRANCHES_MAX} branches in a CASE."
            ))
            .with_hint("Put the values into a temporary table and join it")
            .at(self.character(idx) + 1));
        }
        Ok(())
    }

    fn is_in(&self, idx: usize) -> bool {
        self.tokens.get(idx).is_some_and(
            |token| matches!(&token.token, Token::Word(word) if word.keyword == Keyword::IN),
        )
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

    /// Gives one cursor over the whole text, semicolons included.
    pub(crate) fn whole(&self) -> Cursor<'_> {
        Cursor {
            source: self,
            begin: 0,
            at: 0,
            end: self.tokens.len(),
        }
    }

    /// Counts the tokens.
    pub(crate) fn token_count(&self) -> usize {
        self.tokens.len()
    }

    /// Gives a token with its byte range.
    pub(crate) fn token_at(&self, idx: usize) -> Option<(&Token, (usize, usize))> {
        let token = self.tokens.get(idx)?;
        Some((&token.token, *self.bytes.get(idx)?))
    }

    /// Every token with its byte range.
    pub(crate) fn tokens(&self) -> impl Iterator<Item = (&Token, (usize, usize))> {
        self.tokens
            .iter()
            .map(|token| &token.token)
            .zip(self.bytes.iter().copied())
    }

    pub(super) fn character(&self, idx: usize) -> usize {
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
