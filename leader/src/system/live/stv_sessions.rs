//! `stv_sessions`: connections, of all users to all users.

use crate::error::Result;
use crate::history::lock;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct StvSessions;

impl SystemTable for StvSessions {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "stv_sessions"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("starttime", SqlType::Timestamp),
            ("process", SqlType::Integer),
            ("user_name", SqlType::Char(50)),
            ("db_name", SqlType::Char(50)),
            ("timeout_sec", SqlType::Integer),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        let sessions = lock(&ctx.server.history.sessions);
        for session in sessions.iter() {
            rows.push([
                Cell::from(session.starttime_us),
                session.pid.into(),
                session.user_name.as_str().into(),
                session.database_name.as_ref().into(),
                // Idle sessions are not ended.
                0.into(),
            ]);
        }
        Ok(())
    }
}
