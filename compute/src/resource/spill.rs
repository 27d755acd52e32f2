//! What queries may spill: a quota for each and one for the node, counted as bytes are written.

mod passed;

use crate::error::Error;
use crate::figures::Total;
use bytes::Bytes;
use datafusion::error::Result;
use datafusion::execution::disk_manager::DiskManager;
use datafusion::execution::spill_file::{SpillFile, SpillWriter, TempFileFactory};
use futures::Stream;
use passed::PassedFile;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The spill files of a node.
#[derive(Debug)]
pub struct NodeSpill {
    disk: Arc<DiskManager>,
    directory: PathBuf,
    bytes_max: u64,
    used: AtomicU64,
    written: Total,
}

impl NodeSpill {
    /// Keeps files in `directory`, where `disk` does, `bytes_max` at most.
    pub fn new(disk: Arc<DiskManager>, directory: PathBuf, bytes_max: u64) -> Self {
        Self {
            disk,
            directory,
            bytes_max,
            used: AtomicU64::new(0),
            written: Total::new(),
        }
    }

    /// Gives the bytes in files now.
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Gives the bytes that were written since the start.
    pub fn written(&self) -> u64 {
        self.written.get()
    }
}

/// The spill files of one query, gone with their last reader.
#[derive(Clone, Debug)]
pub struct QuerySpill {
    node: Arc<NodeSpill>,
    bytes_max: u64,
    used: Arc<AtomicU64>,
}

impl QuerySpill {
    /// Makes the files of a query that may have `bytes_max` bytes of them.
    pub fn new(node: Arc<NodeSpill>, bytes_max: u64) -> Self {
        Self {
            node,
            bytes_max,
            used: Arc::default(),
        }
    }

    /// Gives the bytes in files now.
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    fn charge(&self, bytes: u64) -> io::Result<()> {
        take(&self.used, bytes, self.bytes_max, "query")?;
        if let Err(error) = take(&self.node.used, bytes, self.node.bytes_max, "node") {
            self.used.fetch_sub(bytes, Ordering::Relaxed);
            return Err(error);
        }
        self.node.written.add(bytes);
        Ok(())
    }

    fn give_back(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
        self.node.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

fn take(used: &AtomicU64, bytes: u64, bytes_max: u64, whose: &'static str) -> io::Result<()> {
    let taken = used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
        used.checked_add(bytes).filter(|after| *after <= bytes_max)
    });
    let refused = |_| io::Error::other(Error::SpillLimit { whose, bytes_max });
    taken.map(|_| ()).map_err(refused)
}

impl TempFileFactory for QuerySpill {
    fn create_temp_file(&self, description: &str) -> Result<Arc<dyn SpillFile>> {
        let counted = Arc::new(Counted {
            spill: self.clone(),
            bytes: AtomicU64::new(0),
        });
        if description == passed::DESCRIPTION {
            let file = PassedFile::create(&self.node.directory, counted)?;
            return Ok(Arc::new(file));
        }
        let file = self.node.disk.create_tmp_file(description)?;
        Ok(Arc::new(CountedFile { file, counted }))
    }
}

/// The bytes of one file, given back when it and its writer are gone.
struct Counted {
    spill: QuerySpill,
    bytes: AtomicU64,
}

impl Counted {
    fn charge(&self, bytes: u64) -> io::Result<()> {
        self.spill.charge(bytes)?;
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.spill.give_back(self.bytes.load(Ordering::Relaxed));
    }
}

struct CountedFile {
    file: Arc<dyn SpillFile>,
    counted: Arc<Counted>,
}

impl SpillFile for CountedFile {
    fn path(&self) -> Option<&Path> {
        self.file.path()
    }

    fn size(&self) -> Option<u64> {
        self.file.size()
    }

    fn read_stream(&self) -> Result<Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>> {
        self.file.read_stream()
    }

