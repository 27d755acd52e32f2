//! A frame: the one envelope of everything in the log directory, of the `FORMAT` file and of journals.
//!
//! ```text
//! offset  bytes
//!      0      4  payload bytes
//!      4      1  kind
//!      5      2  version of the payload
//!      7      8  xxh3-64 of the payload, seeded with kind | version << 8
//!     15      n  payload: JSON, so never a zero byte; rows in it are base64. In a journal: zstd
//! ```
//!
//! The checksum leaves the length out on purpose: the last frame of a log can then be told apart as
//! *torn* (its end is missing) or *damaged* (all is there, but its length was changed).

use crate::error::{Error, Result};
use std::path::Path;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// What a device writes whole or not at all.
const SECTOR_BYTES: usize = 512;

/// Bytes before the payload.
pub(crate) const HEADER_BYTES: usize = 15;

/// The latest version of any kind; batches and checkpoints may hold rows from version 2 on, masks from version 3 on.
pub(crate) const VERSION: u16 = 3;

/// A greater payload is refused when written, so a greater length is damage when read.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 1 << 30;

/// What a payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The first frame of a segment: its number.
    Segment = 1,
    /// The commits of one group commit.
    Batch = 2,
    /// The whole content of a checkpoint file.
    Checkpoint = 3,
    /// The whole content of the `FORMAT` file.
    Format = 4,
    /// The whole content of a snapshot's manifest.
    Snapshot = 5,
    /// The whole content of a file of statistics.
    Statistics = 6,
    /// A record of a journal, compressed.
    Journal = 7,
}

impl Kind {
    /// Gives the version written today; older ones are read.
    pub(crate) fn version(self) -> u16 {
        match self {
            Self::Batch | Self::Checkpoint => 3,
            Self::Segment | Self::Format | Self::Snapshot | Self::Statistics | Self::Journal => 1,
        }
    }

    fn from_byte(byte: u8) -> Option<Self> {
        [
            Self::Segment,
            Self::Batch,
            Self::Checkpoint,
            Self::Format,
            Self::Snapshot,
            Self::Statistics,
            Self::Journal,
        ]
        .into_iter()
        .find(|kind| *kind as u8 == byte)
    }
}

/// What stands at the start of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found<'a> {
    /// A whole frame, and its size.
    Frame(Kind, &'a [u8], usize),
    /// A whole frame of a version this server does not know.
    Newer(u16),
    /// The bytes end before the frame does, by its own length.
    Short,
    /// The frame would be there by its length, but does not hold.
    Damaged(&'static str),
}

/// Makes a frame.
pub(crate) fn encode(kind: Kind, payload: &[u8]) -> Result<Vec<u8>> {
    if payload.len() > PAYLOAD_BYTES_MAX {
        let bytes = payload.len();
        return Err(Error::Internal(format!(
            "a log record of {bytes} bytes is too large"
        )));
    }
    let mut frame = Vec::with_capacity(HEADER_BYTES + payload.len());
    frame.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    frame.push(kind as u8);
    let version = kind.version();
    frame.extend_from_slice(&version.to_le_bytes());
    frame.extend_from_slice(&checksum(kind as u8, version, payload).to_le_bytes());
    frame.extend_from_slice(payload);
    Ok(frame)
}

fn checksum(kind: u8, version: u16, payload: &[u8]) -> u64 {
    xxh3_64_with_seed(payload, u64::from(kind) | u64::from(version) << 8)
}

struct Header {
    payload_bytes: usize,
    kind: u8,
    version: u16,
    checksum: u64,
}

fn header(bytes: &[u8]) -> Option<(Header, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (kind, rest) = rest.split_first()?;
    let (version, rest) = rest.split_first_chunk::<2>()?;
    let (checksum, payload) = rest.split_first_chunk::<8>()?;
    let header = Header {
        payload_bytes: u32::from_le_bytes(*length) as usize,
        kind: *kind,
        version: u16::from_le_bytes(*version),
        checksum: u64::from_le_bytes(*checksum),
    };
    Some((header, payload))
}

/// Looks at the frame at the start of `bytes`.
pub(crate) fn decode(bytes: &[u8]) -> Found<'_> {
    let Some((header, rest)) = header(bytes) else {
        return Found::Short;
    };
    let Some(payload) = rest.get(..header.payload_bytes) else {
        return Found::Short;
    };
    if checksum(header.kind, header.version, payload) != header.checksum {
        return Found::Damaged("its checksum does not match");
    }
    match Kind::from_byte(header.kind) {
        kind if header.version > kind.map_or(VERSION, Kind::version) => {
            Found::Newer(header.version)
        }
        Some(kind) => Found::Frame(kind, payload, HEADER_BYTES + payload.len()),
        None => Found::Damaged("its kind is unknown"),
    }
}

