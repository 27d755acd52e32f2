//! INSERT, UPDATE, DELETE.

use super::ObjectName;
use super::query::{Expression, Query};

/// `INSERT INTO table [(columns)] source`.
#[derive(Clone, Debug)]
pub struct Insert {
    /// The target.
    pub table: ObjectName,
    /// Named columns; empty means all, in order.
    pub columns: Vec<String>,
    /// The rows.
    pub source: InsertSource,
}

/// Where inserted rows come from.
#[derive(Clone, Debug)]
pub enum InsertSource {
    /// `VALUES (...), (...)`; `None` is the word DEFAULT.
    Values(Vec<Vec<Option<Expression>>>),
    /// A query.
    Query(Query),
    /// `DEFAULT VALUES`.
    DefaultValues,
}

/// `UPDATE table [alias] SET column = expression, ... [FROM ...] [WHERE ...]`.
#[derive(Clone, Debug)]
pub struct Update {
    /// The target.
    pub table: ObjectName,
    /// Column and new value; `None` is the word DEFAULT.
    pub assignments: Vec<(String, Option<Expression>)>,
    pub(crate) with: Option<Box<sqlparser::ast::With>>,
    pub(crate) target_alias: Option<String>,
    pub(crate) from: Vec<sqlparser::ast::TableWithJoins>,
    pub(crate) selection: Option<Box<sqlparser::ast::Expr>>,
}

/// `DELETE [FROM] table [alias] [USING ...] [WHERE ...]`.
#[derive(Clone, Debug)]
pub struct Delete {
    /// The target.
    pub table: ObjectName,
    pub(crate) with: Option<Box<sqlparser::ast::With>>,
    pub(crate) target_alias: Option<String>,
    pub(crate) using: Vec<sqlparser::ast::TableWithJoins>,
    pub(crate) selection: Option<Box<sqlparser::ast::Expr>>,
}
