//! SELECT: a query, kept as the syntax tree of `sqlparser`, which only the binder looks into.

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
