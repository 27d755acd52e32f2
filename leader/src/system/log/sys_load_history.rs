//! `sys_load_history`: COPY commands that run and that ended.

use crate::error::Result;
use crate::history::load::EndedLoad;
use crate::history::{FinishedQuery, RunningLoad, lock, now_us, shown_job};
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType::{self, BigInt, Integer, Timestamp, Varchar};
use std::collections::HashMap;
use std::sync::atomic::Ordering::Relaxed;

/// The table.
pub struct SysLoadHistory;

impl SystemTable for SysLoadHistory {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "sys_load_history"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("user_id", Integer),
            ("query_id", BigInt),
            ("transaction_id", BigInt),
            ("session_id", Integer),
            ("database_name", Varchar(128)),
            ("status", Varchar(32)),
            ("table_name", Varchar(128)),
            ("start_time", Timestamp),
            ("end_time", Timestamp),
            ("duration", BigInt),
            ("data_source", Varchar(1_280)),
            ("file_format", Varchar(16)),
            ("loaded_rows", BigInt),
            ("loaded_bytes", BigInt),
            ("source_file_count", Integer),
            ("source_file_bytes", BigInt),
            ("file_count_scanned", Integer),
            ("file_bytes_scanned", BigInt),
            ("error_count", BigInt),
            ("copy_job_id", BigInt),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        let history = &ctx.server.history;
        let queries = lock(&history.queries);
        let queries: HashMap<i64, FinishedQuery> = queries
            .iter()
            .map(|query| (query.query, query.clone()))
            .collect();
        for load in lock(&history.loads).iter() {
            if ctx.sees(load.userid) {
                rows.push(ended(load, queries.get(&load.query)));
            }
        }
        for load in lock(&history.running_loads).iter() {
            if ctx.sees(load.userid) {
                rows.push(running(load));
            }
        }
        Ok(())
    }
}

fn ended(load: &EndedLoad, query: Option<&FinishedQuery>) -> [Cell; 20] {
    let outcome = &load.outcome;
    // Bytes are of text after decompression; how many the store holds is not counted.
    [
        load.userid.into(),
        load.query.into(),
        query.map(|query| query.xid).into(),
        load.pid.into(),
        query.map(|query| query.database.as_ref()).into(),
        if outcome.is_failed {
            "aborted"
        } else {
            "completed"
        }
        .into(),
        outcome.table_name.as_str().into(),
        load.starttime_us.into(),
        load.endtime_us.into(),
        (load.endtime_us - load.starttime_us).into(),
        outcome.source.as_str().into(),
        outcome.format.as_str().into(),
        outcome.rows.into(),
        outcome.bytes.into(),
        outcome.files.into(),
        Cell::Null,
        outcome.files.into(),
        outcome.bytes.into(),
        outcome.errors.into(),
        shown_job(load.copy_job).into(),
    ]
}

fn running(load: &RunningLoad) -> Vec<Cell> {
    let slices = load.progress.slices();
    let files: u64 = slices.iter().map(|slice| slice.files).sum();
    let done = slices.iter().map(|slice| slice.files_done.load(Relaxed));
    let files_done: u64 = done.sum();
    let bytes = slices.iter().map(|slice| slice.bytes_text.load(Relaxed));
    let bytes: u64 = bytes.sum();
    let starttime_us = load.starttime_us;
    vec![
        load.userid.into(),
        load.query.into(),
        Cell::Null,
        load.pid.into(),
        Cell::Null,
        "running".into(),
        Cell::Null,
        starttime_us.into(),
        Cell::Null,
        (now_us() - starttime_us).into(),
        Cell::Null,
        Cell::Null,
        Cell::Null,
        Cell::Null,
        files.into(),
        Cell::Null,
        files_done.into(),
        bytes.into(),
        Cell::Null,
        shown_job(load.copy_job).into(),
    ]
}
