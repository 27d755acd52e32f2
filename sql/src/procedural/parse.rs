//! Text of a procedure -> its tree.
//!
//! Lines are counted as Redshift's messages count them: a line break right behind the opening dollars is none.

mod command;
mod control;
mod declare;

use super::syntax::{
    Arm, Block, BoundCursor, Declaration, DeclaredType, Level, OpenQuery, Procedure, QueryText,
    Step, StepKind, Target,
};
use super::template::{Template, name_of};
use crate::error::{Error, Result};
use crate::parser::cursor::Cursor;
use crate::parser::source::Source;
use crate::sqlstate::SqlState;
use crate::statement::routine::{Argument, RoutineType};
use sqlparser::tokenizer::Token;

/// Blocks, loops and branches within each other.
const NESTING_MAX: usize = 64;
/// Variables of a procedure.
const VARIABLES_MAX: usize = 1_024;

/// Reads the text of a procedure.
pub fn parse(body: &str, arguments: &[Argument]) -> Result<Procedure> {
    let text = body
        .strip_prefix("\r\n")
        .or_else(|| body.strip_prefix('\n'));
    let text = text.unwrap_or(body);
    // Positions are of the body, which the client does not see as a text of its own: the line tells the place.
    let source = Source::new(text).map_err(|error| Error {
        position: None,
        ..error
    })?;
    let mut parser = Parser {
        text,
        cursor: source.whole(),
        depth: 0,
        variables: arguments.len(),
        lines: Lines::of(text),
    };
    let parsed = parser.procedure();
    let line = parser.line();
    let block = parsed.map_err(|error| {
        Error {
            position: None,
            ..error
        }
        .within(format!("compile of PL/pgSQL function near line {line}"))
    })?;
    Ok(Procedure {
        arguments: arguments.to_vec(),
        block,
    })
}

/// Where lines begin.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self(breaks.map(|(at, _)| at).collect())
    }

    fn at(&self, byte: usize) -> usize {
        self.0.partition_point(|line_break| *line_break < byte) + 1
    }
}

struct Parser<'a> {
    text: &'a str,
    cursor: Cursor<'a>,
    depth: usize,
    variables: usize,
    lines: Lines,
}

/// What ends a list of steps.
const ENDS: &[&str] = &["end", "exception", "elsif", "elseif", "else", "when"];

impl<'a> Parser<'a> {
    fn line(&self) -> usize {
        self.lines.at(self.cursor.byte())
    }

