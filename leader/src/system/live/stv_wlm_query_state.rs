//! `stv_wlm_query_state`: statements that wait in queues and run out of them. Times are in microseconds.

use crate::error::Result;
use crate::history::now_us;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use crate::wlm::scheduler::Stage;
use blueshift_sql::SqlType;

/// The table.
pub struct StvWlmQueryState;

impl SystemTable for StvWlmQueryState {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "stv_wlm_query_state"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("xid", SqlType::Integer),
            ("task", SqlType::Integer),
            ("query", SqlType::Integer),
            ("service_class", SqlType::Integer),
            ("slot_count", SqlType::Integer),
            ("wlm_start_time", SqlType::Timestamp),
            ("state", SqlType::Char(16)),
            ("queue_time", SqlType::BigInt),
            ("exec_time", SqlType::BigInt),
            ("query_priority", SqlType::Char(20)),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        let open = ctx.server.transactions.open();
        let now = now_us();
        for state in ctx.server.wlm.jobs() {
            let job = &state.job;
            if !ctx.sees(job.arrival.principal.userid) {
                continue;
            }
            let mut own = open.iter().rev();
            let transaction = own.find(|one| one.pid == job.arrival.pid);
            let waits = matches!(job.stage, Stage::Waiting(_));
            let word = match (waits, state.is_returning) {
                (true, _) => "QueuedWaiting",
                (false, true) => "Returning",
                (false, false) => "Running",
            };
            let ran = if waits { 0 } else { now - job.exec_start_us };
            let priority = match state.is_automatic {
                true => job.priority.name(),
                false => "n/a",
            };
            rows.push([
                Cell::from(transaction.map(|one| one.xid)),
                job.arrival.query.into(),
                job.arrival.query.into(),
                job.class.into(),
                job.slots.into(),
                job.class_start_us.into(),
                word.into(),
                job.waited_us(now).into(),
                ran.into(),
                priority.into(),
            ]);
        }
        Ok(())
    }
}
