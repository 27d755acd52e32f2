//! Pages of a column chunk: their headers, and their bytes taken out of compression into a buffer that is used again.
//!
//! Source: `parquet.thrift`, PageHeader, in the compact protocol of Thrift.

use bytes::Bytes;
use datafusion::parquet::basic::CompressionCodec;
use datafusion::parquet::errors::{ParquetError, Result};
use std::io::Read;

/// Structures within structures that a header may have.
const DEPTH_MAX: usize = 8;

/// Bytes of a page at most: writers make pages of 1 MB.
const PAGE_BYTES_MAX: usize = 1 << 30;
/// Bytes that one byte of Snappy can stand for at most: a copy of 64 bytes takes two.
const SNAPPY_RATIO_MAX: usize = 64;

/// Says that a file is damaged.
pub(super) fn damaged(reason: &str) -> ParquetError {
    ParquetError::General(reason.to_owned())
}

/// What a page holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PageKind {
    Dictionary,
    /// Levels and values compressed together.
    First,
    /// Levels apart from values.
    Second,
    Other,
}

/// The head of a page.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PageHeader {
    kind: i64,
    bytes: i64,
    compressed_bytes: i64,
    values: i64,
    encoding: i64,
    level_bytes: [i64; 2],
    is_plain: bool,
}

impl PageHeader {
    /// Reads a header, and tells how long it is.
    pub(super) fn read(bytes: &[u8]) -> Result<(Self, usize)> {
        let mut cursor = Cursor { bytes, at: 0 };
        let mut header = Self::default();
        header.fields(&mut cursor)?;
        Ok((header, cursor.at))
    }

    fn fields(&mut self, cursor: &mut Cursor<'_>) -> Result<()> {
        let mut id = 0;
        while let Some(kind) = cursor.field(&mut id)? {
            match id {
                1 => self.kind = cursor.number(kind)?,
                2 => self.bytes = cursor.number(kind)?,
                3 => self.compressed_bytes = cursor.number(kind)?,
                5 | 7 | 8 if kind == STRUCT => self.body(cursor, id)?,
                _ => cursor.skip(kind, DEPTH_MAX)?,
            }
        }
        Ok(())
    }

    /// Reads what is said of pages of one kind.
    fn body(&mut self, cursor: &mut Cursor<'_>, of: i64) -> Result<()> {
        let mut id = 0;
        while let Some(kind) = cursor.field(&mut id)? {
            match (of, id) {
                (_, 1) => self.values = cursor.number(kind)?,
                (5 | 7, 2) | (8, 4) => self.encoding = cursor.number(kind)?,
                (8, 5) => self.level_bytes[0] = cursor.number(kind)?,
                (8, 6) => self.level_bytes[1] = cursor.number(kind)?,
                (8, 7) => self.is_plain = kind == FALSE,
                _ => cursor.skip(kind, DEPTH_MAX)?,
            }
        }
        Ok(())
    }

    /// Tells what the page holds.
    pub(super) fn kind(&self) -> PageKind {
        match self.kind {
            0 => PageKind::First,
            2 => PageKind::Dictionary,
            3 => PageKind::Second,
            _ => PageKind::Other,
        }
    }

    /// Tells how values are written: 0 plain, 2 and 8 codes of the dictionary, 3 runs.
    pub(super) fn encoding(&self) -> i64 {
        self.encoding
    }

    /// Tells the values of the page, nulls among them.
    pub(super) fn values(&self) -> Result<usize> {
        size(self.values)
    }

    /// Tells the bytes of the page in the file.
    pub(super) fn compressed_bytes(&self) -> Result<usize> {
        size(self.compressed_bytes)
    }

    /// Tells the bytes of levels that stand before the values of a page that has them apart.
    pub(super) fn level_bytes(&self) -> Result<(usize, usize)> {
        Ok((size(self.level_bytes[1])?, size(self.level_bytes[0])?))
    }
}

fn size(number: i64) -> Result<usize> {
    let size = i32::try_from(number)
        .ok()
        .and_then(|size| usize::try_from(size).ok());
    size.ok_or_else(|| damaged("a page has a negative size"))
}

