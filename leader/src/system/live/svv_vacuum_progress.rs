//! `svv_vacuum_progress`: the vacuums that run, with the time they will take, or else the last that ended.

use crate::error::Result;
use crate::history::lock;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct SvvVacuumProgress;

impl SystemTable for SvvVacuumProgress {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "svv_vacuum_progress"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("table_name", SqlType::Varchar(127)),
            ("status", SqlType::Varchar(256)),
            ("time_remaining_estimate", SqlType::Varchar(32)),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        if !ctx.user.superuser {
            return Ok(());
        }
        let vacuums = lock(&ctx.server.history.running_vacuums);
        for vacuum in &vacuums.running {
            let status = match vacuum.phase {
                "initialize" => format!("Vacuum: initialize {}", vacuum.name),
                phase => format!("Vacuum {} {phase}", vacuum.name),
            };
            let left = vacuum.seconds_left();
            let left = left.map(|seconds| format!("{}m {}s", seconds / 60, seconds % 60));
            rows.push([vacuum.name.as_str().into(), status.into(), left.into()]);
        }
        if vacuums.running.is_empty()
            && let Some(last) = &vacuums.last
        {
            rows.push([last.as_str().into(), "Complete".into(), Cell::Null]);
        }
        Ok(())
    }
}
