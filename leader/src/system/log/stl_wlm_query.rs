//! `stl_wlm_query`: what statements that ended did in queues: a row for each queue they were in. Times are in microseconds.

use crate::error::Result;
use crate::history::lock;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct StlWlmQuery;

impl SystemTable for StlWlmQuery {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "stl_wlm_query"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("userid", SqlType::Integer),
            ("xid", SqlType::Integer),
            ("task", SqlType::Integer),
            ("query", SqlType::Integer),
            ("service_class", SqlType::Integer),
            ("slot_count", SqlType::Integer),
            ("service_class_start_time", SqlType::Timestamp),
            ("queue_start_time", SqlType::Timestamp),
            ("queue_end_time", SqlType::Timestamp),
            ("total_queue_time", SqlType::BigInt),
            ("exec_start_time", SqlType::Timestamp),
            ("exec_end_time", SqlType::Timestamp),
            ("total_exec_time", SqlType::BigInt),
            ("service_class_end_time", SqlType::Timestamp),
            ("final_state", SqlType::Char(16)),
            ("est_peak_mem", SqlType::BigInt),
            ("query_priority", SqlType::Char(20)),
            ("service_class_name", SqlType::Char(64)),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        let queries = lock(&ctx.server.history.queries);
        for query in queries.iter().filter(|query| ctx.sees(query.userid)) {
            for attempt in &query.wlm {
                rows.push([
                    Cell::from(query.userid),
                    query.xid.into(),
                    query.query.into(),
                    query.query.into(),
                    attempt.service_class.into(),
                    attempt.slots.into(),
                    attempt.class_start_us.into(),
                    attempt.queue_start_us.into(),
                    attempt.exec_start_us.into(),
                    attempt.queue_us().into(),
                    attempt.exec_start_us.into(),
                    attempt.end_us.into(),
                    attempt.exec_us().into(),
                    attempt.end_us.into(),
                    attempt.state.word().into(),
                    Cell::Null,
                    attempt.priority.as_deref().unwrap_or("n/a").into(),
                    (&*attempt.service_class_name).into(),
                ]);
            }
        }
        Ok(())
    }
}
