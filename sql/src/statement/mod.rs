//! One file per statement: syntax tree, parser, display. [`parse`] is the only entry: text -> statements.

pub mod alter_table;
pub mod analyze;
pub mod authorization;
pub mod copy;
pub mod create_table;
pub mod cursor;
pub mod database;
pub mod ddl;
pub mod dml;
pub mod external;
pub mod grant;
pub mod group;
pub mod master_key;
pub mod materialized_view;
pub mod merge;
pub mod policy;
pub mod query;
mod redact;
mod refused;
pub mod routine;
pub mod session;
pub mod show;
pub mod snapshot;
pub mod system;
pub mod unload;
pub mod user;
pub mod vacuum;
pub mod view;
#[cfg(test)]
mod tests;

pub use crate::parser::tree::ObjectName;
pub use copy::Copy;
pub use create_table::{ColumnDefinition, CreateTable};
pub use query::Query;
pub use redact::redacted;
pub use unload::Unload;

use crate::error::{Error, Result};
use crate::parser::cursor::Cursor;
use crate::parser::source::Source;
use sqlparser::tokenizer::Token;

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

impl Parsed {
    /// Tells whether it takes less to run than to hand it to another thread: a row of constants.
    pub fn is_instant(&self) -> bool {
        matches!(&self.statement, Statement::Select(query) if query.is_constants())
    }
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
    /// ALTER TABLE.
    AlterTable(Box<alter_table::AlterTable>),
    /// CREATE DATABASE.
    CreateDatabase(database::CreateDatabase),
    /// ALTER DATABASE.
    AlterDatabase(database::AlterDatabase),
    /// DROP DATABASE.
    DropDatabase(database::DropDatabase),
    /// USE, or RESET USE without a name.
    Use(Option<String>),
    /// ALTER SCHEMA.
    AlterSchema(alter_table::AlterSchema),
    /// DROP TABLE.
    DropTable(ddl::DropObjects),
    /// CREATE SCHEMA.
    CreateSchema(ddl::CreateSchema),
    /// CREATE EXTERNAL SCHEMA.
    CreateExternalSchema(Box<external::schema::CreateExternalSchema>),
    /// CREATE EXTERNAL TABLE.
    CreateExternalTable(Box<external::CreateExternalTable>),
    /// CREATE EXTERNAL TABLE AS
    CreateExternalTableAs(Box<external::CreateExternalTableAs>),
    /// CREATE EXTERNAL TABLE ... INFER FROM
    InferExternalTable(Box<external::InferExternalTable>),
    /// DROP SCHEMA.
    DropSchema(ddl::DropObjects),
    /// CREATE \[OR REPLACE\] VIEW.
    CreateView(Box<view::CreateView>),
    /// DROP VIEW.
    DropView(ddl::DropObjects),
    /// CREATE MATERIALIZED VIEW.
    CreateMaterializedView(Box<materialized_view::CreateMaterializedView>),
    /// REFRESH MATERIALIZED VIEW.
    RefreshMaterializedView(materialized_view::RefreshMaterializedView),
    /// ALTER MATERIALIZED VIEW.
    AlterMaterializedView(materialized_view::AlterMaterializedView),
    /// DROP MATERIALIZED VIEW.
    DropMaterializedView(ddl::DropObjects),
    /// INSERT INTO ... VALUES | SELECT | DEFAULT VALUES.
    Insert(Box<dml::Insert>),
    /// UPDATE ... SET ... FROM ... WHERE.
    Update(Box<dml::Update>),
    /// DELETE FROM ... USING ... WHERE.
    Delete(Box<dml::Delete>),
    /// MERGE.
    Merge(Box<merge::Merge>),
    /// TRUNCATE.
    Truncate(ObjectName),
    /// LOCK \[TABLE\].
    Lock(Vec<ObjectName>),
    /// CANCEL.
    Cancel(session::Cancel),
    /// COPY ... FROM.
    Copy(Box<Copy>),
    /// COPY ... JOB CREATE, COPY JOB ....
    CopyJob(copy::job::CopyJob),
    /// UNLOAD.
    Unload(Box<Unload>),
    /// EXPLAIN \[ANALYZE\] \[VERBOSE\].
    Explain(Box<session::Explain>),
    /// BEGIN, START TRANSACTION.
    Begin(session::Begin),
    /// COMMIT, END.
    Commit,
    /// ROLLBACK, ABORT.
    Rollback,
    /// ALTER SYSTEM.
    AlterSystem(system::AlterSystem),
    /// SET.
    Set(session::Set),
    /// RESET name | ALL.
    Reset(session::Reset),
    /// SHOW name | ALL.
    Show(session::Show),
    /// SHOW DATABASES, SCHEMAS, TABLES, COLUMNS, CONSTRAINTS.
    ShowList(show::ShowList),
    /// SHOW TABLE, SHOW VIEW.
    ShowDefinition(show::ShowDefinition),
    /// ANALYZE \[table \[(columns)\]\].
    Analyze(analyze::Analyze),
    /// ANALYZE COMPRESSION.
    AnalyzeCompression(analyze::AnalyzeCompression),
    /// VACUUM.
    Vacuum(vacuum::Vacuum),
    /// CREATE SNAPSHOT.
    CreateSnapshot(snapshot::CreateSnapshot),
    /// CREATE SNAPSHOT SCHEDULE.
    CreateSnapshotSchedule(snapshot::CreateSnapshotSchedule),
    /// DROP SNAPSHOT SCHEDULE.
    DropSnapshotSchedule,
    /// RESTORE TABLE.
    RestoreTable(Box<snapshot::RestoreTable>),
    /// PREPARE name AS.
    Prepare(Box<session::Prepare>),
    /// EXECUTE name (...).
    Execute(session::Execute),
    /// DEALLOCATE name | ALL.
    Deallocate(session::Deallocate),
    /// DECLARE name CURSOR FOR.
    Declare(Box<cursor::Declare>),
    /// FETCH count FROM name.
    Fetch(cursor::Fetch),
    /// CLOSE name | ALL.
    CloseCursor(Option<String>),
    /// DISCARD ALL and the like.
    Discard(session::Discard),
    /// CREATE USER.
    CreateUser(Box<user::UserOptions>),
    /// ALTER USER.
    AlterUser(Box<user::UserOptions>),
    /// DROP USER.
    DropUser(ddl::DropObjects),
    /// CREATE GROUP.
    CreateGroup(group::CreateGroup),
    /// ALTER GROUP.
    AlterGroup(group::AlterGroup),
    /// DROP GROUP.
    DropGroup(ddl::DropObjects),
    /// CREATE ROLE.
    CreateRole(group::CreateRole),
    /// ALTER ROLE.
    AlterRole(group::AlterRole),
    /// DROP ROLE.
    DropRole(group::DropRole),
    /// GRANT and REVOKE of permissions on objects.
    Grant(Box<grant::Grant>),
    /// GRANT ROLE and REVOKE ROLE.
    GrantRole(grant::GrantRole),
    /// GRANT and REVOKE of system permissions.
    GrantSystem(grant::GrantSystem),
    /// GRANT and REVOKE of SELECT to policies.
    GrantToPolicies(policy::GrantToPolicies),
    /// CREATE RLS POLICY, CREATE MASKING POLICY.
    CreatePolicy(Box<policy::CreatePolicy>),
    /// ALTER RLS POLICY, ALTER MASKING POLICY.
    AlterPolicy(policy::AlterPolicy),
    /// DROP RLS POLICY, DROP MASKING POLICY.
    DropPolicy(policy::DropPolicy),
    /// ATTACH RLS POLICY, ATTACH MASKING POLICY.
    AttachPolicy(Box<policy::AttachPolicy>),
    /// DETACH RLS POLICY, DETACH MASKING POLICY.
    DetachPolicy(Box<policy::AttachPolicy>),
    /// ALTER DEFAULT PRIVILEGES.
    DefaultPrivileges(Box<grant::DefaultPrivileges>),
    /// COMMENT ON.
    Comment(ddl::Comment),
    /// CREATE FUNCTION, CREATE PROCEDURE.
    CreateRoutine(Box<routine::CreateRoutine>),
    /// DROP FUNCTION, DROP PROCEDURE.
    DropRoutine(Box<routine::DropRoutine>),
    /// ALTER FUNCTION, ALTER PROCEDURE.
    AlterRoutine(Box<routine::AlterRoutine>),
    /// SHOW PROCEDURE.
    ShowProcedure(Box<routine::RoutineName>),
    /// CALL.
    Call(Box<routine::Call>),
    /// Nothing between two semicolons.
    Empty,
}

