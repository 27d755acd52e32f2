//! `svv_masking_policy`: the masking policies of every database, for security administrators.

use crate::error::Result;
use crate::system::grants::columns_text;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;
use blueshift_sql::statement::policy::PolicyKind;

/// The table.
pub struct SvvMaskingPolicy;

impl SystemTable for SvvMaskingPolicy {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "svv_masking_policy"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("policy_database", SqlType::Varchar(128)),
            ("policy_name", SqlType::Varchar(128)),
            ("input_columns", SqlType::Varchar(65_535)),
            ("policy_expression", SqlType::Varchar(65_535)),
            ("policy_modified_by", SqlType::Varchar(128)),
            ("policy_modified_time", SqlType::Timestamp),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        if !ctx.catalog.is_security_administrator(&ctx.user) {
            return Ok(());
        }
        for policy in ctx.catalog.whole().policies_by_name(PolicyKind::Mask) {
            let database = ctx.catalog.databases.get(&policy.database);
            rows.push([
                Cell::from(database.map_or("", |database| database.name.as_str())),
                policy.name.as_str().into(),
                columns_text(policy).into(),
                policy.text.as_str().into(),
                ctx.user_name(policy.modified_by).into(),
                policy.modified_us.into(),
            ]);
        }
        Ok(())
    }
}
