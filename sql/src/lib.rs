//! The language: Redshift SQL text and names in, bound logical plans out.

pub mod binder;
pub mod error;
pub mod function;
pub mod parser;
pub mod sqlstate;
pub mod statement;
pub mod types;

pub use error::{Error, Result};
pub use sqlstate::SqlState;
pub use types::SqlType;
