//! `svv_transactions`: open transactions of all users with the locks they hold or wait for, for all users.

use crate::error::Result;
use crate::history::lock;
use crate::system::rows::{Cell, Rows};
use crate::system::{SystemContext, SystemTable};
use crate::transaction::lock::Lockable;
use blueshift_sql::SqlType;

/// The table.
pub struct SvvTransactions;

impl SystemTable for SvvTransactions {
    fn schema(&self) -> &'static str {
        "pg_catalog"
    }

    fn name(&self) -> &'static str {
        "svv_transactions"
    }

    fn columns(&self) -> &'static [(&'static str, SqlType)] {
        &[
            ("txn_owner", SqlType::Varchar(128)),
            ("txn_db", SqlType::Varchar(128)),
            ("xid", SqlType::BigInt),
            ("pid", SqlType::Integer),
            ("txn_start", SqlType::Timestamp),
            ("lock_mode", SqlType::Varchar(32)),
            ("lockable_object_type", SqlType::Varchar(32)),
            ("relation", SqlType::Integer),
            ("granted", SqlType::Boolean),
        ]
    }

    fn rows(&self, ctx: &SystemContext, rows: &mut Rows) -> Result<()> {
        let transactions = &ctx.server.transactions;
        let locks = transactions.locks.facts();
        for open in transactions.open() {
            let owner = {
                let sessions = lock(&ctx.server.history.sessions);
                let session = sessions.iter().find(|session| session.pid == open.pid);
                session.map(|session| (session.user_name.clone(), session.database_name.clone()))
            };
            let (owner, database) = owner.unzip();
            let mut push = |mode: &str, kind: &str, relation: Option<u32>, granted: bool| {
                rows.push([
                    Cell::from(owner.as_deref()),
                    database.as_deref().into(),
                    open.xid.into(),
                    open.pid.into(),
                    open.starttime_us.into(),
                    mode.into(),
                    kind.into(),
                    relation.into(),
                    granted.into(),
                ]);
            };
            for fact in locks.iter().filter(|fact| fact.xid == open.xid) {
                if let Lockable::Relation(relation) = fact.on {
                    push(fact.mode.name(), "relation", Some(relation), fact.granted);
                }
            }
            push("ExclusiveLock", "transactionid", None, true);
        }
        Ok(())
    }
}
