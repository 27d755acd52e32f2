//! Rows that were refused: counted against MAXERROR, the first of them kept.

use super::Reject;
use crate::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Refused rows kept for STL_LOAD_ERRORS, per load.
const KEPT_MAX: usize = 1_000;
/// Bytes kept of a line or field.
const RAW_BYTES_MAX: usize = 1_024;

/// The refused rows of one load.
pub(super) struct Rejects {
    limit: u64,
    count: AtomicU64,
    kept: Mutex<Vec<Reject>>,
}

impl Rejects {
    /// Begins; the load fails when the count reaches `max_error`, and at the first if that is 0 or 1.
    pub(super) fn new(max_error: u64) -> Self {
        Self {
            limit: max_error.max(1),
            count: AtomicU64::new(0),
            kept: Mutex::default(),
        }
    }

    /// Adds refused rows of one file; `Err` if the load must end.
    pub(super) fn add(&self, rejects: Vec<Reject>, table: &str) -> Result<(), Error> {
        let count = self
            .count
            .fetch_add(rejects.len() as u64, Ordering::Relaxed)
            + rejects.len() as u64;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let room = KEPT_MAX.saturating_sub(kept.len());
        kept.extend(rejects.into_iter().take(room));
        if count < self.limit {
            return Ok(());
        }
        let first = kept
            .iter()
            .min_by(|left, right| place(left).cmp(&place(right)));
        Err(Error::Load {
            message: format!(
                "Load into table '{table}' failed.  Check 'stl_load_errors' system table for details."
            ),
            detail: first.map(describe),
            hint: Some(
                "SELECT * FROM stl_load_errors ORDER BY starttime DESC shows every refused row."
                    .to_owned(),
            ),
        })
    }

    /// Gives the rows kept, in order of file and line, and the count of all.
    pub(super) fn take(&self) -> (Vec<Reject>, u64) {
        let mut kept =
            std::mem::take(&mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner));
        kept.sort_by(|left, right| place(left).cmp(&place(right)));
        (kept, self.count.load(Ordering::Relaxed))
    }
}

fn place(reject: &Reject) -> (&str, i64) {
    (&reject.filename, reject.line_number)
}

fn describe(reject: &Reject) -> String {
    let column = match reject.colname.is_empty() {
        true => String::new(),
        false => format!(", column \"{}\" ({})", reject.colname, reject.ty),
    };
    let value = match reject.colname.is_empty() {
        true => format!("line \"{}\"", shorten(&reject.raw_line)),
        false => format!("value \"{}\"", shorten(&reject.raw_field_value)),
    };
    format!(
        "File \"{}\", line {}{column}, {value}: {} (code {}).",
        reject.filename, reject.line_number, reject.err_reason, reject.err_code
    )
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(100) {
        Some((at, _)) => format!("{}...", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Gives the beginning of raw bytes as text.
pub(super) fn raw(bytes: &[u8]) -> String {
    String::from_utf8_lossy(
        bytes
            .get(..RAW_BYTES_MAX.min(bytes.len()))
            .unwrap_or_default(),
    )
    .into_owned()
}
