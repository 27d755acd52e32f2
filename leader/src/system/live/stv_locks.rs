//! `stv_locks`: who changes which table, or waits to; for superusers.

use crate::error::Result;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use crate::transaction::lock::{Lockable, Mode};
use blueshift_sql::SqlType;

/// The table.
pub struct StvLocks;

impl SystemTable for StvLocks {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "stv_locks"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("table_id", SqlType::BigInt),
            ("last_commit", SqlType::Timestamp),
            ("last_update", SqlType::Timestamp),
            ("lock_owner", SqlType::BigInt),
            ("lock_owner_pid", SqlType::BigInt),
            ("lock_owner_start_ts", SqlType::Timestamp),
            ("lock_owner_end_ts", SqlType::Timestamp),
            ("lock_status", SqlType::Char(22)),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        if !ctx.user.superuser {
            return Ok(());
        }
        let transactions = &ctx.server.transactions;
        let open = transactions.open();
        for fact in transactions.locks.facts() {
            let Lockable::Relation(table) = fact.on else {
                continue;
            };
            if fact.mode == Mode::Read {
                continue;
            }
            let owner = open.iter().find(|owner| owner.xid == fact.xid);
            let status = match fact.granted {
                true => "Holding write lock",
                false => "Waiting for write lock",
            };
            rows.push([
                Cell::from(table),
                transactions.last_commit_us(table).into(),
                fact.since_us.into(),
                fact.xid.into(),
                owner.map(|owner| owner.pid).into(),
                owner.map(|owner| owner.starttime_us).into(),
                Cell::Null,
                status.into(),
            ]);
        }
        Ok(())
    }
}
