//! What ANALYZE learned of a table, and which of its columns queries ask by: the payload of `statistics/T.stats`.
//!
//! A frame of kind 6 around JSON. Numbers of the planner are base64 of their bytes: JSON would round some and has no
//! infinity. Nothing here decides what a statement answers, so a file that is lost or damaged costs an ANALYZE.

use crate::error::{Error, Result};
use crate::layout::frame::{self, Kind};
use crate::schema::{RowGroupId, TableId};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// All that is kept of one table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TableStatistics {
    /// The table.
    pub table: TableId,
    /// What it was like when it was last analyzed, if ever.
    pub analyzed: Option<AnalyzedTable>,
    /// Columns of which anything is known, in order of id.
    pub columns: Vec<AnalyzedColumn>,
}

/// What a table was like when it was last analyzed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AnalyzedTable {
    /// Microseconds since 1970.
    pub at_us: i64,
    /// Visible rows then.
    pub rows: u64,
    /// Rows added before the image of row groups was taken that still count as changes.
    pub added_before: u64,
    /// Rows deleted before that.
    pub deleted_before: u64,
    /// Row groups with their rows and deleted rows.
    pub row_groups: Vec<(RowGroupId, u64, u64)>,
}

/// What is known of one column.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AnalyzedColumn {
    /// Its stable id.
    pub id: u32,
    /// When ANALYZE last looked at it, in microseconds since 1970.
    pub analyzed_us: Option<i64>,
    /// When a query first filtered, joined or grouped by it, in microseconds since 1970.
    pub first_predicate_us: Option<i64>,
    /// Queries that compared it with constants.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub filtered: u64,
    /// Bounds that cut its values into parts of equal size, rising.
    #[serde(with = "numbers", default, skip_serializing_if = "Vec::is_empty")]
    pub bounds: Vec<f64>,
    /// Its most common values.
    #[serde(with = "numbers", default, skip_serializing_if = "Vec::is_empty")]
    pub common: Vec<f64>,
    /// The share of rows each of those has.
    #[serde(with = "numbers", default, skip_serializing_if = "Vec::is_empty")]
    pub common_shares: Vec<f64>,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Makes the bytes of a file.
pub(crate) fn encode(statistics: &TableStatistics) -> Result<Vec<u8>> {
    let payload = serde_json::to_vec(statistics)
        .map_err(|error| Error::Internal(format!("could not encode statistics: {error}")))?;
    frame::encode(Kind::Statistics, &payload)
}

/// Reads the bytes of a file; `Corrupt` unless they are exactly the statistics of `table`.
pub(crate) fn decode(path: &Path, table: TableId, bytes: &[u8]) -> Result<TableStatistics> {
    let corrupt = |reason: String| Error::Corrupt {
        path: path.to_owned(),
        what: format!("statistics of table {}", table.0),
        reason,
    };
    let payload = frame::decode_only(path, Kind::Statistics, bytes)?;
    let found: TableStatistics = serde_json::from_slice(payload)
        .map_err(|error| corrupt(format!("they are not what this version writes: {error}")))?;
    match found.table == table {
        true => Ok(found),
        false => Err(corrupt("they belong to another table".to_owned())),
    }
}

mod numbers {
    //! Numbers as base64 of eight little-endian bytes each.

    use base64::Engine;
    use base64::engine::general_purpose::STANDARD_NO_PAD;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        numbers: &[f64],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let bytes: Vec<u8> = numbers
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect();
        serializer.serialize_str(&STANDARD_NO_PAD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<f64>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = STANDARD_NO_PAD.decode(text).map_err(D::Error::custom)?;
        let (numbers, rest) = bytes.as_chunks::<8>();
        match rest {
            [] => Ok(numbers.iter().copied().map(f64::from_le_bytes).collect()),
            _ => Err(D::Error::custom("a number is cut")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> TableStatistics {
        TableStatistics {
            table: TableId(7),
            analyzed: Some(AnalyzedTable {
                at_us: 5,
                rows: 9,
                added_before: 1,
                deleted_before: 0,
                row_groups: vec![(RowGroupId(3), 10, 2)],
            }),
            columns: vec![AnalyzedColumn {
                id: 2,
                analyzed_us: Some(4),
                first_predicate_us: None,
                filtered: 0,
                bounds: vec![f64::NEG_INFINITY, 0.1],
                common: Vec::new(),
                common_shares: Vec::new(),
            }],
        }
    }

    #[test]
    fn golden_bytes() {
        let bytes = encode(&sample()).unwrap();
        let (header, payload) = bytes.split_at(frame::HEADER_BYTES);
        let golden = r#"{"table":7,"analyzed":{"at_us":5,"rows":9,"added_before":1,"deleted_before":0,"row_groups":[[3,10,2]]},"columns":[{"id":2,"analyzed_us":4,"first_predicate_us":null,"bounds":"AAAAAAAA8P+amZmZmZm5Pw"}]}"#;
        assert_eq!(std::str::from_utf8(payload).unwrap(), golden);
        assert_eq!(header[4..7], [6, 1, 0]);
        assert_eq!(header[7..], GOLDEN_CHECKSUM);
        let found = decode(Path::new("7.stats"), TableId(7), &bytes).unwrap();
        assert_eq!(found, sample());
    }

    const GOLDEN_CHECKSUM: [u8; 8] = [124, 25, 103, 60, 81, 142, 238, 54];

    #[test]
    fn every_flip_and_cut_is_refused() {
        let bytes = encode(&sample()).unwrap();
        let read = |bytes: &[u8]| decode(Path::new("7.stats"), TableId(7), bytes);
        for at in 0..bytes.len() {
            assert!(read(&bytes[..at]).is_err(), "cut at {at}");
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            assert!(read(&damaged).is_err(), "flip at {at}");
        }
        assert!(decode(Path::new("8.stats"), TableId(8), &bytes).is_err());
    }
}
