//! A cache with a byte budget, shared by all scans. A miss is filled once, however many wait.

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use std::hash::Hash;
use std::sync::Arc;

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
        }
    }

    /// Gives the value of `key`, filling it by `load` if it is missing.
    pub fn get<E>(&self, key: &K, load: impl FnOnce() -> Result<V, E>) -> Result<Arc<V>, E> {
        self.cache.get_or_insert_with(key, || load().map(Arc::new))
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
