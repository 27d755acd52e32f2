//! The brain and the door: sessions, plans, transactions, catalog, the wire.

pub mod cli;
pub mod web;
pub mod protocol;
pub mod maintenance;
pub mod ingest;
pub mod session;
pub mod statement;
pub mod system;
pub mod server;
pub mod planner;
pub mod transaction;
pub mod wlm;
pub mod snapshot;
pub mod access;
pub mod catalog;
pub mod metrics;
pub mod history;
pub mod settings;
pub mod config;
pub mod error;

pub use error::{Error, Result};
