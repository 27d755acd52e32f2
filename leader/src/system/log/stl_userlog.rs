//! `stl_userlog`: users made, changed, renamed and dropped. Superusers only.

use crate::error::Result;
use crate::history::lock;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct StlUserlog;

impl SystemTable for StlUserlog {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "stl_userlog"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("userid", SqlType::Integer),
            ("username", SqlType::Char(50)),
            ("oldusername", SqlType::Char(50)),
            ("action", SqlType::Char(10)),
            ("usecreatedb", SqlType::Integer),
            ("usesuper", SqlType::Integer),
            ("usecatupd", SqlType::Integer),
            ("valuntil", SqlType::Timestamp),
            ("pid", SqlType::Integer),
            ("xid", SqlType::BigInt),
            ("recordtime", SqlType::Timestamp),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        if !ctx.user.superuser {
            return Ok(());
        }
        for change in lock(&ctx.server.history.user_changes).iter() {
            rows.push([
                Cell::from(change.userid),
                change.name.as_str().into(),
                change.old_name.as_deref().unwrap_or_default().into(),
                change.action.as_str().into(),
                i32::from(change.create_database).into(),
                i32::from(change.superuser).into(),
                // Nobody may write to the catalogs.
                0.into(),
                change.valid_until_us.into(),
                change.pid.into(),
                change.xid.into(),
                change.recordtime_us.into(),
            ]);
        }
        Ok(())
    }
}
