//! `svl_mv_refresh_status`: refreshes of materialized views.

use crate::error::Result;
use crate::history::lock;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct SvlMvRefreshStatus;

impl SystemTable for SvlMvRefreshStatus {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "svl_mv_refresh_status"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("db_name", SqlType::Char(128)),
            ("userid", SqlType::BigInt),
            ("schema_name", SqlType::Char(128)),
            ("mv_name", SqlType::Char(128)),
            ("xid", SqlType::BigInt),
            ("starttime", SqlType::Timestamp),
            ("endtime", SqlType::Timestamp),
            ("status", SqlType::Varchar(65_535)),
            ("refresh_type", SqlType::Char(32)),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        let refreshes = lock(&ctx.server.history.refreshes);
        let is_seen = |userid, owner| ctx.sees(userid) || ctx.sees(owner);
        for event in refreshes
            .iter()
            .filter(|event| is_seen(event.userid, event.owner))
        {
            rows.push([
                Cell::from(event.database.as_str()),
                event.userid.into(),
                event.schema.as_str().into(),
                event.name.as_str().into(),
                event.xid.into(),
                event.starttime_us.into(),
                event.endtime_us.into(),
                event.status.text().into(),
                if event.is_automatic { "Auto" } else { "Manual" }.into(),
            ]);
        }
        Ok(())
    }
}
