//! What can go wrong while working on slices.

use arrow_schema::ArrowError;
use blueshift_storage::Error as StorageError;
use datafusion::error::DataFusionError;

/// The result of anything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A condition someone can act on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Storage refused.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// An error of the language, from an expression or a conversion.
    #[error(transparent)]
    Sql(#[from] blueshift_sql::Error),
    /// The engine refused; may hold one of the others inside.
    #[error(transparent)]
    Engine(#[from] DataFusionError),
    /// Arrow refused.
    #[error(transparent)]
    Arrow(#[from] ArrowError),
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
    /// A query spilled more than it, or the node, may.
    #[error("the {whose} may have no more than {} in spill files", shown(.bytes_max))]
    SpillLimit {
        /// `query` or `node`.
        whose: &'static str,
        /// What it may have.
        bytes_max: u64,
    },
    /// The statement was canceled.
    #[error("canceled")]
    Canceled,
    /// A bug of ours.
    #[error("internal error: {0}")]
    Internal(String),
}

/// Writes bytes for people.
pub(crate) fn shown(bytes: &u64) -> String {
    let number = *bytes as f64;
    match *bytes {
        0..1_024 => format!("{bytes} bytes"),
        1_024..1_048_576 => format!("{:.1} kB", number / 1_024.0),
        1_048_576..1_073_741_824 => format!("{:.1} MB", number / 1_048_576.0),
        _ => format!("{:.1} GB", number / 1_073_741_824.0),
    }
}

impl From<Error> for DataFusionError {
    fn from(error: Error) -> Self {
        match error {
            Error::Engine(inner) => inner,
            other => Self::External(Box::new(other)),
        }
    }
}

/// Carries an error of storage into the engine. One that came from an expression inside a scan, see
/// [`filter_error`], comes out as it went in.
pub(crate) fn scan_error(error: StorageError) -> DataFusionError {
    match error {
        StorageError::Arrow(ArrowError::ExternalError(inner)) => {
            match inner.downcast::<DataFusionError>() {
                Ok(inner) => *inner,
                Err(inner) => Error::Arrow(ArrowError::ExternalError(inner)).into(),
            }
        }
        other => Error::Storage(other).into(),
    }
}

/// Carries an error of an expression through storage, which cannot name it.
pub(crate) fn filter_error(error: DataFusionError) -> StorageError {
    StorageError::Arrow(ArrowError::ExternalError(Box::new(error)))
}
