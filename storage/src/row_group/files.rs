//! The row group files of a store: paths, footers, verified blocks through the cache.

use super::{RowGroupIdentity, RowGroupRecord, builder};
use crate::block::Block;
use crate::block::vector::ColumnVector;
use crate::cache::{ByteCache, CacheFigures, Weigh};
use crate::encoding::choose::Precedents;
use crate::encoding::lzo::Chunk;
use crate::error::{Error, Result};
use crate::io::BlockStore;
use crate::layout::row_group::{
    BlockEntry, Damage, Footer, HEADER_BYTES, TRAILER_BYTES, VERSION, ZONE_ROWS, read_footer,
    read_header, read_trailer,
};
use crate::schema::{ColumnLayout, RowGroupId, SliceId, TableId, TableLayout};
use crate::statistics::ColumnSketch;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_buffer::{Buffer, MutableBuffer};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use xxhash_rust::xxh3::xxh3_64;

/// Bytes read from the end of a file at first; most footers fit.
const TAIL_BYTES: u64 = 64 << 10;
/// The share of the cache that footers may take.
const FOOTER_SHARE: usize = 16;
/// The share of the rest that opened zones may take.
const ZONE_SHARE: usize = 8;

/// Reads and writes row group files. Owned by the store, shared by all scans; a clone is the same.
#[derive(Clone, Debug)]
pub struct RowGroupFiles {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    io: Arc<dyn BlockStore>,
    footers: ByteCache<RowGroupId, OpenRowGroup>,
    blocks: ByteCache<BlockKey, Block>,
    /// Opened zones of compressed blocks, of which few rows were asked for.
    zones: ByteCache<(BlockKey, u32), Chunk>,
    /// Row groups that cannot be read though their own files may be whole, and why.
    refused: OnceLock<HashMap<RowGroupId, Refused>>,
}

/// What an `Error::Corrupt` said.
#[derive(Debug)]
struct Refused {
    path: PathBuf,
    what: String,
    reason: String,
}

/// Row group, column's index in the footer, block number.
type BlockKey = (RowGroupId, u32, u32);

/// A row group whose footer was read and verified.
#[derive(Debug)]
pub struct OpenRowGroup {
    /// Its file.
    pub path: PathBuf,
    /// Where it belongs.
    pub identity: RowGroupIdentity,
    /// Its directory, zone maps and sketches.
    pub footer: Footer,
    /// Per column, the first zone of each block.
    pub block_zones: Vec<Vec<u32>>,
    /// Per column, the blocks of rows without a file; else nothing.
    resident: Vec<Vec<Arc<Block>>>,
    bytes: usize,
}

impl OpenRowGroup {
    /// Makes the front of rows without a file, with a block for each zone of each column.
    pub(super) fn resident(
        identity: RowGroupIdentity,
        footer: Footer,
        resident: Vec<Vec<Arc<Block>>>,
    ) -> Self {
        let zones = |blocks: &Vec<_>| (0..blocks.len() as u32).collect();
        Self {
            path: RowGroupFiles::path(&identity),
            identity,
            footer,
            block_zones: resident.iter().map(zones).collect(),
            resident,
            bytes: 0,
        }
    }

    /// Finds a column by its stable id.
    pub fn column(&self, id: u32) -> Option<usize> {
        self.footer
            .columns
            .iter()
            .position(|column| column.id == id)
    }

    /// Gives the number of the block of column `column_index` that holds `zone`.
    pub fn block_of_zone(&self, column_index: usize, zone: usize) -> usize {
        self.block_zones[column_index]
            .partition_point(|first| *first as usize <= zone)
            .saturating_sub(1)
    }
}

impl Weigh for OpenRowGroup {
    fn weight_bytes(&self) -> usize {
        self.bytes
    }
}

impl Weigh for Block {
    fn weight_bytes(&self) -> usize {
        self.memory_bytes()
    }
}

impl Weigh for Chunk {
    fn weight_bytes(&self) -> usize {
        self.memory_bytes()
    }
}

impl RowGroupFiles {
    /// Makes the front of `io` with a block cache of `cache_bytes`.
    pub fn new(io: Arc<dyn BlockStore>, cache_bytes: usize) -> Self {
        let footers = ByteCache::new(cache_bytes / FOOTER_SHARE, 64 << 10);
        let rest = cache_bytes - cache_bytes / FOOTER_SHARE;
        let blocks = ByteCache::new(rest - rest / ZONE_SHARE, 256 << 10);
        let zones = ByteCache::new(rest / ZONE_SHARE, 256 << 10);
        RowGroupFiles {
            shared: Arc::new(Shared {
                io,
                footers,
                blocks,
                zones,
                refused: OnceLock::new(),
            }),
        }
    }

