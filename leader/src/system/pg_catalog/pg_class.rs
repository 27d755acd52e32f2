//! `pg_class`: tables, views and system tables.

use crate::catalog::{
    ADMIN_OID, INFORMATION_SCHEMA_OID, Oid, PG_CATALOG_OID, TableConstraint, TableDistribution,
};
use crate::error::Result;
use crate::server::TEMP_SCHEMA_PREFIX;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

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
            ("releffectivediststyle", SqlType::Integer),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
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
            let has_primary_key = table
                .constraints
                .iter()
                .any(|constraint| matches!(constraint, TableConstraint::PrimaryKey(_)));
            rows.push(row(&Facts {
                oid: table.oid,
                name: &table.name,
                schema: table.schema,
                owner: table.owner,
                tuples: rows_stored,
                kind: "r",
                persistence: if is_temporary { "t" } else { "p" },
                columns: table.columns.len(),
                has_primary_key,
                dist_style: dist_style(table.distribution),
            }));
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
                has_primary_key: false,
                dist_style: 0,
            }));
        }
        for table in crate::system::TABLES {
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
                kind: if is_pg { "r" } else { "v" },
                persistence: "p",
                columns: table.columns().len(),
                has_primary_key: false,
                dist_style: 0,
            }));
        }
        Ok(())
    }
}

/// What is particular to one relation.
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
    dist_style: i32,
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
    vec![
        facts.oid.into(),
        facts.name.into(),
        facts.schema.into(),
        0.into(),
        0.into(),
        facts.owner.into(),
        0.into(),
        facts.oid.into(),
        0.into(),
        0.into(),
        (facts.tuples as f64).into(),
        0.into(),
        false.into(),
        false.into(),
        facts.persistence.into(),
        facts.kind.into(),
        facts.columns.into(),
        0.into(),
        false.into(),
        facts.has_primary_key.into(),
        (facts.kind == "v").into(),
        false.into(),
        false.into(),
        false.into(),
        Cell::Null,
        Cell::Null,
        facts.dist_style.into(),
    ]
}
