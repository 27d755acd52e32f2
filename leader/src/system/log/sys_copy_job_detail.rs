//! `sys_copy_job_detail`: the files of copy jobs, loaded, waiting and parked, with two columns of our own at the end: how
//! often a file was tried, and why it could not be loaded.

use crate::catalog::copy_job::CopyJob;
use crate::error::Result;
use crate::history::lock;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use crate::transaction::ledger::{Entry, EntryState, Ledger, file};
use blueshift_sql::SqlType::{self, BigInt, Char, Integer, Timestamp, Varchar};

/// The table.
pub struct SysCopyJobDetail;

impl SystemTable for SysCopyJobDetail {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "sys_copy_job_detail"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("user_id", Integer),
            ("database_name", Varchar(128)),
            ("job_id", Integer),
            ("job_name", Varchar(128)),
            ("file_location", Varchar(65_535)),
            ("file_name", Varchar(65_535)),
            ("file_size", BigInt),
            ("file_etag", Varchar(1_024)),
            ("job_text", Char(256)),
            ("modification_time", Timestamp),
            ("enqueue_time", Timestamp),
            ("status", Char(1)),
            ("attempts", Integer),
            ("error_message", Varchar(512)),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        let jobs = ctx.catalog.all_copy_jobs();
        for job in jobs.iter().filter(|job| ctx.sees(job.owner)) {
            let ledger = Ledger::of(&ctx.view, job.oid)?;
            let shown = Shown::new(ctx, job);
            for entry in ledger.entries() {
                let status = match entry.state {
                    EntryState::Before => continue,
                    EntryState::Taken => "I",
                    EntryState::Waiting => "P",
                    EntryState::Parked => "E",
                };
                rows.push(shown.row(entry, status));
            }
            for entry in found(ctx, job) {
                if ledger.find(&entry.unit, &entry.position).is_none() {
                    rows.push(shown.row(&entry, "P"));
                }
            }
        }
        Ok(())
    }
}

/// Gives the files that a running job has found and not loaded.
fn found(ctx: &SystemContext, job: &CopyJob) -> Vec<Entry> {
    let Some(queue) = ctx.server.history.copy_jobs.queue(job.oid) else {
        return Vec::new();
    };
    let waiting = lock(&queue.waiting);
    let loading = lock(&queue.loading);
    let files = loading.iter().chain(waiting.iter());
    // When a file was noticed is kept once it was tried.
    files
        .map(|found| file::entry(found, EntryState::Waiting, 0))
        .collect()
}

/// What all rows of a job have.
struct Shown<'a> {
    job: &'a CopyJob,
    database: String,
    text: String,
}

impl<'a> Shown<'a> {
    fn new(ctx: &SystemContext, job: &'a CopyJob) -> Self {
        let database = ctx.catalog.databases.get(&job.database);
        Self {
            job,
            database: database.map_or_else(String::new, |database| database.name.clone()),
            text: job.text.chars().take(256).collect(),
        }
    }

    fn row(&self, entry: &Entry, status: &str) -> [Cell; 14] {
        let (place, name) = file::place_and_name(&entry.unit);
        let (tag, size) = file::tag_and_size(&entry.position);
        [
            self.job.owner.into(),
            self.database.as_str().into(),
            self.job.oid.into(),
            self.job.name.as_str().into(),
            place.into(),
            name.into(),
            size.into(),
            tag.into(),
            self.text.as_str().into(),
            entry.made_us.into(),
            Some(entry.noticed_us).filter(|time| *time > 0).into(),
            status.into(),
            entry.attempts.into(),
            entry.error.as_str().into(),
        ]
    }
}
