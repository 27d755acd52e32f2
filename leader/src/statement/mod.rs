//! One file per statement: check, plan, run. [`run`] is the one match that picks the file.
//!
//! A statement gets a [`context::Context`] and answers a [`answer::Body`]. BEGIN, COMMIT and ROLLBACK are the
//! session's own, as they change the transaction itself.

pub mod answer;
pub mod context;
pub mod execute;
pub mod external;
pub mod function;
pub mod names;
pub mod target;

pub mod alter_schema;
pub mod alter_system;
pub mod alter_table;
pub mod analyze;
pub mod analyze_compression;
pub mod call;
pub mod cancel;
pub mod comment;
pub mod copy;
pub mod copy_job;
pub mod create_schema;
pub mod create_table;
pub mod create_table_as;
pub mod create_view;
pub mod cursor;
pub mod database;
pub mod delete;
pub mod drop;
pub mod default_privileges;
pub mod explain;
pub mod grant;
pub mod group;
pub mod insert;
pub mod lock;
pub mod materialized_view;
pub mod merge;
pub mod policy;
pub mod prepare;
pub mod role;
pub mod routine;
pub mod scope;
pub mod select;
pub mod set;
pub mod show;
pub mod snapshot;
pub mod truncate;
pub mod unload;
pub mod update;
pub mod user;
pub mod vacuum;

use crate::error::{Error, Result};
use crate::history::figures::StatementKind;
use crate::wlm::scheduler::Kind;
use answer::Body;
use blueshift_sql::SqlState;
use blueshift_sql::statement::Statement;
use blueshift_sql::statement::copy::job::CopyJob;
use blueshift_sql::statement::policy::PolicyKind;
use blueshift_sql::statement::routine::RoutineKind;
use context::Context;

