//! `svl_s3partition_summary`: which partitions of external tables queries needed, by segment.

use crate::error::Result;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct SvlS3partitionSummary;

impl SystemTable for SvlS3partitionSummary {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "svl_s3partition_summary"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("query", SqlType::Integer),
            ("segment", SqlType::Integer),
            ("assignment", SqlType::Char(1)),
            ("min_starttime", SqlType::Timestamp),
            ("max_endtime", SqlType::Timestamp),
            ("min_duration", SqlType::BigInt),
            ("max_duration", SqlType::BigInt),
            ("avg_duration", SqlType::BigInt),
            ("total_partitions", SqlType::Integer),
            ("qualified_partitions", SqlType::Integer),
            ("min_assigned_partitions", SqlType::Integer),
            ("max_assigned_partitions", SqlType::Integer),
            ("avg_assigned_partitions", SqlType::Integer),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        let queries = ctx.server.history.executed_queries();
        for query in queries.filter(|query| ctx.sees(query.userid)) {
            for scan in &query.executed.external {
                if !scan.is_partitioned {
                    continue;
                }
                let took = i64::try_from(scan.partition_us).unwrap_or(i64::MAX);
                let ended = scan.started_us();
                let qualified = scan.partitions_qualified;
                rows.push([
                    Cell::from(query.query),
                    scan.segment.into(),
                    "p".into(),
                    ended.saturating_sub(took).into(),
                    ended.into(),
                    took.into(),
                    took.into(),
                    took.into(),
                    scan.partitions.into(),
                    qualified.into(),
                    qualified.into(),
                    qualified.into(),
                    qualified.into(),
                ]);
            }
        }
        Ok(())
    }
}
