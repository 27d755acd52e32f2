//! `pg_constraint`: primary, unique and foreign keys: known, used by the planner, not enforced.

use crate::catalog::{Oid, Table, TableConstraint};
use crate::error::Result;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct PgConstraint;

impl SystemTable for PgConstraint {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "pg_constraint"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("tableoid", SqlType::Oid),
            ("oid", SqlType::Oid),
            ("conname", SqlType::Name),
            ("connamespace", SqlType::Oid),
            ("contype", SqlType::Char(1)),
            ("condeferrable", SqlType::Boolean),
            ("condeferred", SqlType::Boolean),
            ("convalidated", SqlType::Boolean),
            ("conrelid", SqlType::Oid),
            ("contypid", SqlType::Oid),
            ("conindid", SqlType::Oid),
            ("conparentid", SqlType::Oid),
            ("confrelid", SqlType::Oid),
            ("confupdtype", SqlType::Char(1)),
            ("confdeltype", SqlType::Char(1)),
            ("confmatchtype", SqlType::Char(1)),
            ("conkey", SqlType::Varchar(65_535)),
            ("confkey", SqlType::Varchar(65_535)),
            ("conbin", SqlType::Varchar(65_535)),
            ("consrc", SqlType::Varchar(65_535)),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        for table in ctx.catalog.tables.values() {
            for named in table.named_constraints() {
                let (referred, there) = match named.constraint {
                    TableConstraint::ForeignKey {
                        table, referred, ..
                    } => (*table, Some(referred.as_slice())),
                    TableConstraint::PrimaryKey(_) | TableConstraint::Unique(_) => (0, None),
                };
                let of_foreign = |letter: &str| Cell::from(there.map_or(" ", |_| letter));
                let index = named.index.or_else(|| referred_index(ctx, referred, there));
                rows.push([
                    crate::system::oid(self).into(),
                    named.oid.into(),
                    named.name.as_str().into(),
                    table.schema.into(),
                    named.kind().into(),
                    false.into(),
                    false.into(),
                    true.into(),
                    table.oid.into(),
                    0.into(),
                    index.unwrap_or_default().into(),
                    0.into(),
                    referred.into(),
                    of_foreign("a"),
                    of_foreign("a"),
                    of_foreign("u"),
                    numbers(named.columns()).into(),
                    there.map(numbers).into(),
                    Cell::Null,
                    Cell::Null,
                ]);
            }
        }
        Ok(())
    }
}

/// The text of an array of column numbers.
fn numbers(columns: &[usize]) -> String {
    let numbers: Vec<_> = columns.iter().map(|at| (at + 1).to_string()).collect();
    format!("{{{}}}", numbers.join(","))
}

/// The index of the key that a foreign key refers to.
pub(super) fn referred_index(
    ctx: &SystemContext,
    table: Oid,
    columns: Option<&[usize]>,
) -> Option<Oid> {
    let table: &Table = ctx.catalog.tables.get(&table)?;
    let mut named = table.named_constraints().into_iter();
    named
        .find(|key| key.index.is_some() && Some(key.columns()) == columns)
        .and_then(|key| key.index)
}
