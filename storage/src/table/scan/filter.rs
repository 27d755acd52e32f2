//! Runs a [`RowFilter`]: on the surviving rows, or once per dictionary entry.

use super::selection::Selection;
use super::sink::ColumnSink;
use super::test::{EntryMask, dictionary};
use crate::block::vector::{ColumnVector, Picks};
use crate::error::Result;
use crate::schema::ColumnType;
use crate::table::predicate::RowFilter;
use arrow_array::ArrayRef;

/// What a filter said of the entries of one block's dictionary, and of null.
#[derive(Debug)]
pub(super) struct EntryAnswer {
    /// Of the entries.
    pub(super) mask: EntryMask,
    /// Of null.
    pub(super) null_passes: bool,
}

/// Asks a filter of one column about every entry of a zone's dictionary, and about null.
/// `None` without a dictionary, or if its entries are more than a quarter of the block's rows.
pub(super) fn ask_entries(
    filter: &dyn RowFilter,
    ty: ColumnType,
    vector: &ColumnVector,
) -> Result<Option<EntryAnswer>> {
    let Some(dictionary) =
        dictionary(vector).filter(|found| found.entries * 4 <= vector.block().rows)
    else {
        return Ok(None);
    };
    let entries = dictionary.entries;
    let mut sink = ColumnSink::new(ty, entries + 1);
    sink.append_entries(vector, dictionary);
    sink.append_nulls(1);
    let answers = filter.select(&[sink.finish()?], entries + 1)?;
    let mask = EntryMask::new((0..entries).map(|entry| answers.value(entry)).collect());
    Ok(Some(EntryAnswer {
        mask,
        null_passes: answers.value(entries),
    }))
}

/// Tests the surviving rows of a zone; a column that the row group lacks is `None`.
pub(super) fn ask_rows(
    filter: &dyn RowFilter,
    columns: &[(ColumnType, Option<ColumnVector>)],
    selection: &mut Selection,
) -> Result<()> {
    let rows = selection.count();
    let picks = if selection.is_all() {
        vec![]
    } else {
        selection.rows_in()
    };
    let wanted = if selection.is_all() {
        Picks::All
    } else {
        Picks::Rows(&picks)
    };
    let mut arrays: Vec<ArrayRef> = Vec::with_capacity(columns.len());
    for (ty, vector) in columns {
        let mut sink = ColumnSink::new(*ty, rows);
        match vector {
            Some(vector) => sink.append(vector, wanted),
            None => sink.append_nulls(rows),
        }
        arrays.push(sink.finish()?);
    }
    let answers = filter.select(&arrays, rows)?;
    match wanted {
        Picks::All => selection.keep_bits(&answers),
        Picks::Rows(picks) => selection.keep_picks(picks, |index| answers.value(index)),
    }
    Ok(())
}