/// Splits and parses a text of any number of statements. Errors carry the position in the whole text. A
/// statement that is known to Redshift but not built yet is refused with 0A000 by name.
pub fn parse(text: &str) -> Result<Vec<Parsed>> {
    let source = Source::new(text)?;
    source.statements().iter_mut().map(parse_one).collect()
}

/// Parses all of one statement.
pub(crate) fn parse_one(cursor: &mut Cursor<'_>) -> Result<Parsed> {
    let (text, offset) = (cursor.text().to_owned(), cursor.offset());
    let statement = parse_statement(cursor)?;
    cursor.expect_end()?;
    Ok(Parsed {
        statement,
        text,
        offset,
    })
}

fn parse_statement(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let Some(token) = cursor.peek() else {
        return Ok(Statement::Empty);
    };
    if *token == Token::LParen {
        return query::parse(cursor);
    }
    let Some(word) = cursor.peek_word() else {
        return Err(cursor.unexpected());
    };
    match word.as_str() {
        "create" | "alter" | "drop" | "attach" | "detach" if policy::is_next(cursor) => {
            policy::parse(cursor)
        }
        "select" | "values" => query::parse(cursor),
        "with" => query::parse_with(cursor),
        "insert" => dml::parse_insert(cursor),
        "update" => dml::parse_update(cursor, None),
        "delete" => dml::parse_delete(cursor, None),
        "merge" => merge::parse(cursor),
        "truncate" => dml::parse_truncate(cursor),
        "copy" => copy::parse(cursor),
        "unload" => unload::parse(cursor),
        "create" => parse_create(cursor),
        "drop" if cursor.is_word_at(1, "snapshot") => snapshot::parse_drop(cursor),
        "drop" if cursor.is_word_at(1, "materialized") => materialized_view::parse_drop(cursor),
        "alter" if cursor.is_word_at(1, "materialized") => materialized_view::parse_alter(cursor),
        "refresh" if cursor.is_word_at(1, "materialized") => {
            materialized_view::parse_refresh(cursor)
        }
        "drop" if is_routine(cursor) => routine::parse_drop(cursor),
        "drop" if cursor.is_word_at(1, "database") => database::parse_drop(cursor),
        "use" => database::parse_use(cursor),
        "reset" if cursor.is_word_at(1, "use") => database::parse_reset_use(cursor),
        "drop" => ddl::parse_drop(cursor),
        "alter" if is_routine(cursor) => routine::parse_alter(cursor),
        "show" if cursor.is_word_at(1, "procedure") => routine::parse_show(cursor),
        "call" => routine::parse_call(cursor),
        "restore" => snapshot::parse_restore(cursor),
        "grant" | "revoke" => grant::parse(cursor),
        "alter" if cursor.is_word_at(1, "user") => user::parse(cursor),
        "alter" if cursor.is_word_at(1, "group") => group::parse_alter_group(cursor),
        "alter" if cursor.is_word_at(1, "role") => group::parse_alter_role(cursor),
        "alter" if cursor.is_word_at(1, "default") => grant::parse_default(cursor),
        "alter" if cursor.is_word_at(1, "database") => database::parse_alter(cursor),
        "alter" if cursor.is_word_at(1, "table") => alter_table::parse(cursor),
        "alter" if cursor.is_word_at(1, "system") => system::parse(cursor),
        "alter" if cursor.is_word_at(1, "schema") => alter_table::parse_schema(cursor),
        "analyze" | "analyse" => analyze::parse(cursor),
        "vacuum" => vacuum::parse(cursor),
        "comment" => ddl::parse_comment(cursor),
        "declare" | "fetch" | "close" => match cursor::parse(cursor, &word)? {
            Some(statement) => Ok(statement),
            None => Err(cursor.unexpected()),
        },
        _ => match session::parse(cursor, &word)? {
            Some(statement) => Ok(statement),
            None => Err(refused::refuse(cursor)),
        },
    }
}

