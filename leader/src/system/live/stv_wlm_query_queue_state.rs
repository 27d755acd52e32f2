//! `stv_wlm_query_queue_state`: statements that wait, in the order they are served within their queue.

use crate::error::Result;
use crate::history::now_us;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use crate::wlm::scheduler::Stage;
use blueshift_sql::SqlType;
use std::collections::HashMap;

/// The table.
pub struct StvWlmQueryQueueState;

impl SystemTable for StvWlmQueryQueueState {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "stv_wlm_query_queue_state"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("service_class", SqlType::Integer),
            ("position", SqlType::Integer),
            ("task", SqlType::Integer),
            ("query", SqlType::Integer),
            ("slot_count", SqlType::Integer),
            ("start_time", SqlType::Timestamp),
            ("queue_time", SqlType::BigInt),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        let now = now_us();
        let jobs = ctx.server.wlm.jobs().into_iter();
        let waiting = jobs.filter_map(|state| match state.job.stage {
            Stage::Waiting(place) => Some((place, state.job)),
            Stage::Running | Stage::Left => None,
        });
        let mut waiting: Vec<_> = waiting.collect();
        waiting.sort_by_key(|(place, _)| *place);
        let mut positions: HashMap<i32, i64> = HashMap::new();
        for (_, job) in waiting {
            let next = positions.entry(job.class).or_default();
            let position = *next;
            *next += 1;
            if ctx.sees(job.arrival.principal.userid) {
                rows.push([
                    Cell::from(job.class),
                    position.into(),
                    job.arrival.query.into(),
                    job.arrival.query.into(),
                    job.slots.into(),
                    job.queue_start_us.into(),
                    job.waited_us(now).into(),
                ]);
            }
        }
        Ok(())
    }
}
