//! The bytes of a row group file.
//!
//! ```text
//! header, 64 bytes   0 magic "BSROWGRP"   8 version u32   12 slice u32   16 table u64   24 id u64
//!                   32 rows u64          40 zeros        56 xxh3 of bytes 0..56
//! blocks             each at a multiple of 64 bytes, column by column
//! footer             see `write_footer`
//! trailer, 32 bytes  0 footer bytes u64   8 version u32   12 zero   16 xxh3 of footer and of
//!                      the trailer's bytes 0..16           24 magic "BSROWEND"
//! ```
//!
//! A footer is: rows u64, columns u32; then per column id u32, type (tag, precision, scale) 3 bytes,
//! requested encoding u8, the sketch, blocks u32 and zones u32 (the sketch has a byte of flags: 1 registers
//! by index, 2 some text ends with a blank, which version 1 does not tell); per block offset u64, bytes u64,
//! rows u32, encoding u8, physical kind u8, xxh3 u64; per zone nulls u32, then, if the zone has a
//! value, min and max as keys. A key is 8 bytes if all the column's keys fit, else 16.

use crate::schema::{ColumnType, EncodingName, RowGroupId, SliceId, TableId};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// Rows of a zone: the grain of blocks, of zone maps and of scans.
pub const ZONE_ROWS: usize = 8_192;

/// What every row group file begins with.
pub const MAGIC: [u8; 8] = *b"BSROWGRP";
/// What every row group file ends with.
pub const END: [u8; 8] = *b"BSROWEND";
/// The version this server writes, and the last it reads.
pub const VERSION: u32 = 2;
/// The version that did not tell whether a text ends with a blank.
const VERSION_WITHOUT_PADDED: u32 = 1;
/// Flag of a sketch: registers follow by index, not all of them.
const SPARSE: u8 = 1;
/// Flag of a sketch: some text ends with a blank.
const PADDED: u8 = 2;
/// Size of the header.
pub const HEADER_BYTES: usize = 64;
/// Size of the trailer.
pub const TRAILER_BYTES: usize = 32;

/// Registers of a distinct-count sketch: 2^11.
pub const REGISTERS: usize = 2_048;

/// Where a row group belongs; repeated in its header so that a misplaced file is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowGroupIdentity {
    /// The table.
    pub table: TableId,
    /// The slice.
    pub slice: SliceId,
    /// The file's id.
    pub id: RowGroupId,
}

/// What can be wrong with a header, footer or trailer.
#[derive(Debug, PartialEq)]
pub enum Damage {
    /// Written by a later server.
    Version(u32),
    /// What does not hold.
    Corrupt(String),
}

impl From<&str> for Damage {
    fn from(reason: &str) -> Self {
        Damage::Corrupt(reason.into())
    }
}

/// One block in the directory.
#[derive(Clone, Debug, PartialEq)]
pub struct BlockEntry {
    /// Where it begins in the file.
    pub offset: u64,
    /// Its size.
    pub bytes: u64,
    /// Its rows; whole zones but for the last block of a column.
    pub rows: u32,
    /// Its physical encoding.
    pub encoding: u8,
    /// Its physical kind.
    pub kind: u8,
    /// xxh3 of its bytes.
    pub checksum: u64,
}

/// Extremes of one zone, as keys (see `statistics::key`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZoneMap {
    /// Nulls in the zone.
    pub nulls: u32,
    /// The least and the greatest key; `None` if all are null.
    pub range: Option<(i128, i128)>,
}

/// The counts and the distinct-count sketch of a column; its extremes follow from the zones.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SketchRecord {
    /// Rows, nulls included.
    pub rows: u64,
    /// Nulls among them.
    pub nulls: u64,
    /// Bytes of the values in memory.
    pub value_bytes: u64,
    /// Bytes of the blocks.
    pub encoded_bytes: u64,
    /// Blocks.
    pub blocks: u64,
    /// Whether a text may end with a blank.
    pub padded: bool,
    /// The registers that are not zero, by index.
    pub registers: Vec<(u16, u8)>,
}