fn is_routine(cursor: &Cursor<'_>) -> bool {
    cursor.is_word_at(1, "function") || cursor.is_word_at(1, "procedure")
}

fn parse_create(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let start = cursor.clone();
    cursor.skip();
    if cursor.is_word("user") {
        *cursor = start;
        return user::parse(cursor);
    }
    if cursor.is_word("group") {
        return group::parse_create_group(cursor);
    }
    if cursor.is_word("role") {
        return group::parse_create_role(cursor);
    }
    if cursor.is_word("schema") {
        return ddl::parse_create_schema(cursor);
    }
    if cursor.is_word("materialized") {
        return materialized_view::parse_create(cursor);
    }
    if cursor.are_words(&["external", "schema"]) {
        cursor.skip();
        return external::schema::parse(cursor);
    }
    if cursor.are_words(&["external", "table"]) {
        cursor.skip();
        return external::parse_create_table(cursor);
    }
    if cursor.is_word("snapshot") {
        return snapshot::parse_create(cursor);
    }
    if cursor.is_word("database") {
        return database::parse_create(cursor);
    }
    let or_replace = cursor.take_words(&["or", "replace"]);
    if cursor.is_word("view") {
        return view::parse_create_view(cursor, or_replace);
    }
    if cursor.is_word("function") || cursor.is_word("procedure") {
        return routine::parse_create(cursor, or_replace);
    }
    if !or_replace {
        let local = cursor.take_word("local");
        let temporary = cursor.take_word("temporary") || cursor.take_word("temp");
        if cursor.is_word("table") {
            return create_table::parse(cursor, temporary);
        }
        if local || temporary {
            return Err(if temporary && cursor.is_word("view") {
                Error::unsupported(
                    "CREATE TEMPORARY VIEW",
                    "Create a view or a temporary table",
                )
            } else {
                cursor.unexpected()
            });
        }
    }
    Err(refused::refuse(&start))
}
