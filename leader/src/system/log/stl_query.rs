//! `stl_query`: statements that ended.

use crate::error::Result;
use crate::history::lock;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct StlQuery;

impl SystemTable for StlQuery {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "stl_query"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("userid", SqlType::Integer),
            ("query", SqlType::Integer),
            ("label", SqlType::Char(320)),
            ("xid", SqlType::BigInt),
            ("pid", SqlType::Integer),
            ("database", SqlType::Char(32)),
            ("querytxt", SqlType::Char(4_000)),
            ("starttime", SqlType::Timestamp),
            ("endtime", SqlType::Timestamp),
            ("aborted", SqlType::Integer),
            ("insert_pristine", SqlType::Integer),
            ("concurrency_scaling_status", SqlType::Integer),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        let queries = lock(&ctx.server.history.queries);
        for query in queries.iter().filter(|query| ctx.sees(query.userid)) {
            rows.push([
                Cell::from(query.userid),
                query.query.into(),
                query.label.as_ref().into(),
                query.xid.into(),
                query.pid.into(),
                query.database.as_ref().into(),
                query.text.as_ref().into(),
                query.starttime_us.into(),
                query.endtime_us.into(),
                i32::from(query.aborted).into(),
                // Other statements may always write while one runs, and all run on the one cluster.
                0.into(),
                0.into(),
            ]);
        }
        Ok(())
    }
}
