//! Writes one row group: column by column, each cut into blocks of whole zones.

use crate::block::build::{BuiltBlock, build_next};
use crate::encoding::choose::{Precedent, Precedents};
use crate::encoding::text::Views;
use crate::error::{Error, Result};
use crate::layout::row_group::{
    BlockEntry, ColumnFooter, Footer, RowGroupIdentity, ZONE_ROWS, write_footer, write_header,
};
use crate::schema::{ColumnLayout, TableLayout};
use crate::statistics::ColumnSketch;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use std::io::Write;
use std::path::Path;
use xxhash_rust::xxh3::xxh3_64;

/// Encoded size a block is kept under, unless one zone alone is larger.
const BLOCK_BYTES_MAX: usize = 1 << 20;
/// Zones a block may span: 128 x 8 192 rows, about a million.
const BLOCK_ZONES_MAX: usize = 128;
/// Zones of the first block of a column, whose size is not known yet: 131 072 rows of 8 bytes, bit-packed to less.
const FIRST_ZONES: usize = 16;
/// Bytes of texts in the first block of a column: they rarely take more than half of it, and a block that grows too
/// large is encoded twice.
const FIRST_TEXT_BYTES: usize = BLOCK_BYTES_MAX / 4 * 7;

/// Writes the whole file. Each column is asked for once, in table order, and dropped before the next.
pub(super) fn write(
    mut file: File<'_>,
    identity: &RowGroupIdentity,
    layout: &TableLayout,
    row_count: u64,
    precedents: &mut Precedents,
    column_of: &mut dyn FnMut(usize) -> Result<ArrayRef>,
) -> Result<()> {
    file.write(&write_header(identity, row_count))?;
    let mut footer = Footer {
        rows: row_count,
        columns: Vec::with_capacity(layout.columns.len()),
    };
    for (index, column) in layout.columns.iter().enumerate() {
        let array = column_of(index)?;
        if array.len() as u64 != row_count {
            let (name, found) = (&column.name, array.len());
            let text = format!("{found} rows of column \"{name}\" for a row group of {row_count}");
            return Err(Error::Internal(text));
        }
        footer.columns.push(write_column(
            &mut file,
            column,
            array.as_ref(),
            precedents.of_column(index),
        )?);
    }
    file.write(&write_footer(&footer))
}

/// The file being written.
pub(super) struct File<'a> {
    out: &'a mut dyn Write,
    path: &'a Path,
    offset: u64,
}

impl<'a> File<'a> {
    /// Begins a file; `path` is named in errors.
    pub(super) fn new(out: &'a mut dyn Write, path: &'a Path) -> Self {
        Self {
            out,
            path,
            offset: 0,
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.out
            .write_all(bytes)
            .map_err(|source| match source.kind() {
                std::io::ErrorKind::StorageFull => Error::DiskFull {
                    path: self.path.into(),
                },
                _ => Error::Io {
                    action: "write",
                    path: self.path.into(),
                    source,
                },
            })?;
        self.offset += bytes.len() as u64;
        Ok(())
    }
}

fn write_column(
    file: &mut File<'_>,
    column: &ColumnLayout,
    array: &dyn Array,
    precedent: &mut Precedent,
) -> Result<ColumnFooter> {
    let mut sketch = ColumnSketch::new(column.ty);
    let (mut blocks, mut zones) = (Vec::new(), Vec::new());
    let (mut from, mut span) = (0, first_zones(array));
    while from < array.len() {
        let built = build_block(
            column,
            array.slice(from, array.len() - from).as_ref(),
            &mut span,
            &mut sketch,
            precedent,
        )?;
        blocks.push(BlockEntry {
            offset: file.offset,
            bytes: built.bytes.len() as u64,
            rows: built.rows as u32,
            encoding: built.encoding,
            kind: built.kind,
            checksum: xxh3_64(&built.bytes),
        });
        file.write(&built.bytes)?;
        from += built.rows;
        zones.extend(built.zones);
        // The next block aims at seven eighths of the limit, by the size of this one.
        let zone_bytes = (built.bytes.len() / built.rows.div_ceil(ZONE_ROWS)).max(1);
        span = (BLOCK_BYTES_MAX / 8 * 7 / zone_bytes).clamp(1, BLOCK_ZONES_MAX);
    }
    Ok(ColumnFooter {
        id: column.id,
        ty: column.ty,
        requested: column.encoding,
        sketch: sketch.to_record(),
        blocks,
        zones,
    })
}

/// Gives the zones of the first block of a column.
fn first_zones(array: &dyn Array) -> usize {
    let text_bytes = |views: &[u128]| {
        let zones = views.chunks(ZONE_ROWS);
        let ends = zones.scan(0, |end, zone| {
            *end += Views {
                views: zone,
                buffers: &[],
            }
            .total_bytes();
            Some(*end)
        });
        ends.take_while(|end| *end <= FIRST_TEXT_BYTES).count()
    };
    let zones = match array.data_type() {
        DataType::Utf8View => text_bytes(array.as_string_view().views()),
        DataType::BinaryView => text_bytes(array.as_binary_view().views()),
        _ => FIRST_ZONES,
    };
    zones.clamp(1, FIRST_ZONES)
}

/// Builds the block of the first rows, of up to `span` zones, fewer if it grows too large.
fn build_block(
    column: &ColumnLayout,
    array: &dyn Array,
    span: &mut usize,
    sketch: &mut ColumnSketch,
    precedent: &mut Precedent,
) -> Result<BuiltBlock> {
    loop {
        let rows = (*span * ZONE_ROWS).min(array.len());
        let mut with_block = sketch.clone();
        let built = build_next(
            column.ty,
            column.encoding,
            array.slice(0, rows).as_ref(),
            &mut with_block,
            precedent,
        )?;
        let zones = rows.div_ceil(ZONE_ROWS);
        if built.bytes.len() <= BLOCK_BYTES_MAX || zones == 1 {
            *sketch = with_block;
            return Ok(built);
        }
        *span = (zones * BLOCK_BYTES_MAX / built.bytes.len()).clamp(1, zones - 1);
    }
}
