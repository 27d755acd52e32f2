//! `pg_class`: tables, views and system tables.

use crate::catalog::{
    ADMIN_OID, INFORMATION_SCHEMA_OID, Oid, PG_CATALOG_OID, TableConstraint, TableDistribution,
};
use crate::error::Result;
use crate::server::TEMP_SCHEMA_PREFIX;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;
use std::collections::HashSet;

/// The table.
pub struct PgClass;

impl SystemTable for PgClass {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "pg_class"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("oid", SqlType::Oid),
            ("relname", SqlType::Name),
            ("relnamespace", SqlType::Oid),
            ("reltype", SqlType::Oid),
            ("reloftype", SqlType::Oid),
            ("relowner", SqlType::Integer),
            ("relam", SqlType::Oid),
            ("relfilenode", SqlType::Oid),
            ("reltablespace", SqlType::Oid),
            ("relpages", SqlType::Integer),
            ("reltuples", SqlType::Double),
            ("reltoastrelid", SqlType::Oid),
            ("relhasindex", SqlType::Boolean),
            ("relisshared", SqlType::Boolean),
            ("relpersistence", SqlType::Char(1)),
            ("relkind", SqlType::Char(1)),
            ("relnatts", SqlType::SmallInt),
            ("relchecks", SqlType::SmallInt),
            ("relhasoids", SqlType::Boolean),
            ("relhaspkey", SqlType::Boolean),
            ("relhasrules", SqlType::Boolean),
            ("relhastriggers", SqlType::Boolean),
            ("relhassubclass", SqlType::Boolean),
            ("relispartition", SqlType::Boolean),
            ("relacl", SqlType::Varchar(65_535)),
            ("reloptions", SqlType::Varchar(65_535)),
            ("reldiststyle", SqlType::SmallInt),
            ("releffectivediststyle", SqlType::Integer),
            ("relrowsecurity", SqlType::Boolean),
            ("relforcerowsecurity", SqlType::Boolean),
            ("relreplident", SqlType::Char(1)),
            ("relispopulated", SqlType::Boolean),
            ("relcreationtime", SqlType::Timestamp),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        let constraints = ctx.catalog.tables.values();
        let constraints = constraints.flat_map(|table| table.constraints.iter());
        let referred: HashSet<Oid> = constraints
            .filter_map(|constraint| match constraint {
                TableConstraint::ForeignKey { table, .. } => Some(*table),
                TableConstraint::PrimaryKey(_) | TableConstraint::Unique(_) => None,
            })
            .collect();
        let access = |oid: Oid| {
            let list = ctx.catalog.access.get(&oid)?;
            ctx.catalog.access_text(list, None)
        };
        for table in ctx.catalog.tables.values() {
            let rows_stored = ctx
                .view
                .table(table.id())
                .map_or(0, |version| version.row_count());
            let is_temporary = ctx
                .catalog
                .schemas
                .get(&table.schema)
                .is_some_and(|schema| schema.name.starts_with(TEMP_SCHEMA_PREFIX));
            let named = table.named_constraints();
            let has_foreign_key = named.iter().any(|one| one.kind() == "f");
            rows.push(row(&Facts {
                oid: table.oid,
                name: &table.name,
                schema: table.schema,
                owner: table.owner,
                tuples: rows_stored,
                kind: "r",
                persistence: if is_temporary { "t" } else { "p" },
                columns: table.columns.len(),
                has_primary_key: table.has_primary_key(),
                has_index: named.iter().any(|one| one.index.is_some()),
                has_triggers: has_foreign_key || referred.contains(&table.oid),
                dist_style: dist_style(table.distribution),
                created: Some(table.created_us),
                access: access(table.oid),
            }));
            for one in &named {
                let Some(index) = one.index else { continue };
                rows.push(row(&Facts {
                    oid: index,
                    name: &one.name,
                    schema: table.schema,
                    owner: table.owner,
                    tuples: 0,
                    kind: "i",
                    persistence: if is_temporary { "t" } else { "p" },
                    columns: one.columns().len(),
                    ..Facts::default()
                }));
            }
        }
        for view in ctx.catalog.views.values() {
            rows.push(row(&Facts {
                oid: view.oid,
                name: &view.name,
                schema: view.schema,
                owner: view.owner,
                tuples: 0,
                kind: "v",
                persistence: "p",
                columns: view.columns.len(),
                access: access(view.oid),
                ..Facts::default()
            }));
        }
        for table in crate::system::tables() {
            let is_pg = table.schema() == "pg_catalog";
            rows.push(row(&Facts {
                oid: crate::system::oid(*table),
                name: table.name(),
                schema: if is_pg {
                    PG_CATALOG_OID
                } else {
                    INFORMATION_SCHEMA_OID
                },
                owner: ADMIN_OID,
                tuples: 0,
                kind: if table.query().is_none() { "r" } else { "v" },
                persistence: "p",
                columns: table.columns().len(),
                ..Facts::default()
            }));
        }
        Ok(())
    }
}

/// What is particular to one relation.
#[derive(Default)]
struct Facts<'a> {
    oid: Oid,
    name: &'a str,
    schema: Oid,
    owner: Oid,
    tuples: u64,
    kind: &'static str,
    persistence: &'static str,
    columns: usize,
    has_primary_key: bool,
    has_index: bool,
    has_triggers: bool,
    dist_style: i32,
    created: Option<i64>,
    access: Option<String>,
}

/// RELEFFECTIVEDISTSTYLE as the manual numbers it.
fn dist_style(distribution: TableDistribution) -> i32 {
    match distribution {
        TableDistribution::Even => 0,
        TableDistribution::Key(_) => 1,
        TableDistribution::All => 8,
        TableDistribution::AutoAll => 10,
        TableDistribution::AutoEven => 11,
    }
}

fn row(facts: &Facts<'_>) -> Vec<Cell> {
    // Of tables alone: RELDISTSTYLE does not tell which way an automatic table went.
    let declared = match facts.dist_style {
        10 | 11 => 9,
        style => style,
    };
    vec![
        facts.oid.into(),
        facts.name.into(),
        facts.schema.into(),
        0.into(),
        0.into(),
        facts.owner.into(),
        if facts.kind == "i" { BTREE } else { 0 }.into(),
        facts.oid.into(),
        0.into(),
        0.into(),
        (facts.tuples as f64).into(),
        0.into(),
        facts.has_index.into(),
        false.into(),
        facts.persistence.into(),
        facts.kind.into(),
        facts.columns.into(),
        0.into(),
        false.into(),
        facts.has_primary_key.into(),
        (facts.kind == "v").into(),
        facts.has_triggers.into(),
        false.into(),
        false.into(),
        facts.access.clone().into(),
        Cell::Null,
        declared.into(),
        facts.dist_style.into(),
        false.into(),
        false.into(),
        "d".into(),
        true.into(),
        facts.created.into(),
    ]
}

/// The oid of access method `btree`, which indexes of keys are said to have.
const BTREE: u32 = 403;
