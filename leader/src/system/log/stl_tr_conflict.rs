//! `stl_tr_conflict`: transactions refused because others had changed what they build on; for superusers.

use crate::error::Result;
use crate::history::lock;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct StlTrConflict;

impl SystemTable for StlTrConflict {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "stl_tr_conflict"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("xact_id", SqlType::BigInt),
            ("process_id", SqlType::BigInt),
            ("xact_start_ts", SqlType::Timestamp),
            ("abort_time", SqlType::Timestamp),
            ("table_id", SqlType::BigInt),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        if !ctx.user.superuser {
            return Ok(());
        }
        for event in lock(&ctx.server.transactions.conflicts).iter() {
            rows.push([
                Cell::from(event.transaction.xid),
                event.transaction.pid.into(),
                event.transaction.starttime_us.into(),
                event.abort_us.into(),
                event.table.into(),
            ]);
        }
        Ok(())
    }
}
