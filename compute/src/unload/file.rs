//! An open file: text, perhaps compressed, or Parquet, into an upload.

use super::parquet::{ParquetFile, ParquetLayout};
use super::upload::Upload;
use crate::error::{Error, Result};
use arrow::array::RecordBatch;
use blueshift_sql::statement::copy::CopyCompression;
use std::io::Write;
use std::sync::Arc;

/// Text waits so long for its compressor, which takes much memory: small files need it only at their end.
const RAW_BYTES: usize = 256 << 10;

/// Text that a compressor keeps to itself at least, however much came out.
const BLOCK_BYTES: u64 = 256 << 10;
const BLOCK_BYTES_BZIP2: u64 = 1 << 20;

/// What a compressor holds, about.
const GZIP_BYTES: usize = 512 << 10;
const ZSTD_BYTES: usize = 3 << 20;
const BZIP2_BYTES: usize = 8 << 20;

/// A file of a slice.
pub(super) struct OpenFile {
    upload: Upload,
    body: Body,
    /// Lines, the header among them, or rows of Parquet.
    pub(super) lines: u64,
    /// Microseconds from the start of the statement.
    pub(super) began_us: u64,
}

enum Body {
    Plain,
    Compressed(Box<Compressed>),
    Parquet(Box<ParquetFile>),
}

impl OpenFile {
    /// Begins a file of text.
    pub(super) fn text(upload: Upload, compression: CopyCompression) -> Self {
        let body = match compression {
            CopyCompression::None => Body::Plain,
            other => Body::Compressed(Box::new(Compressed::new(other))),
        };
        Self {
            upload,
            body,
            lines: 0,
            began_us: 0,
        }
    }

    /// Begins a file of Parquet.
    pub(super) fn parquet(upload: Upload, layout: &Arc<ParquetLayout>) -> Result<Self> {
        Ok(Self {
            upload,
            body: Body::Parquet(Box::new(layout.begin()?)),
            lines: 0,
            began_us: 0,
        })
    }

    /// The file's URL.
    pub(super) fn url(&self) -> &str {
        self.upload.url()
    }

    /// Gives the bytes that the file would have at most if it ended here.
    pub(super) fn bytes(&self) -> u64 {
        match &self.body {
            Body::Plain => self.upload.bytes(),
            Body::Compressed(compressed) => self.upload.bytes() + compressed.pending_bytes(),
            Body::Parquet(file) => file.bytes(),
        }
    }

    /// Memory it holds.
    pub(super) fn memory_bytes(&self) -> usize {
        let body = match &self.body {
            Body::Plain => 0,
            Body::Compressed(compressed) => compressed.memory_bytes(),
            Body::Parquet(file) => file.memory_bytes(),
        };
        self.upload.memory_bytes() + body
    }

    /// Adds whole lines.
    pub(super) async fn write_text(&mut self, text: &[u8], lines: u64) -> Result<()> {
        self.lines += lines;
        match &mut self.body {
            Body::Plain => self.upload.write(text).await,
            Body::Compressed(compressed) => {
                let ready = compressed.write(text)?;
                self.upload.write(&ready).await
            }
            Body::Parquet(_) => Err(Error::Internal("text for a Parquet file".to_owned())),
        }
    }

    /// Adds rows.
    pub(super) async fn write_rows(&mut self, batch: &RecordBatch) -> Result<()> {
        self.lines += batch.num_rows() as u64;
        match &mut self.body {
            Body::Parquet(file) => {
                file.write(batch)?;
                let ready = file.take();
                self.upload.write(&ready).await
            }
            _ => Err(Error::Internal("rows for a text file".to_owned())),
        }
    }

    /// Ends the file and gives its bytes.
    pub(super) async fn finish(mut self) -> Result<u64> {
        let rest = match self.body {
            Body::Plain => Vec::new(),
            Body::Compressed(compressed) => compressed.finish()?,
            Body::Parquet(file) => file.finish()?,
        };
        self.upload.write(&rest).await?;
        let bytes = self.upload.bytes();
        self.upload.finish().await?;
        Ok(bytes)
    }
}

/// Text on its way through a compressor.
struct Compressed {
    compression: CopyCompression,
    encoder: Option<Encoder>,
    /// Text that the encoder has not got.
    raw: Vec<u8>,
    /// Bytes that the encoder has got since it gave some.
    inside: u64,
}

enum Encoder {
    Gzip(flate2::write::GzEncoder<Vec<u8>>),
    Bzip2(bzip2::write::BzEncoder<Vec<u8>>),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
}

impl Compressed {
    fn new(compression: CopyCompression) -> Self {
        Self {
            compression,
            encoder: None,
            raw: Vec::new(),
            inside: 0,
        }
    }

    /// Bytes that may still come out of what went in.
    fn pending_bytes(&self) -> u64 {
        let block = match self.compression {
            CopyCompression::Bzip2 => BLOCK_BYTES_BZIP2,
            _ => BLOCK_BYTES,
        };
        let pending = self.raw.len() as u64 + self.inside.max(block);
        // What cannot be compressed grows by some bytes a block.
        pending + pending / 100
    }

