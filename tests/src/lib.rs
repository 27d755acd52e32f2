//! The harness: a server of its own per test, clients, sqllogictest, a place for faults. The server is a real process,
//! so that it can be killed; nothing here links it.

pub mod client;
pub mod logic;
pub mod metrics;
pub mod postgres;
pub mod server;
pub mod store;

pub use client::{Client, connect};
pub use postgres::Postgres;
pub use server::{Server, ServerOptions};
pub use store::Store;

/// Tells whether the long suites were asked for (`bash tests/run.sh --full`).
pub fn full() -> bool {
    std::env::var("BLUESHIFT_TEST_FULL").is_ok_and(|value| value == "1")
}

/// Gives the Python interpreter that has the clients; set by `tests/run.sh`.
///
/// # Panics
/// Without it: run `bash tests/run.sh`.
pub fn python() -> String {
    installed("BLUESHIFT_TEST_PYTHON")
}

/// Gives what `tests/run.sh` installed and named in `variable`.
///
/// # Panics
/// Without it: run `bash tests/run.sh`.
pub fn installed(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is set by `bash tests/run.sh`"))
}
