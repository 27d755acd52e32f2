//! What a node's memory is shared out to: queries first, and to the block cache what they leave.
//!
//! Each query has a pool of its own with a limit of its own, and what it reserves counts against the node as well.
//! Within a query those that can spill share what the others leave, as in the engine's `FairSpillPool`. A query that has
//! run out of memory once waits for memory that is its alone (`kept.rs`).

mod kept;

#[cfg(test)]
mod tests;

use crate::error::shown_bytes;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::{
    MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// The share of the block cache that queries never take, as one part of so many of what both may take.
const CACHE_SHARE_LEAST: usize = 16;

/// The share it takes at most.
const CACHE_SHARE_MOST: usize = 2;

/// The block cache grows and shrinks by so much at once.
const CACHE_STEP_BYTES: usize = 8 << 20;

/// What a consumer that can spill is given beyond its share, if it is there: a batch or two, without which none can
/// work. A small limit among many consumers would refuse them their first rows.
const SPILLER_BYTES_LEAST: usize = 8 << 20;

/// What those that cannot spill find free at the least, as one part of so many of a query's memory: the merge of a sort
/// that has spilled needs some, and would fail if the sorts beside it had taken all.
const UNSPILLABLE_SHARE: usize = 4;

/// The same where memory is kept for a query, which is not to run out of it again: a sort with two keys or more takes,
/// to merge what it holds, half as much beside it for copies of the keys.
const KEPT_UNSPILLABLE_SHARE: usize = 2;

/// Sets the bytes that the block cache may take.
type SetCache = Box<dyn Fn(usize) + Send + Sync>;

/// The memory of a node that queries and the block cache share.
pub struct NodeMemory {
    /// What both may take together.
    bytes: usize,
    /// What queries may take.
    queries_max: usize,
    /// What the block cache takes at the least and at the most.
    cache_least: usize,
    cache_most: usize,
    cache_now: AtomicUsize,
    set_cache: SetCache,
    /// What is reserved by queries or kept for them.
    reserved: AtomicUsize,
    line: kept::Line,
}

impl fmt::Debug for NodeMemory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("NodeMemory")
            .field("reserved", &self.reserved)
            .finish_non_exhaustive()
    }
}

impl NodeMemory {
    /// Shares `bytes` between queries, which may take `queries` of it if that is said, and a block cache that would
    /// take `cache`; `set_cache` is told what it may take.
    pub fn new(bytes: usize, queries: Option<usize>, cache: usize, set_cache: SetCache) -> Self {
        let cache_least = cache.min(bytes / CACHE_SHARE_LEAST);
        let cache_most = cache.min(bytes / CACHE_SHARE_MOST).max(cache_least);
        let most = bytes - cache_least;
        let memory = Self {
            bytes,
            queries_max: queries.map_or(most, |queries| queries.min(most)),
            cache_least,
            cache_most,
            cache_now: AtomicUsize::new(cache_most),
            set_cache,
            reserved: AtomicUsize::new(0),
            line: kept::Line::default(),
        };
        if cache_most < cache {
            (memory.set_cache)(cache_most);
        }
        memory
    }

    /// Gives what all queries together may reserve.
    pub fn queries_max(&self) -> usize {
        self.queries_max
    }

    /// Gives what queries have reserved, and what is kept for them.
    pub fn reserved(&self) -> usize {
        self.reserved.load(Ordering::Relaxed)
    }