/// One column of a footer.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnFooter {
    /// The column's stable id.
    pub id: u32,
    /// Its type when written.
    pub ty: ColumnType,
    /// The encoding asked for.
    pub requested: EncodingName,
    /// What ANALYZE wants to know.
    pub sketch: SketchRecord,
    /// Its blocks in order.
    pub blocks: Vec<BlockEntry>,
    /// Its zones in order.
    pub zones: Vec<ZoneMap>,
}

/// All a reader must know of a row group before it reads a block.
#[derive(Clone, Debug, PartialEq)]
pub struct Footer {
    /// Rows in the file.
    pub rows: u64,
    /// Columns in table order as of the write.
    pub columns: Vec<ColumnFooter>,
}

/// Writes the header.
pub fn write_header(identity: &RowGroupIdentity, rows: u64) -> [u8; HEADER_BYTES] {
    let mut out = [0; HEADER_BYTES];
    out[..8].copy_from_slice(&MAGIC);
    out[8..12].copy_from_slice(&VERSION.to_le_bytes());
    out[12..16].copy_from_slice(&identity.slice.0.to_le_bytes());
    out[16..24].copy_from_slice(&identity.table.0.to_le_bytes());
    out[24..32].copy_from_slice(&identity.id.0.to_le_bytes());
    out[32..40].copy_from_slice(&rows.to_le_bytes());
    let checksum = xxh3_64(&out[..56]);
    out[56..].copy_from_slice(&checksum.to_le_bytes());
    out
}

/// Reads the header: who the file says it is, and its rows.
pub fn read_header(bytes: &[u8]) -> Result<(RowGroupIdentity, u64), Damage> {
    let mut reader = Reader { bytes };
    if reader.take::<8>()? != MAGIC {
        return Err("it does not begin like a row group".into());
    }
    let version = reader.u32()?;
    let slice = SliceId(reader.u32()?);
    let table = TableId(reader.u64()?);
    let id = RowGroupId(reader.u64()?);
    let rows = reader.u64()?;
    let _zeros = reader.take::<16>()?;
    if reader.u64()? != xxh3_64(bytes.get(..56).unwrap_or_default()) {
        return Err("the header's checksum does not match".into());
    }
    if !is_known(version) {
        return Err(Damage::Version(version));
    }
    Ok((RowGroupIdentity { table, slice, id }, rows))
}

/// Writes footer and trailer.
pub fn write_footer(footer: &Footer) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend_from_slice(&footer.rows.to_le_bytes());
    out.extend_from_slice(&(footer.columns.len() as u32).to_le_bytes());
    for column in &footer.columns {
        write_column(column, &mut out);
    }
    let mut trailer = [0; TRAILER_BYTES];
    trailer[..8].copy_from_slice(&(out.len() as u64).to_le_bytes());
    trailer[8..12].copy_from_slice(&VERSION.to_le_bytes());
    let checksum = footer_checksum(&out, &trailer[..16]);
    trailer[16..24].copy_from_slice(&checksum.to_le_bytes());
    trailer[24..].copy_from_slice(&END);
    out.extend_from_slice(&trailer);
    out
}

fn is_known(version: u32) -> bool {
    (VERSION_WITHOUT_PADDED..=VERSION).contains(&version)
}

fn footer_checksum(footer: &[u8], trailer: &[u8]) -> u64 {
    let mut hash = Xxh3::new();
    hash.update(footer);
    hash.update(trailer);
    hash.digest()
}

