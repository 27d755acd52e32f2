//! Which concurrent transactions must come before which, for databases of ISOLATION LEVEL SERIALIZABLE.
//!
//! A transaction that read a table comes before those whose changes of it its read view lacks, and after those whose
//! changes its view has. The statement that closes a cycle of such orders is refused with 1023, as no serial order
//! would have the same outcome. Tables are the grain, as in Redshift. Changes need no order among themselves: what
//! overwrites a row has read its table, and two INSERTs do not see each other.
//!
//! A committed transaction is remembered while one that it must come before, or after, may still be found: while any
//! transaction is open that began before its commit, and then as long as a remembered one comes before it. Beyond
//! [`COMMITTED_MAX`] the oldest are taken for one, which may refuse too much and never too little.

use crate::history::lock as guard;
use blueshift_storage::store::ReadView;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;

/// Committed transactions remembered one by one.
const COMMITTED_MAX: usize = 256;

/// The transactions of a serializable database: open ones, and committed ones that still matter.
#[derive(Debug, Default)]
pub struct Serial {
    nodes: Mutex<BTreeMap<i64, Node>>,
    /// Wakes those who wait for a commit to have its version.
    settled: Notify,
}

#[derive(Clone, Debug)]
struct Node {
    /// The versions of the read views: the least and the greatest.
    began: (u64, u64),
    end: End,
    reads: BTreeSet<u32>,
    writes: BTreeSet<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Open,
    /// Being committed: readers may see it already, and its version is not known yet.
    Committing,
    /// The versions of the commits: the least and the greatest.
    Committed(u64, u64),
}

/// Transactions that have no serial order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cycle {
    /// A table they met at.
    pub table: u32,
    /// Who, in order of their ids.
    pub xids: Vec<i64>,
}

impl Node {
    /// Gives a table because of which this transaction comes before `other`.
    fn precedes(&self, other: &Node) -> Option<u32> {
        let is_unseen = match other.end {
            End::Committed(_, last) => last > self.began.0,
            End::Open | End::Committing => true,
        };
        let is_seen = matches!(self.end, End::Committed(first, _) if first <= other.began.1);
        let unseen = is_unseen.then(|| self.reads.intersection(&other.writes).next());
        let seen = is_seen.then(|| self.writes.intersection(&other.reads).next());
        unseen.flatten().or(seen.flatten()).copied()
    }

    fn is_committed(&self) -> bool {
        matches!(self.end, End::Committed(..))
    }
}

impl Serial {
    /// Takes the read view of a transaction; nothing that it may lack is forgotten from then on.
    pub fn begin(&self, xid: i64, view: impl FnOnce() -> Arc<ReadView>) -> Arc<ReadView> {
        let mut nodes = guard(&self.nodes);
        let view = view();
        let version = view.version.0;
        let node = nodes.entry(xid).or_insert_with(|| Node {
            began: (version, version),
            end: End::Open,
            reads: BTreeSet::new(),
            writes: BTreeSet::new(),
        });
        node.began = (version, version);
        view
    }

    /// Notes what an open transaction has read and changed. Fails if there is no serial order any more.
    pub async fn note(
        &self,
        xid: i64,
        reads: &BTreeSet<u32>,
        writes: &BTreeSet<u32>,
    ) -> Result<(), Cycle> {
        loop {
            let settled = self.settled.notified();
            tokio::pin!(settled);
            // Registered before looking, so that a commit in between is not missed.
            settled.as_mut().enable();
            {
                let mut nodes = guard(&self.nodes);
                let is_unsettled = nodes.iter().any(|(other, node)| {
                    *other != xid && node.end == End::Committing && !node.writes.is_disjoint(reads)
                });
                if !is_unsettled {
                    let Some(node) = nodes.get_mut(&xid) else {
                        return Ok(());
                    };
                    node.reads.extend(reads);
                    node.writes.extend(writes);
                    return match cycle(&nodes, xid) {
                        Some(cycle) => Err(cycle),
                        None => Ok(()),
                    };
                }
            }
            settled.await;
        }
    }

    /// Notes that a commit begins.
    pub fn committing(&self, xid: i64) {
        if let Some(node) = guard(&self.nodes).get_mut(&xid) {
            node.end = End::Committing;
        }
    }

