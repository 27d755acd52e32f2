//! Rows of a row group that has no file yet: the commit log holds them, and memory.
//!
//! Small inserts make them. They grow at their end only, so an offset always means the same row, and
//! each growth is another value that shares what was there before. Scans see them as they see a file:
//! blocks with zone maps, encoded plainly when first asked for, a zone at a time.

use super::files::OpenRowGroup;
use super::{RowGroupIdentity, RowGroupRecord};
use crate::block::Block;
use crate::block::build::build;
use crate::error::{Error, Result};
use crate::layout::row_group::{
    BlockEntry, ColumnFooter, Footer, SketchRecord, ZONE_ROWS, ZoneMap,
};
use crate::layout::rows::{self, Column};
use crate::schema::{ColumnType, EncodingName, TableLayout};
use crate::statistics::ColumnSketch;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Decimal128Array};
use arrow_buffer::MutableBuffer;
use arrow_schema::DataType;
use arrow_select::concat::concat;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::sync::{Arc, OnceLock};
use xxhash_rust::xxh3::xxh3_64;

/// Rows in memory; a clone is the same rows.
#[derive(Clone)]
pub struct ResidentRows {
    shared: Arc<Shared>,
}

struct Shared {
    /// Stable id and type of each column, as of when the rows were written.
    columns: Arc<[(u32, ColumnType)]>,
    /// Each of exactly [`ZONE_ROWS`] rows.
    full: Vec<Arc<Zone>>,
    /// The rows after those, fewer than a zone has. Each part has more rows than the next, so there
    /// are few, and a row is copied few times until its zone is full.
    parts: Vec<Part>,
    rows: usize,
    /// What a scan reads, once one came.
    opened: OnceLock<Arc<OpenRowGroup>>,
}

/// Some rows: a column each.
#[derive(Clone)]
struct Part {
    columns: Vec<ArrayRef>,
    rows: usize,
}

struct Zone {
    part: Part,
    built: OnceLock<Vec<BuiltColumn>>,
}

/// A column of a zone as a scan reads it.
#[derive(Clone)]
struct BuiltColumn {
    entry: BlockEntry,
    zones: Vec<ZoneMap>,
    sketch: ColumnSketch,
    block: Arc<Block>,
}

impl ResidentRows {
    /// Takes rows in the order of `layout`; a decimal column may come as `Int64`.
    pub(crate) fn new(layout: &TableLayout, columns: Vec<ArrayRef>, rows: usize) -> Result<Self> {
        let types = layout.columns.iter().map(|column| (column.id, column.ty));
        let columns = columns.into_iter().zip(&layout.columns);
        let columns = columns.map(|(array, column)| widened(column.ty, array));
        let part = Part {
            columns: columns.collect::<Result<_>>()?,
            rows,
        };
        Self::grown(types.collect(), Vec::new(), Vec::new(), part)
    }

    /// Makes the rows of `full`, `parts` and `more`, in this order.
    fn grown(
        columns: Arc<[(u32, ColumnType)]>,
        mut full: Vec<Arc<Zone>>,
        mut parts: Vec<Part>,
        more: Part,
    ) -> Result<Self> {
        parts.push(more);
        while let [.., left, right] = parts.as_slice()
            && left.rows <= right.rows
        {
            let joined = Part::joined(&[left, right])?;
            parts.truncate(parts.len() - 2);
            parts.push(joined);
        }
        if parts.iter().map(|part| part.rows).sum::<usize>() >= ZONE_ROWS {
            let all: Vec<&Part> = parts.iter().collect();
            let all = Part::joined(&all)?;
            let mut at = 0;
            while all.rows - at >= ZONE_ROWS {
                let part = all.slice(at, ZONE_ROWS);
                let built = OnceLock::new();
                full.push(Arc::new(Zone { part, built }));
                at += ZONE_ROWS;
            }
            parts.clear();
            if at < all.rows {
                parts.push(all.slice(at, all.rows - at));
            }
        }
        let rows = full.len() * ZONE_ROWS + parts.iter().map(|part| part.rows).sum::<usize>();
        let opened = OnceLock::new();
        Ok(Self {
            shared: Arc::new(Shared {
                columns,
                full,
                parts,
                rows,
                opened,
            }),
        })
    }

    /// Tells whether both have the same columns, so that one may follow the other.
    pub(crate) fn is_like(&self, other: &ResidentRows) -> bool {
        self.shared.columns == other.shared.columns
    }

