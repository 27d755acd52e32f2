//! `sys_unload_detail`: files that UNLOAD wrote.

use super::stl_unload_log::after;
use crate::error::Result;
use crate::history::lock;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType::{self, BigInt, Integer, Timestamp, Varchar};

/// The table.
pub struct SysUnloadDetail;

impl SystemTable for SysUnloadDetail {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "sys_unload_detail"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("user_id", Integer),
            ("query_id", BigInt),
            ("transaction_id", BigInt),
            ("session_id", Integer),
            ("database_name", Varchar(128)),
            ("slice", Integer),
            ("file_name", Varchar(1_280)),
            ("row_count", BigInt),
            ("file_format", Varchar(16)),
            ("file_size", BigInt),
            ("start_time", Timestamp),
            ("end_time", Timestamp),
            // What the guide's own query calls the size.
            ("transfer_size", BigInt),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        for unload in lock(&ctx.server.history.unloads).iter() {
            let statement = &unload.statement;
            if !ctx.sees(statement.userid) {
                continue;
            }
            for file in &unload.files {
                rows.push([
                    Cell::from(statement.userid),
                    statement.query.into(),
                    statement.xid.into(),
                    statement.pid.into(),
                    statement.database.as_str().into(),
                    file.slice.into(),
                    file.url.as_str().into(),
                    file.lines.into(),
                    statement.format.as_str().into(),
                    file.bytes.into(),
                    after(statement.starttime_us, file.began_us).into(),
                    after(statement.starttime_us, file.ended_us).into(),
                    file.bytes.into(),
                ]);
            }
        }
        Ok(())
    }
}
