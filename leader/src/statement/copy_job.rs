//! COPY JOB: makes, shows, changes, runs and ends the jobs that load each new file under a prefix once.
//!
//! A job runs with the rights its owner has at that time. Files that are there when it is made are not loaded, as in
//! Redshift. RUN loads what has come, whether the job is AUTO or not, and tries parked files once more; a background job
//! (`ingest/copy_job.rs`) does the first for AUTO ON. Owners of jobs and superusers may change, run and drop them.
//!
//! All changes of a job and its ledger are made under a lock on its table and one on the job itself, in this order.

mod batch;
pub(crate) mod round;

use super::answer::{Body, Notice, OutputColumn};
use super::context::Context;
use super::copy;
use super::names::Right;
use super::target;
use crate::catalog::cache::{put_copy_job, remove};
use crate::catalog::copy_job::CopyJob;
use crate::catalog::{Catalog, Oid};
use crate::error::{Error, Result};
use crate::history::now_us;
use crate::server::TEMP_SCHEMA_PREFIX;
use crate::transaction::ledger::{self, EntryState, Ledger, file};
use crate::transaction::lock::{Lockable, Mode};
use blueshift_compute::load;
use blueshift_sql::SqlState;
use blueshift_sql::statement::copy::Copy;
use blueshift_sql::statement::copy::job::{CopyJob as Command, CreateCopyJob};
use blueshift_sql::statement::grant::Privilege;
use round::{How, Round, watched};
use std::sync::Arc;

/// Copy jobs of a cluster at most. Source: Redshift's quotas.
const JOBS_MAX: usize = 200;

/// Runs a command about copy jobs.
pub async fn run(ctx: &mut Context<'_>, command: &Command) -> Result<Body> {
    match command {
        Command::Create(create) => create_job(ctx, create).await?,
        Command::Alter { name, auto } => alter(ctx, name, *auto).await?,
        Command::Run(name) => run_job(ctx, name).await?,
        Command::Drop(name) => drop_job(ctx, name).await?,
        Command::List => return list(ctx),
        Command::Show(name) => return show(ctx, name),
    }
    Ok(Body::done(command.tag()))
}

/// Gives the columns of the commands that answer rows.
pub(crate) fn columns(command: &Command) -> Option<Vec<OutputColumn>> {
    let names: &[&str] = match command {
        Command::List => &LISTED,
        Command::Show(_) => &SHOWN,
        _ => return None,
    };
    Some(names.iter().map(|name| OutputColumn::text(name)).collect())
}

fn ensure_alone(ctx: &Context<'_>, statement: &str) -> Result<()> {
    match ctx.transaction.is_explicit {
        false => Ok(()),
        true => Err(Error::new(
            SqlState::ACTIVE_SQL_TRANSACTION,
            format!("{statement} cannot run inside a transaction block"),
        )),
    }
}

fn missing(name: &str) -> Error {
    Error::new(
        SqlState::UNDEFINED_OBJECT,
        format!("copy job \"{name}\" does not exist"),
    )
}

/// Finds a job that the user may change.
fn find(ctx: &mut Context<'_>, name: &str) -> Result<Arc<CopyJob>> {
    let catalog = ctx.transaction.catalog()?;
    let job = catalog.copy_job_named(name).ok_or_else(|| missing(name))?;
    if job.owner != ctx.user.oid && !ctx.user.superuser {
        return Err(Error::new(
            SqlState::INSUFFICIENT_PRIVILEGE,
            format!("must be owner of copy job {name}"),
        ));
    }
    Ok(Arc::clone(job))
}

/// Locks a job to change it, and finds it anew.
async fn find_locked(ctx: &mut Context<'_>, name: &str) -> Result<Arc<CopyJob>> {
    let job = find(ctx, name)?;
    let table = Lockable::Relation(job.table);
    ctx.transaction.lock(table, Mode::Append).await?;
    let own = Lockable::Relation(job.oid);
    ctx.transaction.lock(own, Mode::Exclusive).await?;
    let now = find(ctx, name)?;
    match now.oid == job.oid {
        true => Ok(now),
        false => Err(ctx.transaction.conflict(job.table)),
    }
}

