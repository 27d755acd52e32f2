//! `stv_wlm_service_class_state`: what the queues do now, and did since the start. Superusers only.

use crate::error::Result;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct StvWlmServiceClassState;

impl SystemTable for StvWlmServiceClassState {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "stv_wlm_service_class_state"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("service_class", SqlType::Integer),
            ("service_class_name", SqlType::Char(64)),
            ("num_queued_queries", SqlType::Integer),
            ("num_executing_queries", SqlType::Integer),
            ("num_serviced_queries", SqlType::Integer),
            ("num_executed_queries", SqlType::Integer),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        if !ctx.user.superuser {
            return Ok(());
        }
        for queue in ctx.server.wlm.queues() {
            rows.push([
                Cell::from(queue.config.class),
                (&*queue.config.name).into(),
                queue.waiting.into(),
                queue.executing.into(),
                queue.serviced.into(),
                queue.executed.into(),
            ]);
        }
        Ok(())
    }
}
