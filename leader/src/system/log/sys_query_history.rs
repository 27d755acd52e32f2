//! `sys_query_history`: statements that run and that ended, with what they gave.

use super::text;
use crate::error::Result;
use crate::history::executed::ExecutedQuery;
use crate::history::{lock, now_us};
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType::{self, BigInt, Boolean, Char, Integer, Timestamp, Varchar};
use std::collections::HashMap;
use std::sync::Arc;

/// The part of `version()` that names Redshift's.
fn version() -> Option<&'static str> {
    crate::settings::VERSION.split(", ").nth(1)
}

/// The table.
pub struct SysQueryHistory;

impl SystemTable for SysQueryHistory {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "sys_query_history"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("user_id", Integer),
            ("query_id", BigInt),
            ("query_label", Char(320)),
            ("transaction_id", BigInt),
            ("session_id", Integer),
            ("database_name", Char(128)),
            ("query_type", Char(32)),
            ("status", Char(10)),
            ("result_cache_hit", Boolean),
            ("start_time", Timestamp),
            ("end_time", Timestamp),
            ("elapsed_time", BigInt),
            ("queue_time", BigInt),
            ("execution_time", BigInt),
            ("error_message", Char(512)),
            ("returned_rows", BigInt),
            ("returned_bytes", BigInt),
            ("query_text", Char(4_000)),
            ("redshift_version", Char(256)),
            ("usage_limit", Varchar(150)),
            ("compute_type", Varchar(32)),
            ("compile_time", BigInt),
            ("planning_time", BigInt),
            ("lock_wait_time", BigInt),
            ("service_class_id", Integer),
            ("service_class_name", Char(64)),
            ("query_priority", Varchar(20)),
            ("short_query_accelerated", Varchar(10)),
            ("user_query_hash", Char(40)),
            ("generic_query_hash", Char(40)),
            ("query_hash_version", Integer),
            ("result_cache_query_id", BigInt),
            ("username", Char(128)),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        let history = &ctx.server.history;
        let user_name = |userid: u32| {
            let user = ctx.catalog.users.get(&userid);
            user.map(|user| user.name.as_str())
        };
        let executed = history.executed_queries();
        let executed: HashMap<i64, Arc<ExecutedQuery>> = executed
            .into_iter()
            .map(|query| (query.query, query))
            .collect();
        let queries = lock(&history.queries);
        for query in queries.iter().filter(|query| ctx.sees(query.userid)) {
            let (returned_rows, returned_bytes) = executed
                .get(&query.query)
                .map_or((0, 0), |query| query.executed.returned());
            let status = match (&query.error, query.aborted) {
                (_, false) => "success",
                (Some(failure), true) if failure.code == "57014" => "canceled",
                (_, true) => "failed",
            };
            let elapsed = query.endtime_us - query.starttime_us;
            let message = query.error.as_ref().map_or("", |failure| &failure.message);
            rows.push([
                Cell::from(query.userid),
                query.query.into(),
                query.label.as_ref().into(),
                query.xid.into(),
                query.pid.into(),
                query.database.as_ref().into(),
                text::command(&query.text).into(),
                status.into(),
                false.into(),
                query.starttime_us.into(),
                query.endtime_us.into(),
                elapsed.into(),
                0.into(),
                elapsed.into(),
                message.chars().take(512).collect::<String>().into(),
                returned_rows.into(),
                returned_bytes.into(),
                query.text.as_ref().into(),
                version().into(),
                Cell::Null,
                "primary".into(),
                0.into(),
                Cell::Null,
                Cell::Null,
                Cell::Null,
                Cell::Null,
                Cell::Null,
                Cell::Null,
                Cell::Null,
                Cell::Null,
                Cell::Null,
                Cell::Null,
                user_name(query.userid).into(),
            ]);
        }
        drop(queries);
        let sessions = lock(&history.sessions);
        for session in sessions.iter().filter(|session| ctx.sees(session.userid)) {
            let Some(running) = &session.running else {
                continue;
            };
            let elapsed = now_us() - running.starttime_us;
            rows.push([
                Cell::from(running.userid),
                running.query.into(),
                running.label.as_ref().into(),
                Cell::Null,
                running.pid.into(),
                running.database.as_ref().into(),
                text::command(&running.text).into(),
                "running".into(),
                false.into(),
                running.starttime_us.into(),
                Cell::Null,
                elapsed.into(),
                0.into(),
                elapsed.into(),
                "".into(),
                0.into(),
                0.into(),
                running.text.as_ref().into(),
                version().into(),
                Cell::Null,
                "primary".into(),
                0.into(),
                Cell::Null,
                Cell::Null,
                Cell::Null,
                Cell::Null,
                Cell::Null,
                Cell::Null,
                Cell::Null,
                Cell::Null,
                Cell::Null,
                Cell::Null,
                user_name(running.userid).into(),
            ]);
        }
        Ok(())
    }
}
