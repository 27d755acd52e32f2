//! What changed since when: the tests a commit must pass that the newest view alone cannot tell.

use super::Commit;
use crate::error::{Error, Result};
use crate::schema::{CommitVersion, RowGroupId, TableId};
use std::collections::{HashMap, HashSet};
use std::hash::Hash;

/// Keys remembered per clock; beyond that the oldest half is forgotten.
const KEYS_MAX: usize = 65_536;

/// The last commits that changed catalog keys and that took rows from tables.
#[derive(Debug)]
pub(super) struct Changes {
    keys: Clock<String>,
    tables: Clock<TableId>,
}

impl Changes {
    /// Begins with nothing remembered: no transaction older than `version` can be running.
    pub(super) fn since(version: CommitVersion) -> Self {
        Self {
            keys: Clock::since(version),
            tables: Clock::since(version),
        }
    }

    /// Refuses a commit whose reads were overtaken.
    pub(super) fn ensure_unchanged(&self, commit: &Commit) -> Result<()> {
        for table in &commit.unchanged_tables {
            if self.tables.changed_after(table, commit.base) {
                return Err(Error::Conflict { table: table.0 });
            }
        }
        for key in &commit.catalog_reads {
            if self.keys.changed_after(key, commit.base) {
                return Err(Error::Conflict {
                    table: table_of(commit, key),
                });
            }
        }
        Ok(())
    }

    /// Remembers what a commit changed. If the commit then fails after all, a later one may conflict
    /// without need, which is safe.
    pub(super) fn remember(&mut self, commit: &Commit, version: CommitVersion) {
        for change in &commit.catalog {
            self.keys.set(change.key.clone(), version);
        }
        // A rewrite leaves every row, whatever row groups it ends.
        let rewritten: HashSet<RowGroupId> = commit.rewritten().collect();
        let removed = commit.removed.iter();
        let removed = removed.filter(|(_, id)| !rewritten.contains(id));
        let removed = removed.map(|(table, _)| *table);
        let masked = commit.masks.iter().map(|mask| mask.table);
        let ended = commit
            .truncated_tables
            .iter()
            .chain(&commit.dropped_tables)
            .copied();
        for table in removed.chain(masked).chain(ended) {
            self.tables.set(table, version);
        }
    }
}

/// Names the table a catalog key is about, for the error text: the digits that end the key, or the
/// first table the commit touches, or 0.
fn table_of(commit: &Commit, key: &str) -> u64 {
    let digits = key.rsplit('/').next().and_then(|last| last.parse().ok());
    digits
        .or_else(|| commit.added.first().map(|record| record.table.0))
        .or_else(|| commit.layouts.first().map(|(table, _)| table.0))
        .unwrap_or_default()
}

/// Remembers when keys last changed.
#[derive(Debug)]
struct Clock<K> {
    changed: HashMap<K, CommitVersion>,
    /// Of changes up to this version some are forgotten, so older readers always conflict.
    forgotten: CommitVersion,
}

impl<K: Hash + Eq> Clock<K> {
    fn since(version: CommitVersion) -> Self {
        Self {
            changed: HashMap::new(),
            forgotten: version,
        }
    }

    fn changed_after(&self, key: &K, base: CommitVersion) -> bool {
        base < self.forgotten || self.changed.get(key).is_some_and(|changed| *changed > base)
    }

    fn set(&mut self, key: K, version: CommitVersion) {
        self.changed.insert(key, version);
        if self.changed.len() > KEYS_MAX {
            let mut versions: Vec<CommitVersion> = self.changed.values().copied().collect();
            let (_, median, _) = versions.select_nth_unstable(KEYS_MAX / 2);
            self.forgotten = *median;
            let forgotten = self.forgotten;
            self.changed.retain(|_, changed| *changed > forgotten);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_bounded_and_errs_on_the_side_of_conflict() {
        let mut clock = Clock::since(CommitVersion(0));
        for key in 0..100_000_u64 {
            clock.set(key, CommitVersion(key + 1));
        }
        assert!(clock.changed.len() <= KEYS_MAX);
        assert!(clock.changed_after(&99_999, CommitVersion(99_999)));
        assert!(!clock.changed_after(&99_999, CommitVersion(100_000)));
        assert!(!clock.changed_after(&0, CommitVersion(99_000)));
        assert!(
            clock.changed_after(&0, CommitVersion(10)),
            "forgotten, so it may have changed"
        );
    }
}
