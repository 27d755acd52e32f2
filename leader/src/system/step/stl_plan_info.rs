//! `stl_plan_info`: the nodes of plans with their costs.

use crate::error::Result;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct StlPlanInfo;

impl SystemTable for StlPlanInfo {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "stl_plan_info"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("userid", SqlType::Integer),
            ("query", SqlType::Integer),
            ("nodeid", SqlType::Integer),
            ("segment", SqlType::Integer),
            ("step", SqlType::Integer),
            ("locus", SqlType::Integer),
            ("plannode", SqlType::Integer),
            ("startupcost", SqlType::Double),
            ("totalcost", SqlType::Double),
            ("rows", SqlType::BigInt),
            ("bytes", SqlType::BigInt),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        let queries = ctx.server.history.executed_queries();
        for query in queries.filter(|query| ctx.sees(query.userid)) {
            for node in &query.executed.nodes {
                rows.push([
                    Cell::from(query.userid),
                    query.query.into(),
                    node.id.into(),
                    // A node is not one step, and has no number of a kind here.
                    Cell::Null,
                    Cell::Null,
                    Cell::Null,
                    Cell::Null,
                    node.startup_cost.into(),
                    node.total_cost.into(),
                    (node.rows as i64).into(),
                    (node.rows as i64 * node.width as i64).into(),
                ]);
            }
        }
        Ok(())
    }
}
