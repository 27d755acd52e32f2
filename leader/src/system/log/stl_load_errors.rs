//! `stl_load_errors`: rows that COPY refused, also of failed loads.

use crate::error::Result;
use crate::history::{lock, shown_job};
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct StlLoadErrors;

impl SystemTable for StlLoadErrors {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "stl_load_errors"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("userid", SqlType::Integer),
            ("slice", SqlType::Integer),
            ("tbl", SqlType::Integer),
            ("starttime", SqlType::Timestamp),
            ("session", SqlType::Integer),
            ("query", SqlType::Integer),
            ("filename", SqlType::Char(256)),
            ("line_number", SqlType::BigInt),
            ("colname", SqlType::Char(127)),
            ("type", SqlType::Char(10)),
            ("col_length", SqlType::Char(10)),
            ("position", SqlType::Integer),
            ("raw_line", SqlType::Char(1_024)),
            ("raw_field_value", SqlType::Char(1_024)),
            ("err_code", SqlType::Integer),
            ("err_reason", SqlType::Char(100)),
            ("is_partial", SqlType::Integer),
            ("start_offset", SqlType::BigInt),
            ("copy_job_id", SqlType::BigInt),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        let errors = lock(&ctx.server.history.load_errors);
        for error in errors.iter().filter(|error| ctx.sees(error.userid)) {
            let reject = &error.reject;
            rows.push([
                Cell::from(error.userid),
                reject.slice.into(),
                error.table.into(),
                error.starttime_us.into(),
                error.session.into(),
                error.query.into(),
                reject.filename.as_str().into(),
                reject.line_number.into(),
                reject.colname.as_str().into(),
                reject.ty.as_str().into(),
                reject.col_length.as_str().into(),
                reject.position.into(),
                reject.raw_line.as_str().into(),
                reject.raw_field_value.as_str().into(),
                reject.err_code.into(),
                reject.err_reason.as_str().into(),
                // A file is read by one slice, and every line is counted.
                0.into(),
                0.into(),
                shown_job(error.copy_job).into(),
            ]);
        }
        Ok(())
    }
}
