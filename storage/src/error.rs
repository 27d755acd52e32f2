//! What can go wrong below SQL.

use std::path::PathBuf;

/// The result of anything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A condition someone can act on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file operation failed.
    #[error("could not {action} \"{}\"", path.display())]
    Io {
        /// A verb: "read", "write", "sync".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The device is full; nothing was made visible.
    #[error("could not extend \"{}\": no space left on device", path.display())]
    DiskFull {
        /// The file being written.
        path: PathBuf,
    },
    /// Stored bytes are not what was written.
    #[error("stored data is damaged: {what} in \"{}\": {reason}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Which structure: table, column, slice, block.
        what: String,
        /// What did not hold.
        reason: String,
    },
    /// Another server owns the directory.
    #[error("data directory \"{}\" is in use by another server", path.display())]
    Locked {
        /// The directory.
        path: PathBuf,
    },
    /// The directory was written by a version this one cannot read.
    #[error("{what} has format version {found}, this server reads up to {supported}")]
    Version {
        /// Which structure.
        what: String,
        /// What the bytes say.
        found: u32,
        /// What we read.
        supported: u32,
    },
    /// A restore into the directory was interrupted.
    #[error(
        "data directory \"{}\" holds a restore that has not finished; remove it and restore again",
        path.display()
    )]
    UnfinishedRestore {
        /// The directory.
        path: PathBuf,
    },
    /// A restore makes a new directory only.
    #[error("directory \"{}\" is not empty; name a new one", path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// A text that cannot name a snapshot.
    #[error(
        "\"{name}\" is no name for a snapshot: letters, digits, \"-\", \"_\" and \".\" make one, up to 255"
    )]
    SnapshotName {
        /// What was given.
        name: String,
    },
    /// No such snapshot.
    #[error("snapshot \"{name}\" does not exist in \"{place}\"")]
    NoSnapshot {
        /// The snapshot.
        name: String,
        /// The repository.
        place: String,
    },
    /// The name is taken.
    #[error("snapshot \"{name}\" already exists in \"{place}\"")]
    SnapshotExists {
        /// The snapshot.
        name: String,
        /// The repository.
        place: String,
    },
    /// The place where snapshots are kept did not do what was asked.
    #[error("could not {action} \"{place}\": {reason}")]
    Repository {
        /// A verb: "read", "write", "list".
        action: &'static str,
        /// The file or object.
        place: String,
        /// What the system said.
        reason: String,
    },
    /// A concurrent commit changed what this one builds on.
    #[error("table {table} was changed by a concurrent transaction")]
    Conflict {
        /// The table's id.
        table: u64,
    },
    /// The table named is not in the read view.
    #[error("table {table} does not exist")]
    NoTable {
        /// The table's id.
        table: u64,
    },
    /// A null in a column that does not allow it.
    #[error("null value in column \"{column}\" violates not-null constraint")]
    NotNull {
        /// The column's name.
        column: String,
    },
    /// Arrow refused; a bug of ours or absurd sizes.
    #[error("arrow: {0}")]
    Arrow(#[from] arrow_schema::ArrowError),
    /// A failed fsync or append: the log no longer accepts commits.
    #[error("the commit log has stopped after a failed write; restart the server")]
    LogStopped,
    /// The caller asked to stop.
    #[error("canceled")]
    Canceled,
    /// A bug of ours.
    #[error("internal error: {0}")]
    Internal(String),
}