    fn memory_bytes(&self) -> usize {
        let encoder = match &self.encoder {
            None => 0,
            Some(Encoder::Gzip(_)) => GZIP_BYTES,
            Some(Encoder::Zstd(_)) => ZSTD_BYTES,
            Some(Encoder::Bzip2(_)) => BZIP2_BYTES,
        };
        self.raw.capacity() + encoder
    }

    /// Adds text and gives what came out.
    fn write(&mut self, text: &[u8]) -> Result<Vec<u8>> {
        if self.encoder.is_none() && self.raw.len() + text.len() < RAW_BYTES {
            self.raw.extend_from_slice(text);
            return Ok(Vec::new());
        }
        let raw = std::mem::take(&mut self.raw);
        let encoder = self.encoder()?;
        encoder.write_all(&raw).map_err(failed)?;
        encoder.write_all(text).map_err(failed)?;
        let out = encoder.take();
        self.inside = match out.is_empty() {
            true => self.inside + (raw.len() + text.len()) as u64,
            false => (raw.len() + text.len()) as u64,
        };
        Ok(out)
    }

    fn encoder(&mut self) -> Result<&mut Encoder> {
        let new = match self.encoder.take() {
            Some(encoder) => encoder,
            None => Encoder::new(self.compression).map_err(failed)?,
        };
        Ok(self.encoder.insert(new))
    }

    fn finish(mut self) -> Result<Vec<u8>> {
        let raw = std::mem::take(&mut self.raw);
        self.encoder()?.write_all(&raw).map_err(failed)?;
        match self.encoder {
            Some(encoder) => encoder.finish().map_err(failed),
            None => Ok(Vec::new()),
        }
    }
}

impl Encoder {
    fn new(compression: CopyCompression) -> std::io::Result<Self> {
        Ok(match compression {
            CopyCompression::Bzip2 => Self::Bzip2(bzip2::write::BzEncoder::new(
                Vec::new(),
                bzip2::Compression::default(),
            )),
            CopyCompression::Zstd => {
                let level = zstd::DEFAULT_COMPRESSION_LEVEL;
                Self::Zstd(zstd::stream::write::Encoder::new(Vec::new(), level)?)
            }
            _ => Self::Gzip(flate2::write::GzEncoder::new(
                Vec::new(),
                flate2::Compression::default(),
            )),
        })
    }

    fn take(&mut self) -> Vec<u8> {
        std::mem::take(match self {
            Self::Gzip(encoder) => encoder.get_mut(),
            Self::Bzip2(encoder) => encoder.get_mut(),
            Self::Zstd(encoder) => encoder.get_mut(),
        })
    }

    fn finish(self) -> std::io::Result<Vec<u8>> {
        match self {
            Self::Gzip(encoder) => encoder.finish(),
            Self::Bzip2(encoder) => encoder.finish(),
            Self::Zstd(encoder) => encoder.finish(),
        }
    }
}

impl Write for Encoder {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Gzip(encoder) => encoder.write(bytes),
            Self::Bzip2(encoder) => encoder.write(bytes),
            Self::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::Gzip(encoder) => encoder.flush(),
            Self::Bzip2(encoder) => encoder.flush(),
            Self::Zstd(encoder) => encoder.flush(),
        }
    }
}

fn failed(error: std::io::Error) -> Error {
    Error::Internal(format!("could not compress: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::compression::{Compression, reader};
    use std::io::Read;

    #[test]
    fn text_comes_out_as_it_went_in_and_no_larger_than_told() {
        let line =
            |number: u64| format!("{number}|{}\n", number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        for (compression, read_as) in [
            (CopyCompression::Gzip, Compression::Gzip),
            (CopyCompression::Bzip2, Compression::Bzip2),
            (CopyCompression::Zstd, Compression::Zstd),
        ] {
            for pieces in [0, 1, 40] {
                let mut compressed = Compressed::new(compression);
                let (mut text, mut out) = (String::new(), Vec::new());
                let mut at_most = compressed.pending_bytes();
                for piece in 0..pieces {
                    let piece: String = (0..2_000).map(|row| line(piece * 2_000 + row)).collect();
                    out.extend(compressed.write(piece.as_bytes()).expect("compress"));
                    text.push_str(&piece);
                    at_most = out.len() as u64 + compressed.pending_bytes();
                }
                out.extend(compressed.finish().expect("finish"));
                assert!(
                    out.len() as u64 <= at_most,
                    "{compression:?} {} {at_most}",
                    out.len()
                );
                let mut back = String::new();
                let mut decoder = reader(out.as_slice(), read_as).expect("reader");
                decoder.read_to_string(&mut back).expect("text");
                assert!(back == text, "{compression:?}");
            }
        }
    }
}
