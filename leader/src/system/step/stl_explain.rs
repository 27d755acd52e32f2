//! `stl_explain`: the plans of queries that ended.

use crate::error::Result;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// Characters of a line that are shown.
const TEXT_MAX: u32 = 400;

/// The table.
pub struct StlExplain;

impl SystemTable for StlExplain {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "stl_explain"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("userid", SqlType::Integer),
            ("query", SqlType::Integer),
            ("nodeid", SqlType::Integer),
            ("parentid", SqlType::Integer),
            ("plannode", SqlType::Char(TEXT_MAX)),
            ("info", SqlType::Char(TEXT_MAX)),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        let queries = ctx.server.history.executed_queries();
        for query in queries.filter(|query| ctx.sees(query.userid)) {
            for node in &query.executed.nodes {
                let cut = |text: &str| -> String { text.chars().take(TEXT_MAX as usize).collect() };
                rows.push([
                    Cell::from(query.userid),
                    query.query.into(),
                    node.id.into(),
                    node.parent.into(),
                    cut(&node.line()).into(),
                    cut(&node.info.join(" ")).into(),
                ]);
            }
        }
        Ok(())
    }
}
