//! Files that no commit names any more, kept until no live view can read them.
//!
//! A view holds `Arc<RowGroupEntry>`s. For each row group the weak references of all entries ever
//! made from it are kept; a mask goes when its entry is dead, a row group's file when all are. Nothing
//! is handed in here before the commit that ends it is durable.

use super::ReadView;
use super::version::RowGroupEntry;
use crate::layout::name;
use crate::schema::RowGroupId;
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Weak};

/// A file to remove, and who may still read it.
#[derive(Debug)]
struct Retired {
    path: PathBuf,
    row_group: Option<RowGroupId>,
    readers: Vec<Weak<RowGroupEntry>>,
    /// How often removing it failed.
    tries: u32,
}

/// All retired files and the entries that may read them.
#[derive(Debug, Default)]
pub(super) struct Retirement {
    files: Vec<Retired>,
    /// Entries of a row group other than the one in the newest view.
    others: HashMap<RowGroupId, Vec<Weak<RowGroupEntry>>>,
}

/// A file that may be removed now; of a row group if its whole data ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable {
    pub(super) path: PathBuf,
    pub(super) row_group: Option<RowGroupId>,
    /// How often removing it failed.
    pub(super) tries: u32,
}

impl Retirement {
    /// Takes back a file that could not be removed after `tries` failures before.
    pub(super) fn try_again(&mut self, path: PathBuf, tries: u32) {
        self.files.push(Retired {
            path,
            row_group: None,
            readers: Vec::new(),
            tries: tries.saturating_add(1),
        });
    }

    /// Remembers entries a transaction made for its own view, so that they keep files alive.
    pub(super) fn watch_overlay(&mut self, base: &ReadView, own: &ReadView) {
        for (id, table) in own.tables.iter() {
            let same = |other: &Arc<_>| Arc::ptr_eq(other, table);
            let of_base = base.tables.get(id);
            if of_base.is_some_and(same) {
                continue;
            }
            let shared: HashSet<_> = of_base
                .iter()
                .flat_map(|table| table.row_groups.iter())
                .map(Arc::as_ptr)
                .collect();
            let own = |group: &&Arc<RowGroupEntry>| !shared.contains(&Arc::as_ptr(group));
            for group in table.row_groups.iter().filter(own) {
                let others = self.others.entry(group.record.id).or_default();
                others.retain(|entry| entry.strong_count() > 0);
                others.push(Arc::downgrade(group));
            }
        }
    }

    /// Retires what `old` names and `new` does not.
    pub(super) fn replace(&mut self, old: &ReadView, new: &ReadView) {
        for (id, before) in old.tables.iter() {
            let after = new.tables.get(id);
            if after.is_some_and(|after| Arc::ptr_eq(&before.row_groups, &after.row_groups)) {
                continue;
            }
            let kept: HashMap<RowGroupId, &Arc<RowGroupEntry>> = after
                .iter()
                .flat_map(|table| table.row_groups.iter())
                .map(|group| (group.record.id, group))
                .collect();
            for group in before.row_groups.iter() {
                match kept.get(&group.record.id) {
                    Some(same) if Arc::ptr_eq(same, group) => {}
                    Some(now) if now.mask_version == group.mask_version => self.keep_mask(group),
                    Some(_) => self.retire_mask(group),
                    None => self.retire_row_group(group),
                }
            }
        }
    }

    /// Remembers a reader of a mask that stays: the row group grew, or got a file. Without a mask there
    /// is nothing on disk that it could read, unless its rows always had a file.
    fn keep_mask(&mut self, group: &Arc<RowGroupEntry>) {
        if group.mask_path().is_some() || group.record.resident.is_none() {
            let others = self.others.entry(group.record.id).or_default();
            others.retain(|entry| entry.strong_count() > 0);
            others.push(Arc::downgrade(group));
        }
    }

    fn retire_mask(&mut self, group: &Arc<RowGroupEntry>) {
        let entry = Arc::downgrade(group);
        if let Some(path) = group.mask_path() {
            // Those from before a growth read the same mask.
            let mut readers = self
                .others
                .get(&group.record.id)
                .cloned()
                .unwrap_or_default();
            readers.push(Weak::clone(&entry));
            self.files.push(Retired {
                path,
                row_group: None,
                readers,
                tries: 0,
            });
        }
        self.others.entry(group.record.id).or_default().push(entry);
    }

    fn retire_row_group(&mut self, group: &Arc<RowGroupEntry>) {
        let entry = Arc::downgrade(group);
        let record = &group.record;
        let mut readers = self.others.remove(&record.id).unwrap_or_default();
        readers.push(entry);
        if let Some(path) = group.mask_path() {
            self.files.push(Retired {
                path,
                row_group: None,
                readers: readers.clone(),
                tries: 0,
            });
        }
        if record.resident.is_some() {
            return;
        }
        let path = name::row_group(record.slice, record.table, record.id);
        self.files.push(Retired {
            path,
            row_group: Some(record.id),
            readers,
            tries: 0,
        });
    }

    /// Takes out the files that no view can read any more.
    pub(super) fn take_unreadable(&mut self) -> Vec<Unreadable> {
        let mut unreadable = Vec::new();
        let others = &mut self.others;
        self.files.retain_mut(|file| {
            // A transaction that began before the end may have made an entry since.
            let late = file
                .row_group
                .and_then(|id| others.remove(&id))
                .unwrap_or_default();
            file.readers.extend(late);
            file.readers.retain(|reader| reader.strong_count() > 0);
            if file.readers.is_empty() {
                let path = std::mem::take(&mut file.path);
                unreadable.push(Unreadable {
                    path,
                    row_group: file.row_group,
                    tries: file.tries,
                });
            }
            !file.readers.is_empty()
        });
        others.retain(|_, entries| {
            entries.retain(|entry| entry.strong_count() > 0);
            !entries.is_empty()
        });
        unreadable
    }

    /// Tells whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }
}
