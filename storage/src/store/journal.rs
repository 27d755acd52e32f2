//! A journal of events: what happened, for those who look back. Nothing depends on it.
//!
//! Its files hold frames of kind 7 around compressed bytes of the caller's. They are not synced: what the system had
//! not written when the power went is lost, and a frame that does not hold ends its file. The oldest files go when
//! there are too many bytes, or when their day is too long ago.

use super::Store;
use crate::error::{Error, Result};
use crate::io::{AppendFile, BlockStore};
use crate::layout::frame::{self, Found, Kind};
use crate::layout::name;
use std::path::Path;
use std::sync::Arc;
use tracing::warn;

/// Files that the bytes of a journal are spread over.
const FILES: u64 = 16;
/// Compression that costs little: events repeat themselves.
const LEVEL: i32 = -3;
/// The most that one record may hold.
const RECORD_BYTES_MAX: usize = 256 << 20;

/// How much a journal keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalLimits {
    /// Bytes on disk, about.
    pub bytes: u64,
    /// Days, today included.
    pub days: u32,
}

/// A journal, open at its end.
#[derive(Debug)]
pub struct Journal {
    io: Arc<dyn BlockStore>,
    limits: JournalLimits,
    open: Option<OpenFile>,
    /// The number of the next file.
    next: u64,
}

#[derive(Debug)]
struct OpenFile {
    file: Box<dyn AppendFile>,
    day: u32,
    bytes: u64,
}

impl Store {
    /// Opens the journal. `each` is given the records kept so far, oldest first; `today` counts days since 1970.
    /// Damaged records are told of and left out.
    pub fn journal(
        &self,
        limits: JournalLimits,
        today: u32,
        each: &mut dyn FnMut(Vec<u8>),
    ) -> Result<Journal> {
        let io = Arc::clone(&self.inner.io);
        let mut journal = Journal {
            io,
            limits,
            open: None,
            next: 1,
        };
        journal.remove_old(today);
        for (number, path) in journal.files()? {
            journal.next = number.1 + 1;
            let bytes = journal.io.read(&path)?.unwrap_or_default();
            if let Err(error) = records(&path, &bytes, each) {
                warn!(%error, "a part of the history is lost");
            }
        }
        Ok(journal)
    }
}

impl Journal {
    /// Adds a record, written when this returns but not durable. After an error the record is lost, and the next one
    /// begins a new file.
    pub fn append(&mut self, today: u32, record: &[u8]) -> Result<()> {
        let compressed = zstd::bulk::compress(record, LEVEL)
            .map_err(|error| Error::Internal(format!("compressing the journal: {error}")))?;
        let frame = frame::encode(Kind::Journal, &compressed)?;
        let is_full = |open: &OpenFile| open.bytes >= self.limits.bytes / FILES;
        let mut open = match self.open.take() {
            Some(open) if open.day == today && !is_full(&open) => open,
            _ => self.begin(today)?,
        };
        open.file.append(&frame)?;
        open.bytes += frame.len() as u64;
        self.open = Some(open);
        Ok(())
    }

    fn begin(&mut self, day: u32) -> Result<OpenFile> {
        self.remove_old(day);
        let path = name::journal(day, self.next);
        self.io.create(&path, &mut |_| Ok(()))?;
        self.next += 1;
        let file = self.io.open_append(&path)?;
        Ok(OpenFile {
            file,
            day,
            bytes: 0,
        })
    }

    /// Gives the files with their days and numbers, oldest first.
    fn files(&self) -> Result<Vec<((u32, u64), std::path::PathBuf)>> {
        let files = self.io.list(Path::new(name::JOURNAL_DIR))?;
        let mut files: Vec<_> = files
            .into_iter()
            .filter_map(|path| Some((name::parse_journal(&path)?, path)))
            .collect();
        files.sort_unstable_by_key(|((_, number), _)| *number);
        Ok(files)
    }

