//! `svl_auto_worker_action`: sort keys that the server chose by itself.

use crate::error::Result;
use crate::history::lock;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct SvlAutoWorkerAction;

impl SystemTable for SvlAutoWorkerAction {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "svl_auto_worker_action"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("table_id", SqlType::Integer),
            ("type", SqlType::Char(32)),
            ("status", SqlType::Char(128)),
            ("eventtime", SqlType::Timestamp),
            ("sequence", SqlType::Integer),
            ("previous_state", SqlType::Char(200)),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        if !ctx.user.superuser {
            return Ok(());
        }
        for change in lock(&ctx.server.history.table_changes).iter() {
            rows.push([
                Cell::from(change.table),
                change.kind.as_str().into(),
                // It is one change of the catalog; the vacuum that sorts is in STL_VACUUM.
                "Complete".into(),
                change.eventtime_us.into(),
                0.into(),
                change.before.as_str().into(),
            ]);
        }
        Ok(())
    }
}
