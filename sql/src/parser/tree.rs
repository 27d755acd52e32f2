//! What statements are made of: names, queries, expressions.

/// A name of one to three parts, folded to lower case unless quoted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ObjectName {
    /// `database` in `database.schema.name`.
    pub database: Option<String>,
    /// `schema` in `schema.name`.
    pub schema: Option<String>,
    /// The last part.
    pub name: String,
    /// Character position in the statement text, counting from 1; 0 if unknown.
    pub position: usize,
}

/// A query expression.
#[derive(Clone, Debug)]
pub struct Query {
    pub(crate) tree: Box<sqlparser::ast::Query>,
}

/// A scalar expression.
#[derive(Clone, Debug)]
pub struct Expression {
    pub(crate) tree: Box<sqlparser::ast::Expr>,
    /// Its text as the user wrote it, for catalogs.
    pub text: String,
}