    /// Gives what the block cache has done.
    pub fn cache_figures(&self) -> CacheFigures {
        let (footers, blocks) = (self.shared.footers.figures(), self.shared.blocks.figures());
        let zones = self.shared.zones.figures();
        CacheFigures {
            bytes: footers.bytes + blocks.bytes + zones.bytes,
            bytes_max: footers.bytes_max + blocks.bytes_max + zones.bytes_max,
            ..blocks
        }
    }

    /// Changes what the block cache may take; what is too much then goes at once. Footers stay.
    pub fn set_cache_bytes(&self, bytes: usize) {
        let footers = self.shared.footers.figures().bytes_max;
        let footers = usize::try_from(footers).unwrap_or(usize::MAX);
        let rest = bytes.saturating_sub(footers);
        self.shared.zones.set_bytes_max(rest / ZONE_SHARE);
        self.shared.blocks.set_bytes_max(rest - rest / ZONE_SHARE);
    }

    /// Gives what sets the room of the caches for as long as the files are open: it does not hold them.
    pub fn cache_setter(&self) -> impl Fn(usize) + Send + Sync + use<> {
        let shared = Arc::downgrade(&self.shared);
        move |bytes| {
            if let Some(shared) = shared.upgrade() {
                Self { shared }.set_cache_bytes(bytes);
            }
        }
    }

    /// Makes every reading of these row groups fail: which of their rows are deleted is not known.
    /// To be told once, before anything is read.
    pub(crate) fn refuse(&self, damaged: Vec<(RowGroupId, Error)>) {
        let refused = damaged.into_iter().map(|(id, error)| {
            let refused = match error {
                Error::Corrupt { path, what, reason } => Refused { path, what, reason },
                other => Refused {
                    path: PathBuf::new(),
                    what: format!("delete mask of row group {}", id.0),
                    reason: other.to_string(),
                },
            };
            (id, refused)
        });
        // Set by the one call there is.
        let _ = self.shared.refused.set(refused.collect());
    }

    fn ensure_not_refused(&self, id: RowGroupId) -> Result<()> {
        match self.shared.refused.get().and_then(|all| all.get(&id)) {
            None => Ok(()),
            Some(Refused { path, what, reason }) => Err(Error::Corrupt {
                path: path.clone(),
                what: what.clone(),
                reason: reason.clone(),
            }),
        }
    }

    /// Writes a row group of `rows` (already sorted, table order, the layout's arrow types), durable
    /// but for its directory entry (see [`BlockStore::sync_dir`]), and gives the file's size.
    pub fn write(
        &self,
        identity: &RowGroupIdentity,
        layout: &TableLayout,
        rows: &RecordBatch,
    ) -> Result<u64> {
        if layout.columns.len() != rows.num_columns() {
            let given = rows.num_columns();
            return Err(Error::Internal(format!(
                "{given} columns for a table of {}",
                layout.columns.len()
            )));
        }
        let row_count = rows.num_rows() as u64;
        let column_of = &mut |index| Ok(Arc::clone(rows.column(index)));
        let precedents = &mut Precedents::default();
        self.write_columns(identity, layout, row_count, precedents, column_of)
    }

    /// Writes a row group of `row_count` rows whose columns are made one by one: `column_of` is asked
    /// once for each, in table order, and its answer is dropped before the next question. `precedents` are those of
    /// the same table, or new.
    pub fn write_columns(
        &self,
        identity: &RowGroupIdentity,
        layout: &TableLayout,
        row_count: u64,
        precedents: &mut Precedents,
        column_of: &mut dyn FnMut(usize) -> Result<ArrayRef>,
    ) -> Result<u64> {
        let path = Self::path(identity);
        self.shared.io.create(&path, &mut |out| {
            let file = builder::File::new(out, &path);
            builder::write(file, identity, layout, row_count, precedents, column_of)
        })
    }

    /// Writes the file of rows that had none, durable but for its directory entry, and gives the record
    /// that names it. A column dropped since is left out.
    pub(crate) fn write_resident(
        &self,
        record: &RowGroupRecord,
        layout: &TableLayout,
    ) -> Result<RowGroupRecord> {
        let Some(rows) = &record.resident else {
            return Ok(record.clone());
        };
        let identity = RowGroupIdentity {
            table: record.table,
            slice: record.slice,
            id: record.id,
        };
        // An attempt that could not be committed may have left it behind.
        self.shared.io.remove(&Self::path(&identity))?;
        let (layout, indexes) = rows.layout_in(layout);
        let column_of = &mut |at: usize| match indexes.get(at) {
            Some(index) => rows.column(*index),
            None => Err(Error::Internal(format!(
                "resident rows have no column {at}"
            ))),
        };
        let precedents = &mut Precedents::default();
        let file_bytes =
            self.write_columns(&identity, &layout, record.rows, precedents, column_of)?;
        Ok(RowGroupRecord {
            file_bytes,
            resident: None,
            ..record.clone()
        })
    }

