//! What a node's memory is shared out to: queries first, and to the block cache what they leave.
//!
//! Each query has a pool of its own with a limit of its own, and what it reserves counts against the node as well.
//! Within a query those that can spill share what the others leave, as in the engine's `FairSpillPool`.

use crate::error::shown_bytes;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::{
    MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
    reserved: AtomicUsize,
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

    /// Gives what queries have reserved.
    pub fn reserved(&self) -> usize {
        self.reserved.load(Ordering::Relaxed)
    }

    /// Takes `bytes` if they are there; else gives how many are.
    fn try_take(&self, bytes: usize) -> std::result::Result<(), usize> {
        let taken = self
            .reserved
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |reserved| {
                let after = reserved.checked_add(bytes)?;
                (after <= self.queries_max).then_some(after)
            });
        match taken {
            Ok(before) => {
                self.settle_cache(before + bytes);
                Ok(())
            }
            Err(reserved) => Err(self.queries_max.saturating_sub(reserved)),
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
}

#[derive(Debug, Default)]
struct State {
    /// Consumers that can spill.
    spillers: usize,
    /// What those have reserved.
    spillable: usize,
    /// What the others have.
    unspillable: usize,
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

    fn refused(&self, reservation: &MemoryReservation, wanted: usize, free: usize) -> String {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let giver = match queue.as_deref() {
            Some(queue) => format!("queue \"{queue}\" grants the query"),
            None => "the query may use".to_owned(),
        };
        format!(
            "{} asked for {} beside {} of its own; {} of the {} that {giver} are free.",
            reservation.consumer().name(),
            shown_bytes(wanted),
            shown_bytes(reservation.size()),
            shown_bytes(free),
            shown_bytes(self.limit()),
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
        self.node.take(additional);
        self.state().add(reservation, additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        let mut state = self.state();
        let kind = match reservation.consumer().can_spill() {
            true => &mut state.spillable,
            false => &mut state.unspillable,
        };
        *kind = kind.saturating_sub(shrink);
        drop(state);
        self.node.give_back(shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        if additional == 0 {
            // What is in use already may be more than the limit, but nothing is asked for.
            return Ok(());
        }
        let mut state = self.state();
        let limit = self.limit();
        let free = match reservation.consumer().can_spill() {
            true => {
                let others = state.unspillable.max(limit / UNSPILLABLE_SHARE);
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
            let text = self.refused(reservation, additional, free);
            return Err(DataFusionError::ResourcesExhausted(text));
        }
        if let Err(left) = self.node.try_take(additional) {
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
        let state = self.state();
        state.spillable + state.unspillable
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.limit())
    }
}

impl State {
    fn add(&mut self, reservation: &MemoryReservation, bytes: usize) {
        match reservation.consumer().can_spill() {
            true => self.spillable += bytes,
            false => self.unspillable += bytes,
        }
        self.peak = self.peak.max(self.spillable + self.unspillable);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: usize = 1 << 20;

    fn node(bytes: usize, cache: usize) -> (Arc<NodeMemory>, Arc<AtomicUsize>) {
        let told = Arc::new(AtomicUsize::new(cache));
        let tell = Arc::clone(&told);
        let set = move |bytes| tell.store(bytes, Ordering::Relaxed);
        let node = NodeMemory::new(bytes, None, cache, Box::new(set));
        (Arc::new(node), told)
    }

    fn consumer(pool: &Arc<QueryPool>, spills: bool) -> MemoryReservation {
        let pool: Arc<dyn MemoryPool> = Arc::clone(pool) as _;
        MemoryConsumer::new("Sort[0]")
            .with_can_spill(spills)
            .register(&pool)
    }

    #[test]
    fn the_cache_gives_way_and_comes_back() {
        let (node, cache) = node(256 * MB, 64 * MB);
        assert_eq!(cache.load(Ordering::Relaxed), 64 * MB);
        let pool = Arc::new(QueryPool::new(Arc::clone(&node), usize::MAX));
        let one = consumer(&pool, false);
        one.try_grow(190 * MB).expect("memory");
        assert_eq!(cache.load(Ordering::Relaxed), 64 * MB);
        one.try_grow(30 * MB).expect("memory");
        assert_eq!(cache.load(Ordering::Relaxed), 32 * MB);
        one.try_grow(18 * MB).expect("memory");
        assert_eq!(cache.load(Ordering::Relaxed), 16 * MB);
        one.try_grow(18 * MB).expect_err("the cache keeps a part");
        assert_eq!(node.reserved(), 238 * MB);
        drop(one);
        assert_eq!((node.reserved(), pool.reserved()), (0, 0));
        assert_eq!(cache.load(Ordering::Relaxed), 64 * MB);
        assert_eq!(pool.peak(), 238 * MB);
    }

    #[test]
    fn a_query_has_its_own_limit_and_those_that_spill_share_it() {
        let (node, _) = node(256 * MB, 0);
        let pool = Arc::new(QueryPool::new(Arc::clone(&node), 40 * MB));
        let (first, second) = (consumer(&pool, true), consumer(&pool, true));
        let rest = consumer(&pool, false);
        rest.try_grow(10 * MB).expect("memory");
        first.try_grow(15 * MB).expect("its share");
        let error = first.try_grow(1).expect_err("more than its share");
        let text = error.to_string();
        assert!(
            text.contains("Sort[0] asked for 1 bytes beside 15.0 MB"),
            "{text}"
        );
        assert!(
            text.contains("of the 40.0 MB that the query may use"),
            "{text}"
        );
        second.try_grow(15 * MB).expect("its share");
        drop(first);
        second.try_grow(15 * MB).expect("what the other gave back");
        pool.set_grant(Some((20 * MB, "etl".into())));
        let error = second.try_grow(1).expect_err("more than its grant");
        let text = error.to_string();
        assert!(
            text.contains("0 bytes of the 20.0 MB that queue \"etl\" grants the query are free"),
            "{text}"
        );
        pool.set_grant(Some((400 * MB, "etl".into())));
        assert_eq!(pool.limit(), 256 * MB);
        pool.set_grant(None);
        assert_eq!(pool.limit(), 256 * MB);
    }

    #[test]
    fn small_limits_leave_room_for_a_batch() {
        let (node, _) = node(256 * MB, 0);
        let pool = Arc::new(QueryPool::new(node, 24 * MB));
        let spillers: Vec<_> = (0..16).map(|_| consumer(&pool, true)).collect();
        spillers[0].try_grow(8 * MB).expect("a batch");
        spillers[0].try_grow(1).expect_err("more than a batch");
        spillers[1].try_grow(8 * MB).expect("a batch");
        spillers[2].try_grow(3 * MB).expect_err("nothing left");
        spillers[2].try_grow(2 * MB).expect("what is left");
        consumer(&pool, false)
            .try_grow(6 * MB)
            .expect("kept for it");
    }

    #[test]
    fn those_that_come_first_leave_room_for_those_expected() {
        let (node, _) = node(256 * MB, 0);
        let pool = Arc::new(QueryPool::new(node, 160 * MB));
        pool.expect_spillers(6);
        let first = consumer(&pool, true);
        first.try_grow(21 * MB).expect_err("more than a sixth");
        first.try_grow(20 * MB).expect("its share");
        let others: Vec<_> = (0..5).map(|_| consumer(&pool, true)).collect();
        others
            .iter()
            .for_each(|other| other.try_grow(20 * MB).expect("its share"));
        consumer(&pool, true).try_grow(1).expect_err("all is taken");
        consumer(&pool, false)
            .try_grow(40 * MB)
            .expect("kept for it");
    }

    #[test]
    fn queries_together_have_no_more_than_the_node() {
        let (node, _) = node(100 * MB, 0);
        let pools = [(); 2].map(|()| Arc::new(QueryPool::new(Arc::clone(&node), 80 * MB)));
        let [one, other] = [0, 1].map(|place| consumer(&pools[place], false));
        one.try_grow(80 * MB).expect("memory");
        let error = other.try_grow(30 * MB).expect_err("no memory").to_string();
        assert!(
            error.contains("20.0 MB of the 100.0 MB that all queries may use"),
            "{error}"
        );
        assert_eq!(node.reserved(), 80 * MB);
        drop(one);
        other.try_grow(30 * MB).expect("memory");
    }
}
