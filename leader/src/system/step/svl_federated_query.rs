//! `svl_federated_query`: queries that were sent to live databases.

use crate::error::Result;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// Bytes of a query that are shown.
const TEXT_BYTES: usize = 4_000;

/// The table.
pub struct SvlFederatedQuery;

impl SystemTable for SvlFederatedQuery {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "svl_federated_query"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("userid", SqlType::Integer),
            ("xid", SqlType::BigInt),
            ("pid", SqlType::Integer),
            ("query", SqlType::Integer),
            ("sourcetype", SqlType::Char(32)),
            ("recordtime", SqlType::Timestamp),
            ("querytext", SqlType::Char(4_000)),
            ("num_rows", SqlType::BigInt),
            ("num_bytes", SqlType::BigInt),
            ("duration", SqlType::BigInt),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        let queries = ctx.server.history.executed_queries();
        for query in queries.filter(|query| ctx.sees(query.userid)) {
            for remote in &query.executed.remote {
                let end = remote.sql.floor_char_boundary(TEXT_BYTES);
                rows.push([
                    Cell::from(query.userid),
                    query.xid.into(),
                    query.pid.into(),
                    query.query.into(),
                    "PG".into(),
                    remote.started_us.into(),
                    remote.sql.get(..end).unwrap_or_default().into(),
                    remote.rows.into(),
                    remote.bytes.into(),
                    (remote.ended_us - remote.started_us).into(),
                ]);
            }
        }
        Ok(())
    }
}
