//! `svl_s3partition`: which partitions of external tables queries needed. They are chosen once, before the slices begin.

use crate::error::Result;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct SvlS3partition;

impl SystemTable for SvlS3partition {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "svl_s3partition"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("query", SqlType::Integer),
            ("segment", SqlType::Integer),
            ("node", SqlType::Integer),
            ("slice", SqlType::Integer),
            ("starttime", SqlType::Timestamp),
            ("endtime", SqlType::Timestamp),
            ("duration", SqlType::BigInt),
            ("total_partitions", SqlType::Integer),
            ("qualified_partitions", SqlType::Integer),
            ("assigned_partitions", SqlType::Integer),
            ("assignment", SqlType::Char(1)),
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
                rows.push([
                    Cell::from(query.query),
                    scan.segment.into(),
                    0.into(),
                    0.into(),
                    ended.saturating_sub(took).into(),
                    ended.into(),
                    took.into(),
                    scan.partitions.into(),
                    scan.partitions_qualified.into(),
                    scan.partitions_qualified.into(),
                    "p".into(),
                ]);
            }
        }
        Ok(())
    }
}
