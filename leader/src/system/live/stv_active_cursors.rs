//! `stv_active_cursors`: cursors that are open. Their rows are made as they are fetched, so how many there will be is not
//! known.

use crate::error::Result;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;
use std::sync::atomic::Ordering::Relaxed;

/// The table.
pub struct StvActiveCursors;

impl SystemTable for StvActiveCursors {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "stv_active_cursors"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("userid", SqlType::Integer),
            ("name", SqlType::Char(256)),
            ("xid", SqlType::BigInt),
            ("pid", SqlType::Integer),
            ("starttime", SqlType::Timestamp),
            ("row_count", SqlType::BigInt),
            ("byte_count", SqlType::BigInt),
            ("fetched_rows", SqlType::BigInt),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        let cursors = ctx.server.history.cursors();
        for cursor in cursors.iter().filter(|cursor| ctx.sees(cursor.userid)) {
            rows.push([
                Cell::from(cursor.userid),
                cursor.name.as_str().into(),
                cursor.xid.into(),
                cursor.pid.into(),
                cursor.starttime_us.into(),
                Cell::Null,
                Cell::Null,
                cursor.fetched.load(Relaxed).into(),
            ]);
        }
        Ok(())
    }
}
