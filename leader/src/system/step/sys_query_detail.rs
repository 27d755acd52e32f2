//! `sys_query_detail`: the steps of queries that ended, all slices together.

use crate::error::Result;
use crate::history::executed::ExecutedQuery;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_compute::profile::{Step, StepTable};
use blueshift_sql::SqlType::{self, BigInt, Char, Integer, Timestamp};

/// The table.
pub struct SysQueryDetail;

impl SystemTable for SysQueryDetail {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "sys_query_detail"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("user_id", Integer),
            ("query_id", BigInt),
            ("child_query_sequence", Integer),
            ("stream_id", Integer),
            ("segment_id", Integer),
            ("step_id", Integer),
            ("step_name", SqlType::Varchar(65_535)),
            ("table_id", Integer),
            ("table_name", Char(136)),
            ("is_rrscan", Char(1)),
            ("start_time", Timestamp),
            ("end_time", Timestamp),
            ("duration", BigInt),
            ("alert", SqlType::Varchar(65_535)),
            ("input_bytes", BigInt),
            ("input_rows", BigInt),
            ("output_bytes", BigInt),
            ("output_rows", BigInt),
            ("blocks_read", BigInt),
            ("blocks_write", BigInt),
            ("local_read_io", BigInt),
            ("remote_read_io", BigInt),
            ("source", SqlType::Varchar(128)),
            ("data_skewness", Integer),
            ("time_skewness", Integer),
            ("is_active", Char(1)),
            ("spilled_block_local_disk", BigInt),
            ("spilled_block_remote_disk", BigInt),
            ("step_attribute", SqlType::Varchar(64)),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        let queries = ctx.server.history.executed_queries();
        for query in queries.filter(|query| ctx.sees(query.userid)) {
            for step in &query.executed.steps {
                rows.push(cells(&query, step));
            }
        }
        Ok(())
    }
}

/// How uneven a figure is over the slices: 0 if all are equal, 100 if one has everything.
fn skewness(figures: &[u64]) -> i64 {
    let most = figures.iter().copied().max().unwrap_or(0) as f64;
    let count = figures.len() as f64;
    if most == 0.0 || count < 2.0 {
        return 0;
    }
    let average = figures.iter().sum::<u64>() as f64 / count;
    ((most - average) / (most * (1.0 - 1.0 / count)) * 100.0).round() as i64
}

fn cells(query: &ExecutedQuery, step: &Step) -> [Cell; 29] {
    let of_slices = |figure: fn(&blueshift_compute::profile::Work) -> u64| {
        step.slices.values().map(figure).collect::<Vec<_>>()
    };
    let started = step.slices.values().map(|work| work.started_us).min();
    let ended = step.slices.values().map(|work| work.ended_us).max();
    let stored = match &step.table {
        Some(StepTable::Stored { id, name }) => Some((*id, name.as_ref())),
        _ => None,
    };
    let alerts = query.alerts.iter();
    let alerts = alerts.filter(|alert| (alert.segment, alert.step) == (step.segment, step.step));
    let alerts: Vec<&str> = alerts.map(|alert| alert.event.as_str()).collect();
    let read = |amount: u64| stored.map_or(0, |_| amount);
    [
        query.userid.into(),
        query.query.into(),
        1.into(),
        step.stream.into(),
        step.segment.into(),
        step.step.into(),
        step.kind.name().into(),
        stored.map(|(id, _)| id).into(),
        stored.map(|(_, name)| name).into(),
        if step.is_range_restricted { "t" } else { "f" }.into(),
        started.into(),
        ended.into(),
        (ended.unwrap_or(0) - started.unwrap_or(0)).into(),
        alerts.join("; ").into(),
        read(step.sum(|work| work.bytes)).into(),
        step.sum(|work| work.rows_scanned).into(),
        step.sum(|work| work.bytes).into(),
        step.sum(|work| work.rows).into(),
        step.sum(|work| work.blocks_read).into(),
        0.into(),
        read(step.sum(|work| work.blocks_read)).into(),
        0.into(),
        stored.map(|_| "local").into(),
        skewness(&of_slices(|work| work.rows)).into(),
        skewness(&of_slices(|work| work.compute_ns)).into(),
        "f".into(),
        (step.sum(|work| work.spilled_bytes) >> 20).into(),
        0.into(),
        Cell::Null,
    ]
}
