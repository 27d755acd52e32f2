//! `stl_wlm_error`: statements that queues refused.

use crate::error::Result;
use crate::history::lock;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct StlWlmError;

impl SystemTable for StlWlmError {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "stl_wlm_error"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("userid", SqlType::Integer),
            ("recordtime", SqlType::Timestamp),
            ("pid", SqlType::Integer),
            ("error_string", SqlType::Char(256)),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        let errors = lock(&ctx.server.history.wlm_errors);
        for error in errors.iter().filter(|error| ctx.sees(error.userid)) {
            rows.push([
                Cell::from(error.userid),
                error.recordtime_us.into(),
                error.pid.into(),
                error.error.as_str().into(),
            ]);
        }
        Ok(())
    }
}
