//! The lock table: who may change what at the same time, in order of asking, without deadlock.
//!
//! Who reads a table holds [`Mode::Read`], which only LOCK excludes, so neither DDL nor writers stop readers. A request waits behind every earlier request it conflicts with, so a stream of small INSERTs
//! cannot starve a TRUNCATE. Locks are held to the end of the transaction. A request that would close a cycle of
//! waiting transactions is refused with 40P01 at once: it is the youngest, so the least is lost.
//!
//! Waiting is a future; dropping it (cancel, statement timeout) gives up the place in the queue.

use crate::error::{Error, Result};
use crate::history::{lock as guard, now_us};
use blueshift_sql::SqlState;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;

/// What a lock is on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Lockable {
    /// The rows and the definition of a table, or the definition of a view.
    Relation(u32),
    /// The existence of a schema.
    Schema(u32),
    /// A name in a schema that an object may take.
    Name(u32, String),
    /// The list of users.
    Users,
}

/// How a lock is held.
/// A greater one excludes whatever a smaller one does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// SELECT, and the tables other statements read. Excludes only [`Mode::AccessExclusive`].
    Read,
    /// INSERT and COPY append; CREATE uses a schema. Excludes [`Mode::Exclusive`].
    Append,
    /// UPDATE and DELETE. One at a time; rows may be appended meanwhile.
    Change,
    /// TRUNCATE and DDL. Alone but for readers, who have what was there before.
    Exclusive,
    /// LOCK. Alone.
    AccessExclusive,
}

impl Mode {
    fn conflicts_with(self, other: Mode) -> bool {
        match (self.min(other), self.max(other)) {
            (_, Mode::AccessExclusive) => true,
            (weaker, Mode::Exclusive) => weaker > Mode::Read,
            (weaker, Mode::Change) => weaker == Mode::Change,
            (_, Mode::Read | Mode::Append) => false,
        }
    }

    /// Gives the mode's name in PG_LOCKS: that of PostgreSQL's mode that excludes the same.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Read => "AccessShareLock",
            Mode::Append => "RowExclusiveLock",
            Mode::Change => "ShareRowExclusiveLock",
            Mode::Exclusive => "ExclusiveLock",
            Mode::AccessExclusive => "AccessExclusiveLock",
        }
    }
}

#[derive(Debug)]
struct Request {
    xid: i64,
    mode: Mode,
    granted: bool,
    since_us: i64,
}

#[derive(Debug, Default)]
struct Table {
    /// In order of asking; granted and waiting ones alike.
    requests: HashMap<Lockable, Vec<Request>>,
}

/// Every lock of the server.
#[derive(Debug, Default)]
pub struct Locks {
    table: Mutex<Table>,
    /// Wakes all that wait whenever a lock is given back; they look again.
    released: Arc<Notify>,
}

/// One row for people who ask who holds what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockFact {
    /// What.
    pub on: Lockable,
    /// Which transaction.
    pub xid: i64,
    /// How.
    pub mode: Mode,
    /// Or still waits.
    pub granted: bool,
    /// When it was asked for, in microseconds since 1970.
    pub since_us: i64,
}

impl Table {
    /// Gives the transactions that stand in the way of the request at `position`.
    fn blockers(&self, on: &Lockable, xid: i64, mode: Mode) -> Vec<i64> {
        let Some(requests) = self.requests.get(on) else {
            return Vec::new();
        };
        let held = |other: Mode| {
            let mut own = requests.iter().filter(|own| own.xid == xid && own.granted);
            own.any(|own| own.mode.conflicts_with(other))
        };
        let mut blockers = Vec::new();
        let mut is_behind_us = false;
        for other in requests {
            if other.xid == xid {
                is_behind_us |= !other.granted && other.mode == mode;
                continue;
            }
            // One that waits for us already is passed, or both would wait for each other.
            let is_ahead = other.granted || (!is_behind_us && !held(other.mode));
            if is_ahead && mode.conflicts_with(other.mode) {
                blockers.push(other.xid);
            }
        }
        blockers
    }

    /// Tells whether `xid` waits, directly or not, for itself.
    fn closes_cycle(&self, xid: i64) -> bool {
        let mut seen = HashSet::new();
        let mut wanted = self.waits_for(xid);
        while let Some(next) = wanted.pop() {
            if next == xid {
                return true;
            }
            if seen.insert(next) {
                wanted.extend(self.waits_for(next));
            }
        }
        false
    }

    fn waits_for(&self, xid: i64) -> Vec<i64> {
        let mut found = Vec::new();
        for (on, requests) in &self.requests {
            for request in requests
                .iter()
                .filter(|other| other.xid == xid && !other.granted)
            {
                found.extend(self.blockers(on, xid, request.mode));
            }
        }
        found
    }

