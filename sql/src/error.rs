//! An error of the language: code, message, detail, hint, position.

use crate::sqlstate::SqlState;

/// The result of anything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What the client will see. `Display` prints the message alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The SQLSTATE.
    pub code: SqlState,
    /// Short, lower case, no full stop.
    pub message: String,
    /// Whole sentences, the facts.
    pub detail: Option<String>,
    /// What to do.
    pub hint: Option<String>,
    /// Character position in the statement text, counting from 1.
    pub position: Option<usize>,
    /// Where inside a procedure it happened, innermost line first.
    pub context: Option<Box<str>>,
}

impl Error {
    /// Makes an error with a code and a message.
    pub fn new(code: SqlState, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            detail: None,
            hint: None,
            position: None,
            context: None,
        }
    }

    /// Makes the refusal of something not supported, with the way out.
    pub fn unsupported(what: impl std::fmt::Display, hint: impl Into<String>) -> Self {
        Self::new(
            SqlState::FEATURE_NOT_SUPPORTED,
            format!("{what} is not supported"),
        )
        .with_hint(hint)
    }

    /// Makes a syntax error at a character position.
    pub fn syntax(message: impl Into<String>, position: Option<usize>) -> Self {
        Self {
            position,
            ..Self::new(SqlState::SYNTAX_ERROR, message)
        }
    }

    /// Adds what to do.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the facts.
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Adds a line of what was being done, outside of what was said so far.
    pub fn within(mut self, place: impl Into<String>) -> Self {
        let place = place.into();
        self.context = Some(match self.context {
            Some(inner) => format!("{inner}\n{place}").into(),
            None => place.into(),
        });
        self
    }

    /// Adds the place in the text.
    pub fn at(mut self, position: usize) -> Self {
        self.position = Some(position);
        self
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
