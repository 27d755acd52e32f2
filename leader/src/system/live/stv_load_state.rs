//! `stv_load_state`: COPY statements that run, with what each slice has read.

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
            for slice in load.progress.slices() {
                let is_compressed = slice.is_compressed;
                let stored = |bytes: u64| if is_compressed { bytes } else { 0 };
                rows.push([
                    Cell::from(load.userid),
                    load.pid.into(),
                    load.query.into(),
                    slice.slice.into(),
                    load.pid.into(),
                    now_us().into(),
                    // How much text compressed files hold is not known before they are read.
                    (slice.bytes_to_read - stored(slice.bytes_to_read)).into(),
                    slice.bytes_text.load(Relaxed).into(),
                    stored(slice.bytes_to_read).into(),
                    stored(slice.bytes_read.load(Relaxed)).into(),
                    slice.lines.load(Relaxed).into(),
                    slice.files.into(),
                    slice.files_done.load(Relaxed).into(),
                    slice.current_file().as_deref().into(),
                    slice.percent().into(),
                ]);
            }
        }
        Ok(())
    }
}