    /// Takes `bytes` if they are there and leave `spared` of them; else gives how many are.
    fn try_take(&self, bytes: usize, spared: usize) -> std::result::Result<(), usize> {
        if bytes == 0 {
            return Ok(());
        }
        let most = self.queries_max.saturating_sub(spared);
        let taken = self
            .reserved
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |reserved| {
                let after = reserved.checked_add(bytes)?;
                (after <= most).then_some(after)
            });
        match taken {
            Ok(before) => {
                self.settle_cache(before + bytes);
                Ok(())
            }
            Err(reserved) => Err(most.saturating_sub(reserved)),
        }
    }

    /// Takes `bytes` that are in use already.
    fn take(&self, bytes: usize) {
        let before = self.reserved.fetch_add(bytes, Ordering::Relaxed);
        self.settle_cache(before.saturating_add(bytes));
    }

    fn give_back(&self, bytes: usize) {
        let before = self.reserved.fetch_sub(bytes, Ordering::Relaxed);
        self.settle_cache(before.saturating_sub(bytes));
        self.line.given_back();
    }

    /// Lets the block cache have what queries leave, in steps, so that small queries leave it alone.
    fn settle_cache(&self, reserved: usize) {
        let left = self.bytes.saturating_sub(reserved);
        let fits = match left >= self.cache_most {
            true => self.cache_most,
            false => (left / CACHE_STEP_BYTES * CACHE_STEP_BYTES).max(self.cache_least),
        };
        if self.cache_now.load(Ordering::Relaxed) != fits
            && self.cache_now.swap(fits, Ordering::Relaxed) != fits
        {
            (self.set_cache)(fits);
        }
    }
}

/// The memory of one query. All of it is given back when its reservations are dropped.
#[derive(Debug)]
pub struct QueryPool {
    node: Arc<NodeMemory>,
    limit: AtomicUsize,
    /// Consumers that can spill and will come; 0 if nobody said.
    expected: AtomicUsize,
    /// The queue that set the limit, if one did.
    queue: Mutex<Option<Arc<str>>>,
    state: Mutex<State>,
    /// Told when nothing is reserved any more.
    emptied: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Consumers that can spill.
    spillers: usize,
    /// What those have reserved.
    spillable: usize,
    /// What the others have.
    unspillable: usize,
    /// What is kept for the query, of which both are taken first; 0 if nothing is.
    kept: usize,
    peak: usize,
}

impl QueryPool {
    /// Makes the pool of a query that may reserve `bytes`, and never more than the node has.
    pub fn new(node: Arc<NodeMemory>, bytes: usize) -> Self {
        let limit = AtomicUsize::new(bytes.min(node.queries_max()));
        Self {
            node,
            limit,
            expected: AtomicUsize::new(0),
            queue: Mutex::default(),
            state: Mutex::default(),
            emptied: Notify::new(),
        }
    }

    /// Gives what the query may reserve.
    pub fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
    }

    /// Changes what the query may reserve to what a queue grants it; what it has reserved already stays. Without a
    /// queue it is all that queries may use.
    pub fn set_grant(&self, grant: Option<(usize, Arc<str>)>) {
        let most = self.node.queries_max();
        let (bytes, queue) = match grant {
            Some((bytes, queue)) => (bytes.min(most), Some(queue)),
            None => (most, None),
        };
        self.limit.store(bytes, Ordering::Relaxed);
        *self.queue.lock().unwrap_or_else(PoisonError::into_inner) = queue;
    }

    /// Says how many consumers that can spill will come, so that the first leave room for the last; from then on they
    /// never take more together than is theirs. Each has less: it is for a query that has run out of memory once.
    pub fn expect_spillers(&self, count: usize) {
        self.expected.store(count, Ordering::Relaxed);
    }

    /// Gives the most that was reserved at one time.
    pub fn peak(&self) -> usize {
        self.state().peak
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refused(
        &self,
        reservation: &MemoryReservation,
        wanted: usize,
        (free, most): (usize, usize),
    ) -> String {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let giver = match queue.as_deref() {
            Some(queue) if most == self.limit() => format!("queue \"{queue}\" grants the query"),
            _ => "the query may use".to_owned(),
        };
        format!(
            "{} asked for {} beside {} of its own; {} of the {} that {giver} are free.",
            reservation.consumer().name(),
            shown_bytes(wanted),
            shown_bytes(reservation.size()),
            shown_bytes(free),
            shown_bytes(most),
        )
    }
}

