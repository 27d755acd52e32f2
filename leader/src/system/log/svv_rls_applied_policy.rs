//! `svv_rls_applied_policy`: which row policies chose the rows of queries that ended.

use crate::error::Result;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct SvvRlsAppliedPolicy;

impl SystemTable for SvvRlsAppliedPolicy {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "svv_rls_applied_policy"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("username", SqlType::Name),
            ("query", SqlType::Integer),
            ("xid", SqlType::BigInt),
            ("pid", SqlType::Integer),
            ("recordtime", SqlType::Timestamp),
            ("command", SqlType::Char(1)),
            ("datname", SqlType::Name),
            ("relschema", SqlType::Name),
            ("relname", SqlType::Name),
            ("polname", SqlType::Name),
            ("poldefault", SqlType::Char(1)),
        ]
    }

    /// Without a policy for the user, the default policy kept all rows back.
    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        let may_see = ctx
            .catalog
            .has_system_privilege(&ctx.user, "ACCESS SYSTEM TABLE");
        if !may_see {
            return Ok(());
        }
        for query in ctx.server.history.executed_queries() {
            for one in &query.executed.secured {
                rows.push([
                    Cell::from(ctx.user_name(query.userid)),
                    query.query.into(),
                    query.xid.into(),
                    query.pid.into(),
                    query.endtime_us.into(),
                    one.command.to_string().into(),
                    ctx.database_of_table(one.table).into(),
                    one.schema.as_str().into(),
                    one.name.as_str().into(),
                    one.policy.as_deref().map_or(Cell::Null, Cell::from),
                    match one.policy {
                        Some(_) => Cell::Null,
                        None => "t".into(),
                    },
                ]);
            }
        }
        Ok(())
    }
}
