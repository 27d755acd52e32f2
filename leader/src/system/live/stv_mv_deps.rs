//! `stv_mv_deps`: materialized views that read others.

use crate::error::Result;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct StvMvDeps;

impl SystemTable for StvMvDeps {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "stv_mv_deps"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("db_name", SqlType::Char(128)),
            ("schema", SqlType::Char(128)),
            ("name", SqlType::Char(128)),
            ("ref_schema", SqlType::Char(128)),
            ("ref_name", SqlType::Char(128)),
            ("ref_database_name", SqlType::Char(128)),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        let catalog = &ctx.catalog;
        let schema = |oid| catalog.schemas.get(&oid).map(|schema| schema.name.as_str());
        let mut views: Vec<_> = catalog.views.values().collect();
        views.sort_by_key(|view| view.oid);
        let is_shown = |oid: u32, owner| catalog.materialized.contains_key(&oid) && ctx.sees(owner);
        for view in views.iter().filter(|view| is_shown(view.oid, view.owner)) {
            for below in &view.depends_on {
                let Some(below) = catalog.views.get(below) else {
                    continue;
                };
                rows.push([
                    Cell::from(ctx.catalog.database_name()),
                    schema(view.schema).into(),
                    view.name.as_str().into(),
                    schema(below.schema).into(),
                    below.name.as_str().into(),
                    ctx.catalog.database_name().into(),
                ]);
            }
        }
        Ok(())
    }
}
