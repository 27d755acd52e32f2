//! The container of an Avro file: its header, and blocks of rows between marks. A stream of bytes is cut into chunks of
//! whole blocks, which any thread can read.

use super::schema::Schema;
use crate::format::cut::Chunk;
use arrow_avro::compression::CompressionCodec;
use arrow_avro::reader::read_header_info;
use std::io::Read;
use std::sync::Arc;

/// Bytes of a header at most. Source: the guide, "Data format parameters", AVRO.
pub const HEADER_BYTES_MAX: usize = 1 << 20;
/// Bytes of a block as it is stored, at most. Source: as above.
pub const BLOCK_BYTES_MAX: usize = 4 << 20;
/// Bytes that a block may become.
const UNPACKED_BYTES_MAX: usize = 64 << 20;
/// Rows without any bytes that a block may have.
const EMPTY_ROWS_MAX: u64 = 4 << 20;
/// The mark behind each block.
const SYNC_BYTES: usize = 16;
/// What every file begins with.
const MAGIC: &[u8] = b"Obj\x01";
/// Bytes of a number at most.
const NUMBER_BYTES_MAX: usize = 10;

/// What the header of a file says.
#[derive(Debug)]
pub struct File {
    /// The schema of its rows.
    pub schema: Schema,
    codec: Option<CompressionCodec>,
    sync: [u8; SYNC_BYTES],
}

impl File {
    /// Reads the header at the beginning of `bytes`; gives its length as well, or `None` if the bytes end first. `Err`
    /// says what is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, String> {
        let begin = MAGIC.len().min(bytes.len());
        if bytes.get(..begin) != MAGIC.get(..begin) {
            return Err("it does not begin as an Avro file".to_owned());
        }
        let head = bytes.get(..HEADER_BYTES_MAX).unwrap_or(bytes);
        let header = match read_header_info(head) {
            Ok(header) => header,
            Err(_) if bytes.len() <= HEADER_BYTES_MAX => return Ok(None),
            Err(_) => return Err("its header is larger than 1 MB, or damaged".to_owned()),
        };
        let schema = header.writer_schema().map_err(|error| error.to_string())?;
        let codec = header.compression().map_err(|error| error.to_string())?;
        if codec == Some(CompressionCodec::Xz) {
            return Err(
                "its codec xz is not supported; write it with null, deflate, snappy, zstandard or bzip2"
                    .to_owned(),
            );
        }
        let file = Self {
            schema: Schema::parse(&schema.json_string)?,
            codec,
            sync: header.sync(),
        };
        let length = usize::try_from(header.header_len()).unwrap_or(usize::MAX);
        Ok(Some((file, length)))
    }

    /// Gives the bytes of a block as they were before they were compressed.
    fn unpack(&self, stored: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        out.clear();
        let failed = |error: std::io::Error| format!("a block is damaged: {error}");
        match self.codec {
            None => out.extend_from_slice(stored),
            Some(CompressionCodec::Deflate) => {
                limited(flate2::read::DeflateDecoder::new(stored), out).map_err(failed)?;
            }
            Some(CompressionCodec::ZStandard) => {
                let decoder = zstd::stream::read::Decoder::new(stored).map_err(failed)?;
                limited(decoder, out).map_err(failed)?;
            }
            Some(CompressionCodec::Bzip2) => {
                limited(bzip2::read::BzDecoder::new(stored), out).map_err(failed)?;
            }
            Some(CompressionCodec::Snappy) => snappy(stored, out)?,
            Some(CompressionCodec::Xz) => return Err("its codec xz is not supported".to_owned()),
        }
        match out.len() > UNPACKED_BYTES_MAX {
            true => Err(too_large()),
            false => Ok(()),
        }
    }
}

fn too_large() -> String {
    format!(
        "a block becomes larger than {} MB",
        UNPACKED_BYTES_MAX >> 20
    )
}

/// Reads all, but hardly more than a block may have.
fn limited(reader: impl Read, out: &mut Vec<u8>) -> std::io::Result<()> {
    let limit = UNPACKED_BYTES_MAX as u64 + 1;
    reader.take(limit).read_to_end(out).map(|_| ())
}

/// Undoes Snappy, behind which stands a checksum.
fn snappy(stored: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    let damaged = |why: String| format!("a block is damaged: {why}");
    let (packed, sum) = stored
        .split_last_chunk::<4>()
        .ok_or_else(|| damaged("it has no checksum".to_owned()))?;
    let length = snap::raw::decompress_len(packed).map_err(|error| damaged(error.to_string()))?;
    if length > UNPACKED_BYTES_MAX {
        return Err(too_large());
    }
    out.resize(length, 0);
    snap::raw::Decoder::new()
        .decompress(packed, out)
        .map_err(|error| damaged(error.to_string()))?;
    let mut crc = flate2::Crc::new();
    crc.update(out);
    match crc.sum() == u32::from_be_bytes(*sum) {
        true => Ok(()),
        false => Err(damaged("its checksum differs".to_owned())),
    }
}

