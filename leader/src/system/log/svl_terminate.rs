//! `svl_terminate`: statements that were canceled, and sessions that were ended, by another session. Superusers only.

use crate::error::Result;
use crate::history::lock;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct SvlTerminate;

impl SystemTable for SvlTerminate {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "svl_terminate"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("pid", SqlType::Integer),
            ("eventtime", SqlType::Timestamp),
            ("userid", SqlType::Integer),
            ("type", SqlType::Char(10)),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        if !ctx.user.superuser {
            return Ok(());
        }
        for stop in lock(&ctx.server.history.stops).iter() {
            let kind = if stop.is_end { "TERMINATE" } else { "CANCEL" };
            rows.push([
                Cell::from(stop.pid),
                stop.eventtime_us.into(),
                stop.userid.into(),
                kind.into(),
            ]);
        }
        Ok(())
    }
}
