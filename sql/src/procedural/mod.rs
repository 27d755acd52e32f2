//! The language of stored procedures: PL/pgSQL as Redshift has it, read by [`parse`] and run by [`run`].
//!
//! A procedure is a tree of steps. The SQL in it stays text with the places marked where a variable may stand
//! ([`Template`]); when a step runs, the variables' values are written into it as literals and the text goes to the
//! [`Runner`], which knows transactions, cursors and tables. So every statement means inside a procedure what it means
//! outside.

mod parse;
mod run;
mod syntax;
mod template;
mod value;
mod variable;
#[cfg(test)]
mod tests;

pub use parse::parse;
pub use run::{First, Rows, Runner, Work, run};
pub use syntax::{Block, Level, Procedure};
pub use value::{Field, Row, Value};
