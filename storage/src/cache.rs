//! A cache with a byte budget, shared by all scans. A miss is filled once, however many wait.

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What can be cached.
pub trait Weigh {
    /// Gives the memory it takes; must not change.
    fn weight_bytes(&self) -> usize;
}

#[derive(Clone, Debug)]
struct ByBytes;

impl<K, V: Weigh> Weighter<K, Arc<V>> for ByBytes {
    fn weight(&self, _key: &K, value: &Arc<V>) -> u64 {
        value.weight_bytes() as u64
    }
}

/// A cache of shared values.
pub struct ByteCache<K, V: Weigh> {
    cache: Cache<K, Arc<V>, ByBytes>,
    hits: AtomicU64,
    misses: AtomicU64,
}

/// What a cache has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheFigures {
    /// Values found in it.
    pub hits: u64,
    /// Values it was filled with.
    pub misses: u64,
    /// Bytes in it.
    pub bytes: u64,
    /// Bytes it may take.
    pub bytes_max: u64,
}

impl<K, V: Weigh> std::fmt::Debug for ByteCache<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ByteCache")
    }
}

impl<K: Hash + Eq + Clone, V: Weigh> ByteCache<K, V> {
    /// Makes a cache of `bytes`, most of whose values take about `typical_bytes`.
    pub fn new(bytes: usize, typical_bytes: usize) -> Self {
        let items = (bytes / typical_bytes.max(1)).max(16);
        ByteCache {
            cache: Cache::with_weighter(items, bytes as u64, ByBytes),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    /// Gives the value of `key`, filling it by `load` if it is missing.
    pub fn get<E>(&self, key: &K, load: impl FnOnce() -> Result<V, E>) -> Result<Arc<V>, E> {
        let mut is_hit = true;
        let value = self.cache.get_or_insert_with(key, || {
            is_hit = false;
            load().map(Arc::new)
        });
        let count = if is_hit { &self.hits } else { &self.misses };
        count.fetch_add(1, Ordering::Relaxed);
        value
    }

    /// Gives what it has done.
    pub fn figures(&self) -> CacheFigures {
        CacheFigures {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            bytes: self.cache.weight(),
            bytes_max: self.cache.capacity(),
        }
    }

    /// Changes what it may take; what is too much then goes at once.
    pub fn set_bytes_max(&self, bytes: usize) {
        if self.cache.capacity() != bytes as u64 {
            self.cache.set_capacity(bytes as u64);
        }
    }

    /// Drops the value of `key`.
    pub fn remove(&self, key: &K) {
        self.cache.remove(key);
    }

    /// Gives the value of `key` if it is there, without counting it as used.
    pub fn peek(&self, key: &K) -> Option<Arc<V>> {
        self.cache.peek(key)
    }
}
