//! `stl_unload_log`: files that UNLOAD wrote.

use crate::error::Result;
use crate::history::lock;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct StlUnloadLog;

impl SystemTable for StlUnloadLog {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "stl_unload_log"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("userid", SqlType::Integer),
            ("query", SqlType::Integer),
            ("slice", SqlType::Integer),
            ("pid", SqlType::Integer),
            ("path", SqlType::Char(1_280)),
            ("start_time", SqlType::Timestamp),
            ("end_time", SqlType::Timestamp),
            ("line_count", SqlType::BigInt),
            ("transfer_size", SqlType::BigInt),
            ("file_format", SqlType::Char(10)),
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
                    file.slice.into(),
                    statement.pid.into(),
                    file.url.as_str().into(),
                    after(statement.starttime_us, file.began_us).into(),
                    after(statement.starttime_us, file.ended_us).into(),
                    file.lines.into(),
                    file.bytes.into(),
                    statement.format.as_str().into(),
                ]);
            }
        }
        Ok(())
    }
}

/// Adds microseconds to a time.
pub(super) fn after(time_us: i64, passed_us: u64) -> i64 {
    time_us.saturating_add_unsigned(passed_us)
}