async fn create_job(ctx: &mut Context<'_>, create: &CreateCopyJob) -> Result<()> {
    ensure_alone(ctx, "COPY JOB CREATE")?;
    let name = &create.name;
    // Two at once must not both make the last job, or one of the same name.
    let list = Lockable::Name(0, "copy jobs".to_owned());
    ctx.transaction.lock(list, Mode::Exclusive).await?;
    let right = Right::To(Privilege::Insert);
    let (names, table) = target::lock(ctx, &create.copy.table, right, Mode::Append).await?;
    let catalog = ctx.transaction.catalog()?;
    let schema = catalog.schemas.get(&table.schema);
    if schema.is_none_or(|schema| schema.name.starts_with(TEMP_SCHEMA_PREFIX)) {
        return Err(blueshift_sql::Error::unsupported(
            "COPY JOB into a temporary table",
            "Load into a table that outlives the session.",
        )
        .into());
    }
    copy::check(ctx, &names, &table, &create.copy)?;
    if catalog.copy_job_named(name).is_some() {
        return Err(Error::new(
            SqlState::DUPLICATE_OBJECT,
            format!("copy job \"{name}\" already exists"),
        ));
    }
    if catalog.all_copy_jobs().len() >= JOBS_MAX {
        return Err(blueshift_sql::Error::new(
            SqlState::PROGRAM_LIMIT_EXCEEDED,
            format!("cannot create more than {JOBS_MAX} copy jobs"),
        )
        .with_hint("Drop jobs with COPY JOB DROP.")
        .into());
    }
    let job = CopyJob {
        oid: ctx.server.next_oid()?,
        name: name.clone(),
        database: catalog.database,
        owner: ctx.user.oid,
        table: table.oid,
        text: create.text.clone(),
        auto: create.auto,
        created_us: now_us(),
    };
    let there = note_files_before(ctx, job.oid, &create.copy).await?;
    ctx.transaction.change_catalog(put_copy_job(&job)?);
    if there > 0 {
        ctx.notices.push(Notice::info(format!(
            "{there} file(s) that are there already are not loaded by copy job '{name}'.  Load them with a COPY if they \
             are wanted."
        )));
    }
    Ok(())
}

/// Notes the files that are there before a job in its ledger; gives how many.
async fn note_files_before(ctx: &mut Context<'_>, job: Oid, copy: &Copy) -> Result<usize> {
    let found = load::found(&ctx.server.node, watched(copy)).await?;
    let mut ledger = Ledger::new(job);
    if found.len() > ledger::ENTRIES_MAX {
        return Err(blueshift_sql::Error::new(
            SqlState::PROGRAM_LIMIT_EXCEEDED,
            format!("a copy job remembers {} files at most", ledger::ENTRIES_MAX),
        )
        .with_hint("Move files away from under the prefix, or make a job for a longer prefix.")
        .into());
    }
    let now = now_us();
    for found in &found {
        ledger.put(file::entry(found, EntryState::Before, now));
    }
    for change in ledger.changes()? {
        ctx.transaction.change_catalog(change);
    }
    Ok(found.len())
}

async fn alter(ctx: &mut Context<'_>, name: &str, auto: Option<bool>) -> Result<()> {
    let found = find_locked(ctx, name).await?;
    let mut job = CopyJob::clone(&found);
    job.auto = auto.unwrap_or(job.auto);
    ctx.transaction.change_catalog(put_copy_job(&job)?);
    Ok(())
}

async fn drop_job(ctx: &mut Context<'_>, name: &str) -> Result<()> {
    ensure_alone(ctx, "COPY JOB DROP")?;
    let job = find(ctx, name)?;
    // What it is loading now is not loaded; it would be waited for otherwise.
    ctx.server.history.copy_jobs.stop(job.oid);
    let job = find_locked(ctx, name).await?;
    forget(ctx, job.oid)
}

/// Takes a job with its ledger out of the catalog. Nobody else may change them now.
fn forget(ctx: &mut Context<'_>, job: Oid) -> Result<()> {
    ctx.transaction.change_catalog(remove("copy_job", job));
    let newest = ctx.server.node.store.read_view();
    for change in ledger::removed(&newest, job) {
        ctx.transaction.change_catalog(change);
    }
    Ok(())
}

