//! `stl_replacements`: fields that COPY loaded with their invalid characters replaced, as ACCEPTINVCHARS asks.

use crate::error::Result;
use crate::history::lock;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct StlReplacements;

impl SystemTable for StlReplacements {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "stl_replacements"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("userid", SqlType::Integer),
            ("query", SqlType::Integer),
            ("slice", SqlType::Integer),
            ("tbl", SqlType::Integer),
            ("starttime", SqlType::Timestamp),
            ("session", SqlType::Integer),
            ("filename", SqlType::Char(256)),
            ("line_number", SqlType::BigInt),
            ("colname", SqlType::Char(127)),
            ("raw_line", SqlType::Char(1_024)),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        let replaced = lock(&ctx.server.history.replacements);
        for field in replaced.iter().filter(|field| ctx.sees(field.userid)) {
            let reject = &field.reject;
            rows.push([
                Cell::from(field.userid),
                field.query.into(),
                reject.slice.into(),
                field.table.into(),
                field.starttime_us.into(),
                field.session.into(),
                reject.filename.as_str().into(),
                reject.line_number.into(),
                reject.colname.as_str().into(),
                reject.raw_line.as_str().into(),
            ]);
        }
        Ok(())
    }
}