    /// Notes the version of a commit; of one without changes, the newest.
    pub fn committed(&self, xid: i64, version: u64) {
        let mut nodes = guard(&self.nodes);
        if let Some(node) = nodes.get_mut(&xid) {
            node.end = End::Committed(version, version);
        }
        forget_settled(&mut nodes);
        drop(nodes);
        self.settled.notify_waiters();
    }

    /// Notes the end of a transaction, however it ended: what did not commit is forgotten.
    pub fn end(&self, xid: i64) {
        let mut nodes = guard(&self.nodes);
        if nodes.get(&xid).is_some_and(|node| !node.is_committed()) {
            nodes.remove(&xid);
            forget_settled(&mut nodes);
        }
        drop(nodes);
        self.settled.notify_waiters();
    }
}

/// Finds a cycle through a transaction.
fn cycle(nodes: &BTreeMap<i64, Node>, xid: i64) -> Option<Cycle> {
    let start = nodes.get(&xid)?;
    // From whom each transaction was reached.
    let mut from: BTreeMap<i64, i64> = BTreeMap::new();
    let mut wanted = vec![xid];
    while let Some(at) = wanted.pop() {
        let Some(node) = nodes.get(&at) else {
            continue;
        };
        if at != xid
            && let Some(table) = node.precedes(start)
        {
            let mut xids = vec![xid];
            let mut step = Some(&at);
            while let Some(next) = step.filter(|next| **next != xid) {
                xids.push(*next);
                step = from.get(next);
            }
            xids.sort_unstable();
            return Some(Cycle { table, xids });
        }
        for (next, other) in nodes {
            let is_new = *next != xid && !from.contains_key(next);
            if is_new && node.precedes(other).is_some() {
                from.insert(*next, at);
                wanted.push(*next);
            }
        }
    }
    None
}

/// Forgets the committed transactions that can be part of no cycle to come.
fn forget_settled(nodes: &mut BTreeMap<i64, Node>) {
    let open = nodes.values().filter(|node| !node.is_committed());
    let Some(oldest) = open.map(|node| node.began.0).min() else {
        nodes.clear();
        return;
    };
    let is_recent = |node: &Node| match node.end {
        End::Committed(_, last) => last > oldest,
        End::Open | End::Committing => true,
    };
    let recent = nodes.iter().filter(|(_, node)| is_recent(node));
    let mut kept: BTreeSet<i64> = recent.map(|(xid, _)| *xid).collect();
    let mut wanted: Vec<i64> = kept.iter().copied().collect();
    while kept.len() < nodes.len()
        && let Some(at) = wanted.pop()
    {
        let Some(node) = nodes.get(&at) else {
            continue;
        };
        for (next, other) in nodes.iter() {
            if !kept.contains(next) && node.precedes(other).is_some() {
                kept.insert(*next);
                wanted.push(*next);
            }
        }
    }
    nodes.retain(|xid, _| kept.contains(xid));
    merge_oldest(nodes);
}

/// Makes one of the two that committed first, as often as there are too many.
fn merge_oldest(nodes: &mut BTreeMap<i64, Node>) {
    let first = |node: &Node| match node.end {
        End::Committed(first, _) => Some(first),
        End::Open | End::Committing => None,
    };
    let mut committed: Vec<(u64, i64)> = nodes
        .iter()
        .filter_map(|(xid, node)| Some((first(node)?, *xid)))
        .collect();
    committed.sort_unstable_by(|left, right| right.cmp(left));
    while committed.len() > COMMITTED_MAX {
        let (Some((_, older)), Some((_, newer))) = (committed.pop(), committed.pop()) else {
            return;
        };
        let (Some(old), Some(new)) = (nodes.remove(&older), nodes.get_mut(&newer)) else {
            return;
        };
        new.began = (old.began.0.min(new.began.0), old.began.1.max(new.began.1));
        if let (End::Committed(a, b), End::Committed(c, d)) = (old.end, new.end) {
            new.end = End::Committed(a.min(c), b.max(d));
            committed.push((a.min(c), newer));
        }
        new.reads.extend(old.reads);
        new.writes.extend(old.writes);
    }
}

#[cfg(test)]
mod tests;
