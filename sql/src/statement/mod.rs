//! One file per statement: syntax tree, parser, display. [`parse`] is the only entry: text -> statements.

pub mod copy;
pub mod create_table;
pub mod ddl;
pub mod dml;
pub mod query;
pub mod session;

pub use copy::Copy;
pub use create_table::{ColumnDefinition, CreateTable};
pub use query::Query;

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

/// A statement with the text it was parsed from.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// What it says.
    pub statement: Statement,
    /// Its own text, without the semicolon.
    pub text: String,
    /// Where `text` begins in the whole text, in characters, counting from 0.
    pub offset: usize,
}

/// Every statement there is. Boxed where large.
#[derive(Clone, Debug)]
pub enum Statement {
    /// SELECT, VALUES, WITH.
    Select(Query),
    /// SELECT ... INTO, CREATE TABLE ... AS.
    CreateTableAs(Box<create_table::CreateTableAs>),
    /// CREATE TABLE.
    CreateTable(Box<CreateTable>),
    /// DROP TABLE.
    DropTable(ddl::DropObjects),
    /// CREATE SCHEMA.
    CreateSchema(ddl::CreateSchema),
    /// DROP SCHEMA.
    DropSchema(ddl::DropObjects),
    /// CREATE \[OR REPLACE\] VIEW.
    CreateView(Box<ddl::CreateView>),
    /// DROP VIEW.
    DropView(ddl::DropObjects),
    /// INSERT INTO ... VALUES | SELECT | DEFAULT VALUES.
    Insert(Box<dml::Insert>),
    /// UPDATE ... SET ... FROM ... WHERE.
    Update(Box<dml::Update>),
    /// DELETE FROM ... USING ... WHERE.
    Delete(Box<dml::Delete>),
    /// TRUNCATE.
    Truncate(ObjectName),
    /// COPY ... FROM.
    Copy(Box<Copy>),
    /// EXPLAIN \[ANALYZE\] \[VERBOSE\].
    Explain(Box<session::Explain>),
    /// BEGIN, START TRANSACTION.
    Begin(session::Begin),
    /// COMMIT, END.
    Commit,
    /// ROLLBACK, ABORT.
    Rollback,
    /// SET.
    Set(session::Set),
    /// RESET name | ALL.
    Reset(session::Reset),
    /// SHOW name | ALL.
    Show(session::Show),
    /// ANALYZE \[table \[(columns)\]\].
    Analyze(ddl::Analyze),
    /// PREPARE name AS.
    Prepare(Box<session::Prepare>),
    /// EXECUTE name (...).
    Execute(session::Execute),
    /// DEALLOCATE name | ALL.
    Deallocate(session::Deallocate),
    /// DISCARD ALL and the like.
    Discard(session::Discard),
    /// CREATE USER, ALTER USER ... PASSWORD.
    CreateUser(ddl::CreateUser),
    /// ALTER USER ... PASSWORD.
    AlterUser(ddl::CreateUser),
    /// DROP USER.
    DropUser(ddl::DropObjects),
    /// GRANT and REVOKE on tables and schemas: parsed by name so they can be refused by name.
    Comment(ddl::Comment),
    /// Nothing between two semicolons.
    Empty,
}

/// Splits and parses a text of any number of statements. Errors carry the position in the whole text. A
/// statement that is known to Redshift but not built yet is refused with 0A000 by name.
pub fn parse(text: &str) -> crate::Result<Vec<Parsed>> {
    let _ = text;
    todo!("sql")
}