    fn procedure(&mut self) -> Result<Block> {
        let label = self.label()?;
        if !self.cursor.is_word("declare") && !self.cursor.is_word("begin") {
            return Err(self.cursor.unexpected());
        }
        let block = self.block(label)?;
        self.cursor.take(&Token::SemiColon);
        self.cursor.expect_end()?;
        Ok(block)
    }

    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.depth += 1;
        if self.depth > NESTING_MAX {
            return Err(Error::new(
                SqlState::STATEMENT_TOO_COMPLEX,
                "the procedure is nested too deeply",
            )
            .with_detail(format!(
                "Blocks, loops and branches may nest {NESTING_MAX} deep."
            ))
            .with_hint("Move the inner part to a procedure of its own"));
        }
        let value = read(self);
        self.depth -= 1;
        value
    }

    /// `<<label>>`.
    fn label(&mut self) -> Result<Option<String>> {
        if !self.cursor.take(&Token::ShiftLeft) {
            return Ok(None);
        }
        let label = self.cursor.name()?;
        self.cursor.expect(&Token::ShiftRight)?;
        Ok(Some(label))
    }

    /// `[DECLARE ...] BEGIN ... [EXCEPTION ...] END [label]`.
    fn block(&mut self, label: Option<String>) -> Result<Block> {
        self.deeper(|this| {
            let mut declarations = Vec::new();
            while this.cursor.take_word("declare") {
                while !this.cursor.is_word("begin") && !this.cursor.is_word("declare") {
                    declarations.push(this.declaration()?);
                }
            }
            this.cursor.expect_word("begin")?;
            let steps = this.steps()?;
            let handler = match this.cursor.take_word("exception") {
                true => Some(this.handler()?),
                false => None,
            };
            this.cursor.expect_word("end")?;
            this.end_label(label.as_deref())?;
            Ok(Block {
                label,
                declarations,
                steps,
                handler,
            })
        })
    }

    fn handler(&mut self) -> Result<Vec<Step>> {
        self.cursor.expect_word("when")?;
        let condition = self.cursor.word()?;
        if condition != "others" {
            return Err(Error::unsupported(
                format!("exception condition \"{condition}\""),
                "Write WHEN OTHERS, and look at SQLSTATE inside",
            ));
        }
        self.cursor.expect_word("then")?;
        let steps = self.steps()?;
        if self.cursor.is_word("when") {
            return Err(Error::unsupported(
                "more than one WHEN in an exception block",
                "Write WHEN OTHERS alone, and look at SQLSTATE inside",
            ));
        }
        Ok(steps)
    }

    /// A label behind END, which must be that of the block or loop.
    fn end_label(&mut self, label: Option<&str>) -> Result<()> {
        if self.cursor.at_end() || self.cursor.peek() == Some(&Token::SemiColon) {
            return Ok(());
        }
        let start = self.cursor.clone();
        let named = self.cursor.name()?;
        match label {
            Some(label) if label == named => Ok(()),
            _ => Err(Error::new(
                SqlState::SYNTAX_ERROR,
                format!(
                    "end label \"{named}\" differs from block's label \"{}\"",
                    label.unwrap_or_default()
                ),
            )
            .at(start.position())),
        }
    }

    fn semicolon(&mut self) -> Result<()> {
        self.cursor.expect(&Token::SemiColon)
    }

    fn steps(&mut self) -> Result<Vec<Step>> {
        let mut steps = Vec::new();
        while !self.cursor.at_end() && !ENDS.iter().any(|word| self.cursor.is_word(word)) {
            steps.push(self.step()?);
        }
        Ok(steps)
    }

    fn step(&mut self) -> Result<Step> {
        let line = self.line();
        let label = self.label()?;
        let kind = self.step_kind(label)?;
        self.semicolon()?;
        Ok(Step { line, kind })
    }

    fn step_kind(&mut self, label: Option<String>) -> Result<StepKind> {
        if let Some(assign) = self.assignment()? {
            return Ok(assign);
        }
        let word = self.cursor.peek_word();
        match word.as_deref() {
            Some("declare" | "begin") => Ok(StepKind::Block(self.block(label)?)),
            Some("loop") => self.plain_loop(label, None),
            Some("while") => {
                self.cursor.skip();
                let condition = self.until(&["loop"])?;
                self.plain_loop(label, Some(condition))
            }
            Some("for") => self.for_loop(label),
            Some(_) if label.is_some() => Err(self.cursor.unexpected()),
            Some("if") => self.branch(),
            Some("case") => self.case(),
            Some(word @ ("exit" | "continue")) => {
                self.cursor.skip();
                let is_named =
                    self.cursor.peek() != Some(&Token::SemiColon) && !self.cursor.is_word("when");
                let label = match is_named {
                    true => Some(self.cursor.name()?),
                    false => None,
                };
                let when = match self.cursor.take_word("when") {
                    true => Some(self.until(&[])?),
                    false => None,
                };
                Ok(StepKind::Jump {
                    is_exit: word == "exit",
                    label,
                    when,
                })
            }
            Some("return") => {
                self.cursor.skip();
                if self.cursor.peek() != Some(&Token::SemiColon) {
                    return Err(Error::new(
                        SqlState::DATATYPE_MISMATCH,
                        "RETURN cannot have a parameter in a procedure",
                    )
                    .with_hint("Give values back through OUT arguments"));
                }
                Ok(StepKind::Return)
            }
            Some("null") => {
                self.cursor.skip();
                Ok(StepKind::Nothing)
            }
            Some("raise") => self.raise(),
            Some("get") => self.diagnostics(),
            Some("perform") => {
                self.cursor.skip();
                Ok(StepKind::Perform(self.until(&[])?))
            }
            Some("execute") => self.execute(),
            Some("open") => self.open(),
            Some("fetch") => {
                self.cursor.skip();
                let cursor = self.target()?;
                self.cursor.expect_word("into")?;
                let targets = self.targets()?;
                Ok(StepKind::Fetch { cursor, targets })
            }
            Some("close") => {
                self.cursor.skip();
                Ok(StepKind::Close(self.target()?))
            }
            Some("call") => self.call(),
            Some("commit") => self.alone(StepKind::Commit),
            Some("rollback") => self.alone(StepKind::Rollback),
            Some("start") => {
                self.cursor.skip();
                self.cursor.expect_word("transaction")?;
                Ok(StepKind::StartTransaction)
            }
            _ => self.sql(),
        }
    }

    fn alone(&mut self, kind: StepKind) -> Result<StepKind> {
        self.cursor.skip();
        if !self.cursor.take_word("work") {
            self.cursor.take_word("transaction");
        }
        Ok(kind)
    }

    /// `target := value`, or with `=`.
    fn assignment(&mut self) -> Result<Option<StepKind>> {
        let start = self.cursor.clone();
        let target = match self.target() {
            Ok(target) => target,
            Err(_) => {
                self.cursor = start;
                return Ok(None);
            }
        };
        if !self.cursor.take(&Token::Assignment) && !self.cursor.take(&Token::Eq) {
            self.cursor = start;
            return Ok(None);
        }
        let value = self.until(&[])?;
        Ok(Some(StepKind::Assign { target, value }))
    }

    /// `name[.name[.name]]` or `$1`.
    fn target(&mut self) -> Result<Target> {
        let mut parts = vec![self.any_name()?];
        while parts.len() < 3 && self.cursor.take(&Token::Period) {
            parts.push(self.cursor.name()?);
        }
        Ok(parts)
    }

    fn targets(&mut self) -> Result<Vec<Target>> {
        let mut targets = vec![self.target()?];
        while self.cursor.take(&Token::Comma) {
            targets.push(self.target()?);
        }
        Ok(targets)
    }

    /// The text up to one of some words, or to a semicolon, outside of parentheses and CASE ... END.
    fn until(&mut self, words: &[&str]) -> Result<Template> {
        let text = self.text_until(words)?;
        Template::new(text)
    }

    fn text_until(&mut self, words: &[&str]) -> Result<&'a str> {
        let begin = self.cursor.byte();
        let (mut depth, mut cases) = (0_usize, 0_usize);
        loop {
            match self.cursor.peek() {
                None => return Err(self.cursor.unexpected()),
                Some(Token::SemiColon) => break,
                Some(Token::LParen) => depth += 1,
                Some(Token::RParen) => depth = depth.saturating_sub(1),
                Some(_) => {}
            }
            let word = self.cursor.peek_word();
            let ends = |word: &String| words.contains(&word.as_str());
            if depth == 0 && cases == 0 && word.as_ref().is_some_and(ends) {
                break;
            }
            match word.as_deref() {
                Some("case") => cases += 1,
                Some("end") => cases = cases.saturating_sub(1),
                _ => {}
            }
            self.cursor.skip();
        }
        let at_semicolon = self.cursor.peek() == Some(&Token::SemiColon);
        let text = self.text.get(begin..self.cursor.byte()).unwrap_or_default();
        if text.trim().is_empty() || (at_semicolon && !words.is_empty()) {
            return Err(self.cursor.unexpected());
        }
        Ok(text)
    }
}

