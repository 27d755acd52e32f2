//! `stv_recents`: statements that run, and those that ended last.

use crate::error::Result;
use crate::history::{lock, now_us};
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// Ended statements shown.
const RECENT: usize = 100;

/// The table.
pub struct StvRecents;

impl SystemTable for StvRecents {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "stv_recents"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("userid", SqlType::Integer),
            ("status", SqlType::Char(20)),
            ("starttime", SqlType::Timestamp),
            ("duration", SqlType::Integer),
            ("user_name", SqlType::Char(50)),
            ("db_name", SqlType::Char(50)),
            ("query", SqlType::Char(600)),
            ("pid", SqlType::Integer),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        let running = lock(&ctx.server.history.sessions);
        for session in running.iter().filter(|session| ctx.sees(session.userid)) {
            let Some(running) = &session.running else {
                continue;
            };
            rows.push([
                Cell::from(session.userid),
                "Running".into(),
                running.starttime_us.into(),
                (now_us() - running.starttime_us).into(),
                session.user_name.as_str().into(),
                session.database_name.as_ref().into(),
                running.text.as_ref().into(),
                session.pid.into(),
            ]);
        }
        drop(running);
        let ended = lock(&ctx.server.history.queries);
        let last = ended
            .iter()
            .rev()
            .filter(|query| ctx.sees(query.userid))
            .take(RECENT);
        for query in last {
            let user = ctx
                .catalog
                .users
                .get(&query.userid)
                .map(|user| user.name.as_str());
            rows.push([
                Cell::from(query.userid),
                "Done".into(),
                query.starttime_us.into(),
                (query.endtime_us - query.starttime_us).into(),
                user.into(),
                query.database.as_ref().into(),
                query.text.as_ref().into(),
                (-1).into(),
            ]);
        }
        Ok(())
    }
}