fn write_column(column: &ColumnFooter, out: &mut Vec<u8>) {
    out.extend_from_slice(&column.id.to_le_bytes());
    out.extend_from_slice(&type_bytes(column.ty));
    out.push(encoding_byte(column.requested));
    let sketch = &column.sketch;
    for number in [
        sketch.rows,
        sketch.nulls,
        sketch.value_bytes,
        sketch.encoded_bytes,
        sketch.blocks,
    ] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    // Three bytes for each register that is set, or one byte for every register.
    let padded = if sketch.padded { PADDED } else { 0 };
    if sketch.registers.len() * 3 < REGISTERS {
        out.push(SPARSE | padded);
        out.extend_from_slice(&(sketch.registers.len() as u32).to_le_bytes());
        for (index, rank) in &sketch.registers {
            out.extend_from_slice(&index.to_le_bytes());
            out.push(*rank);
        }
    } else {
        out.push(padded);
        let start = out.len();
        out.resize(start + REGISTERS, 0);
        for (index, rank) in &sketch.registers {
            out[start + usize::from(*index)] = *rank;
        }
    }
    out.extend_from_slice(&(column.blocks.len() as u32).to_le_bytes());
    out.extend_from_slice(&(column.zones.len() as u32).to_le_bytes());
    for block in &column.blocks {
        out.extend_from_slice(&block.offset.to_le_bytes());
        out.extend_from_slice(&block.bytes.to_le_bytes());
        out.extend_from_slice(&block.rows.to_le_bytes());
        out.extend_from_slice(&[block.encoding, block.kind]);
        out.extend_from_slice(&block.checksum.to_le_bytes());
    }
    let fits = |key: i128| i64::try_from(key).is_ok();
    let narrow = column
        .zones
        .iter()
        .filter_map(|zone| zone.range)
        .all(|(a, b)| fits(a) && fits(b));
    out.push(if narrow { 8 } else { 16 });
    for zone in &column.zones {
        out.extend_from_slice(&zone.nulls.to_le_bytes());
        out.push(u8::from(zone.range.is_some()));
        if let Some((min, max)) = zone.range {
            for key in [min, max] {
                out.extend_from_slice(&key.to_le_bytes()[..if narrow { 8 } else { 16 }]);
            }
        }
    }
}

/// Reads the trailer: gives the footer's length.
pub fn read_trailer(trailer: &[u8]) -> Result<u64, Damage> {
    let mut reader = Reader { bytes: trailer };
    let length = reader.u64()?;
    let version = reader.u32()?;
    let _zero_and_checksum = (reader.u32()?, reader.u64()?);
    if reader.take::<8>()? != END {
        return Err("it does not end like a row group".into());
    }
    if !is_known(version) {
        return Err(Damage::Version(version));
    }
    Ok(length)
}

/// Reads a footer, its trailer following.
pub fn read_footer(bytes: &[u8]) -> Result<Footer, Damage> {
    let length = bytes
        .len()
        .checked_sub(TRAILER_BYTES)
        .ok_or("it is too short for a trailer")?;
    let (body, trailer) = bytes.split_at(length);
    if read_trailer(trailer)? != length as u64 {
        return Err("the footer's length does not match".into());
    }
    let mut checksum = Reader {
        bytes: trailer.get(16..).unwrap_or_default(),
    };
    if checksum.u64()? != footer_checksum(body, trailer.get(..16).unwrap_or_default()) {
        return Err("the footer's checksum does not match".into());
    }
    let version = u32::from_le_bytes(
        Reader {
            bytes: trailer.get(8..).unwrap_or_default(),
        }
        .take()?,
    );
    let mut reader = Reader { bytes: body };
    let rows = reader.u64()?;
    let count = reader.u32()?;
    let mut columns = Vec::new();
    for _ in 0..count {
        columns.push(read_column(&mut reader, version)?);
    }
    if !reader.bytes.is_empty() {
        return Err("the footer has bytes to spare".into());
    }
    Ok(Footer { rows, columns })
}

