//! `pg_locks`: locks held and waited for, with the columns of PostgreSQL 8.0.

use crate::error::Result;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use crate::transaction::lock::Lockable;
use blueshift_sql::SqlType;

/// The table.
pub struct PgLocks;

impl SystemTable for PgLocks {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "pg_locks"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("relation", SqlType::Oid),
            ("database", SqlType::Oid),
            ("transaction", SqlType::BigInt),
            ("pid", SqlType::Integer),
            ("mode", SqlType::Varchar(32)),
            ("granted", SqlType::Boolean),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        let transactions = &ctx.server.transactions;
        let locks = transactions.locks.facts();
        for open in transactions.open() {
            for fact in locks.iter().filter(|fact| fact.xid == open.xid) {
                if let Lockable::Relation(relation) = fact.on {
                    rows.push([
                        Cell::from(relation),
                        ctx.database_of_object(relation).into(),
                        Cell::Null,
                        open.pid.into(),
                        fact.mode.name().into(),
                        fact.granted.into(),
                    ]);
                }
            }
            rows.push([
                Cell::Null,
                Cell::Null,
                open.xid.into(),
                open.pid.into(),
                "ExclusiveLock".into(),
                true.into(),
            ]);
        }
        Ok(())
    }
}
