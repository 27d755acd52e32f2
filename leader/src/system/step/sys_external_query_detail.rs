//! `sys_external_query_detail`: what queries read of external tables, for the monitoring views.

use crate::error::Result;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct SysExternalQueryDetail;

impl SystemTable for SysExternalQueryDetail {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "sys_external_query_detail"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("user_id", SqlType::Integer),
            ("query_id", SqlType::BigInt),
            ("child_query_sequence", SqlType::Integer),
            ("transaction_id", SqlType::BigInt),
            ("segment_id", SqlType::Integer),
            ("source_type", SqlType::Char(32)),
            ("start_time", SqlType::Timestamp),
            ("end_time", SqlType::Timestamp),
            ("duration", SqlType::BigInt),
            ("total_partitions", SqlType::Integer),
            ("qualified_partitions", SqlType::Integer),
            ("scanned_files", SqlType::BigInt),
            ("returned_rows", SqlType::BigInt),
            ("returned_bytes", SqlType::BigInt),
            ("file_format", SqlType::Char(16)),
            ("file_location", SqlType::Char(256)),
            ("external_query_text", SqlType::Varchar(65_535)),
            ("warning_message", SqlType::Varchar(4_000)),
            ("table_name", SqlType::Char(136)),
            ("is_recursive", SqlType::Char(1)),
            ("is_nested", SqlType::Char(1)),
            ("s3list_time", SqlType::BigInt),
            ("get_partition_time", SqlType::BigInt),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        let queries = ctx.server.history.executed_queries();
        for query in queries.filter(|query| ctx.sees(query.userid)) {
            for scan in &query.executed.external {
                let (started, ended) = (scan.started_us(), scan.ended_us());
                rows.push([
                    Cell::from(query.userid),
                    query.query.into(),
                    1.into(),
                    query.xid.into(),
                    scan.segment.into(),
                    "S3".into(),
                    started.into(),
                    ended.into(),
                    (ended - started).into(),
                    scan.partitions.into(),
                    scan.partitions_qualified.into(),
                    scan.sum(|work| work.files).into(),
                    scan.sum(|work| work.rows).into(),
                    scan.sum(|work| work.bytes).into(),
                    scan.format.as_str().into(),
                    scan.location.as_str().into(),
                    Cell::Null,
                    Cell::Null,
                    scan.table.as_str().into(),
                    "t".into(),
                    "f".into(),
                    // In milliseconds.
                    (scan.list_us / 1_000).into(),
                    (scan.partition_us / 1_000).into(),
                ]);
            }
            for remote in &query.executed.remote {
                rows.push([
                    Cell::from(query.userid),
                    query.query.into(),
                    1.into(),
                    query.xid.into(),
                    remote.segment.into(),
                    "PG".into(),
                    remote.started_us.into(),
                    remote.ended_us.into(),
                    (remote.ended_us - remote.started_us).into(),
                    0.into(),
                    0.into(),
                    0.into(),
                    remote.rows.into(),
                    remote.bytes.into(),
                    Cell::Null,
                    Cell::Null,
                    remote.sql.as_str().into(),
                    Cell::Null,
                    remote.table.as_str().into(),
                    "f".into(),
                    "f".into(),
                    0.into(),
                    0.into(),
                ]);
            }
        }
        Ok(())
    }
}