const TRUE: u8 = 1;
const FALSE: u8 = 2;
const STRUCT: u8 = 12;

/// Reads the compact protocol.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn byte(&mut self) -> Result<u8> {
        let byte = self.bytes.get(self.at).copied();
        self.at += 1;
        byte.ok_or_else(|| damaged("the header of a page ends too early"))
    }

    fn unsigned(&mut self) -> Result<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(damaged("a number in the header of a page is too long"))
    }

    fn signed(&mut self) -> Result<i64> {
        let value = self.unsigned()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// Reads the head of a field: its id, and what it is; `None` at the end.
    fn field(&mut self, id: &mut i64) -> Result<Option<u8>> {
        let head = self.byte()?;
        if head == 0 {
            return Ok(None);
        }
        *id = match head >> 4 {
            0 => self.signed()?,
            step => id.saturating_add(i64::from(step)),
        };
        Ok(Some(head & 0xf))
    }

    fn number(&mut self, kind: u8) -> Result<i64> {
        match kind {
            4..=6 => self.signed(),
            _ => Err(damaged(
                "the header of a page has no number where one belongs",
            )),
        }
    }

    fn pass(&mut self, bytes: u64) -> Result<()> {
        let left = self.bytes.len().saturating_sub(self.at) as u64;
        if bytes > left {
            return Err(damaged("the header of a page ends too early"));
        }
        self.at += bytes as usize;
        Ok(())
    }

    fn skip(&mut self, kind: u8, depth: usize) -> Result<()> {
        let Some(depth) = depth.checked_sub(1) else {
            return Err(damaged("the header of a page is too deep"));
        };
        match kind {
            TRUE | FALSE => Ok(()),
            3 => self.pass(1),
            4..=6 => self.signed().map(drop),
            7 => self.pass(8),
            8 => {
                let bytes = self.unsigned()?;
                self.pass(bytes)
            }
            9 | 10 => {
                let head = self.byte()?;
                let count = match head >> 4 {
                    15 => self.unsigned()?,
                    few => u64::from(few),
                };
                for _ in 0..count {
                    match head & 0xf {
                        TRUE | FALSE => self.pass(1)?,
                        kind => self.skip(kind, depth)?,
                    }
                }
                Ok(())
            }
            STRUCT => {
                let mut id = 0;
                while let Some(kind) = self.field(&mut id)? {
                    self.skip(kind, depth)?;
                }
                Ok(())
            }
            _ => Err(damaged("the header of a page has an unknown part")),
        }
    }
}

/// Tells whether pages of a codec are read here.
pub(super) fn is_known(codec: CompressionCodec) -> bool {
    matches!(
        codec,
        CompressionCodec::UNCOMPRESSED
            | CompressionCodec::SNAPPY
            | CompressionCodec::GZIP
            | CompressionCodec::ZSTD
            | CompressionCodec::LZ4_RAW
    )
}

/// Takes bytes out of compression.
pub(super) struct Unpacker {
    codec: CompressionCodec,
    snappy: snap::raw::Decoder,
    zstd: Option<zstd::bulk::Decompressor<'static>>,
}

impl Unpacker {
    /// Makes one for a codec.
    pub(super) fn new(codec: CompressionCodec) -> Self {
        Self {
            codec,
            snappy: snap::raw::Decoder::new(),
            zstd: None,
        }
    }

