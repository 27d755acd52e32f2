//! Verifies the bytes of a whole row group file, so that no snapshot copies damage without a word.

use crate::layout::row_group::{
    Damage, HEADER_BYTES, TRAILER_BYTES, read_footer, read_header, read_trailer,
};
use crate::row_group::{RowGroupIdentity, RowGroupRecord};
use xxhash_rust::xxh3::xxh3_64;

/// Says what does not hold in the file of `record`, and of which column (its place in the file) and
/// block, if it is one.
pub(super) fn row_group(record: &RowGroupRecord, bytes: &[u8]) -> Result<(), String> {
    let plain = |damage| match damage {
        Damage::Corrupt(reason) => reason,
        Damage::Version(found) => format!("its format version {found} is unknown"),
    };
    if bytes.len() as u64 != record.file_bytes {
        return Err(format!("it is not {} bytes long", record.file_bytes));
    }
    let header = bytes.get(..HEADER_BYTES).unwrap_or_default();
    let identity = RowGroupIdentity {
        table: record.table,
        slice: record.slice,
        id: record.id,
    };
    if read_header(header).map_err(plain)? != (identity, record.rows) {
        return Err("it is another row group".to_owned());
    }
    let trailer_at = bytes.len().saturating_sub(TRAILER_BYTES);
    let length = read_trailer(bytes.get(trailer_at..).unwrap_or_default()).map_err(plain)?;
    let footer_at = usize::try_from(length)
        .ok()
        .and_then(|length| trailer_at.checked_sub(length))
        .ok_or("its footer is longer than the file")?;
    let footer = read_footer(bytes.get(footer_at..).unwrap_or_default()).map_err(plain)?;
    for (column, entry) in footer.columns.iter().enumerate() {
        for (block, entry) in entry.blocks.iter().enumerate() {
            let range = usize::try_from(entry.offset).ok().and_then(|begin| {
                let end = begin.checked_add(usize::try_from(entry.bytes).ok()?)?;
                bytes.get(begin..end)
            });
            if range.map(xxh3_64) != Some(entry.checksum) {
                return Err(format!(
                    "the checksum of block {block} of column {column} does not match"
                ));
            }
        }
    }
    Ok(())
}
