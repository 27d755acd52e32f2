//! `stl_error`: errors of the server itself, not of SQL.

use crate::error::Result;
use crate::history::{Failure, lock};
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType::{self, Char, Integer, Timestamp};

/// Classes of SQLSTATE that tell of the server: no resources, the machine's failures, internal errors.
const CLASSES: &[&str] = &["53", "58", "XX"];

/// The table.
pub struct StlError;

impl SystemTable for StlError {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "stl_error"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("userid", Integer),
            ("process", Char(12)),
            ("recordtime", Timestamp),
            ("pid", Integer),
            ("errcode", Integer),
            ("file", Char(90)),
            ("linenum", Integer),
            ("context", Char(100)),
            ("error", Char(512)),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        let queries = lock(&ctx.server.history.queries);
        for query in queries.iter().filter(|query| ctx.sees(query.userid)) {
            let Some(Failure { code, message }) = &query.error else {
                continue;
            };
            if !CLASSES.iter().any(|class| code.starts_with(class)) {
                continue;
            }
            rows.push([
                Cell::from(query.userid),
                "blueshift".into(),
                query.endtime_us.into(),
                query.pid.into(),
                // Redshift's own numbers are not documented; states with letters have none.
                code.parse::<i64>().ok().into(),
                "".into(),
                Cell::Null,
                format!("query {}, SQLSTATE {code}", query.query).into(),
                message.chars().take(512).collect::<String>().into(),
            ]);
        }
        Ok(())
    }
}
