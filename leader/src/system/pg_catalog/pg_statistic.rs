//! `pg_statistic`: what is known of columns that were analyzed or asked by, with the columns of PostgreSQL 8.0. For
//! superusers.
//!
//! Slot 1 is of kind 10002, Redshift's own: when a query first filtered, joined or grouped by the column, and when it
//! was last analyzed; the first moment of 2000 stands for never. The manual's view PREDICATE_COLUMNS reads it.

use crate::error::Result;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType::{self, Integer, Oid, Real, SmallInt};

/// Arrays are kept as text.
const ARRAY: SqlType = SqlType::Varchar(65_535);

/// The kind of the slot with both times.
const PREDICATE_USE: i32 = 10_002;

/// What stands for never.
const NEVER: &str = "2000-01-01 00:00:00";

/// The table.
pub struct PgStatistic;

impl SystemTable for PgStatistic {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "pg_statistic"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("starelid", Oid),
            ("staattnum", SmallInt),
            ("stanullfrac", Real),
            ("stawidth", Integer),
            ("stadistinct", Real),
            ("stakind1", SmallInt),
            ("stakind2", SmallInt),
            ("stakind3", SmallInt),
            ("stakind4", SmallInt),
            ("staop1", Oid),
            ("staop2", Oid),
            ("staop3", Oid),
            ("staop4", Oid),
            ("stanumbers1", ARRAY),
            ("stanumbers2", ARRAY),
            ("stanumbers3", ARRAY),
            ("stanumbers4", ARRAY),
            ("stavalues1", ARRAY),
            ("stavalues2", ARRAY),
            ("stavalues3", ARRAY),
            ("stavalues4", ARRAY),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        if !ctx.user.superuser {
            return Ok(());
        }
        let store = &ctx.server.node.store;
        for table in ctx.catalog.tables.values() {
            let known = ctx.server.history.statistics.columns_of(table.oid);
            let version = ctx.view.table(table.id())?;
            for (index, column) in table.columns.iter().enumerate() {
                let Some(known) = known.get(&column.id) else {
                    continue;
                };
                let statistics = version.column_statistics(store, index)?;
                let count = statistics.rows.max(1) as f64;
                let time = |at: Option<i64>| {
                    let at = at.and_then(chrono::DateTime::from_timestamp_micros);
                    at.map_or(NEVER.to_owned(), |at| at.format("%F %T").to_string())
                };
                let (first, last) = (time(known.first_predicate_us), time(known.analyzed_us));
                let values = format!("{{\"{first}\",\"{last}\"}}");
                let number = i32::try_from(index + 1).unwrap_or(i32::MAX);
                let width = statistics.value_bytes as f64 / count;
                rows.push([
                    Cell::from(table.oid),
                    number.into(),
                    (statistics.nulls as f64 / count).into(),
                    (width.round() as i32).into(),
                    (statistics.distinct as f64).into(),
                    PREDICATE_USE.into(),
                    0.into(),
                    0.into(),
                    0.into(),
                    0_u32.into(),
                    0_u32.into(),
                    0_u32.into(),
                    0_u32.into(),
                    Cell::Null,
                    Cell::Null,
                    Cell::Null,
                    Cell::Null,
                    values.as_str().into(),
                    Cell::Null,
                    Cell::Null,
                    Cell::Null,
                ]);
            }
        }
        Ok(())
    }
}
