//! The tables a statement reads: each under a read lock, and remembered for the transaction.
//!
//! Names resolve without waiting, so a table under another's LOCK is an error there, which the session takes as the
//! order to wait and to run the statement again.

use super::Transactions;
use crate::catalog::external::ExternalSchema;
use crate::catalog::foreign::{Answer, Want};
use crate::history::lock as guard;
use blueshift_sql::{Error, Result, SqlState};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

/// The tables one statement reads.
#[derive(Default)]
pub struct TableReads {
    /// Who reads; `None` if the statement is only described, not run.
    reader: Option<(Arc<Transactions>, i64)>,
    found: Mutex<Found>,
    foreign: Mutex<Foreign>,
}

/// What a statement was told by catalogs elsewhere, and what it waits for.
#[derive(Default)]
struct Foreign {
    told: HashMap<(u32, Want), Answer>,
    wanted: Option<(Arc<ExternalSchema>, Want)>,
}

#[derive(Default)]
struct Found {
    tables: BTreeSet<u32>,
    locked: Option<u32>,
}

impl TableReads {
    /// Begins a statement of a transaction.
    pub fn of(transactions: &Arc<Transactions>, xid: i64) -> Self {
        Self {
            reader: Some((transactions.clone(), xid)),
            found: Mutex::default(),
            foreign: Mutex::default(),
        }
    }

    /// Notes that a table is read. Fails with 55P03 if another transaction has it under LOCK.
    pub fn note(&self, table: u32, name: &str) -> Result<()> {
        let Some((transactions, xid)) = &self.reader else {
            return Ok(());
        };
        let mut found = guard(&self.found);
        if !found.tables.contains(&table) && !transactions.locks.try_read(*xid, table) {
            found.locked = Some(table);
            return Err(Error::new(
                SqlState::LOCK_NOT_AVAILABLE,
                format!("could not obtain lock on relation \"{name}\""),
            )
            .with_hint("Another transaction has it under LOCK. Try again once it has ended."));
        }
        found.tables.insert(table);
        Ok(())
    }

    /// Gives the table that stopped the statement, once.
    pub fn take_locked(&self) -> Option<u32> {
        guard(&self.found).locked.take()
    }

    /// Gives what the statement was told of an external schema.
    pub fn told(&self, schema: u32, want: &Want) -> Option<Answer> {
        guard(&self.foreign)
            .told
            .get(&(schema, want.clone()))
            .cloned()
    }

    /// Keeps what the statement was told of an external schema to its end.
    pub fn keep(&self, schema: u32, want: Want, answer: Answer) {
        guard(&self.foreign).told.insert((schema, want), answer);
    }

    /// Notes what the statement must be told, and gives the error that stops it until then.
    pub fn want(&self, schema: &Arc<ExternalSchema>, want: Want, name: &str) -> Error {
        guard(&self.foreign).wanted = Some((Arc::clone(schema), want));
        Error::new(
            SqlState::LOCK_NOT_AVAILABLE,
            format!("external schema \"{name}\" has not been asked for its tables yet"),
        )
        .with_hint("Try again.")
    }

    /// Gives what stopped the statement for want of an answer from elsewhere, once.
    pub fn take_wanted(&self) -> Option<(Arc<ExternalSchema>, Want)> {
        guard(&self.foreign).wanted.take()
    }

    /// Gives the tables read.
    pub fn tables(&self) -> BTreeSet<u32> {
        guard(&self.found).tables.clone()
    }
}
