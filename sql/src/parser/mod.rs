//! The token cursor every statement parses with.
//!
//! Tokens come from `sqlparser`, with two changes: string literals are unescaped here, by Redshift's rules, and
//! every location is rewritten to line 1 with the column equal to the character position in the whole text. So
//! the position in any error, of the parser or of the binder, is simply its column.

pub(crate) mod cursor;
pub(crate) mod dialect;
pub mod fold;
mod literal;
pub(crate) mod source;
mod chain;
pub mod tree;
pub(crate) mod unpivot;

/// The longest statement text Redshift takes: 16 MB.
pub const TEXT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The longest name, in bytes.
pub const NAME_BYTES_MAX: usize = 127;
/// How deep parentheses may nest.
const NESTING_MAX: usize = 200;
/// How many tokens one expression may have, which bounds the depth of a chain such as `a + b + c ...`.
const CHAIN_TOKENS_MAX: usize = 6_000;
/// How many branches one CASE may have, which are planned in about a second; its words count from one to the next.
const CASE_BRANCHES_MAX: usize = 10_000;
/// Words between the parentheses of `IN (...)`, commas counted: 100 000 constants, which are planned in about a second.
const LIST_TOKENS_MAX: usize = 200_000;
/// How deep the expression parser may recurse; each nesting costs it a few levels.
const RECURSION_MAX: usize = 1_000;
