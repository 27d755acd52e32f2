//! Names of files and directories below the data directory.

use crate::schema::{RowGroupId, SliceId, TableId};
use std::path::{Path, PathBuf};

/// Tells format version and slice count; written last when a directory is made.
pub(crate) const FORMAT: &str = "FORMAT";

/// Holds segments and checkpoints.
pub(crate) const LOG_DIR: &str = "log";

/// Holds spill files; emptied at open.
pub(crate) const SPILL_DIR: &str = "spill";

/// Holds small private files of the server.
pub(crate) const PRIVATE_DIR: &str = "private";

/// Holds what ANALYZE learned, a file for each table.
pub(crate) const STATISTICS_DIR: &str = "statistics";

/// Holds the journal of events.
pub(crate) const JOURNAL_DIR: &str = "journal";

/// Says that a restore into the directory has not finished.
pub(crate) const RESTORE: &str = "RESTORE";

/// Gives the path of a log segment.
pub(crate) fn segment(number: u64) -> PathBuf {
    Path::new(LOG_DIR).join(format!("{number:016}.log"))
}

/// Gives the path of the checkpoint that stands for all segments below `number`.
pub(crate) fn checkpoint(number: u64) -> PathBuf {
    Path::new(LOG_DIR).join(format!("{number:016}.checkpoint"))
}

/// Gives the name a file is written under before it is renamed to `path`.
pub(crate) fn temporary(path: &Path) -> PathBuf {
    path.with_added_extension("tmp")
}

/// Reads the number and the extension of a file in the log directory.
pub(crate) fn parse_log_file(path: &Path) -> Option<(u64, &str)> {
    let (number, extension) = path.file_name()?.to_str()?.split_once('.')?;
    Some((number.parse().ok()?, extension))
}

/// Gives the directory of a slice.
pub(crate) fn slice_dir(slice: SliceId) -> PathBuf {
    PathBuf::from(format!("slice-{:04}", slice.0))
}

/// Gives the directory of a table's files on a slice.
pub(crate) fn table_dir(slice: SliceId, table: TableId) -> PathBuf {
    slice_dir(slice).join(format!("table-{}", table.0))
}

/// Gives the path of a row group's file.
pub(crate) fn row_group(slice: SliceId, table: TableId, id: RowGroupId) -> PathBuf {
    table_dir(slice, table).join(format!("{}.rg", id.0))
}

/// Gives the path of a delete mask.
pub(crate) fn mask(slice: SliceId, table: TableId, id: RowGroupId, version: u64) -> PathBuf {
    table_dir(slice, table).join(format!("{}.{version}.mask", id.0))
}

/// Gives the path of what ANALYZE learned of a table.
pub(crate) fn statistics(table: TableId) -> PathBuf {
    Path::new(STATISTICS_DIR).join(format!("{}.stats", table.0))
}

/// Gives the path of a file of the journal.
pub(crate) fn journal(day: u32, number: u64) -> PathBuf {
    Path::new(JOURNAL_DIR).join(format!("{number:016}-{day}.journal"))
}

/// Reads day and number in the name of a file of the journal; `None` for other files.
pub(crate) fn parse_journal(path: &Path) -> Option<(u32, u64)> {
    let stem = path.file_name()?.to_str()?.strip_suffix(".journal")?;
    let (number, day) = stem.split_once('-')?;
    Some((day.parse().ok()?, number.parse().ok()?))
}

/// Reads the table in the name of a file of statistics; `None` for other files.
pub(crate) fn parse_statistics(path: &Path) -> Option<TableId> {
    let name = path.file_name()?.to_str()?;
    name.strip_suffix(".stats")?.parse().ok().map(TableId)
}

/// Reads the greatest id in the name of a row group file or mask; `None` for other files.
pub(crate) fn greatest_id(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?;
    let ids = name
        .strip_suffix(".rg")
        .or_else(|| name.strip_suffix(".mask"))?;
    ids.split('.')
        .map(|id| id.parse().ok())
        .collect::<Option<Vec<u64>>>()?
        .into_iter()
        .max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_fixed() {
        let (slice, table, id) = (SliceId(3), TableId(100_007), RowGroupId(4_294_967_297));
        let row_group = row_group(slice, table, id);
        assert_eq!(
            row_group,
            Path::new("slice-0003/table-100007/4294967297.rg")
        );
        let mask = mask(slice, table, id, 4_294_967_300);
        assert_eq!(
            mask,
            Path::new("slice-0003/table-100007/4294967297.4294967300.mask")
        );
        assert_eq!(greatest_id(&row_group), Some(4_294_967_297));
        assert_eq!(greatest_id(&mask), Some(4_294_967_300));
        assert_eq!(greatest_id(Path::new("slice-0003/notes.txt")), None);
        let kept = statistics(table);
        assert_eq!(kept, Path::new("statistics/100007.stats"));
        assert_eq!(parse_statistics(&kept), Some(table));
        assert_eq!(parse_statistics(&temporary(&kept)), None);
        assert_eq!(segment(7), Path::new("log/0000000000000007.log"));
        assert_eq!(parse_log_file(&checkpoint(7)), Some((7, "checkpoint")));
        assert_eq!(
            parse_log_file(&temporary(&checkpoint(7))),
            Some((7, "checkpoint.tmp"))
        );
    }
}