/// Runs a statement inside the transaction of `ctx`.
pub async fn run(ctx: &mut Context<'_>, statement: &Statement) -> Result<Body> {
    ensure_allowed(ctx, statement)?;
    if let (Some(ticket), Some(kind)) = (ctx.plans.ticket(), queue_kind(statement)) {
        ticket.set_kind(kind);
    }
    if !matches!(statement, Statement::Insert(_) | Statement::Execute(_)) {
        ctx.transaction.end_appends()?;
    }
    match statement {
        Statement::Select(query) => select::run(ctx, query).await,
        Statement::Insert(insert) => Box::pin(insert::run(ctx, insert)).await,
        Statement::Update(update) => Box::pin(update::run(ctx, update)).await,
        Statement::Delete(delete) => Box::pin(delete::run(ctx, delete)).await,
        Statement::Merge(merge) => Box::pin(merge::run(ctx, merge)).await,
        Statement::Truncate(name) => truncate::run(ctx, name).await,
        Statement::Lock(names) => lock::run(ctx, names).await,
        Statement::Cancel(request) => cancel::run(ctx, request),
        Statement::Copy(copy) => Box::pin(copy::run(ctx, copy)).await,
        Statement::CopyJob(command) => Box::pin(copy_job::run(ctx, command)).await,
        Statement::Unload(unload) => Box::pin(unload::run(ctx, unload)).await,
        Statement::CreateTable(create) => create_table::run(ctx, create).await,
        Statement::CreateTableAs(create) => Box::pin(create_table_as::run(ctx, create)).await,
        Statement::AlterTable(alter) => Box::pin(alter_table::run(ctx, alter)).await,
        Statement::CreateDatabase(create) => database::create(ctx, create).await,
        Statement::AlterDatabase(alter) => database::alter(ctx, alter).await,
        Statement::DropDatabase(drop) => Box::pin(database::drop(ctx, drop)).await,
        Statement::Use(name) => database::use_database(ctx, name.as_deref()),
        Statement::AlterSchema(alter) => alter_schema::run(ctx, alter).await,
        Statement::DropTable(drop) => drop::table(ctx, drop).await,
        Statement::CreateSchema(create) => create_schema::run(ctx, create).await,
        Statement::DropSchema(drop) => drop::schema(ctx, drop).await,
        Statement::CreateExternalSchema(create) => {
            Box::pin(external::schema::create(ctx, create)).await
        }
        Statement::CreateExternalTable(create) => {
            Box::pin(external::table::create(ctx, create)).await
        }
        Statement::CreateExternalTableAs(create) => {
            Box::pin(external::write::create(ctx, create)).await
        }
        Statement::InferExternalTable(infer) => Box::pin(external::infer::create(ctx, infer)).await,
        Statement::CreateView(create) => create_view::run(ctx, create).await,
        Statement::DropView(drop) => drop::view(ctx, drop).await,
        Statement::CreateMaterializedView(create) => {
            Box::pin(materialized_view::create(ctx, create)).await
        }
        Statement::RefreshMaterializedView(refresh) => {
            Box::pin(materialized_view::refresh::run(ctx, refresh)).await
        }
        Statement::AlterMaterializedView(alter) => {
            Box::pin(materialized_view::alter(ctx, alter)).await
        }
        Statement::DropMaterializedView(drop) => materialized_view::drop(ctx, drop).await,
        Statement::Explain(explain) => Box::pin(explain::run(ctx, explain)).await,
        Statement::AlterSystem(alter) => alter_system::run(ctx, alter).await,
        Statement::Set(set) => set::set(ctx, set),
        Statement::Reset(reset) => set::reset(ctx, reset),
        Statement::Show(show) => set::show(ctx, show),
        Statement::ShowList(list) => Box::pin(show::list(ctx, list)).await,
        Statement::ShowDefinition(definition) => show::definition(ctx, definition),
        Statement::Analyze(analyze) => analyze::run(ctx, analyze).await,
        Statement::AnalyzeCompression(analyze) => analyze_compression::run(ctx, analyze).await,
        Statement::Vacuum(vacuum) => Box::pin(vacuum::run(ctx, vacuum)).await,
        Statement::CreateSnapshot(create) => Box::pin(snapshot::create(ctx, create)).await,
        Statement::CreateSnapshotSchedule(create) => snapshot::create_schedule(ctx, create),
        Statement::DropSnapshotSchedule => snapshot::drop_schedule(ctx),
        Statement::RestoreTable(restore) => Box::pin(snapshot::restore_table(ctx, restore)).await,
        Statement::Prepare(prepare) => prepare::prepare(ctx, prepare),
        Statement::Execute(execute) => Box::pin(prepare::execute(ctx, execute)).await,
        Statement::Deallocate(deallocate) => prepare::deallocate(ctx, deallocate),
        Statement::Declare(declare) => Box::pin(cursor::declare(ctx, declare)).await,
        Statement::Fetch(fetch) => cursor::fetch(ctx, fetch).await,
        Statement::CloseCursor(name) => cursor::close(ctx, name.as_deref()),
        Statement::Discard(discard) => prepare::discard(ctx, discard).await,
        Statement::Comment(comment) => comment::run(ctx, comment).await,
        Statement::CreateUser(create) => user::create(ctx, create).await,
        Statement::AlterUser(alter) => user::alter(ctx, alter).await,
        Statement::DropUser(drop) => user::drop(ctx, drop).await,
        Statement::CreateGroup(create) => group::create(ctx, create).await,
        Statement::AlterGroup(alter) => group::alter(ctx, alter).await,
        Statement::DropGroup(drop) => group::drop(ctx, drop).await,
        Statement::CreateRole(create) => role::create(ctx, create).await,
        Statement::AlterRole(alter) => role::alter(ctx, alter).await,
        Statement::DropRole(drop) => role::drop(ctx, drop).await,
        Statement::Grant(grant) => grant::run(ctx, grant).await,
        Statement::GrantRole(grant) => role::grant(ctx, grant).await,
        Statement::GrantSystem(grant) => role::grant_system(ctx, grant).await,
        Statement::GrantToPolicies(grant) => policy::grant(ctx, grant).await,
        Statement::CreatePolicy(create) => policy::create(ctx, create).await,
        Statement::AlterPolicy(alter) => policy::alter(ctx, alter).await,
        Statement::DropPolicy(drop) => policy::drop(ctx, drop).await,
        Statement::AttachPolicy(attach) => policy::attach(ctx, attach).await,
        Statement::DetachPolicy(detach) => policy::detach(ctx, detach).await,
        Statement::DefaultPrivileges(given) => default_privileges::run(ctx, given).await,
        Statement::CreateRoutine(create) => routine::create(ctx, create).await,
        Statement::DropRoutine(drop) => routine::drop(ctx, drop).await,
        Statement::AlterRoutine(alter) => routine::alter(ctx, alter).await,
        Statement::ShowProcedure(name) => routine::show(ctx, name),
        Statement::Call(call) => Box::pin(call::run(ctx, call)).await,
        Statement::Begin(_) | Statement::Commit | Statement::Rollback => {
            Err(Error::internal("transaction statements are the session's"))
        }
        Statement::Empty => Ok(Body::Empty),
    }
}