    /// Gives these rows and then those of `other`, which [`ResidentRows::is_like`] this.
    pub(crate) fn followed_by(&self, other: &ResidentRows) -> Result<Self> {
        let own = &*self.shared;
        let mut grown = self.clone();
        let zones = other.shared.full.iter().map(|zone| &zone.part);
        for part in zones.chain(&other.shared.parts) {
            let shared = &*grown.shared;
            let (full, parts) = (shared.full.clone(), shared.parts.clone());
            grown = Self::grown(Arc::clone(&own.columns), full, parts, part.clone())?;
        }
        Ok(grown)
    }

    /// Counts the rows.
    pub(crate) fn rows(&self) -> usize {
        self.shared.rows
    }

    /// Finds the columns in `layout` as it is now, for a file of these rows; one that was dropped since
    /// is left out. Gives with each its index here.
    pub(crate) fn layout_in(&self, layout: &TableLayout) -> (TableLayout, Vec<usize>) {
        let mut kept = TableLayout {
            columns: Vec::new(),
            sort_key: crate::schema::SortKey::None,
        };
        let mut indexes = Vec::new();
        for column in &layout.columns {
            let mut own = self.shared.columns.iter();
            if let Some(index) = own.position(|own| *own == (column.id, column.ty)) {
                kept.columns.push(column.clone());
                indexes.push(index);
            }
        }
        (kept, indexes)
    }

    /// Gives all values of a column.
    pub(crate) fn column(&self, index: usize) -> Result<ArrayRef> {
        let mut arrays = Vec::new();
        for part in self.parts() {
            arrays.push(part.column(index)?.as_ref());
        }
        Ok(concat(&arrays)?)
    }

    fn parts(&self) -> impl Iterator<Item = &Part> {
        let full = self.shared.full.iter().map(|zone| &zone.part);
        full.chain(&self.shared.parts)
    }

    /// Gives what a scan reads.
    pub(crate) fn open(&self, record: &RowGroupRecord) -> Result<Arc<OpenRowGroup>> {
        if let Some(opened) = self.shared.opened.get() {
            return Ok(Arc::clone(opened));
        }
        let opened = Arc::new(self.build(record)?);
        Ok(Arc::clone(self.shared.opened.get_or_init(|| opened)))
    }

    fn build(&self, record: &RowGroupRecord) -> Result<OpenRowGroup> {
        let types = &self.shared.columns;
        let mut zones = Vec::with_capacity(self.shared.full.len() + 1);
        for zone in &self.shared.full {
            zones.push(zone.built(types)?.to_vec());
        }
        if !self.shared.parts.is_empty() {
            let parts: Vec<&Part> = self.shared.parts.iter().collect();
            zones.push(Part::joined(&parts)?.build(types)?);
        }
        let zone_count = zones.len();
        let mut zones: Vec<_> = zones.into_iter().map(Vec::into_iter).collect();
        let mut footer = Footer {
            rows: self.shared.rows as u64,
            columns: Vec::with_capacity(types.len()),
        };
        let mut resident = Vec::with_capacity(types.len());
        for (id, ty) in types.iter() {
            let mut column = ColumnFooter {
                id: *id,
                ty: *ty,
                requested: EncodingName::Auto,
                sketch: SketchRecord::default(),
                blocks: Vec::with_capacity(zone_count),
                zones: Vec::with_capacity(zone_count),
            };
            let mut sketch = ColumnSketch::new(*ty);
            let mut blocks = Vec::with_capacity(zone_count);
            for built in zones.iter_mut().filter_map(Iterator::next) {
                sketch.merge(&built.sketch);
                column.blocks.push(built.entry);
                column.zones.extend(built.zones);
                blocks.push(built.block);
            }
            column.sketch = sketch.to_record();
            footer.columns.push(column);
            resident.push(blocks);
        }
        let identity = RowGroupIdentity {
            table: record.table,
            slice: record.slice,
            id: record.id,
        };
        Ok(OpenRowGroup::resident(identity, footer, resident))
    }

    fn to_bytes(&self) -> Result<Vec<u8>> {
        let columns = self.shared.columns.iter().enumerate();
        let columns = columns.map(|(index, (id, ty))| Ok((*id, *ty, self.column(index)?)));
        let columns = columns.collect::<Result<Vec<Column>>>()?;
        Ok(rows::encode(self.shared.rows, &columns))
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let (rows, columns) = rows::decode(bytes)?;
        let types = columns.iter().map(|(id, ty, _)| (*id, *ty)).collect();
        let columns = columns.into_iter().map(|(_, _, array)| array).collect();
        let part = Part { columns, rows };
        Self::grown(types, Vec::new(), Vec::new(), part).map_err(|error| error.to_string())
    }
}