    /// Gives the directory of a slice's row groups of a table, and the path of a row group's file.
    pub fn dir(slice: SliceId, table: TableId) -> PathBuf {
        PathBuf::from(format!("slice-{:04}/table-{}", slice.0, table.0))
    }

    /// Gives the path of a row group's file.
    pub fn path(identity: &RowGroupIdentity) -> PathBuf {
        Self::dir(identity.slice, identity.table).join(format!("{}.rg", identity.id.0))
    }

    /// Gives the statistics of one column (by its stable id) of a row group, from its cached footer.
    /// A column the row group lacks counts as all null.
    pub fn column_statistics(
        &self,
        record: &RowGroupRecord,
        column_id: u32,
    ) -> Result<ColumnSketch> {
        let group = self.open(record)?;
        Ok(match group.column(column_id) {
            Some(index) => ColumnSketch::from_footer(&group.footer.columns[index]),
            None => ColumnSketch {
                rows: record.rows,
                nulls: record.rows,
                ..ColumnSketch::default()
            },
        })
    }

    /// Forgets cached footers and blocks of a row group whose file is being removed.
    pub fn forget(&self, id: RowGroupId) {
        // Without its footer a row group has no block in the cache that anyone could still ask for.
        if let Some(group) = self.shared.footers.peek(&id) {
            for (column, zones) in group.block_zones.iter().enumerate() {
                for block in 0..zones.len() {
                    self.shared
                        .blocks
                        .remove(&(id, column as u32, block as u32));
                }
            }
            self.shared.footers.remove(&id);
        }
    }

    /// Gives the verified footer of a row group.
    pub fn open(&self, record: &RowGroupRecord) -> Result<Arc<OpenRowGroup>> {
        self.ensure_not_refused(record.id)?;
        if let Some(rows) = &record.resident {
            return rows.open(record);
        }
        self.shared
            .footers
            .get(&record.id, || self.read_footer(record))
    }

    fn read_footer(&self, record: &RowGroupRecord) -> Result<OpenRowGroup> {
        let identity = RowGroupIdentity {
            table: record.table,
            slice: record.slice,
            id: record.id,
        };
        let path = Self::path(&identity);
        let damage = |damage| refuse(&path, &identity, damage);
        let io = &self.shared.io;
        let file_bytes = record.file_bytes;
        if file_bytes < (HEADER_BYTES + TRAILER_BYTES) as u64 {
            return Err(damage("it is too short for a row group".into()));
        }
        if io.size(&path)? != Some(file_bytes) {
            return Err(damage(Damage::Corrupt(format!(
                "it is missing or not {file_bytes} bytes long"
            ))));
        }
        let mut header = [0; HEADER_BYTES];
        io.read_at(&path, 0, &mut header)?;
        let (found, rows) = read_header(&header).map_err(damage)?;
        if found != identity || rows != record.rows {
            return Err(damage(Damage::Corrupt(format!(
                "it says it is {found:?} with {rows} rows"
            ))));
        }
        let tail_bytes = file_bytes.min(TAIL_BYTES);
        let mut tail = vec![0; tail_bytes as usize];
        io.read_at(&path, file_bytes - tail_bytes, &mut tail)?;
        let trailer = &tail[tail.len() - TRAILER_BYTES..];
        let length = read_trailer(trailer).map_err(damage)?;
        let whole = length.saturating_add(TRAILER_BYTES as u64);
        if whole > file_bytes - HEADER_BYTES as u64 {
            return Err(damage("its footer is longer than the file".into()));
        }
        if whole > tail_bytes {
            tail = vec![0; whole as usize];
            io.read_at(&path, file_bytes - whole, &mut tail)?;
        }
        let footer_bytes = &tail[tail.len() - whole as usize..];
        let footer = read_footer(footer_bytes).map_err(damage)?;
        let block_zones = check_footer(&footer, record.rows, file_bytes - whole).map_err(damage)?;
        // Keys in memory are twice their size on disk.
        let bytes = footer_bytes.len() * 2;
        Ok(OpenRowGroup {
            path,
            identity,
            footer,
            block_zones,
            resident: Vec::new(),
            bytes,
        })
    }

