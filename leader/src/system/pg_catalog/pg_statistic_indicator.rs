//! `pg_statistic_indicator`: rows of tables, and those inserted and deleted since the last ANALYZE. For superusers, as
//! documented.

use crate::error::Result;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_compute::maintain::analyze::Changes;
use blueshift_sql::SqlType;

/// The table.
pub struct PgStatisticIndicator;

impl SystemTable for PgStatisticIndicator {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "pg_statistic_indicator"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("stairelid", SqlType::Oid),
            ("stairows", SqlType::Double),
            ("staiins", SqlType::Double),
            ("staidels", SqlType::Double),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        if !ctx.user.superuser {
            return Ok(());
        }
        for table in ctx.catalog.tables.values() {
            let version = ctx.view.table(table.id())?;
            let count = version.row_count();
            let last = ctx.server.history.statistics.last_analyze(table.oid);
            let never = Changes {
                added: count,
                deleted: 0,
            };
            let changes = last.map_or(never, |last| last.image.changes(version));
            rows.push([
                Cell::from(table.oid),
                (count as f64).into(),
                (changes.added as f64).into(),
                (changes.deleted as f64).into(),
            ]);
        }
        Ok(())
    }
}