/// Tells what a statement is to the queues; `None` if it runs another, or needs none.
fn queue_kind(statement: &Statement) -> Option<Kind> {
    match statement {
        Statement::Select(_)
        | Statement::Declare(_)
        | Statement::Fetch(_)
        | Statement::Explain(_) => Some(Kind::Read),
        Statement::CreateTableAs(_) => Some(Kind::ReadInto),
        Statement::Insert(_)
        | Statement::Update(_)
        | Statement::Delete(_)
        | Statement::Merge(_)
        | Statement::Unload(_)
        | Statement::AlterTable(_)
        | Statement::CreateExternalTableAs(_)
        | Statement::CreateMaterializedView(_)
        | Statement::RefreshMaterializedView(_) => Some(Kind::Write),
        Statement::Copy(_)
        | Statement::Vacuum(_)
        | Statement::Analyze(_)
        | Statement::AnalyzeCompression(_) => Some(Kind::Maintenance),
        _ => None,
    }
}

/// Runs a statement, and again each time it was stopped by a table that another transaction had under LOCK, or by one of
/// which a catalog elsewhere must be asked first; and once more, for less memory, if it ran out of it.
pub async fn run_unlocked(ctx: &mut Context<'_>, statement: &Statement) -> Result<Body> {
    let changes = ctx.transaction.change_count();
    let xid = ctx.transaction.xid;
    loop {
        let outcome = run(ctx, statement).await;
        // A table of names and columns leaves out what it could not ask, and would succeed.
        let may_repeat = outcome.is_err() || matches!(statement, Statement::Select(_));
        // A procedure may have ended the transaction: then it is not run again.
        let is_same = ctx.transaction.xid == xid && ctx.transaction.change_count() == changes;
        if let Some((schema, want)) = ctx.reads.take_wanted().filter(|_| is_same && may_repeat) {
            let answer = ctx.server.foreign.ask(&schema, &want).await;
            ctx.reads.keep(schema.oid, want, answer);
            continue;
        }
        let error = match outcome {
            Ok(body) => return Ok(body),
            Err(error) => error,
        };
        if is_same && ctx.plans.may_be_thrifty() && is_out_of_memory(&error) {
            tracing::debug!(query_id = ctx.query, "planned again for less memory");
            ctx.plans.be_thrifty();
            continue;
        }
        match ctx.reads.take_locked() {
            Some(table) if is_same => ctx.transaction.wait_to_read(table).await?,
            _ => return Err(error),
        }
    }
}

fn is_out_of_memory(error: &Error) -> bool {
    crate::error::sqlstate::report(error).code == SqlState::OUT_OF_MEMORY
}

/// Refuses changes in a read-only transaction, and all but cleaning up in a schema of the server.
fn ensure_allowed(ctx: &Context<'_>, statement: &Statement) -> Result<()> {
    let changes = !matches!(
        statement,
        Statement::Select(_)
            | Statement::Unload(_)
            | Statement::CopyJob(CopyJob::List | CopyJob::Show(_))
            | Statement::Explain(_)
            | Statement::AnalyzeCompression(_)
            | Statement::Set(_)
            | Statement::Reset(_)
            | Statement::Show(_)
            | Statement::ShowList(_)
            | Statement::ShowDefinition(_)
            | Statement::Prepare(_)
            | Statement::Execute(_)
            | Statement::Deallocate(_)
            | Statement::Declare(_)
            | Statement::Fetch(_)
            | Statement::CloseCursor(_)
            | Statement::ShowProcedure(_)
            | Statement::Call(_)
            | Statement::Discard(_)
            | Statement::Use(_)
            | Statement::Cancel(_)
            | Statement::Empty
    );
    if changes && ctx.transaction.is_read_only {
        return Err(Error::new(
            SqlState::READ_ONLY_SQL_TRANSACTION,
            format!(
                "cannot execute {} in a read-only transaction",
                tag(statement)
            ),
        ));
    }
    Ok(())
}

