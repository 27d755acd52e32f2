//! A delete mask: the rows of one row group that are deleted as of one commit.
//!
//! ```text
//! offset  bytes
//!      0      4  "BSDM"
//!      4      2  version
//!      6      2  zero
//!      8      8  table
//!     16      4  slice
//!     20      4  zero
//!     24      8  row group
//!     32      8  rows deleted
//!     40      8  xxh3-64 of bytes 0..40 and of the bitmap
//!     48      n  bitmap, in the portable format of Roaring bitmaps
//! ```

use crate::error::{Error, Result};
use crate::schema::{RowGroupId, SliceId, TableId};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use roaring::RoaringBitmap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::path::Path;
use std::sync::Arc;
use xxhash_rust::xxh3::Xxh3;

const MAGIC: [u8; 4] = *b"BSDM";
const VERSION: u16 = 1;
const HEADER_BYTES: usize = 48;
const CHECKSUM_AT: usize = 40;

/// Whose rows a mask marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MaskIdentity {
    pub(crate) table: TableId,
    pub(crate) slice: SliceId,
    pub(crate) row_group: RowGroupId,
}

/// Makes the bytes of a mask file.
pub(crate) fn encode(identity: MaskIdentity, rows: &RoaringBitmap) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES + rows.serialized_size());
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&[0; 2]);
    bytes.extend_from_slice(&identity.table.0.to_le_bytes());
    bytes.extend_from_slice(&identity.slice.0.to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&identity.row_group.0.to_le_bytes());
    bytes.extend_from_slice(&rows.len().to_le_bytes());
    let mut bitmap = Vec::with_capacity(rows.serialized_size());
    rows.serialize_into(&mut bitmap)
        .map_err(|error| Error::Internal(format!("could not encode a delete mask: {error}")))?;
    let checksum = checksum(&bytes, &bitmap);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes.extend_from_slice(&bitmap);
    Ok(bytes)
}

fn checksum(header: &[u8], bitmap: &[u8]) -> u64 {
    let mut hasher = Xxh3::new();
    hasher.update(header);
    hasher.update(bitmap);
    hasher.digest()
}

/// Says which mask it is, for messages.
pub(crate) fn describe(identity: MaskIdentity) -> String {
    format!(
        "delete mask of row group {} of table {}, slice {}",
        identity.row_group.0, identity.table.0, identity.slice.0
    )
}

/// Reads the bytes of a mask file; `Corrupt` unless they are exactly a mask of `identity`.
pub(crate) fn decode(path: &Path, identity: MaskIdentity, bytes: &[u8]) -> Result<RoaringBitmap> {
    let corrupt = |reason: &str| Error::Corrupt {
        path: path.to_owned(),
        what: describe(identity),
        reason: reason.to_owned(),
    };
    let Some((header, bitmap)) = bytes.split_at_checked(HEADER_BYTES) else {
        return Err(corrupt("its end is missing"));
    };
    let field = |at: usize| {
        let mut word = [0; 8];
        word.copy_from_slice(&header[at..at + 8]);
        u64::from_le_bytes(word)
    };
    if header[..4] != MAGIC {
        return Err(corrupt("it is no delete mask"));
    }
    if checksum(&header[..CHECKSUM_AT], bitmap) != field(CHECKSUM_AT) {
        return Err(corrupt("its checksum does not match"));
    }
    let version = u16::from_le_bytes([header[4], header[5]]);
    if version != VERSION {
        return Err(Error::Version {
            what: format!("\"{}\"", path.display()),
            found: version.into(),
            supported: VERSION.into(),
        });
    }
    let found = MaskIdentity {
        table: TableId(field(8)),
        slice: SliceId(field(16) as u32),
        row_group: RowGroupId(field(24)),
    };
    if found != identity {
        return Err(corrupt("it belongs to another row group"));
    }
    let rows = RoaringBitmap::deserialize_from(bitmap)
        .map_err(|_| corrupt("its bitmap cannot be read"))?;
    if rows.len() != field(32) {
        return Err(corrupt(
            "its bitmap has another number of rows than it says",
        ));
    }
    Ok(rows)
}

/// The rows of a small mask, which ride in a record of the log: base64 of the bitmap alone, as the frame around it has
/// the checksum.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MaskRows(pub(crate) Arc<RoaringBitmap>);

impl Eq for MaskRows {}

impl Serialize for MaskRows {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut bytes = Vec::with_capacity(self.0.serialized_size());
        let written = self.0.serialize_into(&mut bytes);
        written.map_err(serde::ser::Error::custom)?;
        serializer.serialize_str(&STANDARD_NO_PAD.encode(bytes))
    }
}

impl<'de> Deserialize<'de> for MaskRows {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let text = String::deserialize(deserializer)?;
        let bytes = STANDARD_NO_PAD.decode(text).map_err(D::Error::custom)?;
        let rows = RoaringBitmap::deserialize_from(bytes.as_slice());
        Ok(Self(Arc::new(rows.map_err(D::Error::custom)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_in_the_log_come_back() {
        for rows in [vec![], vec![0], vec![1, 5], (0..70_000).collect()] {
            let rows = MaskRows(Arc::new(RoaringBitmap::from_iter(rows)));
            let json = serde_json::to_string(&rows).unwrap();
            assert_eq!(serde_json::from_str::<MaskRows>(&json).unwrap(), rows);
        }
        let golden = "\"OjAAAAEAAAAAAAEAEAAAAAEABQA\"";
        let rows = MaskRows(Arc::new(RoaringBitmap::from_iter([1, 5])));
        assert_eq!(serde_json::to_string(&rows).unwrap(), golden);
        assert!(serde_json::from_str::<MaskRows>("\"OjAA\"").is_err());
    }

    const IDENTITY: MaskIdentity = MaskIdentity {
        table: TableId(0x0102),
        slice: SliceId(3),
        row_group: RowGroupId(4),
    };

    #[test]
    fn golden_bytes() {
        let rows = RoaringBitmap::from_iter([1_u32, 5]);
        let bytes = encode(IDENTITY, &rows).unwrap();
        let mut golden = b"BSDM\x01\0\0\0\x02\x01\0\0\0\0\0\0\x03\0\0\0\0\0\0\0".to_vec();
        golden.extend_from_slice(b"\x04\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0");
        assert_eq!(bytes[..CHECKSUM_AT], golden);
        assert_eq!(bytes[CHECKSUM_AT..HEADER_BYTES], GOLDEN_CHECKSUM);
        let bitmap = b"\x3a\x30\0\0\x01\0\0\0\0\0\x01\0\x10\0\0\0\x01\0\x05\0";
        assert_eq!(bytes[HEADER_BYTES..], *bitmap);
        assert_eq!(decode(Path::new("m"), IDENTITY, &bytes).unwrap(), rows);
    }

    const GOLDEN_CHECKSUM: [u8; 8] = [48, 136, 225, 174, 227, 127, 247, 187];

    #[test]
    fn every_flip_and_cut_is_refused() {
        let bytes = encode(IDENTITY, &RoaringBitmap::from_iter(0..9_u32)).unwrap();
        for at in 0..bytes.len() {
            assert!(
                decode(Path::new("m"), IDENTITY, &bytes[..at]).is_err(),
                "cut at {at}"
            );
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            assert!(
                decode(Path::new("m"), IDENTITY, &damaged).is_err(),
                "flip at {at}"
            );
        }
        let other = MaskIdentity {
            row_group: RowGroupId(5),
            ..IDENTITY
        };
        assert!(decode(Path::new("m"), other, &bytes).is_err());
    }
}
