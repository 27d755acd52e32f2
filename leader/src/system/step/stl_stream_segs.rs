//! `stl_stream_segs`: which segments run in which stream.

use crate::error::Result;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct StlStreamSegs;

impl SystemTable for StlStreamSegs {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "stl_stream_segs"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("userid", SqlType::Integer),
            ("query", SqlType::Integer),
            ("stream", SqlType::Integer),
            ("segment", SqlType::Integer),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        let queries = ctx.server.history.executed_queries();
        for query in queries.filter(|query| ctx.sees(query.userid)) {
            for step in query.executed.steps.iter().filter(|step| step.step == 0) {
                rows.push([
                    Cell::from(query.userid),
                    query.query.into(),
                    step.stream.into(),
                    step.segment.into(),
                ]);
            }
        }
        Ok(())
    }
}