    fn remove_waiting(&mut self, on: &Lockable, xid: i64) {
        if let Some(requests) = self.requests.get_mut(on) {
            requests.retain(|request| request.xid != xid || request.granted);
            if requests.is_empty() {
                self.requests.remove(on);
            }
        }
    }
}

/// Gives up a place in the queue.
struct Waiting<'a> {
    locks: &'a Locks,
    on: &'a Lockable,
    xid: i64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        guard(&self.locks.table).remove_waiting(self.on, self.xid);
        self.locks.released.notify_waiters();
    }
}

impl Locks {
    /// Takes a lock for a transaction, waiting as long as it must. Gives whether it had to wait.
    pub async fn take(&self, xid: i64, on: Lockable, mode: Mode) -> Result<bool> {
        if !self.enqueue(xid, &on, mode) {
            return Ok(false);
        }
        let waiting = Waiting {
            locks: self,
            on: &on,
            xid,
        };
        let mut has_waited = false;
        loop {
            let notified = self.released.notified();
            tokio::pin!(notified);
            // Registered before looking, so that a release in between is not missed.
            notified.as_mut().enable();
            if self.try_grant(xid, &on, mode)? {
                drop(waiting);
                return Ok(has_waited);
            }
            has_waited = true;
            notified.await;
        }
    }

    /// Waits like [`Locks::take`], but no longer than `at_most`: then 55P03.
    pub async fn take_within(
        &self,
        xid: i64,
        on: Lockable,
        mode: Mode,
        at_most: Option<Duration>,
    ) -> Result<bool> {
        let Some(at_most) = at_most else {
            return self.take(xid, on, mode).await;
        };
        match tokio::time::timeout(at_most, self.take(xid, on, mode)).await {
            Ok(taken) => taken,
            Err(_) => Err(blueshift_sql::Error::new(
                SqlState::LOCK_NOT_AVAILABLE,
                "canceling statement due to lock timeout",
            )
            .with_hint("STV_LOCKS shows who holds the lock; raise lock_timeout to wait longer.")
            .into()),
        }
    }

    /// Takes a read lock on a table if that needs no waiting; `false` if it does.
    pub fn try_read(&self, xid: i64, table: u32) -> bool {
        let on = Lockable::Relation(table);
        if !self.enqueue(xid, &on, Mode::Read) {
            return true;
        }
        let mut locks = guard(&self.table);
        let is_free = locks.blockers(&on, xid, Mode::Read).is_empty();
        if is_free {
            let requests = locks.requests.get_mut(&on);
            for request in requests.into_iter().flatten() {
                request.granted |= request.xid == xid && request.mode == Mode::Read;
            }
        } else {
            locks.remove_waiting(&on, xid);
        }
        is_free
    }

    /// Takes a place in the queue; `false` if the transaction holds enough already.
    fn enqueue(&self, xid: i64, on: &Lockable, mode: Mode) -> bool {
        let mut table = guard(&self.table);
        let requests = table.requests.entry(on.clone()).or_default();
        let covers = |held: Mode| held >= mode;
        if requests
            .iter()
            .any(|held| held.xid == xid && held.granted && covers(held.mode))
        {
            return false;
        }
        requests.push(Request {
            xid,
            mode,
            granted: false,
            since_us: now_us(),
        });
        true
    }

    fn try_grant(&self, xid: i64, on: &Lockable, mode: Mode) -> Result<bool> {
        let mut table = guard(&self.table);
        if table.blockers(on, xid, mode).is_empty() {
            let requests = table.requests.get_mut(on);
            for request in requests.into_iter().flatten() {
                if request.xid == xid && request.mode == mode {
                    request.granted = true;
                }
            }
            return Ok(true);
        }
        if table.closes_cycle(xid) {
            return Err(blueshift_sql::Error::new(SqlState::DEADLOCK_DETECTED, "deadlock detected")
                .with_detail(format!(
                    "Transaction {xid} waits for a lock held by a transaction that waits for transaction {xid}."
                ))
                .with_hint("Roll back and run the transaction again.")
                .into());
        }
        Ok(false)
    }

    /// Gives back everything a transaction holds.
    pub fn release_all(&self, xid: i64) {
        let mut table = guard(&self.table);
        table.requests.retain(|_, requests| {
            requests.retain(|request| request.xid != xid);
            !requests.is_empty()
        });
        drop(table);
        self.released.notify_waiters();
    }

    /// Lists who holds and who waits.
    pub fn facts(&self) -> Vec<LockFact> {
        let table = guard(&self.table);
        let facts = table.requests.iter().flat_map(|(on, requests)| {
            requests.iter().map(|request| LockFact {
                on: on.clone(),
                xid: request.xid,
                mode: request.mode,
                granted: request.granted,
                since_us: request.since_us,
            })
        });
        facts.collect()
    }
}

