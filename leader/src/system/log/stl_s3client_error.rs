//! `stl_s3client_error`: requests of COPY and UNLOAD that failed, those among them that were tried again.

use crate::error::Result;
use crate::history::lock;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct StlS3clientError;

impl SystemTable for StlS3clientError {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "stl_s3client_error"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("userid", SqlType::Integer),
            ("query", SqlType::Integer),
            ("sliceid", SqlType::Integer),
            ("recordtime", SqlType::Timestamp),
            ("pid", SqlType::Integer),
            ("http_method", SqlType::Char(64)),
            ("bucket", SqlType::Char(64)),
            ("key", SqlType::Char(256)),
            ("error", SqlType::Char(1024)),
            ("is_partial", SqlType::Integer),
            ("start_offset", SqlType::BigInt),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        let errors = lock(&ctx.server.history.store_errors);
        for noted in errors.iter().filter(|noted| ctx.sees(noted.userid)) {
            let request = &noted.request;
            rows.push([
                Cell::from(noted.userid),
                noted.query.into(),
                request.slice.into(),
                noted.recordtime_us.into(),
                noted.pid.into(),
                request.method.as_str().into(),
                request.bucket.as_str().into(),
                request.key.as_str().into(),
                request.error.as_deref().unwrap_or_default().into(),
                i32::from(request.is_partial).into(),
                request.start_offset.into(),
            ]);
        }
        Ok(())
    }
}
