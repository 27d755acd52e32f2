//! `stv_wlm_service_class_config`: the queues as they are configured, and as they are until a change has come into effect. Superusers only.
//!
//! -1 where the server decides. Memory is in MB, times are in milliseconds.

use crate::error::Result;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use crate::wlm::QueueState;
use crate::wlm::config::SHORT_CLASS;
use blueshift_sql::SqlType;

/// The table.
pub struct StvWlmServiceClassConfig;

impl SystemTable for StvWlmServiceClassConfig {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "stv_wlm_service_class_config"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("service_class", SqlType::Integer),
            ("queueing_strategy", SqlType::Char(32)),
            ("num_query_tasks", SqlType::Integer),
            ("target_num_query_tasks", SqlType::Integer),
            ("evictable", SqlType::Char(8)),
            ("eviction_threshold", SqlType::BigInt),
            ("query_working_mem", SqlType::Integer),
            ("target_query_working_mem", SqlType::Integer),
            ("min_step_mem", SqlType::Integer),
            ("name", SqlType::Char(64)),
            ("max_execution_time", SqlType::BigInt),
            ("user_group_wild_card", SqlType::Char(8)),
            ("query_group_wild_card", SqlType::Char(8)),
            ("concurrency_scaling", SqlType::Char(20)),
            ("query_priority", SqlType::Char(20)),
            ("user_role_wild_card", SqlType::Char(8)),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        if !ctx.user.superuser {
            return Ok(());
        }
        let short_us = ctx.server.wlm.short_us();
        for queue in ctx.server.wlm.queues() {
            rows.push(cells(&queue, short_us));
        }
        Ok(())
    }
}

/// Bytes of a MB.
const MB: u64 = 1 << 20;

fn cells(queue: &QueueState, short_us: u64) -> [Cell; 16] {
    let config = &queue.config;
    let is_short = config.class == SHORT_CLASS;
    let truth = |on: bool| if on { "true" } else { "false" };
    let (tasks, target, memory) = match queue.is_automatic {
        true => (-1, -1, -1),
        false => {
            let target = if queue.is_retired {
                0
            } else {
                config.concurrency
            };
            let now = i64::from(target.max(queue.slots_used));
            let memory = i64::try_from(queue.slot_bytes / MB).unwrap_or(i64::MAX);
            (now, i64::from(target), memory)
        }
    };
    let strategy = match queue.is_automatic {
        true => Cell::Null,
        false => "FIFO Queue Policy".into(),
    };
    [
        config.class.into(),
        strategy,
        tasks.into(),
        target.into(),
        truth(is_short).into(),
        if is_short { short_us / 1_000 } else { 0 }.into(),
        memory.into(),
        memory.into(),
        Cell::Null,
        (&*config.name).into(),
        config.max_execution_ms.into(),
        truth(config.user_groups.wild_card).into(),
        truth(config.query_groups.wild_card).into(),
        "off".into(),
        match queue.is_automatic {
            true => config.priority.name(),
            false => "n/a",
        }
        .into(),
        truth(config.user_roles.wild_card).into(),
    ]
}
