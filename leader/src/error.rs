//! What can go wrong at the leader; `error/sqlstate.rs` maps every variant to a SQLSTATE.

pub mod sqlstate;

use blueshift_sql::SqlState;

/// The result of anything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A condition someone can act on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An error of the language; also what most statement files make, with its code.
    #[error(transparent)]
    Sql(#[from] blueshift_sql::Error),
    /// A node failed at work.
    #[error(transparent)]
    Compute(#[from] blueshift_compute::Error),
    /// Storage refused.
    #[error(transparent)]
    Storage(#[from] blueshift_storage::Error),
    /// The engine refused; may hold one of the others inside.
    #[error(transparent)]
    Engine(#[from] datafusion::error::DataFusionError),
}

impl Error {
    /// Makes an error with a code and a message.
    pub fn new(code: SqlState, message: impl Into<String>) -> Self {
        blueshift_sql::Error::new(code, message).into()
    }

    /// Makes the error of a broken expectation of ours.
    pub fn internal(message: impl std::fmt::Display) -> Self {
        Self::new(
            SqlState::INTERNAL_ERROR,
            format!("internal error: {message}"),
        )
    }
}