/// The refusal of a change built on something a concurrent transaction changed, in Redshift's words.
pub fn conflict(table: u64, xids: &[i64], pid: i32) -> Error {
    let xids: Vec<String> = xids.iter().map(i64::to_string).collect();
    let xids = xids.join(", ");
    blueshift_sql::Error::new(SqlState::SERIALIZATION_FAILURE, "1023")
        .with_detail(format!(
            "Serializable isolation violation on table - {table}, transactions forming the cycle are: {xids} (pid:{pid})"
        ))
        .with_hint("Roll back and run the transaction again.")
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    const TABLE: Lockable = Lockable::Relation(1);
    const OTHER: Lockable = Lockable::Relation(2);

    /// Runs a lock request once: `None` if it has to wait.
    fn poll(future: &mut (impl Future<Output = Result<bool>> + Unpin)) -> Option<Result<bool>> {
        future.now_or_never()
    }

    #[test]
    fn appends_go_together_and_changes_one_by_one() {
        let locks = Locks::default();
        let take = |xid, mode| locks.take(xid, TABLE, mode).now_or_never();
        assert!(take(1, Mode::Append).unwrap().is_ok());
        assert!(take(2, Mode::Append).unwrap().is_ok());
        assert!(take(1, Mode::Change).unwrap().is_ok());
        assert!(take(2, Mode::Change).is_none());
        assert!(take(3, Mode::Exclusive).is_none());
        locks.release_all(1);
        assert!(take(2, Mode::Change).unwrap().is_ok());
    }

    #[test]
    fn the_first_to_ask_is_served_first() {
        let locks = Locks::default();
        assert!(
            locks
                .take(1, TABLE, Mode::Append)
                .now_or_never()
                .unwrap()
                .is_ok()
        );
        let mut truncate = Box::pin(locks.take(2, TABLE, Mode::Exclusive));
        assert!(poll(&mut truncate).is_none());
        let mut insert = Box::pin(locks.take(3, TABLE, Mode::Append));
        assert!(
            poll(&mut insert).is_none(),
            "an insert passed a waiting truncate"
        );
        locks.release_all(1);
        assert!(poll(&mut insert).is_none());
        assert!(poll(&mut truncate).unwrap().unwrap());
        locks.release_all(2);
        assert!(poll(&mut insert).unwrap().unwrap());
    }

    #[test]
    fn a_dropped_wait_leaves_the_queue() {
        let locks = Locks::default();
        assert!(
            locks
                .take(1, TABLE, Mode::Append)
                .now_or_never()
                .unwrap()
                .is_ok()
        );
        let mut truncate = Box::pin(locks.take(2, TABLE, Mode::Exclusive));
        assert!(poll(&mut truncate).is_none());
        drop(truncate);
        assert!(
            locks
                .take(3, TABLE, Mode::Append)
                .now_or_never()
                .unwrap()
                .is_ok()
        );
        assert_eq!(locks.facts().len(), 2);
    }

    #[test]
    fn readers_go_with_all_but_lock() {
        let locks = Locks::default();
        let take = |xid, mode| locks.take(xid, TABLE, mode).now_or_never();
        assert!(take(1, Mode::Exclusive).unwrap().is_ok());
        assert!(locks.try_read(2, 1) && locks.try_read(2, 1));
        let mut lock = Box::pin(locks.take(3, TABLE, Mode::AccessExclusive));
        assert!(poll(&mut lock).is_none());
        assert!(!locks.try_read(4, 1), "a reader passed a waiting LOCK");
        locks.release_all(1);
        assert!(poll(&mut lock).is_none(), "LOCK passed a reader");
        locks.release_all(2);
        assert!(poll(&mut lock).unwrap().unwrap());
        assert!(locks.try_read(3, 1) && !locks.try_read(4, 1));
        assert_eq!(locks.facts().len(), 1);
    }

    #[test]
    fn a_cycle_is_refused() {
        let locks = Locks::default();
        assert!(
            locks
                .take(1, TABLE, Mode::Change)
                .now_or_never()
                .unwrap()
                .is_ok()
        );
        assert!(
            locks
                .take(2, OTHER, Mode::Change)
                .now_or_never()
                .unwrap()
                .is_ok()
        );
        let mut first = Box::pin(locks.take(1, OTHER, Mode::Change));
        assert!(poll(&mut first).is_none());
        let second = locks.take(2, TABLE, Mode::Change).now_or_never().unwrap();
        assert!(second.unwrap_err().to_string().contains("deadlock"));
        locks.release_all(2);
        assert!(poll(&mut first).unwrap().unwrap());
    }
}
