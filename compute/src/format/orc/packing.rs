//! The compression of ORC: sections are written in pieces, each compressed or as it was.

use crate::format::lzo;
use bytes::Bytes;
use orc_rust::proto::{CompressionKind, PostScript};
use std::io::Read;

/// Bytes that a piece may become. Source: the specification of ORC, "Compression"; a piece has less as it is stored.
const PIECE_BYTES_MAX: usize = 8 << 20;
/// Bytes of the pieces that are written here.
const PIECE_BYTES: usize = 4 << 20;
/// Before each piece: its length, and whether it is as it was.
const MARK_BYTES: usize = 3;

/// How the sections of a file are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packing {
    kind: CompressionKind,
    piece_bytes: usize,
}

impl Packing {
    pub(super) fn new(postscript: &PostScript) -> Result<Self, String> {
        let known = postscript.compression.unwrap_or_default();
        let kind = CompressionKind::try_from(known)
            .map_err(|_| format!("its compression has the unknown number {known}"))?;
        let bytes = postscript.compression_block_size.unwrap_or(256 << 10);
        let piece_bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        match kind == CompressionKind::None || piece_bytes <= PIECE_BYTES_MAX {
            true => Ok(Self { kind, piece_bytes }),
            false => Err("the pieces it is compressed in may be larger than 8 MB".to_owned()),
        }
    }

    /// Gives a section as it was before it was compressed, `limit` bytes at most.
    pub(super) fn unpack(self, section: &[u8], limit: usize) -> Result<Vec<u8>, String> {
        let mut out = Vec::new();
        if self.kind == CompressionKind::None {
            out.extend_from_slice(section);
            return Ok(out);
        }
        let mut rest = section;
        while !rest.is_empty() {
            let (mark, behind) = rest
                .split_first_chunk::<MARK_BYTES>()
                .ok_or("a section ends early")?;
            let mark = u32::from_le_bytes([mark[0], mark[1], mark[2], 0]);
            let piece = behind.split_at_checked((mark >> 1) as usize);
            let (piece, behind) = piece.ok_or("a section ends early")?;
            rest = behind;
            match mark & 1 {
                1 => out.extend_from_slice(piece),
                _ => self.piece(piece, &mut out)?,
            }
            if out.len() > limit {
                return Err(format!("a section becomes larger than {} MB", limit >> 20));
            }
        }
        Ok(out)
    }

    fn piece(self, piece: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        let damaged = |error: std::io::Error| format!("a section is damaged: {error}");
        let before = out.len();
        let limit = self.piece_bytes as u64 + 1;
        match self.kind {
            CompressionKind::None => out.extend_from_slice(piece),
            CompressionKind::Zlib => {
                let reader = flate2::read::DeflateDecoder::new(piece);
                reader.take(limit).read_to_end(out).map_err(damaged)?;
            }
            CompressionKind::Zstd => {
                let reader = zstd::stream::read::Decoder::new(piece).map_err(damaged)?;
                reader.take(limit).read_to_end(out).map_err(damaged)?;
            }
            CompressionKind::Lzo => {
                lzo::decompress(piece, self.piece_bytes, out).map_err(damaged)?;
            }
            CompressionKind::Snappy => {
                let wrong = |error: snap::Error| format!("a section is damaged: {error}");
                let length = snap::raw::decompress_len(piece).map_err(wrong)?;
                self.ensure(length)?;
                out.resize(before + length, 0);
                let target = out.get_mut(before..).unwrap_or_default();
                let mut decoder = snap::raw::Decoder::new();
                decoder.decompress(piece, target).map_err(wrong)?;
            }
            CompressionKind::Lz4 => {
                out.resize(before + self.piece_bytes, 0);
                let target = out.get_mut(before..).unwrap_or_default();
                let length = lz4_flex::block::decompress_into(piece, target)
                    .map_err(|error| format!("a section is damaged: {error}"))?;
                out.truncate(before + length);
            }
        }
        self.ensure(out.len() - before)
    }

    fn ensure(self, length: usize) -> Result<(), String> {
        match length <= self.piece_bytes {
            true => Ok(()),
            false => Err("a section is damaged: a piece is longer than it may be".to_owned()),
        }
    }

    /// Writes a section in pieces that are as they were.
    pub(super) fn pack(self, plain: Vec<u8>) -> Bytes {
        if self.kind == CompressionKind::None {
            return plain.into();
        }
        let marks = plain.len().div_ceil(PIECE_BYTES) * MARK_BYTES;
        let mut out = Vec::with_capacity(plain.len() + marks);
        for piece in plain.chunks(PIECE_BYTES) {
            let mark = (piece.len() as u32) << 1 | 1;
            out.extend_from_slice(mark.to_le_bytes().get(..MARK_BYTES).unwrap_or_default());
            out.extend_from_slice(piece);
        }
        out.into()
    }
}
