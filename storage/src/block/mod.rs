//! One column's encoded values within a row group: builds blocks with their zone maps, opens them,
//! and reads them zone by zone.

pub mod build;
pub mod vector;

use crate::encoding::{Body, Kind, Raw, Tag, open};
use crate::layout::block::{NullKind, read};
use crate::schema::ColumnType;
use arrow_buffer::{BooleanBuffer, Buffer};

/// The nulls of a block.
#[derive(Debug)]
pub enum Nulls {
    /// There are none.
    None,
    /// There is nothing else.
    All,
    /// Set where there is a value.
    Validity(BooleanBuffer),
}

/// A verified block as it lies in the cache: still encoded, cut into its parts.
#[derive(Debug)]
pub struct Block {
    /// Its SQL type.
    pub ty: ColumnType,
    /// What its values are kept as.
    pub kind: Kind,
    /// Its rows.
    pub rows: usize,
    /// Its nulls.
    pub nulls: Nulls,
    /// Added to every 64-bit value of a decimal.
    pub base: i128,
    /// Its values.
    pub body: Body,
    /// Its bytes on disk.
    pub encoded_bytes: usize,
}

impl Block {
    /// Opens a block whose checksum was verified, or says what does not hold.
    pub fn open(ty: ColumnType, bytes: Buffer) -> Result<Block, String> {
        let parts = read(&bytes)?;
        let header = &parts.header;
        let rows = header.rows as usize;
        let kind = Kind::from_byte(header.kind).filter(|kind| kinds(ty).contains(kind));
        let kind =
            kind.ok_or_else(|| format!("values of kind {} in a column of {ty:?}", header.kind))?;
        let tag = Tag::from_byte(header.encoding);
        let tag = tag.ok_or_else(|| format!("unknown encoding {}", header.encoding))?;
        let nulls = match header.nulls {
            NullKind::None => Nulls::None,
            NullKind::All => Nulls::All,
            NullKind::Bitmap => {
                let bitmap = bytes.slice_with_length(parts.validity, rows.div_ceil(8));
                Nulls::Validity(BooleanBuffer::new(bitmap, 0, rows))
            }
        };
        let body = open(
            tag,
            &Raw {
                bytes: &bytes,
                parts: &parts,
                kind,
            },
        )?;
        // A constant keeps its value where others keep their base.
        let base = if tag == Tag::Constant { 0 } else { header.base };
        Ok(Block {
            ty,
            kind,
            rows,
            nulls,
            base,
            body,
            encoded_bytes: bytes.len(),
        })
    }

    /// Tells whether its values are compressed zone by zone.
    pub fn is_compressed(&self) -> bool {
        matches!(self.body, Body::Compressed(_))
    }

    /// Estimates the memory it takes.
    pub fn memory_bytes(&self) -> usize {
        let more = match &self.body {
            Body::Dictionary(dictionary) => dictionary.views.len() * 16 + dictionary.values.len(),
            Body::Runs(runs) => runs.views.len() * 16,
            Body::Symbols(_) => size_of::<[u64; 256]>() + size_of::<[u8; 256]>(),
            _ => 0,
        };
        self.encoded_bytes + more + size_of::<Block>()
    }
}

/// Gives the kinds a column's blocks may have.
pub fn kinds(ty: ColumnType) -> &'static [Kind] {
    match ty {
        ColumnType::Bool => &[Kind::I8],
        ColumnType::Int16 => &[Kind::I16],
        ColumnType::Int32 | ColumnType::Date | ColumnType::Float32 | ColumnType::Months => {
            &[Kind::I32]
        }
        ColumnType::Int64
        | ColumnType::Float64
        | ColumnType::Time
        | ColumnType::TimeTz
        | ColumnType::Duration
        | ColumnType::Timestamp
        | ColumnType::TimestampTz => &[Kind::I64],
        ColumnType::Decimal { .. } => &[Kind::I64, Kind::I128],
        ColumnType::Text | ColumnType::Bytes => &[Kind::Bytes],
    }
}
