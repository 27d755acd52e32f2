//! `stl_file_scan`: files that COPY read, also of transactions that were rolled back.

use crate::error::Result;
use crate::history::lock;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct StlFileScan;

impl SystemTable for StlFileScan {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "stl_file_scan"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("userid", SqlType::Integer),
            ("query", SqlType::Integer),
            ("slice", SqlType::Integer),
            ("name", SqlType::Char(90)),
            ("lines", SqlType::BigInt),
            ("bytes", SqlType::BigInt),
            ("loadtime", SqlType::BigInt),
            ("curtime", SqlType::Timestamp),
            ("is_partial", SqlType::Integer),
            ("start_offset", SqlType::BigInt),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        let scans = lock(&ctx.server.history.file_scans);
        for scan in scans.iter().filter(|scan| ctx.sees(scan.userid)) {
            rows.push([
                Cell::from(scan.userid),
                scan.query.into(),
                scan.file.slice.into(),
                scan.file.filename.as_str().into(),
                scan.file.lines.into(),
                scan.file.bytes.into(),
                scan.file.duration_us.into(),
                scan.curtime_us.into(),
                // A file is read by one slice, from its first byte to its last.
                0.into(),
                0.into(),
            ]);
        }
        Ok(())
    }
}
