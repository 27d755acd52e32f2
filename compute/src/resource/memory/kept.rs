//! Memory that is a query's alone, for one that has run out of it once.
//!
//! Beside others such a query would run out of it again: it is refused what they have. So it waits until enough of the
//! node's memory is free, and has that until it ends. Those who wait take turns, and while one does, others that have
//! memory and can spill leave it what comes free. Who waits has let go of what it had, so nobody waits for each other.

use super::{KEPT_UNSPILLABLE_SHARE, NodeMemory, QueryPool, SPILLER_BYTES_LEAST};
use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::time::Duration;
use tokio::sync::{Mutex, Notify};

/// How long the first in line waits while nothing moves; then it takes what it finds. Others may hold memory for as long
/// as they want, such as a cursor from which nobody fetches.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// So many times as long it waits while something does.
const WAITS_MAX: u32 = 10;

/// One such part of it is how long a query waits for its own first try to end.
const WAITS_OWN: u32 = 6;

/// A query alone is kept all but one part of so many, which is left to those that come. None waits for more.
const LEFT_SHARE: usize = 8;

/// One beside others is kept this part of what queries may have, but for what it needs.
const BESIDE_SHARE: usize = 4;

/// Queries that wait for memory, one after the other.
#[derive(Debug, Default)]
pub(super) struct Line {
    turn: Mutex<()>,
    /// What the first of them waits for.
    wanted: AtomicUsize,
    /// How often a query let go of some of its memory.
    moves: AtomicUsize,
    freed: Notify,
}

impl Line {
    /// Gives the bytes for which someone waits.
    pub(super) fn wanted(&self) -> usize {
        self.wanted.load(Ordering::Relaxed)
    }

    /// Says that a query let go of some of its memory, which may still be kept for it.
    pub(super) fn moved(&self) {
        self.moves.fetch_add(1, Ordering::Relaxed);
    }

    fn moves(&self) -> usize {
        self.moves.load(Ordering::Relaxed)
    }

    /// Says that memory came free.
    pub(super) fn given_back(&self) {
        // Either this sees who waits, or who waits sees what came free.
        fence(Ordering::SeqCst);
        if self.wanted() > 0 {
            self.freed.notify_waiters();
        }
    }
}

/// What someone waits for, until they do not.
struct Wanted<'a>(&'a Line);

impl<'a> Wanted<'a> {
    fn new(line: &'a Line, bytes: usize) -> Self {
        line.wanted.store(bytes, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        Self(line)
    }
}

impl Drop for Wanted<'_> {
    fn drop(&mut self) {
        self.0.wanted.store(0, Ordering::Relaxed);
    }
}

impl QueryPool {
    /// Waits for memory with which `spillers` consumers that can spill, and what merges their rows, do not run out of it,
    /// and keeps it until the pool goes; those that spill have no more from then on. It may begin with nothing kept if
    /// others hold too much for too long. Dropping the future gives up the place.
    pub async fn keep(&self, spillers: usize) {
        self.keep_within(spillers, WAIT_MAX).await;
    }

    pub(super) async fn keep_within(&self, spillers: usize, wait_max: Duration) {
        if self.state().kept > 0 {
            return;
        }
        let needed = needed_bytes(&self.node, spillers).min(self.limit());
        // Tasks of the first try end a moment after it.
        if tokio::time::timeout(wait_max / WAITS_OWN, self.wait_for_own())
            .await
            .is_err()
        {
            tracing::debug!("a query that waits for memory has some still");
        }
        let line = &self.node.line;
        let _turn = line.turn.lock().await;
        let _wanted = Wanted::new(line, needed);
        let wait = async {
            loop {
                let moves = line.moves();
                let freed = line.freed.notified();
                tokio::pin!(freed);
                freed.as_mut().enable();
                if self.try_keep(needed) {
                    return true;
                }
                let is_freed = tokio::time::timeout(wait_max, freed).await.is_ok();
                if !is_freed && line.moves() == moves {
                    return false;
                }
            }
        };
        if tokio::time::timeout(wait_max * WAITS_MAX, wait).await != Ok(true) {
            tracing::debug!(needed, "no memory to keep for a query");
        }
    }

    /// Waits until the query has nothing reserved.
    async fn wait_for_own(&self) {
        loop {
            let emptied = self.emptied.notified();
            tokio::pin!(emptied);
            emptied.as_mut().enable();
            if self.state().reserved() == 0 {
                return;
            }
            emptied.await;
        }
    }

    /// Keeps `needed` bytes or more, if they are there.
    fn try_keep(&self, needed: usize) -> bool {
        let mut state = self.state();
        // What is still there of the first try counts as its own.
        let own = state.taken();
        let bytes = match self.node.reserved().saturating_sub(own) {
            0 => alone_bytes(&self.node),
            _ => needed,
        };
        let bytes = bytes.min(self.limit());
        let is_there = self.node.try_take(bytes.saturating_sub(own), 0).is_ok();
        if is_there {
            state.kept = bytes;
        }
        is_there
    }
}

/// Gives what a query with so many consumers that can spill needs, and never less than its share.
fn needed_bytes(node: &NodeMemory, spillers: usize) -> usize {
    let spilled = spillers.max(1).saturating_mul(SPILLER_BYTES_LEAST);
    let all = spilled.saturating_mul(KEPT_UNSPILLABLE_SHARE);
    all.max(node.queries_max() / BESIDE_SHARE)
        .min(alone_bytes(node))
}

fn alone_bytes(node: &NodeMemory) -> usize {
    let most = node.queries_max();
    most - most / LEFT_SHARE
}
