//! What is remembered of a transaction that changed something.

use super::{CommitFigures, Transaction, TransactionEnd, guard, now_us};
use crate::error::Result;
use crate::history::transaction::{EndedTransaction, UserChange};
use std::sync::atomic::{AtomicU32, Ordering};

/// The user of what the server does by itself.
const SERVER_USER: u32 = 1;

/// A commit's place among those that are not durable; given up when dropped.
pub(super) struct Turn(pub(super) std::sync::Arc<AtomicU32>);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Transaction {
    /// Records how the transaction ended.
    pub(super) fn note_end(&self, end: TransactionEnd) {
        let figures = &self.shared.history.figures;
        match end {
            TransactionEnd::Committed(_) => figures.commits.add(1),
            TransactionEnd::Undone { .. } => figures.rollbacks.add(1),
        }
        if self.shared.history.is_off {
            return;
        }
        self.shared.history.ended_transaction(EndedTransaction {
            userid: SERVER_USER,
            xid: self.xid,
            pid: self.facts.pid,
            is_serializable: self.is_serializable,
            tables: self.writes.iter().copied().collect(),
            starttime_us: self.facts.starttime_us,
            end,
        });
    }

    /// Counts what a commit that is asked for now will write, and takes its place among those that wait.
    pub(super) fn figures(&self) -> (CommitFigures, Turn) {
        let own = &self.own;
        let others = self.shared.committing.fetch_add(1, Ordering::Relaxed);
        let open = guard(&self.shared.open);
        let figures = CommitFigures {
            asked_us: now_us(),
            others,
            bytes_added: own.added.iter().map(|record| record.file_bytes).sum(),
            files: (own.added.len() + own.masks.len()) as u64,
            open: u32::try_from(open.len()).unwrap_or(u32::MAX),
            oldest: open.keys().min().copied().unwrap_or(self.xid),
            ..CommitFigures::default()
        };
        (figures, Turn(self.shared.committing.clone()))
    }

    /// Compares the users that the transaction changed with what they were.
    pub(super) fn user_changes(&mut self) -> Result<Vec<UserChange>> {
        let keys = self.own.catalog.iter();
        let changed = keys.filter_map(|change| change.key.strip_prefix("user/")?.parse().ok());
        let changed: Vec<u32> = changed.collect();
        if changed.is_empty() {
            return Ok(Vec::new());
        }
        let (before, after) = (self.committed_catalog()?, self.catalog()?);
        let changes = changed.into_iter().filter_map(|oid| {
            let (old, new) = (before.users.get(&oid), after.users.get(&oid));
            let (action, old_name) = match (old, new) {
                (Some(old), Some(new)) if old.name != new.name => ("rename", Some(&old.name)),
                (Some(_), Some(_)) => ("alter", None),
                (None, _) => ("create", None),
                (Some(_), None) => ("drop", None),
            };
            let user = new.or(old)?;
            Some(UserChange {
                userid: oid,
                name: user.name.clone(),
                old_name: old_name.cloned(),
                action: action.to_owned(),
                create_database: user.create_database,
                superuser: user.superuser,
                valid_until_us: user.valid_until_us,
                pid: self.facts.pid,
                xid: self.xid,
                recordtime_us: now_us(),
            })
        });
        Ok(changes.collect())
    }
}
