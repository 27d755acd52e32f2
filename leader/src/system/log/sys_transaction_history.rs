//! `sys_transaction_history`: transactions that changed something and ended.

use crate::error::Result;
use crate::history::lock;
use crate::history::transaction::TransactionEnd;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use blueshift_sql::SqlType::{self, BigInt, Integer, Timestamp, Varchar};

/// The table.
pub struct SysTransactionHistory;

impl SystemTable for SysTransactionHistory {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "sys_transaction_history"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("user_id", Integer),
            ("transaction_id", BigInt),
            ("isolation_level", Varchar(20)),
            ("status", Varchar(20)),
            ("transaction_start_time", Timestamp),
            ("commit_start_time", Timestamp),
            ("commit_end_time", Timestamp),
            ("blocks_committed", BigInt),
            ("undo_start_time", Timestamp),
            ("undo_end_time", Timestamp),
            ("undo_transaction_id", BigInt),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        let transactions = lock(&ctx.server.history.transactions);
        for ended in transactions.iter().filter(|ended| ctx.sees(ended.userid)) {
            let level = match ended.is_serializable {
                true => "Serializable",
                false => "Snapshot Isolation",
            };
            let mut cells = vec![
                ended.userid.into(),
                ended.xid.into(),
                level.into(),
                match ended.end {
                    TransactionEnd::Committed(_) => "committed",
                    TransactionEnd::Undone { .. } => "rolled back",
                }
                .into(),
                ended.starttime_us.into(),
            ];
            cells.extend(match ended.end {
                TransactionEnd::Committed(figures) => [
                    figures.asked_us.into(),
                    figures.durable_us.into(),
                    figures.bytes_added.div_ceil(1 << 20).into(),
                    Cell::Null,
                    Cell::Null,
                    Cell::Null,
                ],
                TransactionEnd::Undone { begun_us, ended_us } => [
                    Cell::Null,
                    Cell::Null,
                    0.into(),
                    begun_us.into(),
                    ended_us.into(),
                    ended.xid.into(),
                ],
            });
            rows.push(cells);
        }
        Ok(())
    }
}
