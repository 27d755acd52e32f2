//! A map of a few keys, in their order: as many as there are slices.

use serde::{Deserialize, Serialize};

/// A map of a few keys, in their order. All lie in one piece of memory.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct ByKey<K, V>(Vec<(K, V)>);

impl<K, V> Default for ByKey<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: Ord + Copy, V> ByKey<K, V> {
    /// Gives the value of a key, made with its default if it is new.
    pub fn entry(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        let place = match self.0.binary_search_by_key(&key, |(known, _)| *known) {
            Ok(place) => place,
            Err(place) => {
                if self.0.is_empty() {
                    // Most machines have as many slices.
                    self.0.reserve_exact(2);
                }
                self.0.insert(place, (key, V::default()));
                place
            }
        };
        &mut self.0[place].1
    }

    /// Gives the value of a key.
    pub fn get(&self, key: K) -> Option<&V> {
        let found = self.0.iter().find(|(known, _)| *known == key);
        found.map(|(_, value)| value)
    }

    /// Gives keys with their values.
    pub fn iter(&self) -> impl Iterator<Item = (K, &V)> {
        self.0.iter().map(|(key, value)| (*key, value))
    }

    /// Gives keys with their values, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (K, &mut V)> {
        self.0.iter_mut().map(|(key, value)| (*key, value))
    }

    /// Gives the values.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.0.iter().map(|(_, value)| value)
    }

    /// Gives how many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Tells whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Keeps what is wanted.
    pub fn retain(&mut self, wanted: impl Fn(&V) -> bool) {
        self.0.retain(|(_, value)| wanted(value));
    }

    /// Changes the keys, in the same order as before, or all to one: the last value stays then.
    pub fn with_keys<L: Ord + Copy>(self, key: impl Fn(K) -> L) -> ByKey<L, V> {
        let changed = self.0.into_iter();
        let mut all: Vec<(L, V)> = changed.map(|(old, value)| (key(old), value)).collect();
        all.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                std::mem::swap(&mut next.1, &mut kept.1);
            }
            same
        });
        ByKey(all)
    }
}

impl<K: Ord + Copy, V> FromIterator<(K, V)> for ByKey<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(items: I) -> Self {
        let mut all: Vec<(K, V)> = items.into_iter().collect();
        all.sort_by_key(|(key, _)| *key);
        Self(all)
    }
}

impl<K: Ord + Copy, V, const N: usize> From<[(K, V); N]> for ByKey<K, V> {
    fn from(items: [(K, V); N]) -> Self {
        items.into_iter().collect()
    }
}

impl<K, V> IntoIterator for ByKey<K, V> {
    type Item = (K, V);
    type IntoIter = std::vec::IntoIter<(K, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stay_in_order_and_are_there_once() {
        let mut map = ByKey::default();
        for key in [3, 1, 2, 3, 1] {
            *map.entry(key) += key;
        }
        assert_eq!(map.iter().collect::<Vec<_>>(), [(1, &2), (2, &2), (3, &6)]);
        assert_eq!((map.get(2), map.get(4), map.len()), (Some(&2), None, 3));
        let moved = map.clone().with_keys(|key| key * 10);
        assert_eq!(moved.get(30), Some(&6));
        let one = map.with_keys(|_| 7);
        assert_eq!(one.iter().collect::<Vec<_>>(), [(7, &6)]);
    }
}
