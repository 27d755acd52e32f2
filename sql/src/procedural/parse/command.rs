//! RAISE, GET DIAGNOSTICS, EXECUTE, OPEN, CALL, and statements of SQL.

use super::*;

impl Parser<'_> {
    pub(super) fn raise(&mut self) -> Result<StepKind> {
        self.cursor.skip();
        if self.cursor.peek() == Some(&Token::SemiColon) {
            return Ok(StepKind::RaiseAgain);
        }
        let level = match self.cursor.is_string() {
            true => Level::Exception,
            false => {
                let start = self.cursor.clone();
                let word = self.cursor.word()?;
                let known = Level::ALL.into_iter();
                let found = known
                    .clone()
                    .find(|level| level.word().eq_ignore_ascii_case(&word));
                match found {
                    Some(level) => level,
                    None => return Err(start.unexpected()),
                }
            }
        };
        let format = self.cursor.string()?;
        let mut arguments = Vec::new();
        if self.cursor.take(&Token::Comma) {
            arguments = split_commas(self.text_until(&[])?)?;
        }
        let wanted = placeholders(&format);
        if arguments.len() != wanted {
            let what = if arguments.len() > wanted {
                "many"
            } else {
                "few"
            };
            return Err(Error::new(
                SqlState::SYNTAX_ERROR,
                format!("too {what} parameters specified for RAISE"),
            ));
        }
        Ok(StepKind::Raise {
            level,
            format,
            arguments,
        })
    }

    pub(super) fn diagnostics(&mut self) -> Result<StepKind> {
        self.cursor.skip();
        self.cursor.expect_word("diagnostics")?;
        let mut targets = Vec::new();
        loop {
            targets.push(self.target()?);
            if !self.cursor.take(&Token::Assignment) {
                self.cursor.expect(&Token::Eq)?;
            }
            let item = self.cursor.word()?;
            if item != "row_count" {
                return Err(Error::unsupported(
                    format!("GET DIAGNOSTICS of {}", item.to_uppercase()),
                    "ROW_COUNT is the one item there is",
                ));
            }
            if !self.cursor.take(&Token::Comma) {
                break;
            }
        }
        Ok(StepKind::RowCount(targets))
    }

    pub(super) fn execute(&mut self) -> Result<StepKind> {
        self.cursor.skip();
        let command = self.expression_until(&["into", "using"])?;
        let into = match self.cursor.take_word("into") {
            true => Some(self.targets()?),
            false => None,
        };
        if self.cursor.is_word("using") {
            return Err(Error::unsupported(
                "EXECUTE ... USING",
                "Write the values into the command with quote_literal",
            ));
        }
        Ok(StepKind::Execute { command, into })
    }

    /// The text up to one of some words or a semicolon.
    pub(super) fn expression_until(&mut self, words: &[&str]) -> Result<Template> {
        let start = self.cursor.clone();
        if let Ok(text) = self.text_until(words) {
            return Template::new(text);
        }
        self.cursor = start;
        self.until(&[])
    }

    pub(super) fn open(&mut self) -> Result<StepKind> {
        self.cursor.skip();
        let cursor = self.target()?;
        let query = if self.cursor.take_word("for") {
            OpenQuery::Free(match self.cursor.take_word("execute") {
                true => QueryText::Dynamic(self.until(&[])?),
                false => QueryText::Static(self.until(&[])?),
            })
        } else {
            OpenQuery::Bound(self.parenthesized()?)
        };
        Ok(StepKind::Open { cursor, query })
    }

    /// `[(expression, ...)]`.
    pub(super) fn parenthesized(&mut self) -> Result<Vec<Template>> {
        if self.cursor.peek() != Some(&Token::LParen) {
            return Ok(Vec::new());
        }
        let text = self.text_until(&[])?.trim();
        let inner = text
            .strip_prefix('(')
            .and_then(|text| text.strip_suffix(')'));
        let Some(inner) = inner else {
            return Err(self.cursor.unexpected());
        };
        match inner.trim().is_empty() {
            true => Ok(Vec::new()),
            false => split_commas(inner),
        }
    }

    pub(super) fn call(&mut self) -> Result<StepKind> {
        self.cursor.skip();
        let name = self.cursor.object_name()?;
        if self.cursor.peek() != Some(&Token::LParen) {
            return Err(self.cursor.unexpected());
        }
        let arguments = self.parenthesized()?.into_iter().map(|template| {
            let target = template.only_name().map(<[String]>::to_vec);
            (template, target)
        });
        Ok(StepKind::Call {
            name,
            arguments: arguments.collect(),
        })
    }

    /// A statement of SQL; of a query, INTO names variables.
    pub(super) fn sql(&mut self) -> Result<StepKind> {
        let is_query = self.cursor.is_word("select") || self.cursor.is_word("with");
        if self.cursor.peek_word().is_none() && self.cursor.peek() != Some(&Token::LParen) {
            return Err(self.cursor.unexpected());
        }
        let begin = self.cursor.byte();
        if is_query {
            let start = self.cursor.clone();
            if let Ok(before) = self.text_until(&["into"]) {
                self.cursor.skip();
                let targets = self.targets()?;
                let from = self.cursor.byte();
                while !matches!(self.cursor.peek(), None | Some(Token::SemiColon)) {
                    self.cursor.skip();
                }
                let rest = self.text.get(from..self.cursor.byte()).unwrap_or_default();
                // Line breaks stay, so that positions in messages mean something.
                return Ok(StepKind::Sql {
                    text: Template::new(&format!("{before} {rest}"))?,
                    into: Some(targets),
                });
            }
            self.cursor = start;
        }
        while !matches!(self.cursor.peek(), None | Some(Token::SemiColon)) {
            self.cursor.skip();
        }
        let text = self.text.get(begin..self.cursor.byte()).unwrap_or_default();
        Ok(StepKind::Sql {
            text: Template::new(text)?,
            into: None,
        })
    }
}
