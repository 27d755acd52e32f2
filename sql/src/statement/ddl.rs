//! Small statements about objects: DROP, schemas, views, users, ANALYZE, COMMENT.

use super::ObjectName;
use super::query::Query;

/// `DROP kind [IF EXISTS] name, ... [CASCADE | RESTRICT]`.
#[derive(Clone, Debug)]
pub struct DropObjects {
    /// What to drop.
    pub names: Vec<ObjectName>,
    /// IF EXISTS.
    pub if_exists: bool,
    /// CASCADE.
    pub cascade: bool,
}

/// `CREATE SCHEMA [IF NOT EXISTS] name [AUTHORIZATION user]`.
#[derive(Clone, Debug)]
pub struct CreateSchema {
    /// Its name.
    pub name: String,
    /// IF NOT EXISTS.
    pub if_not_exists: bool,
    /// AUTHORIZATION.
    pub owner: Option<String>,
}

/// `CREATE [OR REPLACE] VIEW name [(columns)] AS query`.
#[derive(Clone, Debug)]
pub struct CreateView {
    /// Its name.
    pub name: ObjectName,
    /// OR REPLACE.
    pub or_replace: bool,
    /// New column names; empty keeps the query's.
    pub columns: Vec<String>,
    /// The query.
    pub query: Query,
    /// The query's text as the user wrote it, for the catalog.
    pub query_text: String,
}

/// `ANALYZE [VERBOSE] [table [(columns)]] [PREDICATE COLUMNS | ALL COLUMNS]`.
#[derive(Clone, Debug)]
pub struct Analyze {
    /// One table, or all.
    pub table: Option<ObjectName>,
    /// Some columns, or all.
    pub columns: Vec<String>,
}

/// `CREATE USER name PASSWORD ...`, `ALTER USER name PASSWORD ...`.
#[derive(Clone)]
pub struct CreateUser {
    /// The name.
    pub name: String,
    /// The password in clear; `None` for DISABLE or not named.
    pub password: Option<String>,
    /// PASSWORD DISABLE.
    pub password_disabled: bool,
    /// CREATEUSER (superuser).
    pub superuser: Option<bool>,
    /// CREATEDB.
    pub create_database: Option<bool>,
}

impl std::fmt::Debug for CreateUser {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("CreateUser").field("name", &self.name).finish_non_exhaustive()
    }
}

/// `COMMENT ON kind name IS 'text'`.
#[derive(Clone, Debug)]
pub struct Comment {
    /// `table`, `column`, `schema`, `view`, `database`.
    pub kind: String,
    /// The object; for a column `schema.table` is in here and the column in `column`.
    pub name: ObjectName,
    /// For a column.
    pub column: Option<String>,
    /// NULL removes.
    pub text: Option<String>,
}