/// Reads a file that is exactly one frame of `kind`, and gives the payload.
pub(crate) fn decode_only<'a>(path: &Path, kind: Kind, bytes: &'a [u8]) -> Result<&'a [u8]> {
    let reason = match decode(bytes) {
        Found::Frame(found, payload, size) if found == kind && size == bytes.len() => {
            return Ok(payload);
        }
        Found::Newer(version) => return Err(newer(path, version)),
        Found::Damaged(reason) => reason,
        Found::Short => "its end is missing",
        Found::Frame(..) => "it holds something else",
    };
    let what = "file".to_owned();
    Err(Error::Corrupt {
        path: path.to_owned(),
        what,
        reason: reason.to_owned(),
    })
}

/// Tells that a newer server wrote this.
pub(crate) fn newer(path: &Path, version: u16) -> Error {
    Error::Version {
        what: format!("\"{}\"", path.display()),
        found: version.into(),
        supported: VERSION.into(),
    }
}

/// Counts the blanks that a payload ending at offset `end` of its file takes at its end, so that the
/// header of the next frame lies in one sector: a part of a header that was not written would look
/// like damage.
pub(crate) fn padding(end: u64) -> usize {
    let left = SECTOR_BYTES - (end % SECTOR_BYTES as u64) as usize;
    if left < HEADER_BYTES { left } else { 0 }
}

/// Tells whether a last frame that does not hold was written only in part. `at` is its offset in the
/// file and `bytes` reach to the end of the file.
///
/// A part is missing if the file ends too early, or if the device made the file longer but did not
/// write some sector of it: that reads as zeros, which no payload has, and no header is. Everything
/// else is damage to a frame that was whole, so perhaps to an acknowledged commit.
pub(crate) fn is_torn(at: usize, bytes: &[u8]) -> bool {
    let Some((header, rest)) = header(bytes) else {
        return true;
    };
    let header_was_not_written = bytes.iter().take(HEADER_BYTES).all(|byte| *byte == 0);
    if header_was_not_written {
        return true;
    }
    let length_was_changed = checksum(header.kind, header.version, rest) == header.checksum;
    if length_was_changed {
        return false;
    }
    if header.payload_bytes > rest.len() {
        return true;
    }
    let to_boundary = SECTOR_BYTES - (at + HEADER_BYTES) % SECTOR_BYTES;
    let (first, others) = rest.split_at(to_boundary.min(rest.len()));
    std::iter::once(first)
        .chain(others.chunks(SECTOR_BYTES))
        .any(|sector| !sector.is_empty() && sector.iter().all(|byte| *byte == 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_bytes() {
        let frame = encode(Kind::Segment, br#"{"segment":1}"#).unwrap();
        let (header, payload) = frame.split_at(HEADER_BYTES);
        assert_eq!(payload, br#"{"segment":1}"#);
        assert_eq!(header, GOLDEN_HEADER);
        let found = Found::Frame(Kind::Segment, payload, 28);
        assert_eq!(decode(&frame), found);
    }

    /// Length 13, kind 1, version 1, checksum.
    const GOLDEN_HEADER: [u8; 15] = [13, 0, 0, 0, 1, 1, 0, 53, 23, 235, 160, 210, 108, 1, 58];

    #[test]
    fn every_cut_is_short_and_every_flip_is_seen() {
        let frame = encode(Kind::Batch, br#"{"version":7,"commits":[]}"#).unwrap();
        for cut in 0..frame.len() {
            assert_eq!(decode(&frame[..cut]), Found::Short);
            assert!(is_torn(0, &frame[..cut]), "cut at {cut}");
        }
        for bit in 0..frame.len() * 8 {
            let mut damaged = frame.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(
                !matches!(decode(&damaged), Found::Frame(..) | Found::Newer(_)),
                "bit {bit}"
            );
            assert!(!is_torn(0, &damaged), "bit {bit}");
        }
    }

    #[test]
    fn a_sector_that_was_not_written_is_torn() {
        let payload = vec![b'x'; 2_000];
        let frame = encode(Kind::Batch, &payload).unwrap();
        let mut missing = frame.clone();
        missing[512 - 100..1_024 - 100].fill(0);
        assert!(is_torn(100, &missing));
        assert!(!is_torn(0, &missing), "zeros that are no sector");
        let mut missing = frame.clone();
        missing[..HEADER_BYTES].fill(0);
        assert!(is_torn(497, &missing), "the header alone is in the sector");
    }

    #[test]
    fn no_header_lies_across_two_sectors() {
        for end in 0..3 * SECTOR_BYTES {
            let next = end + padding(end as u64);
            let last = next + HEADER_BYTES - 1;
            assert_eq!(next / SECTOR_BYTES, last / SECTOR_BYTES, "after {end}");
            assert!(next - end < HEADER_BYTES);
        }
    }

    #[test]
    fn a_newer_version_is_named() {
        let mut frame = encode(Kind::Format, b"{}").unwrap();
        frame[5] = 9;
        frame[7..15].copy_from_slice(&checksum(4, 9, b"{}").to_le_bytes());
        let error = decode_only(Path::new("FORMAT"), Kind::Format, &frame).unwrap_err();
        let text = "\"FORMAT\" has format version 9, this server reads up to 3";
        assert_eq!(error.to_string(), text);
    }
}