impl fmt::Display for QueryPool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}({})", self.name(), shown_bytes(self.limit()))
    }
}

impl MemoryPool for QueryPool {
    fn name(&self) -> &str {
        "query"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        if consumer.can_spill() {
            self.state().spillers += 1;
        }
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        if consumer.can_spill() {
            let mut state = self.state();
            state.spillers = state.spillers.saturating_sub(1);
        }
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        let mut state = self.state();
        let before = state.taken();
        state.add(reservation, additional);
        self.node.take(state.taken() - before);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        let mut state = self.state();
        let before = state.taken();
        let kind = match reservation.consumer().can_spill() {
            true => &mut state.spillable,
            false => &mut state.unspillable,
        };
        *kind = kind.saturating_sub(shrink);
        let given = before - state.taken();
        let is_empty = state.reserved() == 0;
        drop(state);
        self.node.line.moved();
        if is_empty {
            self.emptied.notify_waiters();
        }
        if given > 0 {
            self.node.give_back(given);
        }
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        if additional == 0 {
            // What is in use already may be more than the limit, but nothing is asked for.
            return Ok(());
        }
        let mut state = self.state();
        let can_spill = reservation.consumer().can_spill();
        // Those that can spill stay within what is kept, if anything is; the others take more where it is free.
        let limit = match state.kept {
            kept if can_spill && kept > 0 => self.limit().min(kept),
            _ => self.limit(),
        };
        let free = match can_spill {
            true => {
                let others = match state.kept {
                    0 => state.unspillable.max(limit / UNSPILLABLE_SHARE),
                    _ => limit / KEPT_UNSPILLABLE_SHARE,
                };
                let spillable = limit.saturating_sub(others);
                let expected = self.expected.load(Ordering::Relaxed);
                let share = spillable / state.spillers.max(expected).max(1);
                let left = spillable.saturating_sub(state.spillable);
                let least = SPILLER_BYTES_LEAST.saturating_sub(reservation.size());
                let share = share.saturating_sub(reservation.size());
                match expected {
                    0 => share.max(least.min(left)),
                    _ => share.max(least).min(left),
                }
            }
            false => limit.saturating_sub(state.unspillable + state.spillable),
        };
        if additional > free {
            let text = self.refused(reservation, additional, (free, limit));
            return Err(DataFusionError::ResourcesExhausted(text));
        }
        let wanted = state.reserved() + additional;
        let missing = wanted.saturating_sub(state.taken());
        // Others wait for memory, and who has some and can spill leaves them what comes free.
        let has_some = reservation.size() + additional > SPILLER_BYTES_LEAST;
        let spared = match can_spill && has_some && state.kept == 0 {
            true => self.node.line.wanted(),
            false => 0,
        };
        if let Err(left) = self.node.try_take(missing, spared) {
            let text = format!(
                "{} asked for {} beside {} of its own; {} of the {} that all queries may use are free.",
                reservation.consumer().name(),
                shown_bytes(additional),
                shown_bytes(reservation.size()),
                shown_bytes(left),
                shown_bytes(self.node.queries_max()),
            );
            return Err(DataFusionError::ResourcesExhausted(text));
        }
        state.add(reservation, additional);
        Ok(())
    }

    fn reserved(&self) -> usize {
        self.state().reserved()
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.limit())
    }
}

impl Drop for QueryPool {
    fn drop(&mut self) {
        let left = self.state().taken();
        if left > 0 {
            self.node.give_back(left);
        }
    }
}

impl State {
    fn reserved(&self) -> usize {
        self.spillable + self.unspillable
    }

    /// What counts against the node.
    fn taken(&self) -> usize {
        self.reserved().max(self.kept)
    }

    fn add(&mut self, reservation: &MemoryReservation, bytes: usize) {
        match reservation.consumer().can_spill() {
            true => self.spillable += bytes,
            false => self.unspillable += bytes,
        }
        self.peak = self.peak.max(self.reserved());
    }
}
