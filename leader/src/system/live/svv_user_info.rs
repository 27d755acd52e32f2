//! `svv_user_info`: users and their limits.

use crate::error::Result;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct SvvUserInfo;

impl SystemTable for SvvUserInfo {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "svv_user_info"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("user_name", SqlType::Varchar(128)),
            ("user_id", SqlType::Integer),
            ("createdb", SqlType::Boolean),
            ("superuser", SqlType::Boolean),
            ("catalog_update", SqlType::Boolean),
            ("connection_limit", SqlType::Varchar(32)),
            ("syslog_access", SqlType::Varchar(16)),
            ("last_ddl_timestamp", SqlType::Timestamp),
            ("session_timeout", SqlType::Integer),
            ("external_user_id", SqlType::Varchar(128)),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        for user in ctx.catalog.users.values() {
            if !ctx.sees(user.oid) {
                continue;
            }
            let limit = user.connection_limit.map(|limit| limit.to_string());
            let access = match user.syslog_unrestricted || user.superuser {
                true => "UNRESTRICTED",
                false => "RESTRICTED",
            };
            rows.push([
                Cell::from(user.name.as_str()),
                user.oid.into(),
                user.create_database.into(),
                user.superuser.into(),
                false.into(),
                limit.unwrap_or_else(|| "UNLIMITED".to_string()).into(),
                access.into(),
                // When a user was changed is not kept.
                Cell::Null,
                user.session_timeout.unwrap_or(0).into(),
                user.external_id.clone().into(),
            ]);
        }
        Ok(())
    }
}
