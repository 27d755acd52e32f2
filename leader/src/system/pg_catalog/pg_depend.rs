//! `pg_depend`: which relations each view needs, and which tables a foreign key joins.

use super::pg_constraint::referred_index;
use crate::catalog::{Oid, TableConstraint};
use crate::error::Result;
use crate::system::rows::Rows;
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct PgDepend;

impl SystemTable for PgDepend {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "pg_depend"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("classid", SqlType::Oid),
            ("objid", SqlType::Oid),
            ("objsubid", SqlType::Integer),
            ("refclassid", SqlType::Oid),
            ("refobjid", SqlType::Oid),
            ("refobjsubid", SqlType::Integer),
            ("deptype", SqlType::Char(1)),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        let class = |name| crate::system::find("pg_catalog", name).map_or(0, crate::system::oid);
        let (relation, rule, constraint) = (
            class("pg_class"),
            class("pg_rewrite"),
            class("pg_constraint"),
        );
        let mut push = |of: (Oid, Oid), on: Oid, kind: &str| {
            rows.push([
                of.0.into(),
                of.1.into(),
                0.into(),
                relation.into(),
                on.into(),
                0.into(),
                kind.into(),
            ]);
        };
        for view in ctx.catalog.views.values() {
            // The rule is part of its view and needs what the view's text names.
            push((rule, view.rule_oid()), view.oid, "i");
            for needed in &view.depends_on {
                push((rule, view.rule_oid()), *needed, "n");
            }
        }
        for table in ctx.catalog.tables.values() {
            for named in table.named_constraints() {
                push((constraint, named.oid), table.oid, "a");
                if let Some(index) = named.index {
                    push((relation, index), table.oid, "a");
                }
                if let TableConstraint::ForeignKey {
                    table, referred, ..
                } = named.constraint
                {
                    push((constraint, named.oid), *table, "n");
                    // Drivers find the key that is referred to by this.
                    if let Some(index) = referred_index(ctx, *table, Some(referred)) {
                        push((constraint, named.oid), index, "n");
                    }
                }
            }
        }
        Ok(())
    }
}
