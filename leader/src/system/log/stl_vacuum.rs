//! `stl_vacuum`: what tables were when a vacuum began and when it ended.

use crate::error::Result;
use crate::history::lock;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct StlVacuum;

impl SystemTable for StlVacuum {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "stl_vacuum"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("userid", SqlType::Integer),
            ("xid", SqlType::BigInt),
            ("table_id", SqlType::Integer),
            ("status", SqlType::Char(40)),
            ("rows", SqlType::BigInt),
            ("sortedrows", SqlType::BigInt),
            ("blocks", SqlType::Integer),
            ("max_merge_partitions", SqlType::Integer),
            ("eventtime", SqlType::Timestamp),
            ("reclaimable_rows", SqlType::BigInt),
            ("reclaimable_space_mb", SqlType::BigInt),
            ("cutoff_xid", SqlType::BigInt),
            ("is_recluster", SqlType::Integer),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        // Shown to superusers alone, as documented.
        if !ctx.user.superuser {
            return Ok(());
        }
        let vacuums = lock(&ctx.server.history.vacuums);
        for event in vacuums.iter() {
            rows.push([
                Cell::from(event.userid),
                event.xid.into(),
                event.table.into(),
                event.status.as_str().into(),
                event.figures.rows.into(),
                event.figures.rows_sorted.into(),
                event.figures.blocks.into(),
                event.merges.into(),
                event.eventtime_us.into(),
                event.figures.rows_deleted.into(),
                event.figures.blocks_deleted().into(),
                event.xid.into(),
                i32::from(event.is_recluster).into(),
            ]);
        }
        Ok(())
    }
}
