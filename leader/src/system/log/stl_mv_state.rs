//! `stl_mv_state`: changes of tables by which materialized views over them are recomputed or cannot be refreshed.

use crate::error::Result;
use crate::history::lock;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct StlMvState;

impl SystemTable for StlMvState {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "stl_mv_state"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("userid", SqlType::BigInt),
            ("starttime", SqlType::Timestamp),
            ("xid", SqlType::BigInt),
            ("event_desc", SqlType::Char(500)),
            ("db_name", SqlType::Char(128)),
            ("base_table_schema", SqlType::Char(128)),
            ("base_table_name", SqlType::Char(128)),
            ("mv_schema", SqlType::Char(128)),
            ("mv_name", SqlType::Char(128)),
            ("state", SqlType::Char(32)),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        let changes = lock(&ctx.server.history.state_changes);
        for change in changes.iter().filter(|change| ctx.sees(change.userid)) {
            rows.push([
                Cell::from(change.userid),
                change.starttime_us.into(),
                change.xid.into(),
                change.event.as_str().into(),
                change.database.as_str().into(),
                change.base_schema.as_str().into(),
                change.base_table.as_str().into(),
                change.schema.as_str().into(),
                change.name.as_str().into(),
                change.state.as_str().into(),
            ]);
        }
        Ok(())
    }
}
