//! ORC: a tail that tells the types and the stripes, and stripes that are read each by itself.
//!
//! The library that decodes takes what it reads to be sound. So everything it gets is checked and unpacked before, within
//! bounds: sections are given to it as if they had been written without compression.

mod check;
mod packing;
mod stripe;

pub use stripe::{StripePlan, StripeReader, footer_range};

use arrow_schema::{DataType, Field, Schema, SchemaRef};
use bytes::Bytes;
use orc_prost::Message;
use orc_rust::projection::ProjectionMask;
use orc_rust::proto;
use orc_rust::reader::metadata::{FileMetadata, read_metadata};
use orc_rust::schema::{ArrowSchemaOptions, DataType as OrcType, RootDataType, TimestampPrecision};
use orc_rust::stripe::StripeMetadata;
use packing::Packing;

/// Bytes of a tail at most.
pub const TAIL_BYTES_MAX: u64 = 256 << 20;
/// Bytes of a stripe at most, as it is stored and as it becomes.
pub const STRIPE_BYTES_MAX: u64 = 1 << 30;
/// Bytes that the parts of a tail may become.
const TAIL_PLAIN_BYTES_MAX: usize = 512 << 20;

/// An ORC file as its tail tells it.
#[derive(Debug)]
pub struct File {
    metadata: FileMetadata,
    packing: Packing,
    /// Types of all columns, with those within others.
    type_count: usize,
    schema: SchemaRef,
    rows_before: Vec<u64>,
}

/// Takes the last part of a tail apart: the lengths of the others.
fn postscript(end: &[u8]) -> Result<(proto::PostScript, usize), String> {
    let (length, rest) = end.split_last().ok_or("it has no tail")?;
    let start = rest.len().checked_sub(usize::from(*length));
    let bytes = start.and_then(|start| rest.get(start..));
    let bytes = bytes.ok_or("it is shorter than its tail")?;
    let postscript =
        proto::PostScript::decode(bytes).map_err(|_| "it does not end as an ORC file")?;
    match postscript.magic() == "ORC" {
        true => Ok((postscript, usize::from(*length) + 1)),
        false => Err("it does not end as an ORC file".to_owned()),
    }
}

/// Tells how many bytes at the end of a file are its tail, by its last 256 bytes or more.
pub fn tail_bytes(end: &[u8]) -> Result<u64, String> {
    let (postscript, length) = postscript(end)?;
    let total = postscript
        .footer_length()
        .checked_add(postscript.metadata_length())
        .and_then(|sum| sum.checked_add(length as u64));
    total
        .filter(|total| *total <= TAIL_BYTES_MAX)
        .ok_or_else(|| "its tail is longer than 256 MB".to_owned())
}

impl File {
    /// Reads a tail, of which `end` is the whole or ends with it; `bytes` are those of the file. `Err` says what is wrong.
    pub fn parse(end: &[u8], bytes: u64) -> Result<Self, String> {
        let (postscript, length) = postscript(end)?;
        let packing = Packing::new(&postscript)?;
        let short = || "it is shorter than its tail".to_owned();
        let mut rest = end.get(..end.len() - length).ok_or_else(short)?;
        let mut section = |length: u64| {
            let start = usize::try_from(length).ok();
            let start = start.and_then(|length| rest.len().checked_sub(length));
            let (before, found) = rest.split_at_checked(start?)?;
            rest = before;
            Some(found)
        };
        let footer = section(postscript.footer_length()).ok_or_else(short)?;
        let metadata = section(postscript.metadata_length()).ok_or_else(short)?;
        let footer = packing.unpack(footer, TAIL_PLAIN_BYTES_MAX)?;
        let metadata = packing.unpack(metadata, TAIL_PLAIN_BYTES_MAX)?;
        let type_count = check::footer(&footer, &metadata, bytes)?;
        // The tail anew, without compression.
        let (footer, metadata) = (packing.pack(footer), packing.pack(metadata));
        let plain = proto::PostScript {
            footer_length: Some(footer.len() as u64),
            metadata_length: Some(metadata.len() as u64),
            ..postscript
        };
        let plain = plain.encode_to_vec();
        let plain_length = u8::try_from(plain.len()).map_err(|_| short())?;
        let mut tail: Bytes = [&metadata[..], &footer[..], &plain[..], &[plain_length]]
            .concat()
            .into();
        let metadata = check::caught(|| read_metadata(&mut tail))?;
        let schema = read_schema(metadata.root_data_type());
        let mut rows = 0;
        let rows_before = metadata.stripe_metadatas().iter().map(|stripe| {
            let before = rows;
            rows += stripe.number_of_rows();
            before
        });
        Ok(Self {
            rows_before: rows_before.collect(),
            metadata,
            packing,
            type_count,
            schema,
        })
    }

    /// Gives the columns as they are read: texts and bytes as views, times to the microsecond.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Gives the stripes.
    pub fn stripes(&self) -> &[StripeMetadata] {
        self.metadata.stripe_metadatas()
    }

    /// Gives the rows before each stripe.
    pub fn rows_before(&self) -> &[u64] {
        &self.rows_before
    }

    /// Counts the rows.
    pub fn rows(&self) -> u64 {
        let last = self
            .stripes()
            .last()
            .map_or(0, StripeMetadata::number_of_rows);
        self.rows_before.last().map_or(0, |before| before + last)
    }

    /// Gives the place of a column's statistics.
    pub fn statistics_index(&self, column: usize) -> Option<usize> {
        let children = self.metadata.root_data_type().children();
        children
            .get(column)
            .map(|child| child.data_type().column_index())
    }

    /// Names the type of a column as ORC does.
    pub fn type_shown(&self, column: usize) -> String {
        let children = self.metadata.root_data_type().children();
        children.get(column).map_or_else(String::new, |child| {
            format!("{} {}", child.name(), child.data_type()).to_lowercase()
        })
    }

    /// Gives the root with some of its columns.
    fn projected(&self, columns: &[usize]) -> RootDataType {
        let root = self.metadata.root_data_type();
        let indices = columns
            .iter()
            .filter_map(|column| self.statistics_index(*column));
        root.project(&ProjectionMask::roots(root, indices))
    }
}

/// Gives how columns are decoded.
fn options() -> ArrowSchemaOptions {
    ArrowSchemaOptions::new().with_timestamp_precision(TimestampPrecision::Microsecond)
}

/// Gives the columns as they are read, which is not how they are decoded.
fn read_schema(root: &RootDataType) -> SchemaRef {
    let fields = root.children().iter().map(|child| {
        let ty = match child.data_type() {
            OrcType::String { .. } | OrcType::Varchar { .. } | OrcType::Char { .. } => {
                DataType::Utf8View
            }
            OrcType::Binary { .. } => DataType::BinaryView,
            other => other.to_arrow_data_type_with_options(options()),
        };
        Field::new(child.name(), ty, true)
    });
    Schema::new(fields.collect::<Vec<_>>()).into()
}

#[cfg(test)]
mod tests;
