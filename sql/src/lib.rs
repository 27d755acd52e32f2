//! The language: Redshift SQL text and names in, bound logical plans out.

pub mod binder;
pub mod statement;
pub mod parser;
pub mod function;
pub mod types;
pub mod sqlstate;
pub mod error;

pub use error::{Error, Result};
pub use sqlstate::SqlState;
pub use types::SqlType;