    /// Gives a verified block, and whether it came from disk.
    pub fn block(
        &self,
        group: &OpenRowGroup,
        column: &ColumnLayout,
        column_index: usize,
        block: usize,
    ) -> Result<(Arc<Block>, bool)> {
        if let Some(blocks) = group.resident.get(column_index) {
            let missing = || Error::Internal(format!("resident rows have no block {block}"));
            return Ok((Arc::clone(blocks.get(block).ok_or_else(missing)?), false));
        }
        let mut from_disk = false;
        let key = (group.identity.id, column_index as u32, block as u32);
        let block = self.shared.blocks.get(&key, || {
            from_disk = true;
            self.read_block(group, column, column_index, block)
        })?;
        Ok((block, from_disk))
    }

    /// Looks at zone `zone` of a block, few rows of which are wanted. Where it is compressed, it is kept open: who asks for
    /// single rows asks again.
    pub fn few_of_zone(
        &self,
        group: &OpenRowGroup,
        column_index: usize,
        number: usize,
        block: Arc<Block>,
        zone: usize,
    ) -> Result<ColumnVector, String> {
        if !block.is_compressed() || !group.resident.is_empty() {
            return ColumnVector::new(block, zone);
        }
        let key = (group.identity.id, column_index as u32, number as u32);
        let chunk = self.shared.zones.get(&(key, zone as u32), || {
            ColumnVector::open_chunk(&block, zone)
        })?;
        ColumnVector::opened(block, zone, Chunk::clone(&chunk))
    }

    fn read_block(
        &self,
        group: &OpenRowGroup,
        column: &ColumnLayout,
        column_index: usize,
        block: usize,
    ) -> Result<Block> {
        let corrupt = |reason: String| {
            let (table, slice) = (group.identity.table.0, group.identity.slice.0);
            let what = format!(
                "table {table}, column \"{}\", slice {slice}, block {block}",
                column.name
            );
            Error::Corrupt {
                path: group.path.clone(),
                what,
                reason,
            }
        };
        let footer = &group.footer.columns[column_index];
        if footer.ty != column.ty {
            return Err(corrupt(format!(
                "its values are {:?}, not {:?}",
                footer.ty, column.ty
            )));
        }
        let entry = &footer.blocks[block];
        let buffer = self.read_verified(&group.path, entry, &corrupt)?;
        let opened = Block::open(footer.ty, buffer).map_err(corrupt)?;
        if opened.rows != entry.rows as usize {
            return Err(corrupt(format!(
                "it has {} rows, not {}",
                opened.rows, entry.rows
            )));
        }
        Ok(opened)
    }

    fn read_verified(
        &self,
        path: &Path,
        entry: &BlockEntry,
        corrupt: &dyn Fn(String) -> Error,
    ) -> Result<Buffer> {
        let mut bytes = MutableBuffer::from_len_zeroed(entry.bytes as usize);
        let read = self
            .shared
            .io
            .read_at(path, entry.offset, bytes.as_slice_mut());
        read.map_err(|error| match error {
            // The file was cut since its footer was read.
            Error::Corrupt { reason, .. } => corrupt(reason),
            other => other,
        })?;
        let found = xxh3_64(&bytes);
        if found != entry.checksum {
            let expected = entry.checksum;
            return Err(corrupt(format!(
                "checksum is {found:016x}, not {expected:016x}"
            )));
        }
        Ok(bytes.into())
    }
}

fn refuse(path: &Path, identity: &RowGroupIdentity, damage: Damage) -> Error {
    let what = format!(
        "row group {} of table {}, slice {}",
        identity.id.0, identity.table.0, identity.slice.0
    );
    match damage {
        Damage::Version(found) => Error::Version {
            what,
            found,
            supported: VERSION,
        },
        Damage::Corrupt(reason) => Error::Corrupt {
            path: path.into(),
            what,
            reason,
        },
    }
}

/// Checks all that a scan relies on, and gives the first zone of each block of each column.
fn check_footer(footer: &Footer, rows: u64, blocks_end: u64) -> Result<Vec<Vec<u32>>, Damage> {
    if footer.rows != rows {
        return Err("its footer counts other rows".into());
    }
    let zones = (rows as usize).div_ceil(ZONE_ROWS);
    let mut all = Vec::with_capacity(footer.columns.len());
    for column in &footer.columns {
        let (mut row, mut firsts) = (0u64, Vec::with_capacity(column.blocks.len()));
        for block in &column.blocks {
            let end = block.offset.checked_add(block.bytes);
            if !row.is_multiple_of(ZONE_ROWS as u64)
                || block.rows == 0
                || end.is_none_or(|end| end > blocks_end)
            {
                return Err("its directory of blocks does not add up".into());
            }
            firsts.push((row / ZONE_ROWS as u64) as u32);
            row += u64::from(block.rows);
        }
        if row != rows || column.zones.len() != zones {
            return Err("its directory of blocks does not add up".into());
        }
        all.push(firsts);
    }
    Ok(all)
}