fn read_column(reader: &mut Reader<'_>, version: u32) -> Result<ColumnFooter, Damage> {
    let id = reader.u32()?;
    let ty = type_from(reader.take::<3>()?).ok_or("a column has an unknown type")?;
    let [requested] = reader.take::<1>()?;
    let requested = encoding_from(requested).ok_or("a column has an unknown encoding")?;
    let mut sketch = SketchRecord {
        rows: reader.u64()?,
        nulls: reader.u64()?,
        value_bytes: reader.u64()?,
        encoded_bytes: reader.u64()?,
        blocks: reader.u64()?,
        padded: false,
        registers: vec![],
    };
    let [flags] = reader.take::<1>()?;
    sketch.padded = match version {
        VERSION_WITHOUT_PADDED => ty == ColumnType::Text,
        _ => flags & PADDED != 0,
    };
    match flags & SPARSE {
        SPARSE => {
            for _ in 0..reader.u32()? {
                let index = u16::from_le_bytes(reader.take()?);
                let [rank] = reader.take::<1>()?;
                sketch.registers.push((index, rank));
            }
        }
        _ => {
            let all = reader.take::<REGISTERS>()?.into_iter().enumerate();
            let set = all.filter(|(_, rank)| *rank > 0);
            sketch
                .registers
                .extend(set.map(|(index, rank)| (index as u16, rank)));
        }
    }
    let (blocks, zones) = (reader.u32()?, reader.u32()?);
    let mut column = ColumnFooter {
        id,
        ty,
        requested,
        sketch,
        blocks: vec![],
        zones: vec![],
    };
    for _ in 0..blocks {
        column.blocks.push(BlockEntry {
            offset: reader.u64()?,
            bytes: reader.u64()?,
            rows: reader.u32()?,
            encoding: reader.take::<1>()?[0],
            kind: reader.take::<1>()?[0],
            checksum: reader.u64()?,
        });
    }
    let narrow = reader.take::<1>()? == [8];
    for _ in 0..zones {
        let nulls = reader.u32()?;
        let range = match reader.take::<1>()? {
            [0] => None,
            _ => Some((reader.key(narrow)?, reader.key(narrow)?)),
        };
        column.zones.push(ZoneMap { nulls, range });
    }
    Ok(column)
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Damage> {
        let (head, rest) = self
            .bytes
            .split_first_chunk::<N>()
            .ok_or("it ends too early")?;
        self.bytes = rest;
        Ok(*head)
    }

    fn u32(&mut self) -> Result<u32, Damage> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Damage> {
        self.take().map(u64::from_le_bytes)
    }

    fn key(&mut self, narrow: bool) -> Result<i128, Damage> {
        match narrow {
            true => self.take().map(|raw| i128::from(i64::from_le_bytes(raw))),
            false => self.take().map(i128::from_le_bytes),
        }
    }
}

pub(super) fn type_bytes(ty: ColumnType) -> [u8; 3] {
    let tag = match ty {
        ColumnType::Bool => 0,
        ColumnType::Int16 => 1,
        ColumnType::Int32 => 2,
        ColumnType::Int64 => 3,
        ColumnType::Float32 => 4,
        ColumnType::Float64 => 5,
        ColumnType::Decimal { precision, scale } => return [6, precision, scale as u8],
        ColumnType::Date => 7,
        ColumnType::Time => 8,
        ColumnType::TimeTz => 13,
        ColumnType::Months => 14,
        ColumnType::Duration => 15,
        ColumnType::Timestamp => 9,
        ColumnType::TimestampTz => 10,
        ColumnType::Text => 11,
        ColumnType::Bytes => 12,
    };
    [tag, 0, 0]
}

pub(super) fn type_from([tag, precision, scale]: [u8; 3]) -> Option<ColumnType> {
    Some(match tag {
        0 => ColumnType::Bool,
        1 => ColumnType::Int16,
        2 => ColumnType::Int32,
        3 => ColumnType::Int64,
        4 => ColumnType::Float32,
        5 => ColumnType::Float64,
        6 => ColumnType::Decimal {
            precision,
            scale: scale as i8,
        },
        7 => ColumnType::Date,
        8 => ColumnType::Time,
        9 => ColumnType::Timestamp,
        10 => ColumnType::TimestampTz,
        11 => ColumnType::Text,
        12 => ColumnType::Bytes,
        13 => ColumnType::TimeTz,
        14 => ColumnType::Months,
        15 => ColumnType::Duration,
        _ => return None,
    })
}

/// Every name in the order of its byte; new names go to the end.
const ENCODINGS: [EncodingName; 14] = [
    EncodingName::Auto,
    EncodingName::Raw,
    EncodingName::Az64,
    EncodingName::Bytedict,
    EncodingName::Delta,
    EncodingName::Delta32k,
    EncodingName::Lzo,
    EncodingName::Mostly8,
    EncodingName::Mostly16,
    EncodingName::Mostly32,
    EncodingName::Runlength,
    EncodingName::Text255,
    EncodingName::Text32k,
    EncodingName::Zstd,
];

