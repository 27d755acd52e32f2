//! `svv_rls_policy`: the row policies of every database, for security administrators.

use crate::error::Result;
use crate::system::grants::columns_text;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;
use blueshift_sql::statement::policy::PolicyKind;

/// The table.
pub struct SvvRlsPolicy;

impl SystemTable for SvvRlsPolicy {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "svv_rls_policy"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("poldb", SqlType::Varchar(128)),
            ("polname", SqlType::Varchar(128)),
            ("polalias", SqlType::Varchar(256)),
            ("polatts", SqlType::Varchar(65_535)),
            ("polqual", SqlType::Varchar(65_535)),
            ("polenabled", SqlType::Boolean),
            ("polmodifiedby", SqlType::Name),
            ("polmodifiedtime", SqlType::Timestamp),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        if !ctx.catalog.is_security_administrator(&ctx.user) {
            return Ok(());
        }
        for policy in ctx.catalog.whole().policies_by_name(PolicyKind::Rows) {
            let database = ctx.catalog.databases.get(&policy.database);
            rows.push([
                Cell::from(database.map_or("", |database| database.name.as_str())),
                policy.name.as_str().into(),
                policy.alias.as_str().into(),
                columns_text(policy).into(),
                policy.text.as_str().into(),
                true.into(),
                ctx.user_name(policy.modified_by).into(),
                policy.modified_us.into(),
            ]);
        }
        Ok(())
    }
}
