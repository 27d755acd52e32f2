//! The language: Redshift SQL text and names in, bound logical plans out.

pub mod binder;
pub mod procedural;
pub mod statement;
pub mod function;
pub mod types;
pub mod parser;
pub mod nearest;
mod stack;
pub mod error;
pub mod sqlstate;

pub use error::{Error, Result};
pub use sqlstate::SqlState;
pub use types::SqlType;
