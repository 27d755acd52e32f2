//! What can go wrong while working on slices.

/// The result of anything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A condition someone can act on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Storage refused.
    #[error(transparent)]
    Storage(#[from] blueshift_storage::Error),
    /// An error of the language, from an expression or a conversion.
    #[error(transparent)]
    Sql(#[from] blueshift_sql::Error),
    /// The engine refused; may hold one of the others inside.
    #[error(transparent)]
    Engine(#[from] datafusion::error::DataFusionError),
    /// Arrow refused.
    #[error(transparent)]
    Arrow(#[from] arrow_schema::ArrowError),
    /// A load failed; what was wrong with the rows is in the rejects.
    #[error("{message}")]
    Load {
        /// `Load into table 't' failed. Check 'stl_load_errors' system table for details.`
        message: String,
        /// File, line, column, value, reason of the first reject.
        detail: Option<String>,
        /// What to do.
        hint: Option<String>,
    },
    /// A source could not be read; the text names it and never a secret.
    #[error("could not read \"{url}\": {reason}")]
    Source {
        /// The object.
        url: String,
        /// Why.
        reason: String,
    },
    /// A source that is not there.
    #[error("{message}")]
    NoSource {
        /// Redshift's text.
        message: String,
    },
    /// A source outside what the server allows.
    #[error("{message}")]
    SourceNotAllowed {
        /// What and why.
        message: String,
        /// How to allow it.
        hint: String,
    },
    /// The statement was canceled.
    #[error("canceled")]
    Canceled,
    /// A bug of ours.
    #[error("internal error: {0}")]
    Internal(String),
}

impl From<Error> for datafusion::error::DataFusionError {
    fn from(error: Error) -> Self {
        match error {
            Error::Engine(inner) => inner,
            other => Self::External(Box::new(other)),
        }
    }
}
