//! `sys_copy_job_info`: what was told of copy jobs.

use crate::error::Result;
use crate::history::lock;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType::{self, BigInt, Char, Timestamp};

/// The table.
pub struct SysCopyJobInfo;

impl SystemTable for SysCopyJobInfo {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "sys_copy_job_info"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("job_id", BigInt),
            ("job_name", Char(128)),
            ("database_name", Char(128)),
            ("record_time", Timestamp),
            ("message", Char(512)),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        let messages = lock(&ctx.server.history.copy_job_messages);
        for told in messages.iter().filter(|told| ctx.sees(told.userid)) {
            rows.push([
                Cell::from(told.job),
                told.name.as_str().into(),
                told.database.as_str().into(),
                told.time_us.into(),
                told.message.as_str().into(),
            ]);
        }
        Ok(())
    }
}
