//! `svv_schema_quota_state`: what schemas may take of the disk, and what they take, in megabytes.
//!
//! A superuser sees every schema, others those that they own.

use crate::error::Result;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use crate::transaction::quota::megabytes;
use blueshift_sql::SqlType;

/// The table.
pub struct SvvSchemaQuotaState;

impl SystemTable for SvvSchemaQuotaState {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "svv_schema_quota_state"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("schema_id", SqlType::Integer),
            ("schema_name", SqlType::Varchar(128)),
            ("schema_owner", SqlType::Integer),
            ("quota", SqlType::Integer),
            ("disk_usage", SqlType::Integer),
            ("disk_usage_pct", SqlType::Double),
        ]
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a percentage of megabytes, which are far below 2^53"
    )]
    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        for schema in ctx.catalog.schemas.values() {
            let Some(quota) = schema.quota.filter(|_| ctx.sees(schema.owner)) else {
                continue;
            };
            let used = megabytes(&ctx.catalog, &ctx.view, schema.oid)?;
            rows.push([
                Cell::from(schema.oid),
                schema.name.as_str().into(),
                schema.owner.into(),
                quota.into(),
                used.into(),
                (used as f64 / quota.max(1) as f64 * 100.0).into(),
            ]);
        }
        Ok(())
    }
}
