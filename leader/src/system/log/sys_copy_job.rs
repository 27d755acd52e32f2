//! `sys_copy_job`: the copy jobs of all databases. Behind the columns of the manual stand those its preview had, and the
//! job's target and status.

use crate::error::Result;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType::{self, BigInt, Char, Integer, Timestamp, Varchar};

/// The table.
pub struct SysCopyJob;

/// Characters of `job_text`; `copy_query` has the whole.
const TEXT_CHARACTERS: usize = 256;

impl SystemTable for SysCopyJob {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "sys_copy_job"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("job_id", BigInt),
            ("job_name", Char(128)),
            ("iam_role", Char(128)),
            ("job_text", Char(256)),
            ("is_auto", Integer),
            ("on_error_suspend", Integer),
            ("data_source", Varchar(65_535)),
            ("copy_query", Varchar(65_535)),
            ("database_name", Char(128)),
            ("job_owner", Char(128)),
            ("table_id", Integer),
            ("job_create_time", Timestamp),
            ("data_target", Varchar(65_535)),
            ("job_status", Varchar(16)),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        let whole = ctx.catalog.whole();
        let jobs = ctx.catalog.all_copy_jobs();
        for job in jobs.iter().filter(|job| ctx.sees(job.owner)) {
            let database = whole.databases.get(&job.database);
            let owner = whole.users.get(&job.owner);
            let text: String = job.text.chars().take(TEXT_CHARACTERS).collect();
            let is_running = ctx.server.history.copy_jobs.queue(job.oid).is_some();
            rows.push([
                Cell::from(job.oid),
                job.name.as_str().into(),
                job.role().into(),
                text.into(),
                i32::from(job.auto).into(),
                // A job goes on past files it cannot load.
                0.into(),
                job.source().into(),
                job.text.as_str().into(),
                database.map(|database| database.name.as_str()).into(),
                owner.map(|owner| owner.name.as_str()).into(),
                job.table.into(),
                job.created_us.into(),
                job.target(&whole).into(),
                job.status(is_running).into(),
            ]);
        }
        Ok(())
    }
}