fn encoding_byte(name: EncodingName) -> u8 {
    ENCODINGS
        .iter()
        .position(|each| *each == name)
        .unwrap_or_default() as u8
}

fn encoding_from(byte: u8) -> Option<EncodingName> {
    ENCODINGS.get(usize::from(byte)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Footer {
        let sketch = SketchRecord {
            rows: 3,
            nulls: 1,
            value_bytes: 12,
            encoded_bytes: 64,
            blocks: 1,
            padded: false,
            registers: vec![(3, 4)],
        };
        let block = BlockEntry {
            offset: 64,
            bytes: 64,
            rows: 3,
            encoding: 0,
            kind: 2,
            checksum: 5,
        };
        let zone = ZoneMap {
            nulls: 1,
            range: Some((-1, 2)),
        };
        let column = ColumnFooter {
            id: 7,
            ty: ColumnType::Int32,
            requested: EncodingName::Az64,
            sketch,
            blocks: vec![block],
            zones: vec![zone],
        };
        Footer {
            rows: 3,
            columns: vec![column],
        }
    }

    #[test]
    fn bytes_of_a_header_are_fixed() {
        let identity = RowGroupIdentity {
            table: TableId(5),
            slice: SliceId(2),
            id: RowGroupId(9),
        };
        let bytes = write_header(&identity, 3);
        let mut golden =
            b"BSROWGRP\x02\0\0\0\x02\0\0\0\x05\0\0\0\0\0\0\0\x09\0\0\0\0\0\0\0\x03".to_vec();
        golden.resize(56, 0);
        assert_eq!(bytes[..56], golden);
        assert_eq!(read_header(&bytes), Ok((identity, 3)));
    }

    #[test]
    fn bytes_of_a_footer_are_fixed() {
        let bytes = write_footer(&sample());
        let mut golden = b"\x03\0\0\0\0\0\0\0\x01\0\0\0\x07\0\0\0\x02\0\0\x02".to_vec();
        for number in [3u64, 1, 12, 64, 1] {
            golden.extend_from_slice(&number.to_le_bytes());
        }
        golden.extend_from_slice(b"\x01\x01\0\0\0\x03\0\x04\x01\0\0\0\x01\0\0\0");
        golden.extend_from_slice(
            b"\x40\0\0\0\0\0\0\0\x40\0\0\0\0\0\0\0\x03\0\0\0\0\x02\x05\0\0\0\0\0\0\0",
        );
        golden.extend_from_slice(b"\x08\x01\0\0\0\x01");
        golden.extend_from_slice(b"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02\0\0\0\0\0\0\0");
        let length = golden.len() as u64;
        golden.extend_from_slice(&length.to_le_bytes());
        golden.extend_from_slice(b"\x02\0\0\0\0\0\0\0");
        assert_eq!(bytes[..golden.len()], golden);
        assert_eq!(bytes[golden.len() + 8..], END);
        assert_eq!(read_footer(&bytes), Ok(sample()));
    }

    #[test]
    fn a_later_version_is_refused_as_such() {
        let mut bytes = write_footer(&sample());
        let at = bytes.len() - TRAILER_BYTES + 8;
        bytes[at] = 3;
        assert_eq!(read_footer(&bytes), Err(Damage::Version(3)));
    }

    #[test]
    fn blanks_at_the_end_are_told_of_and_not_known_of_the_first_version() {
        let mut footer = sample();
        footer.columns[0].ty = ColumnType::Text;
        footer.columns[0].sketch.padded = true;
        assert_eq!(read_footer(&write_footer(&footer)), Ok(footer.clone()));
        footer.columns[0].sketch.padded = false;
        let bytes = write_footer(&footer);
        assert_eq!(read_footer(&bytes), Ok(footer.clone()));
        let (body, trailer) = bytes.split_at(bytes.len() - TRAILER_BYTES);
        let mut trailer = trailer.to_vec();
        trailer[8] = 1;
        let checksum = footer_checksum(body, &trailer[..16]);
        trailer[16..24].copy_from_slice(&checksum.to_le_bytes());
        footer.columns[0].sketch.padded = true;
        assert_eq!(read_footer(&[body, &trailer].concat()), Ok(footer));
    }
}
