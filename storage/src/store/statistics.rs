//! Keeps what ANALYZE learned of tables, a file for each, replaced whole.
//!
//! The files stand beside the log, not in it: they follow a commit and none depends on them. So one that is damaged
//! is told of and forgotten, and one whose table is gone is removed at the next open.

use super::{Store, sweep};
use crate::error::{Error, Result};
use crate::layout::name;
use crate::layout::statistics::{self, TableStatistics};
use crate::log::write_replacing;
use crate::schema::TableId;
use std::path::Path;

impl Store {
    /// Keeps the statistics of a table, durable when this returns; those kept before are replaced.
    pub fn keep_statistics(&self, kept: &TableStatistics) -> Result<()> {
        let bytes = statistics::encode(kept)?;
        write_replacing(&*self.inner.io, &name::statistics(kept.table), &bytes)
    }

    /// Reads what is kept of all tables, and removes what is of none. A damaged file is told of and left out: the next
    /// ANALYZE of its table replaces it.
    pub fn kept_statistics(&self) -> Result<Vec<TableStatistics>> {
        let view = self.read_view();
        let mut kept = Vec::new();
        for path in self.inner.io.list(Path::new(name::STATISTICS_DIR))? {
            let table = name::parse_statistics(&path).filter(|id| view.tables.contains_key(id));
            let Some(table) = table else {
                sweep::remove(&self.inner, path);
                continue;
            };
            kept.extend(self.statistics_of(table)?);
        }
        kept.sort_by_key(|statistics| statistics.table);
        Ok(kept)
    }

    /// Reads what is kept of a table. A damaged file is told of, and is as none.
    pub fn statistics_of(&self, table: TableId) -> Result<Option<TableStatistics>> {
        let path = name::statistics(table);
        let Some(bytes) = self.inner.io.read(&path)? else {
            return Ok(None);
        };
        match statistics::decode(&path, table, &bytes) {
            Ok(found) => Ok(Some(found)),
            Err(error @ (Error::Corrupt { .. } | Error::Version { .. })) => {
                tracing::warn!(%error, "the statistics of a table are lost until its next ANALYZE");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Forgets what is kept of a table that is gone.
    pub(super) fn forget_statistics(&self, table: TableId) {
        sweep::remove(&self.inner, name::statistics(table));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::{BlockStore, Memory};
    use crate::layout::statistics::AnalyzedColumn;
    use crate::schema::{SortKey, TableLayout};
    use crate::store::{Commit, StoreOptions};
    use std::path::PathBuf;
    use std::sync::Arc;

    fn open(io: &Arc<Memory>) -> Arc<Store> {
        let options = StoreOptions {
            dir: PathBuf::from("test"),
            cache_bytes: 1 << 20,
            slice_count: 1,
            sync: true,
        };
        let io: Arc<dyn BlockStore> = Arc::clone(io) as _;
        Store::open_on(io, options, PathBuf::new()).unwrap()
    }

    fn kept(table: u64, at: i64) -> TableStatistics {
        TableStatistics {
            table: TableId(table),
            analyzed: None,
            columns: vec![AnalyzedColumn {
                id: 1,
                first_predicate_us: Some(at),
                ..AnalyzedColumn::default()
            }],
        }
    }

    #[test]
    fn the_last_is_kept_and_a_damaged_one_costs_only_itself() {
        let io = Arc::new(Memory::default());
        let store = open(&io);
        let layout = || TableLayout {
            columns: Vec::new(),
            sort_key: SortKey::None,
        };
        let commit = Commit {
            layouts: (1..=4).map(|id| (TableId(id), layout())).collect(),
            ..Commit::default()
        };
        store.commit(commit).unwrap();
        for (table, at) in [(1, 1), (2, 1), (3, 1), (9, 1), (1, 2)] {
            store.keep_statistics(&kept(table, at)).unwrap();
        }
        let drop_three = Commit {
            dropped_tables: vec![TableId(3)],
            ..Commit::default()
        };
        store.commit(drop_three).unwrap();
        assert_eq!(io.size(&name::statistics(TableId(3))).unwrap(), None);
        drop(store);
        let store = open(&io);
        assert_eq!(store.kept_statistics().unwrap(), [kept(1, 2), kept(2, 1)]);
        assert_eq!(
            io.size(&name::statistics(TableId(9))).unwrap(),
            None,
            "of no table"
        );
        let damaged = name::statistics(TableId(1));
        write_replacing(&*io, &damaged, b"rubbish").unwrap();
        assert_eq!(store.kept_statistics().unwrap(), [kept(2, 1)]);
        store.keep_statistics(&kept(1, 3)).unwrap();
        assert_eq!(store.kept_statistics().unwrap(), [kept(1, 3), kept(2, 1)]);
    }
}
