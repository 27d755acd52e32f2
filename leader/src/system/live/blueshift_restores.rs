//! `blueshift_restores`: the RESTORE TABLE statements that run, and how far each is. A table of our own.

use crate::error::Result;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct BlueshiftRestores;

impl SystemTable for BlueshiftRestores {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "blueshift_restores"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("table_name", SqlType::Varchar(128)),
            ("snapshot", SqlType::Varchar(256)),
            ("starttime", SqlType::Timestamp),
            ("phase", SqlType::Varchar(16)),
            ("progress", SqlType::Double),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        if !ctx.user.superuser {
            return Ok(());
        }
        for restore in ctx.server.snapshots.restores() {
            rows.push([
                Cell::from(restore.table),
                restore.snapshot.into(),
                restore.starttime_us.into(),
                restore.phase.into(),
                restore.steps.percent().into(),
            ]);
        }
        Ok(())
    }
}
