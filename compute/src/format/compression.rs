//! Readers that undo GZIP (all members), ZSTD (all frames), BZIP2 (all streams) and LZOP (all files).

use super::lzop;
use std::io::{BufReader, Read, Result};

/// How a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// GZIP
    Gzip,
    /// ZSTD
    Zstd,
    /// BZIP2
    Bzip2,
    /// LZOP
    Lzop,
}

/// Compressed bytes are taken from the source in steps of this size.
const READ_BYTES: usize = 256 << 10;

/// Wraps a reader of compressed bytes. Errors of the format come as `InvalidData` or `UnexpectedEof`.
pub fn reader<'a>(
    source: impl Read + Send + 'a,
    compression: Compression,
) -> Result<Box<dyn Read + Send + 'a>> {
    let source = BufReader::with_capacity(READ_BYTES, source);
    Ok(match compression {
        Compression::None => Box::new(source),
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(source)),
        Compression::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(source)?),
        Compression::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(source)),
        Compression::Lzop => Box::new(lzop::Reader::new(source)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn members_and_frames_follow_each_other() {
        let text: Vec<u8> = (0..100_000_u32)
            .flat_map(|number| format!("{number}|").into_bytes())
            .collect();
        let (left, right) = text.split_at(text.len() / 3);
        let gzip = |bytes: &[u8]| {
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(bytes).expect("write");
            encoder.finish().expect("finish")
        };
        let bzip2 = |bytes: &[u8]| {
            let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
            encoder.write_all(bytes).expect("write");
            encoder.finish().expect("finish")
        };
        let zstd = |bytes: &[u8]| zstd::encode_all(bytes, 1).expect("encode");
        let lzop = |bytes: &[u8]| lzop::tests::write(bytes, false);
        let cases = [
            (Compression::None, [left.to_vec(), right.to_vec()]),
            (Compression::Gzip, [gzip(left), gzip(right)]),
            (Compression::Zstd, [zstd(left), zstd(right)]),
            (Compression::Bzip2, [bzip2(left), bzip2(right)]),
            (Compression::Lzop, [lzop(left), lzop(right)]),
        ];
        for (compression, parts) in cases {
            let bytes = parts.concat();
            let mut got = Vec::new();
            reader(bytes.as_slice(), compression)
                .expect("reader")
                .read_to_end(&mut got)
                .expect("read");
            assert!(got == text, "{compression:?}");
            if compression != Compression::None {
                let cut = &bytes[..bytes.len() - 5];
                let mut got = Vec::new();
                assert!(
                    reader(cut, compression)
                        .expect("reader")
                        .read_to_end(&mut got)
                        .is_err(),
                    "{compression:?}"
                );
            }
        }
    }
}