/// Gives what a statement is counted as.
pub fn kind(statement: &Statement) -> StatementKind {
    match statement {
        Statement::Select(_)
        | Statement::Declare(_)
        | Statement::Fetch(_)
        | Statement::CloseCursor(_)
        | Statement::Execute(_) => StatementKind::Select,
        Statement::Insert(_) => StatementKind::Insert,
        Statement::Update(_) => StatementKind::Update,
        Statement::Delete(_) | Statement::Truncate(_) => StatementKind::Delete,
        Statement::Merge(_) => StatementKind::Merge,
        Statement::Copy(_) => StatementKind::Copy,
        Statement::Unload(_) => StatementKind::Unload,
        Statement::Call(_) => StatementKind::Call,
        Statement::Begin(_) | Statement::Commit | Statement::Rollback => StatementKind::Transaction,
        Statement::Vacuum(_)
        | Statement::Analyze(_)
        | Statement::AnalyzeCompression(_)
        | Statement::CreateSnapshot(_)
        | Statement::CreateSnapshotSchedule(_)
        | Statement::DropSnapshotSchedule
        | Statement::RestoreTable(_)
        | Statement::RefreshMaterializedView(_) => StatementKind::Maintenance,
        Statement::Set(_)
        | Statement::Reset(_)
        | Statement::Show(_)
        | Statement::ShowList(_)
        | Statement::ShowDefinition(_)
        | Statement::ShowProcedure(_)
        | Statement::Explain(_)
        | Statement::Prepare(_)
        | Statement::Deallocate(_)
        | Statement::Discard(_)
        | Statement::Use(_)
        | Statement::Lock(_)
        | Statement::Cancel(_)
        | Statement::CopyJob(_)
        | Statement::Empty => StatementKind::Other,
        _ => StatementKind::Definition,
    }
}

