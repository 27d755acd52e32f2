//! What a snapshot says: everything as of one commit, and the objects that hold it.
//!
//! A manifest is one frame (see `layout/frame.rs`) of kind 5 around JSON, so any flipped or missing
//! byte refuses it whole.

use crate::error::{Error, Result};
use crate::layout::frame::{self, Kind};
use crate::layout::statistics::TableStatistics;
use crate::row_group::RowGroupRecord;
use crate::schema::{CommitVersion, TableId, TableLayout};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The format written today, and the last that is read.
pub const FORMAT: u32 = 1;

/// A snapshot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of this structure.
    pub format: u32,
    /// The snapshot's name.
    pub name: String,
    /// The cluster it was taken of: a new one for each data directory, restored ones too.
    pub cluster: String,
    /// Microseconds since 1970 when it was taken.
    pub created_us: i64,
    /// Whether a schedule took it.
    pub automatic: bool,
    /// The one commit it shows.
    pub version: CommitVersion,
    /// Slices of the cluster.
    pub slice_count: u32,
    /// No catalog id at or above this was given out.
    pub next_id: u64,
    /// In order of id.
    pub tables: Vec<TableEntry>,
    /// The catalog, as the leader keeps it.
    pub catalog: BTreeMap<String, serde_json::Value>,
    /// Bytes of all objects it names.
    pub bytes: u64,
    /// Of those, bytes that were uploaded for it.
    pub uploaded_bytes: u64,
}

/// A table of a snapshot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TableEntry {
    /// The table.
    pub id: TableId,
    /// Its columns and sort key.
    pub layout: TableLayout,
    /// Whether its rows were left out, as `BACKUP NO` asks.
    pub without_rows: bool,
    /// In the order of scans.
    pub row_groups: Vec<RowGroupObjects>,
    /// What ANALYZE had learned of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statistics: Option<TableStatistics>,
}

/// A row group of a snapshot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RowGroupObjects {
    /// What the commit record said; with the rows, if they had no file yet.
    pub record: RowGroupRecord,
    /// The checksum in its file's trailer, which stands for all of its bytes; 0 without a file.
    pub seal: u64,
    /// Its file; `None` if the rows are in the record.
    pub file: Option<Object>,
    /// 0 if no row is deleted.
    pub mask_version: u64,
    /// The mask file, if a row is deleted.
    pub mask: Option<Object>,
}

/// Some bytes in the repository.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Object {
    /// SHA-256 of the bytes, in hexadecimal.
    pub hash: String,
    /// Where they lie, below `objects/`.
    pub key: String,
    /// How many they are.
    pub bytes: u64,
}

impl Manifest {
    /// Gives all objects it names.
    pub fn objects(&self) -> impl Iterator<Item = &Object> {
        self.tables
            .iter()
            .flat_map(|table| &table.row_groups)
            .flat_map(|group| group.file.iter().chain(&group.mask))
    }

    /// Counts the row groups.
    pub fn row_groups(&self) -> usize {
        self.tables.iter().map(|table| table.row_groups.len()).sum()
    }

    /// Makes the bytes of the manifest's file.
    pub(super) fn encode(&self) -> Result<Vec<u8>> {
        let json = serde_json::to_vec(self)
            .map_err(|error| Error::Internal(format!("could not encode a manifest: {error}")))?;
        frame::encode(Kind::Snapshot, &json)
    }

    /// Reads and verifies the bytes of the file `place`.
    pub(super) fn decode(place: &str, bytes: &[u8]) -> Result<Self> {
        let path = Path::new(place);
        let json = frame::decode_only(path, Kind::Snapshot, bytes)?;
        let corrupt = |reason: String| Error::Corrupt {
            path: PathBuf::from(place),
            what: "snapshot manifest".to_owned(),
            reason,
        };
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        let unread = |error: serde_json::Error| corrupt(format!("it cannot be read: {error}"));
        let head: Head = serde_json::from_slice(json).map_err(unread)?;
        if head.format != FORMAT {
            return Err(Error::Version {
                what: format!("snapshot manifest \"{place}\""),
                found: head.format,
                supported: FORMAT,
            });
        }
        serde_json::from_slice(json).map_err(unread)
    }
}

/// Gives the SHA-256 of some bytes in hexadecimal.
pub(super) fn hash(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