    fn open_writer(&self) -> Result<Box<dyn SpillWriter>> {
        Ok(Box::new(CountedWriter {
            writer: self.file.open_writer()?,
            counted: Arc::clone(&self.counted),
        }))
    }
}

struct CountedWriter {
    writer: Box<dyn SpillWriter>,
    counted: Arc<Counted>,
}

impl Write for CountedWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.counted.charge(bytes.len() as u64)?;
        self.writer.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

impl SpillWriter for CountedWriter {
    fn finish(&mut self) -> Result<()> {
        self.writer.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
    use futures::TryStreamExt;

    /// Makes a node whose files go to a directory.
    fn node(directory: &tempfile::TempDir, bytes_max: u64) -> Arc<NodeSpill> {
        let directory = directory.path().to_path_buf();
        let mode = DiskManagerMode::Directories(vec![directory.clone()]);
        let disk = DiskManagerBuilder::default().with_mode(mode).build();
        let disk = Arc::new(disk.expect("a manager"));
        Arc::new(NodeSpill::new(disk, directory, bytes_max))
    }

    #[test]
    fn quotas_hold_and_files_give_back() {
        let directory = tempfile::tempdir().expect("a directory");
        let node = node(&directory, 1_500);
        let query = QuerySpill::new(Arc::clone(&node), 1_000);
        let file = query.create_temp_file("test").expect("a file");
        let mut writer = file.open_writer().expect("a writer");
        writer.write_all(&[1; 900]).expect("written");
        let error = writer.write_all(&[1; 101]).expect_err("the query's quota");
        assert!(error.to_string().contains("the query"), "{error}");
        let other = QuerySpill::new(Arc::clone(&node), 1_000);
        let second = other.create_temp_file("test").expect("a file");
        let mut more = second.open_writer().expect("a writer");
        more.write_all(&[1; 600]).expect("written");
        let error = more.write_all(&[1; 1]).expect_err("the node's quota");
        assert!(error.to_string().contains("the node"), "{error}");
        assert_eq!((query.used(), other.used(), node.used()), (900, 600, 1_500));
        drop((file, writer, second, more));
        assert_eq!((query.used(), other.used(), node.used()), (0, 0, 0));
        assert_eq!(node.written(), 1_500);
    }

    #[tokio::test]
    async fn passed_files_tell_their_readers_what_went_wrong_and_hold_nothing_open() {
        let directory = tempfile::tempdir().expect("a directory");
        let query = QuerySpill::new(node(&directory, 1_500), 1_000);
        let make = || {
            let file = query.create_temp_file(passed::DESCRIPTION).expect("a file");
            let writer = file.open_writer().expect("a writer");
            (file, writer)
        };
        let (kept, mut writer) = make();
        writer.write_all(&[1; 400]).expect("written");
        writer.write_all(&[2; 300]).expect("written");
        writer.finish().expect("finished");
        let (failed, mut more) = make();
        more.write_all(&[3; 300]).expect("written");
        // Whoever writes goes on; the reader is told.
        more.write_all(&[4; 1]).expect("kept for the reader");
        more.finish().expect("finished");
        drop((writer, more));
        let bytes: Vec<Bytes> = kept
            .read_stream()
            .expect("a stream")
            .try_collect()
            .await
            .expect("read");
        assert_eq!(bytes.concat(), [[1; 400].as_slice(), &[2; 300]].concat());
        let error = failed
            .read_stream()
            .expect("a stream")
            .try_collect::<Vec<_>>()
            .await;
        let error = error.expect_err("the query's quota").to_string();
        assert!(error.contains("the query"), "{error}");
        let files = || {
            std::fs::read_dir(directory.path())
                .expect("a directory")
                .flatten()
        };
        let files = || files().filter(|entry| entry.path().is_file()).count();
        assert_eq!((files(), query.used()), (2, 1_000));
        drop((kept, failed));
        assert_eq!((files(), query.used()), (0, 0));
    }
}
