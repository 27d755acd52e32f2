//! The blocks of a table, from the directories in the footers of its row groups: what STV_BLOCKLIST shows.

use crate::error::Result;
use blueshift_storage::ColumnType;
use blueshift_storage::store::Store;
use blueshift_storage::store::version::TableVersion;
use blueshift_storage::table::scan::ZONE_ROWS;

/// One block of one column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockFigures {
    /// Its slice.
    pub slice: u32,
    /// Its column's index in the table.
    pub column: usize,
    /// Its place among the column's blocks on its slice, from 0.
    pub number: usize,
    /// Its rows.
    pub rows: u32,
    /// Its bytes.
    pub bytes: u64,
    /// Where it begins in its file.
    pub offset: u64,
    /// The least and the greatest value, in eight bytes; absent if all are null.
    pub range: Option<(i64, i64)>,
    /// Whether it lies in the sorted region.
    pub sorted: bool,
}

/// Lists the blocks of a table, row group by row group and column by column. Reads footers that are not cached.
pub fn blocks(store: &Store, version: &TableVersion) -> Result<Vec<BlockFigures>> {
    let mut all = Vec::new();
    let columns = &version.layout.columns;
    // Blocks so far, by slice and column.
    let mut numbers = std::collections::HashMap::<(u32, usize), usize>::new();
    for group in version.row_groups.iter() {
        let open = store.row_groups().open(&group.record)?;
        for (column, layout) in columns.iter().enumerate() {
            let Some(index) = open.column(layout.id) else {
                continue;
            };
            let Some(footer) = open.footer.columns.get(index) else {
                continue;
            };
            let mut zones = footer.zones.iter();
            for block in &footer.blocks {
                let count = (block.rows as usize).div_ceil(ZONE_ROWS);
                let ranges = zones.by_ref().take(count).filter_map(|zone| zone.range);
                let range = ranges.reduce(|left, right| (left.0.min(right.0), left.1.max(right.1)));
                let number = numbers.entry((group.record.slice.0, column)).or_default();
                all.push(BlockFigures {
                    slice: group.record.slice.0,
                    column,
                    number: *number,
                    rows: block.rows,
                    bytes: block.bytes,
                    offset: block.offset,
                    range: range.map(|(min, max)| (short(footer.ty, min), short(footer.ty, max))),
                    sorted: group.record.sorted,
                });
                *number += 1;
            }
        }
    }
    Ok(all)
}

/// Fits a key into eight bytes: of a text the first eight, of a number too great the nearest that fits.
fn short(ty: ColumnType, key: i128) -> i64 {
    match ty {
        ColumnType::Text | ColumnType::Bytes => (key >> 56) as i64,
        _ => i64::try_from(key).unwrap_or(if key < 0 { i64::MIN } else { i64::MAX }),
    }
}
