//! Opens a log after a stop of any kind: finds the newest checkpoint, reads the segments after it,
//! and tells a torn tail, which is cut, from damage, which is refused.

use super::{CommitLog, Recovered, remove_older, segment_header};
use crate::error::{Error, Result};
use crate::io::BlockStore;
use crate::layout::frame::{self, Found, Kind};
use crate::layout::name;
use std::path::Path;
use std::sync::Arc;
use tracing::warn;

/// Recovers the log below `io`.
pub(super) fn recover(io: Arc<dyn BlockStore>) -> Result<Recovered> {
    let files = io.list(Path::new(name::LOG_DIR))?;
    let numbers = |wanted: &str| {
        let mut numbers: Vec<u64> = files
            .iter()
            .filter_map(|path| name::parse_log_file(path))
            .filter(|(_, extension)| *extension == wanted)
            .map(|(number, _)| number)
            .collect();
        numbers.sort_unstable();
        numbers
    };
    let (first, checkpoint) = newest_checkpoint(&*io, &numbers("checkpoint"))?;
    let mut segments = numbers("log");
    segments.retain(|number| *number >= first);
    drop_unfinished_segment(&*io, first, &mut segments)?;
    ensure_without_gap(first, &segments)?;

    let mut batches = Vec::new();
    let (mut since_checkpoint, mut end) = (0, 0);
    let last = segments.last().copied().unwrap_or(first);
    for segment in segments {
        let path = name::segment(segment);
        let bytes = io.read(&path)?.unwrap_or_default();
        end = read_segment(&path, segment, &bytes, segment == last, &mut batches)?;
        since_checkpoint += end as u64;
    }
    let path = name::segment(last);
    let mut file = io.open_append(&path)?;
    let size = io.size(&path)?.unwrap_or_default();
    if size > end as u64 {
        let bytes = size - end as u64;
        warn!(path = %path.display(), bytes, "cut a torn commit off the end of the log");
        file.truncate(end as u64)?;
        file.sync()?;
    }
    if checkpoint.is_some() {
        remove_older(&*io, first);
    }
    let log = CommitLog {
        io,
        file,
        segment: last,
        end: end as u64,
        since_checkpoint,
        stopped: false,
    };
    Ok(Recovered {
        log,
        checkpoint,
        batches,
    })
}

/// Gives the newest checkpoint that holds, and the first segment it does not stand for. An older one
/// is as good: its segments are removed only after a newer one is durable.
fn newest_checkpoint(io: &dyn BlockStore, numbers: &[u64]) -> Result<(u64, Option<Vec<u8>>)> {
    let mut first_error = None;
    for number in numbers.iter().rev() {
        let path = name::checkpoint(*number);
        let bytes = io.read(&path)?.unwrap_or_default();
        match frame::decode_only(&path, Kind::Checkpoint, &bytes) {
            Ok(payload) => return Ok((*number, Some(payload.to_vec()))),
            Err(error) => {
                warn!(%error, "skipped a checkpoint");
                first_error.get_or_insert(error);
            }
        }
    }
    first_error.map_or(Ok((1, None)), Err)
}

/// Forgets a last segment whose making was interrupted: it has no whole first frame.
fn drop_unfinished_segment(io: &dyn BlockStore, first: u64, segments: &mut Vec<u64>) -> Result<()> {
    let Some(last) = segments.last().copied().filter(|last| *last > first) else {
        return Ok(());
    };
    let path = name::segment(last);
    let bytes = io.read(&path)?.unwrap_or_default();
    let whole = matches!(frame::decode(&bytes), Found::Frame(..) | Found::Newer(_));
    if !whole && frame::is_torn(0, &bytes) {
        segments.pop();
        io.remove(&path)?;
    }
    Ok(())
}

fn ensure_without_gap(first: u64, segments: &[u64]) -> Result<()> {
    for expected in first..=segments.last().copied().unwrap_or(first) {
        if segments.binary_search(&expected).is_err() {
            return Err(Error::Corrupt {
                path: name::segment(expected),
                what: "commit log".to_owned(),
                reason: "this segment is missing; restore it, or the whole directory, from a copy"
                    .to_owned(),
            });
        }
    }
    Ok(())
}

/// Reads the batches of one segment and gives the end of the last whole frame.
fn read_segment(
    path: &Path,
    segment: u64,
    bytes: &[u8],
    last: bool,
    batches: &mut Vec<Vec<u8>>,
) -> Result<usize> {
    let corrupt = |at: usize, reason: &str| Error::Corrupt {
        path: path.to_owned(),
        what: format!("commit log record at byte {at}"),
        reason: format!("{reason}; restore the data directory from a copy"),
    };
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        match frame::decode(rest) {
            Found::Frame(Kind::Segment, payload, size) if at == 0 => {
                if payload != segment_header(segment).as_bytes() {
                    return Err(corrupt(at, "the segment belongs elsewhere"));
                }
                at += size;
            }
            Found::Frame(Kind::Batch, payload, size) if at > 0 => {
                batches.push(payload.to_vec());
                at += size;
            }
            Found::Frame(..) => return Err(corrupt(at, "it holds something else")),
            Found::Newer(version) => return Err(frame::newer(path, version)),
            Found::Short | Found::Damaged(_) => {
                let torn = last && at > 0 && frame::is_torn(at, rest) && !holds_frame(rest);
                if torn {
                    return Ok(at);
                }
                return Err(corrupt(
                    at,
                    "it does not match its checksum, and is no torn tail",
                ));
            }
        }
    }
    if at == 0 {
        Err(corrupt(0, "the segment is empty"))
    } else {
        Ok(at)
    }
}

/// Tells whether a whole frame follows somewhere after the start of `bytes`. Then their start was
/// synced once, for each frame is synced before the next is written.
fn holds_frame(bytes: &[u8]) -> bool {
    (1..bytes.len()).any(|at| {
        // The kind and version bytes are looked at first: hashing at each offset would be quadratic.
        matches!(bytes.get(at + 4..at + 7), Some([kind, 1..=3, 0]) if *kind == Kind::Batch as u8)
            && matches!(frame::decode(&bytes[at..]), Found::Frame(..))
    })
}