    /// Puts `bytes` bytes behind those of `out`.
    fn unpack(&mut self, packed: &[u8], bytes: usize, out: &mut Vec<u8>) -> Result<()> {
        let wrong = |reason: String| ParquetError::General(reason);
        let begin = out.len();
        let end = begin.saturating_add(bytes);
        let is_snappy = self.codec == CompressionCodec::SNAPPY;
        if bytes > PAGE_BYTES_MAX || (is_snappy && bytes / SNAPPY_RATIO_MAX > packed.len()) {
            return Err(damaged("a page is larger than any writer makes"));
        }
        match self.codec {
            CompressionCodec::UNCOMPRESSED => out.extend_from_slice(packed),
            CompressionCodec::SNAPPY => {
                let told = snap::raw::decompress_len(packed);
                if told.map_err(|error| wrong(error.to_string()))? != bytes {
                    return Err(damaged("a page has another size than its header says"));
                }
                out.resize(end, 0);
                let room = out.get_mut(begin..).unwrap_or_default();
                let unpacked = self.snappy.decompress(packed, room);
                unpacked.map_err(|error| wrong(error.to_string()))?;
            }
            CompressionCodec::LZ4_RAW => {
                out.resize(end, 0);
                let room = out.get_mut(begin..).unwrap_or_default();
                let unpacked = lz4_flex::block::decompress_into(packed, room);
                let got = unpacked.map_err(|error| wrong(error.to_string()))?;
                out.truncate(begin + got);
            }
            CompressionCodec::ZSTD => {
                let decoder = match &mut self.zstd {
                    Some(decoder) => decoder,
                    None => self.zstd.insert(zstd::bulk::Decompressor::new()?),
                };
                out.resize(end, 0);
                let room = out.get_mut(begin..).unwrap_or_default();
                let got = decoder.decompress_to_buffer(packed, room)?;
                out.truncate(begin + got);
            }
            CompressionCodec::GZIP => {
                let decoder = flate2::bufread::MultiGzDecoder::new(packed);
                decoder.take(bytes as u64 + 1).read_to_end(out)?;
            }
            _ => return Err(damaged("its compression is not known")),
        }
        match out.len() == end {
            true => Ok(()),
            false => Err(damaged("a page has another size than its header says")),
        }
    }
}

/// The bytes of a page.
#[derive(Default)]
pub(super) struct PageBytes {
    /// The page in the chunk, if it is not compressed.
    plain: Option<Bytes>,
    /// The page otherwise.
    buffer: Vec<u8>,
}

impl PageBytes {
    /// Takes a page out of compression: levels and values of it behind each other.
    pub(super) fn fill(
        &mut self,
        header: &PageHeader,
        packed: Bytes,
        unpacker: &mut Unpacker,
    ) -> Result<()> {
        self.buffer.clear();
        let bytes = size(header.bytes)?;
        let is_plain = unpacker.codec == CompressionCodec::UNCOMPRESSED
            || (header.kind() == PageKind::Second && header.is_plain);
        if is_plain {
            self.plain = Some(packed);
            return Ok(());
        }
        self.plain = None;
        let levels = match header.kind() {
            PageKind::Second => {
                let (repetition, definition) = header.level_bytes()?;
                repetition.saturating_add(definition)
            }
            _ => 0,
        };
        let (Some(before), Some(behind)) = (packed.get(..levels), packed.get(levels..)) else {
            return Err(damaged("the levels of a page are longer than the page"));
        };
        self.buffer.extend_from_slice(before);
        let values = bytes.checked_sub(levels);
        let values =
            values.ok_or_else(|| damaged("the levels of a page are longer than the page"))?;
        match (values, behind.is_empty()) {
            (0, true) => Ok(()),
            _ => unpacker.unpack(behind, values, &mut self.buffer),
        }
    }

    /// Gives the page.
    pub(super) fn get(&self) -> &[u8] {
        match &self.plain {
            Some(plain) => plain,
            None => &self.buffer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn headers_are_read() {
        // A data page of 100 values, 400 bytes, 300 in the file, plain, with statistics that are passed over.
        let bytes = [
            0x15, 0x00, 0x15, 0xa0, 0x06, 0x15, 0xd8, 0x04, 0x2c, 0x15, 0xc8, 0x01, 0x15, 0x00,
            0x15, 0x06, 0x15, 0x06, 0x1c, 0x18, 0x02, b'a', b'b', 0x00, 0x00, 0x00, 0xff,
        ];
        let (header, length) = PageHeader::read(&bytes).expect("a header");
        assert_eq!(length, bytes.len() - 1);
        assert_eq!(header.kind(), PageKind::First);
        assert_eq!(header.values().unwrap(), 100);
        assert_eq!((header.bytes, header.compressed_bytes), (400, 300));
        assert_eq!(header.encoding(), 0);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_header_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _read_or_refused = PageHeader::read(&bytes);
        }
    }
}