/// Takes the jobs that load into a table out of the catalog, as the table is dropped. The table is locked against all
/// that write to it, so the jobs are those that are committed.
pub(super) fn forget_table(ctx: &mut Context<'_>, table: Oid) -> Result<()> {
    let committed = ctx.transaction.committed_catalog()?.whole();
    let jobs: Vec<Oid> = committed.copy_jobs_into(table).map(|job| job.oid).collect();
    for job in jobs {
        ctx.server.history.copy_jobs.stop(job);
        forget(ctx, job)?;
    }
    Ok(())
}

async fn run_job(ctx: &mut Context<'_>, name: &str) -> Result<()> {
    ensure_alone(ctx, "COPY JOB RUN")?;
    let job = find(ctx, name)?;
    // What this statement saw must not keep old row groups alive.
    ctx.transaction.forget_view();
    let round = Round::new(ctx.server, job.oid, How::Asked);
    let done = Box::pin(round.run()).await?;
    if let Some(query) = done.query {
        ctx.last.copy_id = Some(query);
        ctx.last.query_id = Some(query);
        ctx.last.copy_count = i64::try_from(done.rows).unwrap_or(i64::MAX);
        ctx.last.is_copy_failed = false;
    }
    ctx.notices.push(Notice::info(format!(
        "Copy job '{name}' completed, {} file(s) with {} record(s) loaded successfully.",
        done.files, done.rows
    )));
    if done.failed > 0 {
        ctx.notices.push(Notice::info(format!(
            "Copy job '{name}' completed, {} file(s) could not be loaded.  Check 'sys_copy_job_detail' system table for \
             details.",
            done.failed
        )));
    }
    Ok(())
}

/// Columns of COPY JOB LIST.
const LISTED: [&str; 8] = [
    "job_id",
    "job_name",
    "database_name",
    "job_owner",
    "data_source",
    "data_target",
    "is_auto",
    "job_status",
];

/// Columns of COPY JOB SHOW.
const SHOWN: [&str; 13] = [
    "job_id",
    "job_name",
    "database_name",
    "job_owner",
    "data_source",
    "data_target",
    "is_auto",
    "job_status",
    "iam_role",
    "job_text",
    "files_ingested",
    "files_pending",
    "files_error",
];

/// Lists the jobs of the database that the user sees, by name.
fn list(ctx: &mut Context<'_>) -> Result<Body> {
    let names = ctx.names()?;
    let catalog = names.catalog();
    let mut jobs: Vec<_> = catalog.copy_jobs.values().collect();
    jobs.retain(|job| job.database == catalog.database && names.system.sees(job.owner));
    jobs.sort_by(|one, other| one.name.cmp(&other.name));
    let rows: Vec<_> = jobs
        .into_iter()
        .map(|job| described(ctx, catalog, job))
        .collect();
    Body::text_rows("SHOW", &LISTED, &rows)
}

fn show(ctx: &mut Context<'_>, name: &str) -> Result<Body> {
    let names = ctx.names()?;
    let catalog = names.catalog();
    let job = catalog.copy_job_named(name);
    let job = job.filter(|job| names.system.sees(job.owner));
    let job = job.ok_or_else(|| missing(name))?;
    let mut row = described(ctx, catalog, job);
    let ledger = Ledger::of(&names.system.view, job.oid)?;
    let count = |state| {
        let entries = ledger.entries().filter(|entry| entry.state == state);
        entries.count()
    };
    let queued = ctx.server.history.copy_jobs.queue(job.oid);
    let queued = queued.map_or(0, |queue| crate::history::lock(&queue.waiting).len());
    row.extend([
        job.role(),
        job.text.clone(),
        count(EntryState::Taken).to_string(),
        (count(EntryState::Waiting) + queued).to_string(),
        count(EntryState::Parked).to_string(),
    ]);
    Body::text_rows("SHOW", &SHOWN, &[row])
}

/// Gives the columns of LIST of a job.
fn described(ctx: &Context<'_>, catalog: &Catalog, job: &CopyJob) -> Vec<String> {
    let owner = catalog.users.get(&job.owner);
    vec![
        job.oid.to_string(),
        job.name.clone(),
        catalog.database_name().to_owned(),
        owner.map_or_else(String::new, |owner| owner.name.clone()),
        job.source(),
        job.target(catalog),
        if job.auto { "1" } else { "0" }.to_owned(),
        job.status(ctx.server.history.copy_jobs.queue(job.oid).is_some())
            .to_owned(),
    ]
}
