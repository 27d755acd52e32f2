//! `pg_rewrite`: the rule of each view.

use crate::error::Result;
use crate::system::rows::Rows;
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct PgRewrite;

impl SystemTable for PgRewrite {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "pg_rewrite"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("tableoid", SqlType::Oid),
            ("oid", SqlType::Oid),
            ("rulename", SqlType::Name),
            ("ev_class", SqlType::Oid),
            ("ev_attr", SqlType::SmallInt),
            ("ev_type", SqlType::Char(1)),
            ("ev_enabled", SqlType::Char(1)),
            ("is_instead", SqlType::Boolean),
            ("ev_qual", SqlType::Varchar(65_535)),
            ("ev_action", SqlType::Varchar(65_535)),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        for view in ctx.catalog.views.values() {
            rows.push([
                crate::system::oid(self).into(),
                view.rule_oid().into(),
                "_RETURN".into(),
                view.oid.into(),
                (-1).into(),
                "1".into(),
                "O".into(),
                true.into(),
                "<>".into(),
                view.definition().into(),
            ]);
        }
        Ok(())
    }
}
