//! Rows that were refused: counted against MAXERROR, the first of them kept.

use super::{LoadedFile, Reject};
use crate::error::Error;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// Refused rows kept for STL_LOAD_ERRORS, per load.
const KEPT_MAX: usize = 1_000;
/// Bytes kept of a line or field.
const RAW_BYTES_MAX: usize = 1_024;

/// The refused rows of one load.
pub(crate) struct Rejects {
    limit: u64,
    count: AtomicU64,
    kept: Mutex<Kept>,
    /// The slice that reads each file.
    slices: OnceLock<HashMap<String, u32>>,
}

#[derive(Default)]
struct Kept {
    rejects: Vec<Reject>,
    /// Fields whose invalid characters were replaced.
    replaced: Vec<Reject>,
    by_file: HashMap<String, u64>,
}

impl Rejects {
    /// Begins; the load fails when the count reaches `max_error`, and at the first if that is 0 or 1.
    pub(crate) fn new(max_error: u64) -> Self {
        Self {
            limit: max_error.max(1),
            count: AtomicU64::new(0),
            kept: Mutex::default(),
            slices: OnceLock::new(),
        }
    }

    /// Notes which slice reads which file.
    pub(super) fn deal(&self, slices: impl Iterator<Item = (String, u32)>) {
        // A load deals once.
        let _ = self.slices.set(slices.collect());
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells how many more refused rows are worth describing: up to the one that ends the load, and no more than are
    /// kept.
    pub(super) fn wanted(&self) -> usize {
        let kept = self.kept().rejects.len();
        let left = self
            .limit
            .saturating_sub(self.count.load(Ordering::Relaxed));
        KEPT_MAX
            .saturating_sub(kept)
            .min(usize::try_from(left).unwrap_or(usize::MAX))
    }

    /// Tells how many more fields with replaced characters will be kept.
    pub(super) fn replaced_wanted(&self) -> usize {
        KEPT_MAX.saturating_sub(self.kept().replaced.len())
    }

    /// Adds fields of one file whose invalid characters were replaced.
    pub(super) fn add_replaced(&self, replaced: Vec<Reject>, url: &str) {
        let slice = self.slice(url);
        let mut kept = self.kept();
        let room = KEPT_MAX.saturating_sub(kept.replaced.len());
        let replaced = replaced.into_iter().take(room);
        kept.replaced
            .extend(replaced.map(|reject| Reject { slice, ..reject }));
    }

    fn slice(&self, url: &str) -> u32 {
        let slice = self.slices.get().and_then(|slices| slices.get(url));
        slice.copied().unwrap_or_default()
    }

    /// Adds `refused` rows of one file, the first of them described; `Err` if the load must end.
    pub(super) fn add(
        &self,
        refused: u64,
        rejects: Vec<Reject>,
        url: &str,
        table: &str,
    ) -> Result<(), Error> {
        let count = self.count.fetch_add(refused, Ordering::Relaxed) + refused;
        let slice = self.slice(url);
        let mut kept = self.kept();
        *kept.by_file.entry(url.to_owned()).or_default() += refused;
        let room = KEPT_MAX.saturating_sub(kept.rejects.len());
        let rejects = rejects.into_iter().take(room);
        kept.rejects
            .extend(rejects.map(|reject| Reject { slice, ..reject }));
        if count < self.limit {
            return Ok(());
        }
        let first = kept
            .rejects
            .iter()
            .min_by(|left, right| place(left).cmp(&place(right)));
        Err(Error::Load {
            message: format!(
                "Load into table '{table}' failed.  Check 'stl_load_errors' system table for details."
            ),
            detail: first.map(|first| match self.limit {
                1 => describe(first),
                limit => format!(
                    "{count} rows were refused, and MAXERROR is {limit}. The first: {}",
                    describe(first)
                ),
            }),
            hint: first.map(hint),
        })
    }

    /// Gives the rows kept, in order of file and line, and the count of all.
    pub(super) fn take(&self) -> (Vec<Reject>, u64) {
        let kept = std::mem::take(&mut self.kept().rejects);
        (in_order(kept), self.count.load(Ordering::Relaxed))
    }

    /// Gives the fields kept whose characters were replaced, in order of file and line.
    pub(super) fn take_replaced(&self) -> Vec<Reject> {
        in_order(std::mem::take(&mut self.kept().replaced))
    }

    /// Writes the rows refused of each file to it. The rows of a file that was read twice stand with the first.
    pub(super) fn count_by_file(&self, files: &mut [LoadedFile]) {
        let mut kept = self.kept();
        for file in files {
            file.errors = kept.by_file.remove(&file.filename).unwrap_or_default();
        }
    }
}

fn in_order(mut kept: Vec<Reject>) -> Vec<Reject> {
    kept.sort_by(|left, right| place(left).cmp(&place(right)));
    kept
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

/// Says what to do: a file that is compressed has the beginning of its format instead of a first line.
fn hint(reject: &Reject) -> String {
    let magic = [
        ("\u{1f}\u{fffd}", "GZIP"),
        ("(\u{fffd}/\u{fffd}", "ZSTD"),
        ("BZh", "BZIP2"),
        ("\u{fffd}LZO\0", "LZOP"),
    ];
    let looks = magic
        .iter()
        .find(|(magic, _)| reject.line_number == 1 && reject.raw_line.starts_with(magic));
    match looks {
        Some((_, option)) => {
            format!("The file looks compressed: add the option {option} to COPY.")
        }
        None => {
            "SELECT * FROM stl_load_errors WHERE query = pg_last_copy_id() shows the refused rows."
                .to_owned()
        }
    }
}

fn shorten(text: &str) -> String {
    let mut shown: String = text.chars().take(100).map(printable).collect();
    if text.chars().nth(100).is_some() {
        shown.push_str("...");
    }
    shown
}

/// A control character could do anything to a terminal.
fn printable(each: char) -> char {
    match each {
        '\t' => ' ',
        other if other.is_control() => char::REPLACEMENT_CHARACTER,
        other => other,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_all_describes_few_and_ends_at_the_limit() {
        let some = |count| vec![Reject::default(); count];
        let first = Rejects::new(0);
        assert_eq!(first.wanted(), 1);
        assert!(first.add(300, some(1), "f", "t").is_err());
        assert_eq!((first.wanted(), first.take().1), (0, 300));

        let many = Rejects::new(100_000);
        assert_eq!(many.wanted(), KEPT_MAX);
        assert!(many.add(99_999, some(KEPT_MAX), "f", "t").is_ok());
        assert_eq!(many.wanted(), 0);
        assert!(many.add(1, some(0), "f", "t").is_err());
        let (kept, count) = many.take();
        assert_eq!((kept.len(), count), (KEPT_MAX, 100_000));
    }
}
