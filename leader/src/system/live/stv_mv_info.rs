//! `stv_mv_info`: materialized views, and whether they show all of their tables.
//!
//! The manual's sample shows `1` and `0` for its flags, but dbt's tests against clusters read `t` and `f`.

use crate::catalog::Oid;
use crate::error::Result;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct StvMvInfo;

impl SystemTable for StvMvInfo {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "stv_mv_info"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("db_name", SqlType::Char(128)),
            ("schema", SqlType::Char(128)),
            ("name", SqlType::Char(128)),
            ("updated_upto_xid", SqlType::BigInt),
            ("is_stale", SqlType::Char(1)),
            ("owner_user_name", SqlType::Char(128)),
            ("state", SqlType::Integer),
            ("autorefresh", SqlType::Char(1)),
            ("autorewrite", SqlType::Char(1)),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        let catalog = &ctx.catalog;
        let mut oids: Vec<&Oid> = catalog.materialized.keys().collect();
        oids.sort();
        for oid in oids {
            let (Some(view), Some(kept)) = (catalog.views.get(oid), catalog.materialized.get(oid))
            else {
                continue;
            };
            if !ctx.sees(view.owner) {
                continue;
            }
            let schema = catalog.schemas.get(&view.schema);
            let owner = catalog.users.get(&view.owner);
            let flag = |yes: bool| Cell::from(if yes { "t" } else { "f" });
            rows.push([
                Cell::from(ctx.catalog.database_name()),
                schema.map(|schema| schema.name.as_str()).into(),
                view.name.as_str().into(),
                kept.xid.into(),
                flag(kept.is_stale(&ctx.view)),
                owner.map(|owner| owner.name.as_str()).into(),
                kept.state.into(),
                flag(kept.auto_refresh),
                flag(kept.is_rewritable),
            ]);
        }
        Ok(())
    }
}
