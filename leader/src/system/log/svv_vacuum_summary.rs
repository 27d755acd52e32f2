//! `svv_vacuum_summary`: one row per table and vacuum that ended, with what it changed.

use crate::error::Result;
use crate::history::lock;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct SvvVacuumSummary;

impl SystemTable for SvvVacuumSummary {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "svv_vacuum_summary"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("table_name", SqlType::Varchar(127)),
            ("xid", SqlType::BigInt),
            ("sort_partitions", SqlType::BigInt),
            ("merge_increments", SqlType::BigInt),
            ("elapsed_time", SqlType::BigInt),
            ("row_delta", SqlType::BigInt),
            ("sortedrow_delta", SqlType::BigInt),
            ("block_delta", SqlType::Integer),
            ("max_merge_partitions", SqlType::Integer),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        // Shown to superusers alone, as documented.
        if !ctx.user.superuser {
            return Ok(());
        }
        let delta = |after: u64, before: u64| i128::from(after) - i128::from(before);
        let cell = |delta: i128| Cell::from(i64::try_from(delta).unwrap_or_default());
        let vacuums = lock(&ctx.server.history.vacuums);
        let seen = || vacuums.iter();
        for end in seen().filter(|event| event.is_end()) {
            let same = |event: &&_| {
                let event: &crate::history::vacuum::VacuumEvent = event;
                event.xid == end.xid && event.table == end.table && !event.is_end()
            };
            let Some(start) = seen().find(same) else {
                continue;
            };
            let (before, after) = (start.figures, end.figures);
            rows.push([
                Cell::from(end.name.as_str()),
                end.xid.into(),
                end.merges.into(),
                end.merges.into(),
                (end.eventtime_us - start.eventtime_us).into(),
                cell(delta(after.rows, before.rows)),
                cell(delta(after.rows_sorted, before.rows_sorted)),
                cell(delta(after.blocks, before.blocks)),
                end.merges.into(),
            ]);
        }
        Ok(())
    }
}