fn begins_query(text: &str) -> bool {
    let start = text.trim_start().trim_start_matches(['(', ' ']);
    let word = start.get(..6).unwrap_or(start).to_ascii_lowercase();
    word.starts_with("select") || word.starts_with("with")
}

/// Cuts `from .. to` in two, outside of parentheses and quotes.
fn range(text: &str) -> Option<(&str, &str)> {
    let bytes = text.as_bytes();
    let (mut depth, mut quote) = (0_i32, None);
    for (at, byte) in bytes.iter().enumerate() {
        match (quote, byte) {
            (Some(open), byte) if open == *byte => quote = None,
            (Some(_), _) => {}
            (None, b'\'' | b'"') => quote = Some(*byte),
            (None, b'(') => depth += 1,
            (None, b')') => depth -= 1,
            (None, b'.') if depth == 0 && bytes.get(at + 1) == Some(&b'.') => {
                return Some((text.get(..at)?, text.get(at + 2..)?));
            }
            _ => {}
        }
    }
    None
}

/// Cuts a text at its commas, outside of parentheses.
fn split_commas(text: &str) -> Result<Vec<Template>> {
    let source = Source::new(text)?;
    let (mut depth, mut begin) = (0_usize, 0);
    let mut parts = Vec::new();
    for (token, (start, end)) in source.tokens() {
        match token {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.saturating_sub(1),
            Token::Comma if depth == 0 => {
                parts.push(Template::new(text.get(begin..start).unwrap_or_default())?);
                begin = end;
            }
            _ => {}
        }
    }
    parts.push(Template::new(text.get(begin..).unwrap_or_default())?);
    match parts.iter().any(|part| part.text.is_empty()) {
        true => Err(Error::syntax("syntax error at or near \",\"", None)),
        false => Ok(parts),
    }
}

/// Counts the places of a RAISE format for values; `%%` is none.
fn placeholders(format: &str) -> usize {
    format.replace("%%", "").matches('%').count()
}
