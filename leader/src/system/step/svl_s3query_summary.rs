//! `svl_s3query_summary`: what queries read of external tables.

use crate::error::Result;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct SvlS3querySummary;

impl SystemTable for SvlS3querySummary {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "svl_s3query_summary"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("userid", SqlType::Integer),
            ("query", SqlType::Integer),
            ("xid", SqlType::BigInt),
            ("pid", SqlType::Integer),
            ("segment", SqlType::Integer),
            ("step", SqlType::Integer),
            ("starttime", SqlType::Timestamp),
            ("endtime", SqlType::Timestamp),
            ("elapsed", SqlType::BigInt),
            ("aborted", SqlType::Integer),
            ("external_table_name", SqlType::Char(136)),
            ("file_format", SqlType::Char(16)),
            ("is_partitioned", SqlType::Char(1)),
            ("is_rrscan", SqlType::Char(1)),
            ("is_nested", SqlType::Char(1)),
            ("s3_scanned_rows", SqlType::BigInt),
            ("s3_scanned_bytes", SqlType::BigInt),
            ("s3query_returned_rows", SqlType::BigInt),
            ("s3query_returned_bytes", SqlType::BigInt),
            ("files", SqlType::Integer),
            ("files_max", SqlType::Integer),
            ("files_avg", SqlType::Integer),
            ("splits", SqlType::BigInt),
            ("splits_max", SqlType::Integer),
            ("splits_avg", SqlType::Integer),
            ("total_split_size", SqlType::BigInt),
            ("max_split_size", SqlType::BigInt),
            ("avg_split_size", SqlType::BigInt),
            ("total_retries", SqlType::BigInt),
            ("max_retries", SqlType::Integer),
            ("max_request_duration", SqlType::BigInt),
            ("avg_request_duration", SqlType::Double),
            ("max_request_parallelism", SqlType::Integer),
            ("avg_request_parallelism", SqlType::Double),
            ("total_slowdown_count", SqlType::BigInt),
            ("max_slowdown_count", SqlType::Integer),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        let queries = ctx.server.history.executed_queries();
        for query in queries.filter(|query| ctx.sees(query.userid)) {
            for scan in &query.executed.external {
                let slices = scan.slices.len().max(1) as u64;
                let files = scan.sum(|work| work.files);
                let splits = scan.sum(|work| work.splits);
                let bytes = scan.sum(|work| work.bytes_scanned);
                let (started, ended) = (scan.started_us(), scan.ended_us());
                let head: [Cell; 10] = [
                    query.userid.into(),
                    query.query.into(),
                    query.xid.into(),
                    query.pid.into(),
                    scan.segment.into(),
                    scan.step.into(),
                    started.into(),
                    ended.into(),
                    (ended - started).into(),
                    0.into(),
                ];
                let table: [Cell; 5] = [
                    format!("S3 Scan {}", scan.table).into(),
                    scan.format.as_str().into(),
                    scan.partitioned_word().into(),
                    "f".into(),
                    "f".into(),
                ];
                let read: [Cell; 13] = [
                    scan.sum(|work| work.rows_scanned).into(),
                    bytes.into(),
                    scan.sum(|work| work.rows).into(),
                    scan.sum(|work| work.bytes).into(),
                    files.into(),
                    scan.most(|work| work.files).into(),
                    (files / slices).into(),
                    splits.into(),
                    scan.most(|work| work.splits).into(),
                    (splits / slices).into(),
                    scan.file_bytes.into(),
                    scan.file_bytes_max.into(),
                    (scan.file_bytes / splits.max(1)).into(),
                ];
                // Requests are not timed one by one.
                let requests: [Cell; 8] = [
                    0.into(),
                    0.into(),
                    Cell::Null,
                    Cell::Null,
                    Cell::Null,
                    Cell::Null,
                    0.into(),
                    0.into(),
                ];
                let cells = head.into_iter().chain(table).chain(read);
                rows.push(cells.chain(requests));
            }
        }
        Ok(())
    }
}
