//! `blueshift_snapshot_schedule`: when automatic snapshots are taken, and how long they are kept; empty without a
//! schedule. A table of our own.

use crate::error::Result;
use crate::snapshot::schedule::{Retention, read};
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct BlueshiftSnapshotSchedule;

impl SystemTable for BlueshiftSnapshotSchedule {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "blueshift_snapshot_schedule"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("place", SqlType::Varchar(1024)),
            ("interval_minutes", SqlType::Integer),
            ("keep_count", SqlType::Integer),
            ("keep_days", SqlType::Integer),
            ("last_time", SqlType::Timestamp),
            ("next_time", SqlType::Timestamp),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        if !ctx.user.superuser {
            return Ok(());
        }
        let Some(schedule) = read(&ctx.server.node.store)? else {
            return Ok(());
        };
        let (count, days) = match schedule.retention {
            None => (Cell::Null, Cell::Null),
            Some(Retention::Count(count)) => (count.into(), Cell::Null),
            Some(Retention::Days(days)) => (Cell::Null, days.into()),
        };
        let last = (schedule.last_us > 0).then_some(schedule.last_us);
        let next = schedule.next_us();
        rows.push([
            schedule.place.into(),
            schedule.interval_minutes.into(),
            count,
            days,
            last.into(),
            next.into(),
        ]);
        Ok(())
    }
}
