//! `stl_s3client`: requests of COPY and UNLOAD that object stores answered. Times are microseconds, and
//! `start_time` and `end_time` count from 2000, as those of Redshift do.

use crate::error::Result;
use crate::history::lock;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// Microseconds from 1970 to 2000.
const EPOCH_US: i64 = 946_684_800_000_000;

/// The table.
pub struct StlS3client;

impl SystemTable for StlS3client {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "stl_s3client"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("userid", SqlType::Integer),
            ("query", SqlType::Integer),
            ("slice", SqlType::Integer),
            ("recordtime", SqlType::Timestamp),
            ("pid", SqlType::Integer),
            ("http_method", SqlType::Char(64)),
            ("bucket", SqlType::Char(64)),
            ("key", SqlType::Char(256)),
            ("transfer_size", SqlType::BigInt),
            ("data_size", SqlType::BigInt),
            ("start_time", SqlType::BigInt),
            ("end_time", SqlType::BigInt),
            ("transfer_time", SqlType::BigInt),
            ("compression_time", SqlType::BigInt),
            ("connect_time", SqlType::BigInt),
            ("app_connect_time", SqlType::BigInt),
            ("retries", SqlType::BigInt),
            ("request_id", SqlType::Char(32)),
            ("extended_request_id", SqlType::Char(128)),
            ("ip_address", SqlType::Char(64)),
            ("is_partial", SqlType::Integer),
            ("start_offset", SqlType::BigInt),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        let requests = lock(&ctx.server.history.store_requests);
        for noted in requests.iter().filter(|noted| ctx.sees(noted.userid)) {
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
                request.transfer_bytes.into(),
                // What an object becomes is not known of a part of it.
                Cell::Null,
                (request.started_us - EPOCH_US).into(),
                (request.ended_us - EPOCH_US).into(),
                (request.ended_us - request.started_us).into(),
                // Decompression and connections are not measured by request: one serves many.
                Cell::Null,
                Cell::Null,
                Cell::Null,
                request.retries.into(),
                request.request_id.as_str().into(),
                request.extended_request_id.as_str().into(),
                request.ip_address.as_str().into(),
                i32::from(request.is_partial).into(),
                request.start_offset.into(),
            ]);
        }
        Ok(())
    }
}
