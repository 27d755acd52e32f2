//! `svv_interleaved_columns`: whether tables with an interleaved sort key are due for a VACUUM REINDEX.
//!
//! `interleaved_skew` is 1 where blocks are as narrow in a column as the key allows, and grows as they widen; see
//! [`interleaved_skew`]. `last_reindex` is null if the log of vacuums, STL_VACUUM, no longer tells.

use crate::catalog::TableSort;
use crate::error::Result;
use crate::history::lock;
use crate::history::vacuum::VacuumEvent;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_compute::maintain::figures::interleaved_skew;
use blueshift_sql::SqlType;
use std::collections::BTreeMap;

/// The table.
pub struct SvvInterleavedColumns;

impl SystemTable for SvvInterleavedColumns {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "svv_interleaved_columns"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("tbl", SqlType::Integer),
            ("col", SqlType::Integer),
            (
                "interleaved_skew",
                SqlType::Decimal {
                    precision: 19,
                    scale: 2,
                },
            ),
            ("last_reindex", SqlType::Timestamp),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        if !ctx.user.superuser {
            return Ok(());
        }
        let reindexed = last_reindexes(ctx);
        for table in ctx.catalog.tables.values() {
            let TableSort::Interleaved(key) = &table.sort else {
                continue;
            };
            let version = ctx.view.table(table.id())?;
            let last: Option<i64> = reindexed.get(&table.oid).copied();
            for column in key {
                let skew = interleaved_skew(&ctx.server.node.store, version, *column)?;
                rows.push([
                    Cell::from(table.oid),
                    (*column).into(),
                    skew.into(),
                    last.into(),
                ]);
            }
        }
        Ok(())
    }
}

/// Gives when each table was last reindexed to the end, by oid.
fn last_reindexes(ctx: &SystemContext) -> BTreeMap<u32, i64> {
    let vacuums = lock(&ctx.server.history.vacuums);
    let ends = vacuums.iter().filter(|event| {
        let is_start = |start: &&VacuumEvent| {
            start.xid == event.xid && start.table == event.table && start.is_reindex()
        };
        event.is_end() && vacuums.iter().any(|start| is_start(&start))
    });
    ends.map(|event| (event.table, event.eventtime_us))
        .collect()
}
