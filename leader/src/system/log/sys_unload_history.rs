//! `sys_unload_history`: UNLOAD commands that run and that ended.

use crate::error::Result;
use crate::history::unload::{EndedUnload, UnloadStatement};
use crate::history::{lock, now_us};
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType::{self, BigInt, Integer, Timestamp, Varchar};
use std::sync::atomic::Ordering::Relaxed;

/// The table.
pub struct SysUnloadHistory;

impl SystemTable for SysUnloadHistory {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "sys_unload_history"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("user_id", Integer),
            ("query_id", BigInt),
            ("transaction_id", BigInt),
            ("session_id", Integer),
            ("database_name", Varchar(128)),
            ("status", Varchar(32)),
            ("start_time", Timestamp),
            ("end_time", Timestamp),
            ("duration", BigInt),
            ("file_format", Varchar(16)),
            ("compression_type", Varchar(16)),
            ("unloaded_location", Varchar(1_280)),
            ("unloaded_rows", BigInt),
            ("unloaded_files_count", BigInt),
            ("unloaded_files_size", BigInt),
            ("error_message", Varchar(512)),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        let history = &ctx.server.history;
        for unload in lock(&history.unloads).iter() {
            if ctx.sees(unload.statement.userid) {
                rows.push(row(&unload.statement, Some(unload), unload.rows));
            }
        }
        for unload in lock(&history.running_unloads).iter() {
            if ctx.sees(unload.statement.userid) {
                rows.push(row(&unload.statement, None, unload.rows.load(Relaxed)));
            }
        }
        Ok(())
    }
}

fn row(statement: &UnloadStatement, ended: Option<&EndedUnload>, count: u64) -> [Cell; 16] {
    let endtime_us = ended.map(|ended| ended.endtime_us);
    let error = ended.and_then(|ended| ended.error.as_deref());
    let error: Option<String> = error.map(|error| error.chars().take(512).collect());
    [
        statement.userid.into(),
        statement.query.into(),
        statement.xid.into(),
        statement.pid.into(),
        statement.database.as_str().into(),
        match (ended, &error) {
            (None, _) => "running",
            (Some(_), None) => "completed",
            (Some(_), Some(_)) => "aborted",
        }
        .into(),
        statement.starttime_us.into(),
        endtime_us.into(),
        (endtime_us.unwrap_or_else(now_us) - statement.starttime_us).into(),
        statement.format.as_str().into(),
        statement.compression.as_str().into(),
        statement.destination.as_str().into(),
        count.into(),
        ended.map(|ended| ended.file_count).into(),
        ended.map(|ended| ended.file_bytes).into(),
        error.into(),
    ]
}
