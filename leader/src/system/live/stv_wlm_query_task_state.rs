//! `stv_wlm_query_task_state`: statements that run out of queues.

use crate::error::Result;
use crate::history::now_us;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use crate::wlm::scheduler::Stage;
use blueshift_sql::SqlType;

/// The table.
pub struct StvWlmQueryTaskState;

impl SystemTable for StvWlmQueryTaskState {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "stv_wlm_query_task_state"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("service_class", SqlType::Integer),
            ("task", SqlType::Integer),
            ("query", SqlType::Integer),
            ("level", SqlType::Integer),
            ("slot_count", SqlType::Integer),
            ("start_time", SqlType::Timestamp),
            ("exec_time", SqlType::BigInt),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        let now = now_us();
        for state in ctx.server.wlm.jobs() {
            let job = &state.job;
            if matches!(job.stage, Stage::Waiting(_)) || !ctx.sees(job.arrival.principal.userid) {
                continue;
            }
            rows.push([
                Cell::from(job.class),
                job.arrival.query.into(),
                job.arrival.query.into(),
                0.into(),
                job.slots.into(),
                job.exec_start_us.into(),
                (now - job.exec_start_us).into(),
            ]);
        }
        Ok(())
    }
}