/// Gives a decimal column its own arrow type.
fn widened(ty: ColumnType, array: ArrayRef) -> Result<ArrayRef> {
    let ColumnType::Decimal { precision, scale } = ty else {
        return Ok(array);
    };
    if *array.data_type() != DataType::Int64 {
        return Ok(array);
    }
    let narrow = array.as_primitive::<Int64Type>();
    let wide: Decimal128Array = narrow.unary(i128::from);
    Ok(Arc::new(wide.with_precision_and_scale(precision, scale)?))
}

impl Part {
    fn column(&self, index: usize) -> Result<&ArrayRef> {
        let missing = || Error::Internal(format!("resident rows have no column {index}"));
        self.columns.get(index).ok_or_else(missing)
    }

    fn joined(parts: &[&Part]) -> Result<Part> {
        if let [only] = parts {
            return Ok((*only).clone());
        }
        let count = parts.first().map_or(0, |part| part.columns.len());
        let mut columns = Vec::with_capacity(count);
        for index in 0..count {
            let mut arrays = Vec::with_capacity(parts.len());
            for part in parts {
                arrays.push(part.column(index)?.as_ref());
            }
            columns.push(compact(concat(&arrays)?));
        }
        let rows = parts.iter().map(|part| part.rows).sum();
        Ok(Part { columns, rows })
    }

    fn slice(&self, from: usize, rows: usize) -> Part {
        let columns = self.columns.iter().map(|column| column.slice(from, rows));
        Part {
            columns: columns.collect(),
            rows,
        }
    }

    /// Makes a block of each column. They are plain: the rows move to a file soon.
    fn build(&self, types: &[(u32, ColumnType)]) -> Result<Vec<BuiltColumn>> {
        let columns = self.columns.iter().zip(types);
        columns
            .map(|(array, (_, ty))| {
                let mut sketch = ColumnSketch::new(*ty);
                let built = build(*ty, EncodingName::Raw, array.as_ref(), &mut sketch)?;
                let mut bytes = MutableBuffer::with_capacity(built.bytes.len());
                bytes.extend_from_slice(&built.bytes);
                let block = Block::open(*ty, bytes.into());
                let block =
                    block.map_err(|reason| Error::Internal(format!("a new block: {reason}")))?;
                let entry = BlockEntry {
                    offset: 0,
                    bytes: built.bytes.len() as u64,
                    rows: built.rows as u32,
                    encoding: built.encoding,
                    kind: built.kind,
                    checksum: xxh3_64(&built.bytes),
                };
                Ok(BuiltColumn {
                    entry,
                    zones: built.zones,
                    sketch,
                    block: Arc::new(block),
                })
            })
            .collect()
    }
}

/// Copies long texts into one buffer: joined arrays would keep a buffer for each insert.
fn compact(array: ArrayRef) -> ArrayRef {
    if let Some(texts) = array.as_string_view_opt()
        && texts.data_buffers().len() > 1
    {
        return Arc::new(texts.gc());
    }
    if let Some(texts) = array.as_binary_view_opt()
        && texts.data_buffers().len() > 1
    {
        return Arc::new(texts.gc());
    }
    array
}

impl Zone {
    fn built(&self, types: &[(u32, ColumnType)]) -> Result<&[BuiltColumn]> {
        if let Some(built) = self.built.get() {
            return Ok(built);
        }
        let built = self.part.build(types)?;
        Ok(self.built.get_or_init(|| built))
    }
}

impl PartialEq for ResidentRows {
    fn eq(&self, other: &Self) -> bool {
        let same = || self.to_bytes().ok() == other.to_bytes().ok();
        Arc::ptr_eq(&self.shared, &other.shared) || (self.rows() == other.rows() && same())
    }
}

impl Eq for ResidentRows {}

impl std::fmt::Debug for ResidentRows {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} resident rows", self.rows())
    }
}

/// As base64: a log record never has a zero byte, which is how a torn one is told.
impl Serialize for ResidentRows {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let bytes = self.to_bytes().map_err(serde::ser::Error::custom)?;
        serializer.serialize_str(&STANDARD_NO_PAD.encode(bytes))
    }
}

impl<'de> Deserialize<'de> for ResidentRows {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = STANDARD_NO_PAD
            .decode(text)
            .map_err(serde::de::Error::custom)?;
        Self::from_bytes(&bytes).map_err(serde::de::Error::custom)
    }
}
