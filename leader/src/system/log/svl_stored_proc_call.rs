//! `svl_stored_proc_call`: calls of procedures that ended.

use crate::error::Result;
use crate::history::lock;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct SvlStoredProcCall;

impl SystemTable for SvlStoredProcCall {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "svl_stored_proc_call"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("userid", SqlType::Integer),
            ("session_userid", SqlType::Integer),
            ("query", SqlType::Integer),
            ("label", SqlType::Char(320)),
            ("xid", SqlType::BigInt),
            ("pid", SqlType::Integer),
            ("database", SqlType::Char(32)),
            ("querytxt", SqlType::Char(4_000)),
            ("starttime", SqlType::Timestamp),
            ("endtime", SqlType::Timestamp),
            ("aborted", SqlType::Integer),
            ("from_sp_call", SqlType::Integer),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        let calls = lock(&ctx.server.history.calls);
        for call in calls.iter().filter(|call| ctx.sees(call.userid)) {
            rows.push([
                Cell::from(call.userid),
                call.userid.into(),
                call.query.into(),
                "default".into(),
                call.xid.into(),
                call.pid.into(),
                call.database.as_ref().into(),
                call.text.as_str().into(),
                call.starttime_us.into(),
                call.endtime_us.into(),
                i32::from(call.aborted).into(),
                call.from.map_or(Cell::Null, Cell::from),
            ]);
        }
        Ok(())
    }
}
