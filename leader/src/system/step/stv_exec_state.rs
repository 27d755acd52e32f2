//! `stv_exec_state`: the steps of statements that run, with what they did so far.

use super::tables::flag;
use crate::error::Result;
use crate::history::now_us;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType::{self, BigInt, Char, Integer, Timestamp};

/// The table.
pub struct StvExecState;

impl SystemTable for StvExecState {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "stv_exec_state"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("userid", Integer),
            ("query", Integer),
            ("slice", Integer),
            ("segment", Integer),
            ("step", Integer),
            ("starttime", Timestamp),
            ("currenttime", Timestamp),
            ("tasknum", Integer),
            ("rows", BigInt),
            ("bytes", BigInt),
            ("label", Char(256)),
            ("is_diskbased", Char(1)),
            ("workmem", BigInt),
            ("num_parts", Integer),
            ("is_rrscan", Char(1)),
            ("is_delayed_scan", Char(1)),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        let now = now_us();
        for running in ctx.server.history.running() {
            if !ctx.sees(running.userid) {
                continue;
            }
            for step in running.plans.steps() {
                for (slice, work) in step.slices.iter() {
                    rows.push([
                        Cell::from(running.userid),
                        running.query.into(),
                        slice.into(),
                        step.segment.into(),
                        step.step.into(),
                        match work.started_us {
                            0 => Cell::Null,
                            begun => begun.into(),
                        },
                        now.into(),
                        Cell::Null,
                        work.rows.into(),
                        work.bytes.into(),
                        step.label().into(),
                        flag(work.spilled_bytes > 0),
                        work.memory.into(),
                        step.slices.len().into(),
                        flag(step.is_range_restricted),
                    ]);
                }
            }
        }
        Ok(())
    }
}