/// Gives a statement's command word, as tags and errors print it.
pub fn tag(statement: &Statement) -> &'static str {
    match statement {
        Statement::Select(_) => "SELECT",
        Statement::CreateTableAs(_) => "CREATE TABLE AS",
        Statement::CreateTable(_) => "CREATE TABLE",
        Statement::AlterTable(_) => "ALTER TABLE",
        Statement::CreateDatabase(_) => "CREATE DATABASE",
        Statement::AlterDatabase(_) => "ALTER DATABASE",
        Statement::DropDatabase(_) => "DROP DATABASE",
        Statement::Use(_) => "USE",
        Statement::AlterSchema(_) => "ALTER SCHEMA",
        Statement::DropTable(_) => "DROP TABLE",
        Statement::CreateSchema(_) => "CREATE SCHEMA",
        Statement::DropSchema(_) => "DROP SCHEMA",
        Statement::CreateExternalSchema(_) => "CREATE EXTERNAL SCHEMA",
        Statement::CreateExternalTable(_)
        | Statement::CreateExternalTableAs(_)
        | Statement::InferExternalTable(_) => "CREATE EXTERNAL TABLE",
        Statement::CreateView(_) => "CREATE VIEW",
        Statement::DropView(_) => "DROP VIEW",
        Statement::CreateMaterializedView(_) => "CREATE MATERIALIZED VIEW",
        Statement::RefreshMaterializedView(_) => "REFRESH MATERIALIZED VIEW",
        Statement::AlterMaterializedView(_) => "ALTER MATERIALIZED VIEW",
        Statement::DropMaterializedView(_) => "DROP MATERIALIZED VIEW",
        Statement::Insert(_) => "INSERT",
        Statement::Update(_) => "UPDATE",
        Statement::Delete(_) => "DELETE",
        Statement::Merge(_) => "MERGE",
        Statement::Truncate(_) => "TRUNCATE TABLE",
        Statement::Lock(_) => "LOCK TABLE",
        Statement::Cancel(_) => "CANCEL",
        Statement::Copy(_) => "COPY",
        Statement::CopyJob(command) => command.tag(),
        Statement::Unload(_) => "UNLOAD",
        Statement::Explain(_) => "EXPLAIN",
        Statement::Begin(_) => "BEGIN",
        Statement::Commit => "COMMIT",
        Statement::Rollback => "ROLLBACK",
        Statement::AlterSystem(_) => "ALTER SYSTEM",
        Statement::Set(_) => "SET",
        Statement::Reset(_) => "RESET",
        Statement::Show(_) | Statement::ShowList(_) | Statement::ShowDefinition(_) => "SHOW",
        Statement::Analyze(_) => "ANALYZE",
        Statement::AnalyzeCompression(_) => "ANALYZE COMPRESSION",
        Statement::Vacuum(_) => "VACUUM",
        Statement::CreateSnapshot(_) => "CREATE SNAPSHOT",
        Statement::CreateSnapshotSchedule(_) => "CREATE SNAPSHOT SCHEDULE",
        Statement::DropSnapshotSchedule => "DROP SNAPSHOT SCHEDULE",
        Statement::RestoreTable(_) => "RESTORE TABLE",
        Statement::Prepare(_) => "PREPARE",
        Statement::Execute(_) => "EXECUTE",
        Statement::Deallocate(_) => "DEALLOCATE",
        Statement::Declare(_) => "DECLARE CURSOR",
        Statement::Fetch(_) => "FETCH",
        Statement::CloseCursor(_) => "CLOSE CURSOR",
        Statement::Discard(_) => "DISCARD",
        Statement::CreateUser(_) => "CREATE USER",
        Statement::AlterUser(_) => "ALTER USER",
        Statement::DropUser(_) => "DROP USER",
        Statement::CreateGroup(_) => "CREATE GROUP",
        Statement::AlterGroup(_) => "ALTER GROUP",
        Statement::DropGroup(_) => "DROP GROUP",
        Statement::CreateRole(_) => "CREATE ROLE",
        Statement::AlterRole(_) => "ALTER ROLE",
        Statement::DropRole(_) => "DROP ROLE",
        Statement::Grant(grant) => grant::tag(grant.way),
        Statement::GrantRole(grant) => grant::tag(grant.way),
        Statement::GrantSystem(grant) => grant::tag(grant.way),
        Statement::GrantToPolicies(grant) => match grant.revoke {
            true => "REVOKE",
            false => "GRANT",
        },
        Statement::CreatePolicy(create) => match create.kind {
            PolicyKind::Rows => "CREATE RLS POLICY",
            PolicyKind::Mask => "CREATE MASKING POLICY",
        },
        Statement::AlterPolicy(alter) => match alter.kind {
            PolicyKind::Rows => "ALTER RLS POLICY",
            PolicyKind::Mask => "ALTER MASKING POLICY",
        },
        Statement::DropPolicy(drop) => match drop.kind {
            PolicyKind::Rows => "DROP RLS POLICY",
            PolicyKind::Mask => "DROP MASKING POLICY",
        },
        Statement::AttachPolicy(attach) => match attach.kind {
            PolicyKind::Rows => "ATTACH RLS POLICY",
            PolicyKind::Mask => "ATTACH MASKING POLICY",
        },
        Statement::DetachPolicy(detach) => match detach.kind {
            PolicyKind::Rows => "DETACH RLS POLICY",
            PolicyKind::Mask => "DETACH MASKING POLICY",
        },
        Statement::DefaultPrivileges(_) => "ALTER DEFAULT PRIVILEGES",
        Statement::Comment(_) => "COMMENT",
        Statement::CreateRoutine(create) => match create.kind {
            RoutineKind::Function => "CREATE FUNCTION",
            RoutineKind::Procedure => "CREATE PROCEDURE",
        },
        Statement::DropRoutine(drop) => match drop.kind {
            RoutineKind::Function => "DROP FUNCTION",
            RoutineKind::Procedure => "DROP PROCEDURE",
        },
        Statement::AlterRoutine(alter) => match alter.kind {
            RoutineKind::Function => "ALTER FUNCTION",
            RoutineKind::Procedure => "ALTER PROCEDURE",
        },
        Statement::ShowProcedure(_) => "SHOW PROCEDURE",
        Statement::Call(_) => "CALL",
        Statement::Empty => "",
    }
}
