//! `stl_analyze`: what ANALYZE looked at, and what it skipped.

use crate::error::Result;
use crate::history::lock;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct StlAnalyze;

impl SystemTable for StlAnalyze {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "stl_analyze"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("userid", SqlType::Integer),
            ("xid", SqlType::BigInt),
            ("database", SqlType::Char(30)),
            ("table_id", SqlType::Integer),
            ("status", SqlType::Char(15)),
            ("rows", SqlType::Double),
            ("modified_rows", SqlType::Double),
            ("threshold_percent", SqlType::Integer),
            ("is_auto", SqlType::Char(1)),
            ("starttime", SqlType::Timestamp),
            ("endtime", SqlType::Timestamp),
            ("prevtime", SqlType::Timestamp),
            ("num_predicate_cols", SqlType::Integer),
            ("new_predicate_cols", SqlType::Integer),
            ("is_background", SqlType::Char(1)),
            ("auto_analyze_phase", SqlType::Char(100)),
            ("schema_name", SqlType::Char(128)),
            ("table_name", SqlType::Char(128)),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        let flag = |is: bool| Cell::from(if is { "t" } else { "f" });
        let analyzes = lock(&ctx.server.history.analyzes);
        for event in analyzes.iter().filter(|event| ctx.sees(event.userid)) {
            rows.push([
                Cell::from(event.userid),
                event.xid.into(),
                ctx.database_of_table(event.table).as_str().into(),
                event.table.into(),
                event.status.as_ref().into(),
                event.rows.into(),
                event.modified_rows.into(),
                (event.threshold_percent as i64).into(),
                flag(event.is_auto),
                event.starttime_us.into(),
                event.endtime_us.into(),
                event.prevtime_us.into(),
                event.predicate_columns.into(),
                event.new_predicate_columns.into(),
                flag(event.is_background),
                "".into(),
                event.schema_name.as_str().into(),
                event.name.as_str().into(),
            ]);
        }
        Ok(())
    }
}
