//! `stv_inflight`: statements that run now. All of them begin on the leader node, whose slice the manual numbers 12811.

use crate::error::Result;
use crate::history::lock;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The slice of the leader node.
const LEADER_SLICE: i32 = 12_811;

/// Letters of a statement that are shown.
const TEXT_LETTERS: usize = 100;

/// The table.
pub struct StvInflight;

impl SystemTable for StvInflight {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "stv_inflight"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("userid", SqlType::Integer),
            ("slice", SqlType::Integer),
            ("query", SqlType::Integer),
            ("label", SqlType::Char(320)),
            ("xid", SqlType::BigInt),
            ("pid", SqlType::Integer),
            ("starttime", SqlType::Timestamp),
            ("text", SqlType::Char(100)),
            ("suspended", SqlType::Integer),
            ("insert_pristine", SqlType::Integer),
            ("concurrency_scaling_status", SqlType::Integer),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        let open = ctx.server.transactions.open();
        let sessions = lock(&ctx.server.history.sessions);
        for session in sessions.iter().filter(|session| ctx.sees(session.userid)) {
            let Some(running) = &session.running else {
                continue;
            };
            let mut own = open.iter().rev();
            let transaction = own.find(|transaction| transaction.pid == session.pid);
            let text: String = running.text.chars().take(TEXT_LETTERS).collect();
            rows.push([
                Cell::from(running.userid),
                LEADER_SLICE.into(),
                running.query.into(),
                running.label.as_ref().into(),
                transaction.map(|transaction| transaction.xid).into(),
                running.pid.into(),
                running.starttime_us.into(),
                text.into(),
                0.into(),
                0.into(),
                0.into(),
            ]);
        }
        Ok(())
    }
}
