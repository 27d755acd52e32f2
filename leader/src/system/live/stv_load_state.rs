//! `stv_load_state`: COPY statements that run.

use crate::error::Result;
use crate::history::{lock, now_us};
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;
use std::sync::atomic::Ordering::Relaxed;

/// The table.
pub struct StvLoadState;

impl SystemTable for StvLoadState {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "stv_load_state"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("userid", SqlType::Integer),
            ("session", SqlType::Integer),
            ("query", SqlType::Integer),
            ("slice", SqlType::Integer),
            ("pid", SqlType::Integer),
            ("recordtime", SqlType::Timestamp),
            ("bytes_to_load", SqlType::BigInt),
            ("bytes_loaded", SqlType::BigInt),
            ("bytes_to_load_compressed", SqlType::BigInt),
            ("bytes_loaded_compressed", SqlType::BigInt),
            ("lines", SqlType::BigInt),
            ("num_files", SqlType::Integer),
            ("num_files_complete", SqlType::Integer),
            ("current_file", SqlType::Char(256)),
            ("pct_complete", SqlType::Integer),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        let loads = lock(&ctx.server.history.running_loads);
        for load in loads.iter().filter(|load| ctx.sees(load.userid)) {
            let progress = &load.progress;
            let total = progress.bytes_total.load(Relaxed);
            let done = progress.bytes_done.load(Relaxed);
            rows.push([
                Cell::from(load.userid),
                load.pid.into(),
                load.query.into(),
                0.into(),
                load.pid.into(),
                now_us().into(),
                total.into(),
                done.into(),
                total.into(),
                done.into(),
                progress.rows.load(Relaxed).into(),
                progress.files_total.load(Relaxed).into(),
                progress.files_done.load(Relaxed).into(),
                Cell::Null,
                (done.saturating_mul(100) / total.max(1)).into(),
            ]);
        }
        Ok(())
    }
}
