//! The brain and the door: sessions, plans, transactions, catalog, the wire.

pub mod access;
pub mod catalog;
pub mod cli;
pub mod config;
pub mod error;
pub mod history;
pub mod planner;
pub mod protocol;
pub mod server;
pub mod session;
pub mod settings;
pub mod statement;
pub mod system;
pub mod transaction;

pub use error::{Error, Result};
