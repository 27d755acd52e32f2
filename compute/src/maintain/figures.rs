//! How much of a table is unsorted or deleted, and what it takes on disk: what VACUUM decides by, and what the
//! system tables show. Reads no file.

use blueshift_storage::SortKey;
use blueshift_storage::store::version::{RowGroupEntry, TableVersion};
use blueshift_storage::table::merge::live_rows;

/// The bytes of a block as Redshift counts them.
const BLOCK_BYTES: u64 = 1 << 20;

/// What a table version holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Rows stored, deleted ones included.
    pub rows: u64,
    /// Of those, deleted rows that wait for a vacuum.
    pub rows_deleted: u64,
    /// Of the rows that are not deleted, those in the sorted region; all of them without a sort key.
    pub rows_sorted: u64,
    /// Blocks of 1 MB on disk, each row group rounded up.
    pub blocks: u64,
    /// Whether the table has a sort key.
    pub has_sort_key: bool,
}

impl Figures {
    /// Counts.
    pub fn of(version: &TableVersion) -> Self {
        let has_sort_key = version.layout.sort_key != SortKey::None;
        let mut figures = Self {
            has_sort_key,
            ..Self::default()
        };
        for group in version.row_groups.iter() {
            figures.add(group);
        }
        figures
    }

    fn add(&mut self, group: &RowGroupEntry) {
        let live = live_rows(group);
        self.rows += group.record.rows;
        self.rows_deleted += group.record.rows - live;
        if group.record.sorted || !self.has_sort_key {
            self.rows_sorted += live;
        }
        self.blocks += group.record.file_bytes.div_ceil(BLOCK_BYTES);
    }

    /// Counts rows that are not deleted.
    pub fn rows_live(&self) -> u64 {
        self.rows - self.rows_deleted
    }

    /// Gives the share of rows that are sorted; 100 for an empty table.
    pub fn sorted_percent(&self) -> f64 {
        percent(self.rows_sorted, self.rows_live())
    }

    /// Gives `unsorted` of SVV_TABLE_INFO; `None` without a sort key.
    pub fn unsorted_percent(&self) -> Option<f64> {
        self.has_sort_key.then(|| 100.0 - self.sorted_percent())
    }

    /// Gives the share of stored rows that are not deleted; 100 for an empty table.
    pub fn live_percent(&self) -> f64 {
        percent(self.rows_live(), self.rows)
    }

    /// Estimates the blocks that deleted rows take.
    pub fn blocks_deleted(&self) -> u64 {
        let share = self.rows_deleted as f64 / self.rows.max(1) as f64;
        (self.blocks as f64 * share) as u64
    }
}

fn percent(part: u64, whole: u64) -> f64 {
    match whole {
        0 => 100.0,
        whole => part as f64 / whole as f64 * 100.0,
    }
}
