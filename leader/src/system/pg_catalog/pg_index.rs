//! `pg_index`: the indexes PostgreSQL would keep for keys. Nothing is stored for them; tools read keys here.

use crate::error::Result;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct PgIndex;

impl SystemTable for PgIndex {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "pg_index"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("indexrelid", SqlType::Oid),
            ("indrelid", SqlType::Oid),
            ("indkey", SqlType::Varchar(65_535)),
            ("indclass", SqlType::Varchar(65_535)),
            ("indoption", SqlType::Varchar(65_535)),
            ("indnatts", SqlType::SmallInt),
            ("indisunique", SqlType::Boolean),
            ("indisprimary", SqlType::Boolean),
            ("indimmediate", SqlType::Boolean),
            ("indisclustered", SqlType::Boolean),
            ("indisvalid", SqlType::Boolean),
            ("indisready", SqlType::Boolean),
            ("indisreplident", SqlType::Boolean),
            ("indexprs", SqlType::Varchar(65_535)),
            ("indpred", SqlType::Varchar(65_535)),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        for table in ctx.catalog.tables.values() {
            for named in table.named_constraints() {
                let Some(index) = named.index else { continue };
                let columns = named.columns();
                let numbers: Vec<_> = columns.iter().map(|at| (at + 1).to_string()).collect();
                let zeros = vec!["0"; columns.len()].join(" ");
                rows.push([
                    index.into(),
                    table.oid.into(),
                    numbers.join(" ").into(),
                    zeros.as_str().into(),
                    zeros.as_str().into(),
                    columns.len().into(),
                    true.into(),
                    (named.kind() == "p").into(),
                    true.into(),
                    false.into(),
                    true.into(),
                    true.into(),
                    false.into(),
                    Cell::Null,
                    Cell::Null,
                ]);
            }
        }
        Ok(())
    }
}
