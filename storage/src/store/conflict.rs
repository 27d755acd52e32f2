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

    /// Remembers what a commit changed, until [`Changes::forget_new`] says that it did not come to be.
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

impl Changes {
    /// What was remembered so far has come to be.
    pub(super) fn keep_new(&mut self) {
        self.keys.before.clear();
        self.tables.before.clear();
    }

    /// Forgets what was remembered since [`Changes::keep_new`].
    pub(super) fn forget_new(&mut self) {
        self.keys.forget_new();
        self.tables.forget_new();
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
    /// What new changes replaced, in order.
    before: Vec<(K, Option<CommitVersion>)>,
}

impl<K: Hash + Eq + Clone> Clock<K> {
    fn since(version: CommitVersion) -> Self {
        Self {
            changed: HashMap::new(),
            forgotten: version,
            before: Vec::new(),
        }
    }

    fn forget_new(&mut self) {
        while let Some((key, before)) = self.before.pop() {
            match before {
                Some(version) => self.changed.insert(key, version),
                None => self.changed.remove(&key),
            };
        }
    }

    fn changed_after(&self, key: &K, base: CommitVersion) -> bool {
        base < self.forgotten || self.changed.get(key).is_some_and(|changed| *changed > base)
    }

    fn set(&mut self, key: K, version: CommitVersion) {
        let before = self.changed.insert(key.clone(), version);
        self.before.push((key, before));
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
    fn what_did_not_come_to_be_is_forgotten() {
        let mut changes = Changes::since(CommitVersion(0));
        let drop_of = |table| Commit {
            dropped_tables: vec![TableId(table)],
            ..Commit::default()
        };
        let reader = Commit {
            unchanged_tables: vec![TableId(7)],
            base: CommitVersion(3),
            ..Commit::default()
        };
        changes.remember(&drop_of(7), CommitVersion(2));
        changes.keep_new();
        changes.remember(&drop_of(7), CommitVersion(4));
        changes.remember(&drop_of(7), CommitVersion(5));
        assert!(changes.ensure_unchanged(&reader).is_err());
        changes.forget_new();
        changes.ensure_unchanged(&reader).unwrap();
        let older = Commit {
            base: CommitVersion(1),
            ..reader
        };
        assert!(changes.ensure_unchanged(&older).is_err());
    }

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