/// A block within some bytes.
struct Block {
    rows: u64,
    /// Where its rows stand, as they are stored.
    start: usize,
    end: usize,
    /// Behind its mark.
    next: usize,
}

/// Finds the block at the beginning of `bytes`; `None` if they end before it.
fn block(bytes: &[u8], file: &File) -> Result<Option<Block>, String> {
    let Some((rows, at)) = number(bytes)? else {
        return Ok(None);
    };
    let Some((size, length)) = number(bytes.get(at..).unwrap_or_default())? else {
        return Ok(None);
    };
    let start = at + length;
    let (Ok(rows), Ok(size)) = (u64::try_from(rows), usize::try_from(size)) else {
        return Err("a block has a negative size".to_owned());
    };
    if size > BLOCK_BYTES_MAX {
        return Err(format!(
            "a block has {size} bytes, and may have {BLOCK_BYTES_MAX} (4 MB)"
        ));
    }
    let end = start + size;
    match bytes.get(end..end + SYNC_BYTES) {
        None => Ok(None),
        Some(mark) if mark == file.sync => Ok(Some(Block {
            rows,
            start,
            end,
            next: end + SYNC_BYTES,
        })),
        Some(_) => Err("a block does not end with the mark of the file".to_owned()),
    }
}

/// Reads a number of variable length; gives its length as well, or `None` if the bytes end first.
fn number(bytes: &[u8]) -> Result<Option<(i64, usize)>, String> {
    let mut value = 0_u64;
    for (place, byte) in bytes.iter().take(NUMBER_BYTES_MAX).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            let value = (value >> 1) as i64 ^ -((value & 1) as i64);
            return Ok(Some((value, place + 1)));
        }
    }
    match bytes.len() < NUMBER_BYTES_MAX {
        true => Ok(None),
        false => Err("a block begins with no number".to_owned()),
    }
}

/// Unpacks the block at the beginning of `bytes`; gives its rows and its length there.
pub(super) fn unpack(bytes: &[u8], file: &File, out: &mut Vec<u8>) -> Result<(u64, usize), String> {
    let block = block(bytes, file)?.ok_or("a block ends early")?;
    let stored = bytes.get(block.start..block.end).unwrap_or_default();
    file.unpack(stored, out)?;
    match block.rows > EMPTY_ROWS_MAX.max(out.len() as u64) {
        true => Err("a block says that it has more rows than it can".to_owned()),
        false => Ok((block.rows, block.next)),
    }
}

/// Takes the bytes of a file piece by piece and gives them back in chunks of whole blocks.
#[derive(Debug, Default)]
pub struct BlockCutter {
    /// The block that has not ended, as far as it is there.
    pending: Vec<u8>,
    file: Option<Arc<File>>,
    rows: u64,
    offset: u64,
}

impl BlockCutter {
    /// Takes the next bytes; gives the blocks they complete.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Option<Chunk>, String> {
        self.pending.extend_from_slice(bytes);
        let mut at = 0;
        let file = match &self.file {
            Some(file) => Arc::clone(file),
            None if self.pending.is_empty() => return Ok(None),
            None => match File::parse(&self.pending)? {
                Some((file, length)) => {
                    at = length;
                    Arc::clone(self.file.insert(Arc::new(file)))
                }
                None => return Ok(None),
            },
        };
        let (rows_before, begin) = (self.rows, at);
        while let Some(block) = block(self.pending.get(at..).unwrap_or_default(), &file)? {
            self.rows = self.rows.saturating_add(block.rows);
            at += block.next;
        }
        let whole = bytes::Bytes::copy_from_slice(self.pending.get(begin..at).unwrap_or_default());
        self.pending.drain(..at);
        let offset = self.offset + begin as u64;
        self.offset += at as u64;
        Ok((!whole.is_empty()).then_some(Chunk {
            bytes: whole,
            lines_before: rows_before,
            offset,
        }))
    }

    /// Refuses a file that ends within its header or a block. One without any bytes has no rows.
    pub fn finish(&self) -> Result<(), String> {
        match self.pending.is_empty() {
            true => Ok(()),
            false => Err("it ends early".to_owned()),
        }
    }

    /// Gives the header, once it is read.
    pub fn file(&self) -> Option<&Arc<File>> {
        self.file.as_ref()
    }

    /// Counts the rows of all chunks so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }
}
