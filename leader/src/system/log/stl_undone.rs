//! `stl_undone`: transactions that had changed something and were rolled back, a row for each table they had changed.

use crate::error::Result;
use crate::history::lock;
use crate::history::transaction::TransactionEnd;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType;

/// The table.
pub struct StlUndone;

impl SystemTable for StlUndone {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "stl_undone"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("userid", SqlType::Integer),
            ("xact_id", SqlType::BigInt),
            ("xact_id_undone", SqlType::BigInt),
            ("undo_start_ts", SqlType::Timestamp),
            ("undo_end_ts", SqlType::Timestamp),
            ("table_id", SqlType::BigInt),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        let transactions = lock(&ctx.server.history.transactions);
        for ended in transactions.iter().filter(|ended| ctx.sees(ended.userid)) {
            let TransactionEnd::Undone { begun_us, ended_us } = ended.end else {
                continue;
            };
            let tables = ended.tables.iter().map(|table| Some(*table));
            let mut tables: Vec<Option<u32>> = tables.collect();
            if tables.is_empty() {
                // It had changed the catalog alone.
                tables.push(None);
            }
            for table in tables {
                rows.push([
                    Cell::from(ended.userid),
                    ended.xid.into(),
                    ended.xid.into(),
                    begun_us.into(),
                    ended_us.into(),
                    table.into(),
                ]);
            }
        }
        Ok(())
    }
}