    /// Removes what is too old or too much. What cannot be removed now is tried again later.
    fn remove_old(&self, today: u32) {
        let removed = self.files().and_then(|files| {
            let mut kept = 0;
            for ((day, _), path) in files.into_iter().rev() {
                let size = self.io.size(&path)?.unwrap_or_default();
                let is_old = u64::from(day) + u64::from(self.limits.days) <= u64::from(today);
                if is_old || kept + size > self.limits.bytes {
                    self.io.remove(&path)?;
                } else {
                    kept += size;
                }
            }
            Ok(())
        });
        if let Err(error) = removed {
            warn!(%error, "old history was not removed");
        }
    }
}

/// Reads the records of a file; the error tells of the first that does not hold.
fn records(path: &Path, bytes: &[u8], each: &mut dyn FnMut(Vec<u8>)) -> Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let damage = |reason: &str| Error::Corrupt {
            path: path.to_owned(),
            what: "journal".to_owned(),
            reason: reason.to_owned(),
        };
        match frame::decode(rest) {
            Found::Frame(Kind::Journal, payload, size) => {
                let record = zstd::bulk::decompress(payload, RECORD_BYTES_MAX).map_err(|_| {
                    damage("a record of the journal is not compressed as it should")
                })?;
                each(record);
                rest = rest.get(size..).unwrap_or_default();
            }
            Found::Frame(..) => return Err(damage("a record is not one of a journal")),
            Found::Newer(_) => return Err(damage("a record is of a newer version")),
            Found::Short => return Err(damage("the last record is cut off")),
            Found::Damaged(what) => return Err(damage(what)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreOptions;

    const LIMITS: JournalLimits = JournalLimits {
        bytes: 64 << 10,
        days: 3,
    };

    fn store(dir: &Path) -> Arc<Store> {
        Store::open(StoreOptions {
            dir: dir.to_path_buf(),
            cache_bytes: 1 << 20,
            slice_count: 1,
            sync: false,
        })
        .unwrap()
    }

    fn open(store: &Store, today: u32) -> (Journal, Vec<String>) {
        let mut found = Vec::new();
        let journal = store.journal(LIMITS, today, &mut |record| {
            found.push(String::from_utf8(record).unwrap());
        });
        (journal.unwrap(), found)
    }

    #[test]
    fn records_come_back_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path());
        let (mut journal, found) = open(&store, 100);
        assert!(found.is_empty());
        for record in ["one", "two"] {
            journal.append(100, record.as_bytes()).unwrap();
        }
        journal.append(101, b"three").unwrap();
        drop(journal);
        let (mut journal, found) = open(&store, 101);
        assert_eq!(found, ["one", "two", "three"]);
        journal.append(101, b"four").unwrap();
        assert_eq!(open(&store, 101).1, ["one", "two", "three", "four"]);
    }

    #[test]
    fn old_days_and_too_many_bytes_go() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path());
        let (mut journal, _) = open(&store, 100);
        journal.append(100, b"old").unwrap();
        journal.append(102, b"new").unwrap();
        assert_eq!(open(&store, 102).1, ["old", "new"]);
        assert_eq!(open(&store, 103).1, ["new"]);
        // Bytes that do not compress.
        let noise: Vec<u8> = (0..8_192_u64)
            .flat_map(|n| xxhash_rust::xxh3::xxh3_64(&n.to_le_bytes()).to_le_bytes())
            .collect();
        let (mut journal, _) = open(&store, 103);
        for piece in noise.chunks(4_096).cycle().take(64) {
            let record = piece
                .iter()
                .map(|byte| char::from(byte & 0x7f))
                .collect::<String>();
            journal.append(103, record.as_bytes()).unwrap();
        }
        let kept = open(&store, 103).1;
        assert!((4..40).contains(&kept.len()), "{}", kept.len());
    }

    #[test]
    fn a_torn_or_damaged_record_costs_the_rest_of_its_file_only() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path());
        let (mut journal, _) = open(&store, 100);
        for record in ["one", "two"] {
            journal.append(100, record.as_bytes()).unwrap();
        }
        journal.append(101, b"three").unwrap();
        let path = dir.path().join(name::journal(100, 1));
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 3]).unwrap();
        assert_eq!(open(&store, 101).1, ["one", "three"]);
        let mut flipped = bytes;
        flipped[20] ^= 1;
        std::fs::write(&path, &flipped).unwrap();
        assert_eq!(open(&store, 101).1, ["three"]);
    }
}
