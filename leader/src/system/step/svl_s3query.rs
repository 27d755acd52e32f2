//! `svl_s3query`: what queries read of external tables, by slice.

use crate::error::Result;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct SvlS3query;

impl SystemTable for SvlS3query {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "svl_s3query"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("userid", SqlType::Integer),
            ("query", SqlType::Integer),
            ("segment", SqlType::Integer),
            ("step", SqlType::Integer),
            ("node", SqlType::Integer),
            ("slice", SqlType::Integer),
            ("starttime", SqlType::Timestamp),
            ("endtime", SqlType::Timestamp),
            ("elapsed", SqlType::BigInt),
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
            ("max_files", SqlType::Integer),
            ("splits", SqlType::Integer),
            ("total_split_size", SqlType::BigInt),
            ("max_split_size", SqlType::BigInt),
            ("total_retries", SqlType::Integer),
            ("max_retries", SqlType::Integer),
            ("max_request_duration", SqlType::Integer),
            ("avg_request_duration", SqlType::Double),
            ("max_request_parallelism", SqlType::Integer),
            ("avg_request_parallelism", SqlType::Double),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        let queries = ctx.server.history.executed_queries();
        for query in queries.filter(|query| ctx.sees(query.userid)) {
            for scan in &query.executed.external {
                for (slice, work) in &scan.slices {
                    let head: [Cell; 9] = [
                        query.userid.into(),
                        query.query.into(),
                        scan.segment.into(),
                        scan.step.into(),
                        0.into(),
                        (*slice).into(),
                        work.started_us.into(),
                        work.ended_us.into(),
                        (work.ended_us - work.started_us).into(),
                    ];
                    let table: [Cell; 5] = [
                        format!("S3 Scan {}", scan.table).into(),
                        scan.format.as_str().into(),
                        scan.partitioned_word().into(),
                        "f".into(),
                        "f".into(),
                    ];
                    let read: [Cell; 9] = [
                        work.rows_scanned.into(),
                        work.bytes_scanned.into(),
                        work.rows.into(),
                        work.bytes.into(),
                        work.files.into(),
                        work.files.into(),
                        work.splits.into(),
                        work.bytes_scanned.into(),
                        scan.file_bytes_max.into(),
                    ];
                    // Requests are not timed one by one.
                    let requests: [Cell; 6] = [
                        0.into(),
                        0.into(),
                        Cell::Null,
                        Cell::Null,
                        Cell::Null,
                        Cell::Null,
                    ];
                    let cells = head.into_iter().chain(table).chain(read);
                    rows.push(cells.chain(requests));
                }
            }
        }
        Ok(())
    }
}
