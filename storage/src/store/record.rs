//! What the log and its checkpoints say, as JSON inside frames.
//!
//! A field added later gets `#[serde(default)]`; a change that an older server would misread raises
//! the frame's version.

use super::version::Moved;
use super::{Commit, ReadView};
use crate::error::{Error, Result};
use crate::layout::mask::MaskRows;
use crate::row_group::RowGroupRecord;
use crate::schema::{CommitVersion, TableId, TableLayout};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// The commits of one group commit; the first makes `version`, the next `version + 1`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct BatchRecord {
    pub(crate) version: CommitVersion,
    /// The greatest boot epoch that made file ids.
    pub(crate) epoch: u64,
    /// No catalog id at or above this was given out before.
    pub(crate) next_id: u64,
    pub(crate) commits: Vec<Commit>,
}

/// Everything as of one version.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CheckpointRecord {
    pub(crate) version: CommitVersion,
    pub(crate) epoch: u64,
    pub(crate) next_id: u64,
    /// In order of id.
    pub(crate) tables: Vec<TableRecord>,
    pub(crate) catalog: BTreeMap<String, serde_json::Value>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TableRecord {
    pub(crate) id: TableId,
    pub(crate) layout: TableLayout,
    /// In the order of scans.
    pub(crate) row_groups: Vec<MaskedRowGroup>,
    /// See [`TableVersion::moves`](super::version::TableVersion).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) moves: Vec<Moved>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct MaskedRowGroup {
    pub(crate) record: RowGroupRecord,
    /// 0 if no row is deleted.
    pub(crate) mask_version: u64,
    /// The deleted rows, if their mask has no file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) mask_rows: Option<MaskRows>,
}

/// The content of the `FORMAT` file.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct FormatRecord {
    /// Of the directory as a whole.
    pub(crate) format: u32,
    /// Fixed when the directory was made.
    pub(crate) slice_count: u32,
}

/// The format of a directory as written today.
pub(crate) const FORMAT_VERSION: u32 = 1;

impl CheckpointRecord {
    pub(crate) fn of(view: &ReadView, epoch: u64, next_id: u64) -> Self {
        let mut tables: Vec<TableRecord> = view
            .tables
            .values()
            .map(|table| TableRecord {
                id: table.id,
                layout: (*table.layout).clone(),
                row_groups: table
                    .row_groups
                    .iter()
                    .map(|group| MaskedRowGroup {
                        record: group.record.clone(),
                        mask_version: group.mask_version,
                        mask_rows: match group.mask_in_log {
                            true => group.deleted.clone().map(MaskRows),
                            false => None,
                        },
                    })
                    .collect(),
                moves: (*table.moves).clone(),
            })
            .collect();
        tables.sort_by_key(|table| table.id);
        let pairs = view.catalog.iter();
        let catalog = pairs
            .map(|(key, value)| (key.clone(), (**value).clone()))
            .collect();
        Self {
            version: view.version,
            epoch,
            next_id,
            tables,
            catalog,
        }
    }
}

pub(crate) fn to_json(record: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(record)
        .map_err(|error| Error::Internal(format!("could not encode a log record: {error}")))
}

pub(crate) fn from_json<T: DeserializeOwned>(path: &Path, payload: &[u8]) -> Result<T> {
    serde_json::from_slice(payload).map_err(|error| Error::Corrupt {
        path: path.to_owned(),
        what: "record".to_owned(),
        reason: format!("it is not what this version writes: {error}"),
    })
}
