//! COPY commands that ended: SYS_LOAD_HISTORY.

use super::activity::LoadStatement;
use super::{History, now_us, push};
use serde::{Deserialize, Serialize};

/// A COPY that ended.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct EndedLoad {
    /// The user's oid.
    pub userid: u32,
    /// The query id.
    pub query: i64,
    /// The process id of the session.
    pub pid: i32,
    /// The table's oid.
    pub table: u32,
    /// Microseconds since 1970.
    pub starttime_us: i64,
    /// Microseconds since 1970.
    pub endtime_us: i64,
    /// The oid of the copy job that began it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy_job: Option<u32>,
    /// What it loaded.
    pub outcome: LoadOutcome,
}

/// What a COPY loaded, or read before it failed.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct LoadOutcome {
    /// The table's name.
    pub table_name: String,
    /// What it was told to read.
    pub source: String,
    /// The format of the files.
    pub format: String,
    /// Rows loaded.
    pub rows: u64,
    /// Bytes of text read, after decompression.
    pub bytes: u64,
    /// Files read.
    pub files: usize,
    /// Rows refused.
    pub errors: u64,
    /// Whether it failed.
    pub is_failed: bool,
}

impl History {
    /// Records the end of a COPY.
    pub fn ended_load(&self, statement: &LoadStatement, outcome: LoadOutcome) {
        let figures = &self.figures;
        match outcome.is_failed {
            true => figures.loads_failed.add(1),
            false => {
                figures.loads.add(1);
                figures.load_rows.add(outcome.rows);
            }
        }
        figures.load_bytes.add(outcome.bytes);
        figures.load_files.add(outcome.files as u64);
        figures.load_rows_refused.add(outcome.errors);
        push(
            &self.loads,
            EndedLoad {
                userid: statement.userid,
                query: statement.query,
                pid: statement.pid,
                table: statement.table,
                starttime_us: statement.starttime_us,
                endtime_us: now_us(),
                copy_job: statement.copy_job,
                outcome,
            },
        );
    }
}
