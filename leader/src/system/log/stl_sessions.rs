//! `stl_sessions`: connections that ended.

use crate::error::Result;
use crate::history::lock;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct StlSessions;

impl SystemTable for StlSessions {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "stl_sessions"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("userid", SqlType::Integer),
            ("starttime", SqlType::Timestamp),
            ("endtime", SqlType::Timestamp),
            ("process", SqlType::Integer),
            ("user_name", SqlType::Char(50)),
            ("db_name", SqlType::Char(50)),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        let ended = lock(&ctx.server.history.ended_sessions);
        for session in ended.iter().filter(|session| ctx.sees(session.userid)) {
            rows.push([
                Cell::from(session.userid),
                session.starttime_us.into(),
                session.endtime_us.into(),
                session.pid.into(),
                session.user_name.as_str().into(),
                session.database_name.as_ref().into(),
            ]);
        }
        Ok(())
    }
}
