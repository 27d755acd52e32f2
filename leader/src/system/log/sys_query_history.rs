//! `sys_query_history`: statements that run and that ended, with what they gave.

use super::text;
use crate::error::Result;
use crate::history::wlm::Attempt;
use crate::history::{ResultSource, lock, now_us};
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use crate::wlm::config::SHORT_CLASS;
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
        let returned: HashMap<i64, (u64, u64)> = executed
            .map(|query| (query.query, query.executed.returned()))
            .collect();
        let queries = lock(&history.queries);
        for query in queries.iter().filter(|query| ctx.sees(query.userid)) {
            let returned = match query.source {
                Some(source) => Some((source.rows, source.bytes)),
                None => returned.get(&query.query).copied(),
            };
            let status = match (&query.error, query.aborted) {
                (_, false) => "success",
                (Some(failure), true) if failure.code == "57014" => "canceled",
                (_, true) => "failed",
            };
            let message = query.error.as_ref().map_or("", |failure| &failure.message);
            rows.push(cells(&Line {
                userid: query.userid,
                query: query.query,
                label: &query.label,
                xid: Some(query.xid),
                pid: query.pid,
                database: &query.database,
                status,
                starttime_us: query.starttime_us,
                endtime_us: Some(query.endtime_us),
                message,
                returned: returned.unwrap_or_default(),
                text: &query.text,
                source: query.source,
                user_name: user_name(query.userid),
                queue: query.wlm.last().map(|last| OfQueue {
                    class: last.service_class,
                    name: Arc::clone(&last.service_class_name),
                    priority: last.priority.clone(),
                    waited_us: query.wlm.iter().map(Attempt::queue_us).sum(),
                }),
            }));
        }
        drop(queries);
        let now = now_us();
        let jobs = ctx.server.wlm.jobs().into_iter().map(|state| {
            let queue = OfQueue {
                class: state.job.class,
                priority: state.is_automatic.then(|| state.job.priority.name().into()),
                waited_us: state.job.waited_us(now),
                name: state.class_name,
            };
            (state.job.arrival.query, queue)
        });
        let mut jobs: HashMap<i64, OfQueue> = jobs.collect();
        let sessions = lock(&history.sessions);
        for session in sessions.iter().filter(|session| ctx.sees(session.userid)) {
            let Some(running) = &session.running else {
                continue;
            };
            rows.push(cells(&Line {
                userid: running.userid,
                query: running.query,
                label: &running.label,
                xid: None,
                pid: running.pid,
                database: &running.database,
                status: "running",
                starttime_us: running.starttime_us,
                endtime_us: None,
                message: "",
                returned: (0, 0),
                text: &running.text,
                source: None,
                user_name: user_name(running.userid),
                queue: jobs.remove(&running.query),
            }));
        }
        Ok(())
    }
}

/// A statement that runs or that ended.
struct Line<'a> {
    userid: u32,
    query: i64,
    label: &'a str,
    xid: Option<i64>,
    pid: i32,
    database: &'a str,
    status: &'a str,
    starttime_us: i64,
    endtime_us: Option<i64>,
    message: &'a str,
    returned: (u64, u64),
    text: &'a str,
    source: Option<ResultSource>,
    user_name: Option<&'a str>,
    queue: Option<OfQueue>,
}

/// What a statement's queue was.
struct OfQueue {
    class: i32,
    name: Arc<str>,
    priority: Option<Arc<str>>,
    waited_us: i64,
}

/// Gives the columns; null for what is not measured.
fn cells(line: &Line<'_>) -> [Cell; 33] {
    let elapsed = line.endtime_us.unwrap_or_else(now_us) - line.starttime_us;
    let (returned_rows, returned_bytes) = line.returned;
    let waited = line.queue.as_ref().map_or(0, |queue| queue.waited_us);
    let mut cells = [const { Cell::Null }; 33];
    let known: [Cell; 19] = [
        line.userid.into(),
        line.query.into(),
        line.label.into(),
        line.xid.into(),
        line.pid.into(),
        line.database.into(),
        text::command(line.text).into(),
        line.status.into(),
        line.source.is_some().into(),
        line.starttime_us.into(),
        line.endtime_us.into(),
        elapsed.into(),
        waited.into(),
        (elapsed - waited).into(),
        line.message.chars().take(512).collect::<String>().into(),
        returned_rows.into(),
        returned_bytes.into(),
        line.text.into(),
        version().into(),
    ];
    for (cell, value) in cells.iter_mut().zip(known) {
        *cell = value;
    }
    let [
        ..,
        class,
        class_name,
        priority,
        is_short,
        _,
        _,
        _,
        source,
        user_name,
    ] = &mut cells;
    *source = line.source.map(|source| source.query).into();
    if let Some(queue) = &line.queue {
        *class = queue.class.into();
        *class_name = (&*queue.name).into();
        *priority = queue.priority.as_deref().unwrap_or("n/a").into();
        let word = if queue.class == SHORT_CLASS {
            "true"
        } else {
            "false"
        };
        *is_short = word.into();
    }
    *user_name = line.user_name.into();
    cells
}
