//! Reads the files of a load and cuts them into chunks of whole rows for the parsers: plain files in ranges with
//! several in flight, whose bytes are not copied; compressed files through a decompressor each.

use super::range::RangeReader;
use super::reject::Rejects;
use super::source::Source;
use super::{LoadProgress, LoadedFile, Reject};
use crate::error::{Error, Result};
use crate::format::avro::blocks as avro;
use crate::format::compression::{self, Compression};
use crate::format::cut::{Chunk, Cutter, RowEnd};
use crate::format::delimited::problem::Problem;
use crate::format::encoding::{Decoder, Encoding};
use crate::format::json::DOCUMENT_BYTES_MAX;
use crate::object::{failed, for_slice};
use crate::write::joined;
use bytes::Bytes;
use futures::StreamExt;
use std::future::Future;
use std::io::{ErrorKind, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinSet;

/// Decompressed bytes are cut in steps of this size.
const CHUNK_BYTES: usize = 4 << 20;
/// Objects of a store are asked for in ranges of this size: every request has its price.
const RANGE_BYTES: u64 = 8 << 20;
/// Local files are read in ranges of this size, that stay in the cache until they are parsed.
const FILE_RANGE_BYTES: u64 = 2 << 20;
/// Ranges of one file in flight.
pub(super) const RANGES_IN_FLIGHT: usize = 3;
/// Files that are read at the same time, if they are small.
const FILES_MAX: usize = 32;
/// Bytes of them that are held.
const FILES_BYTES_MAX: u64 = 32 << 20;
/// The longest row; Redshift documents 4 MB, SUPER values 16 MB.
const ROW_BYTES_MAX: usize = 64 << 20;
/// A compressed file may become this much text whatever its size.
const BOMB_BYTES_MIN: u64 = 256 << 20;
/// Beyond that it may become so many times as large: logs that repeat themselves reach a fifth of it, GZIP of zeros twice
/// as much.
const BOMB_RATIO: u64 = 500;

/// STL_LOAD_ERRORS.err_code of a file that is not there.
const NOT_FOUND: i32 = 1212;

/// A chunk and the file it is of.
pub(crate) struct FileChunk {
    pub(crate) url: Arc<str>,
    pub(crate) chunk: Chunk,
    /// What the header of an Avro file says.
    pub(crate) avro: Option<Arc<avro::File>>,
}

/// How to read the files of one load.
#[derive(Clone)]
pub(crate) struct Feed {
    pub(crate) reader: RangeReader,
    pub(crate) compression: Compression,
    pub(crate) row_end: RowEnd,
    pub(crate) encoding: Encoding,
    /// The table's name for messages.
    pub(crate) table_name: Arc<str>,
    pub(crate) rejects: Arc<Rejects>,
    pub(crate) progress: Arc<LoadProgress>,
    pub(crate) files: Arc<Mutex<Vec<LoadedFile>>>,
}

impl Feed {
    /// Reads all files, `at_once` at a time, or more if they are small. Ends early without an error when the parsers have ended.
    pub(crate) async fn run(
        self,
        sources: Vec<Source>,
        at_once: usize,
        chunks: Sender<FileChunk>,
    ) -> Result<()> {
        let mut waiting = sources.into_iter().peekable();
        let mut reading = JoinSet::new();
        let mut reading_bytes = 0;
        loop {
            // What may begin now: files enough for all threads, and of small ones so many that none waits for another's
            // first byte.
            let has_room = |next: &Source| {
                let bytes = reading_bytes + held_bytes(next);
                reading.len() < at_once || (reading.len() < FILES_MAX && bytes <= FILES_BYTES_MAX)
            };
            if let Some(source) = waiting.next_if(has_room) {
                let bytes = held_bytes(&source);
                reading_bytes += bytes;
                let file = self.clone().file(source, chunks.clone());
                reading.spawn(async move { file.await.map(|()| bytes) });
                continue;
            }
            match reading.join_next().await {
                Some(ended) => reading_bytes -= joined(ended)?,
                None => return Ok(()),
            }
        }
    }

    async fn file(self, source: Source, chunks: Sender<FileChunk>) -> Result<()> {
        let (sender, receiver) = channel::<Part>(RANGES_IN_FLIGHT);
        let (url, slice) = (source.url.as_str().into(), source.slice);
        let ranges = self.clone().ranges(source, sender);
        self.cut(url, slice, ranges, receiver, chunks).await
    }

    /// Cuts what comes of a file into chunks, while `ranges` sends it.
    pub(super) async fn cut(
        self,
        url: Arc<str>,
        slice: u32,
        ranges: impl Future<Output = Result<()>>,
        receiver: Receiver<Part>,
        chunks: Sender<FileChunk>,
    ) -> Result<()> {
        let begun = Instant::now();
        if let Some(progress) = self.progress.slice(slice) {
            progress.begin_file(&url);
        }
        let cut = match self.compression {
            Compression::None => {
                let feed = self.clone();
                let url = Arc::clone(&url);
                tokio::spawn(async move { feed.cut_plain(url, slice, receiver, chunks).await })
            }
            _ => {
                let feed = self.clone();
                let url = Arc::clone(&url);
                tokio::task::spawn_blocking(move || {
                    feed.cut_compressed(url, slice, receiver, &chunks)
                })
            }
        };
        let abort = AbortOnDrop(cut);
        // A decompressor that fails drops its receiver, which ends the ranges without an error, so its own is told.
        // When reading fails, what follows from that is not worth telling.
        let read = ranges.await;
        let file = abort.join().await;
        read?;
        let file = LoadedFile {
            duration_us: u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX),
            ..file?
        };
        if let Some(progress) = self.progress.slice(slice) {
            progress.end_file(&url);
        }
        self.files
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(file);
        Ok(())
    }

    /// Sends the bytes of a file in order.
    async fn ranges(self, source: Source, sender: Sender<Part>) -> Result<()> {
        let range_bytes = range_bytes(&source);
        let starts = (0..source.bytes).step_by(range_bytes as usize);
        let requests = starts.map(|start| {
            let (store, path) = (Arc::clone(&source.store), source.path.clone());
            let end = (start + range_bytes).min(source.bytes);
            let reader = self.reader.clone();
            let read = async move { reader.read(store.as_ref(), &path, start..end).await };
            for_slice(source.slice, read)
        });
        let mut bodies = futures::stream::iter(requests).buffered(RANGES_IN_FLIGHT);
        while let Some(body) = bodies.next().await {
            let body = body.map_err(|error| self.unread(&source, &error))?;
            if let Some(progress) = self.progress.slice(source.slice) {
                progress
                    .bytes_read
                    .fetch_add(body.len() as u64, Ordering::Relaxed);
            }
            if self.progress.canceled.load(Ordering::Relaxed) {
                return Err(Error::Canceled);
            }
            if sender.send(Part::Body(body)).await.is_err() {
                return Ok(());
            }
        }
        // A receiver that has ended has an error of its own to tell.
        let _ended = sender.send(Part::End).await;
        Ok(())
    }

    /// Tells why a file could not be read. One that was listed and is not there any more stands in STL_LOAD_ERRORS.
    fn unread(&self, source: &Source, error: &object_store::Error) -> Error {
        if matches!(error, object_store::Error::NotFound { .. }) {
            let reject = Reject {
                filename: source.url.clone(),
                err_code: NOT_FOUND,
                err_reason: "Load file was not found".to_owned(),
                ..Reject::default()
            };
            // The error of the load is told below.
            let _ = self
                .rejects
                .add(1, vec![reject], &source.url, &self.table_name);
        }
        failed(&source.url, error)
    }

    async fn cut_plain(
        self,
        url: Arc<str>,
        slice: u32,
        mut bodies: Receiver<Part>,
        chunks: Sender<FileChunk>,
    ) -> Result<LoadedFile> {
        let mut pieces = Pieces::new(&url, slice, &self);
        loop {
            let body = match bodies.recv().await {
                Some(Part::Body(body)) => body,
                Some(Part::End) => break,
                // Reading failed and tells why; half a row must not reach the parsers.
                None => return Err(Error::Canceled),
            };
            for chunk in pieces.push(body)? {
                if chunks.send(chunk).await.is_err() {
                    return Ok(pieces.file);
                }
            }
            if pieces.is_skipped {
                return Ok(pieces.file);
            }
        }
        let (last, file) = pieces.finish()?;
        for chunk in last {
            // Parsers that have ended have an error of their own to tell.
            let _ended = chunks.send(chunk).await;
        }
        Ok(file)
    }

    fn cut_compressed(
        self,
        url: Arc<str>,
        slice: u32,
        bodies: Receiver<Part>,
        chunks: &Sender<FileChunk>,
    ) -> Result<LoadedFile> {
        let option = format!("{:?}", self.compression).to_uppercase();
        let failed = |error: std::io::Error| {
            let message = match error.kind() {
                ErrorKind::UnexpectedEof => format!("the {option} file ends early"),
                _ => format!("not a {option} file, or a damaged one: {error}"),
            };
            let message = format!("could not read \"{url}\": {message}");
            let hint = format!("Check the file, or leave {option} out if it is not compressed so.");
            let state = blueshift_sql::SqlState::BAD_COPY_FILE_FORMAT;
            Error::Sql(blueshift_sql::Error::new(state, message).with_hint(hint))
        };
        let compressed = Arc::new(AtomicU64::new(0));
        let mut decompressed = 0;
        let source = Bodies {
            bodies,
            current: Bytes::new(),
            ended: false,
            read: Arc::clone(&compressed),
        };
        let mut reader = compression::reader(source, self.compression).map_err(failed)?;
        let mut pieces = Pieces::new(&url, slice, &self);
        loop {
            let mut body = Vec::with_capacity(CHUNK_BYTES);
            let step = reader.by_ref().take(CHUNK_BYTES as u64);
            if { step }.read_to_end(&mut body).map_err(failed)? == 0 {
                break;
            }
            decompressed += body.len() as u64;
            if is_bomb(compressed.load(Ordering::Relaxed), decompressed) {
                return Err(bomb(&url, &option));
            }
            for chunk in pieces.push(body.into())? {
                if chunks.blocking_send(chunk).is_err() {
                    return Ok(pieces.file);
                }
            }
            if pieces.is_skipped {
                return Ok(pieces.file);
            }
        }
        let (last, file) = pieces.finish()?;
        for chunk in last {
            let _ended = chunks.blocking_send(chunk);
        }
        Ok(file)
    }
}

/// Tells what is wrong with an Avro file: it is damaged, or larger than it may be.
pub(super) fn damaged_avro(url: &str, damage: &str) -> Error {
    use blueshift_sql::SqlState;
    let (state, what, hint) = match damage.contains(" MB") {
        true => (
            SqlState::PROGRAM_LIMIT_EXCEEDED,
            "",
            "Write the file with smaller blocks.",
        ),
        false => (
            SqlState::BAD_COPY_FILE_FORMAT,
            "not an Avro file, or a damaged one: ",
            "Check the file.",
        ),
    };
    let message = format!("could not read \"{url}\": {what}{damage}");
    Error::Sql(blueshift_sql::Error::new(state, message).with_hint(hint))
}

/// What is read of a file. Its end is said, so that a reading that failed is not taken for it.
pub(super) enum Part {
    Body(Bytes),
    End,
}

fn range_bytes(source: &Source) -> u64 {
    match source.url.starts_with("file:") {
        true => FILE_RANGE_BYTES,
        false => RANGE_BYTES,
    }
}

/// Tells how much of a file is held at most while it is read.
fn held_bytes(source: &Source) -> u64 {
    source
        .bytes
        .min(range_bytes(source) * RANGES_IN_FLIGHT as u64)
}

/// Ends a task when the load is dropped.
struct AbortOnDrop(tokio::task::JoinHandle<Result<LoadedFile>>);

impl AbortOnDrop {
    async fn join(mut self) -> Result<LoadedFile> {
        joined((&mut self.0).await)
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Tells whether a file becomes so much larger that it was made for that.
fn is_bomb(compressed: u64, decompressed: u64) -> bool {
    decompressed > BOMB_BYTES_MIN && decompressed / BOMB_RATIO > compressed
}

fn bomb(url: &str, option: &str) -> Error {
    Error::Sql(
        blueshift_sql::Error::new(
            blueshift_sql::SqlState::PROGRAM_LIMIT_EXCEEDED,
            format!(
                "could not read \"{url}\": it becomes more than {BOMB_RATIO} times as large without {option}"
            ),
        )
        .with_hint("Decompress the file before it is loaded, if it is what it should be."),
    )
}

/// The chunks of one file, counted.
struct Pieces {
    url: Arc<str>,
    decoder: Decoder,
    cutter: Cutter,
    /// For Avro, in place of the cutter.
    blocks: Option<avro::BlockCutter>,
    row_bytes_max: usize,
    file: LoadedFile,
    /// Whether the file is left out, as it is in another encoding.
    is_skipped: bool,
    feed: Feed,
}

impl Pieces {
    fn new(url: &Arc<str>, slice: u32, feed: &Feed) -> Self {
        Self {
            url: Arc::clone(url),
            decoder: Decoder::new(feed.encoding),
            cutter: Cutter::new(feed.row_end),
            blocks: (feed.row_end == RowEnd::Block).then(avro::BlockCutter::default),
            row_bytes_max: match feed.row_end {
                // What stands before a document waits with it; the parser looks at the document alone.
                RowEnd::Json { .. } => DOCUMENT_BYTES_MAX + (64 << 10),
                _ => ROW_BYTES_MAX,
            },
            file: LoadedFile {
                filename: url.to_string(),
                slice,
                ..LoadedFile::default()
            },
            is_skipped: false,
            feed: feed.clone(),
        }
    }

    fn count(&mut self, bytes: u64, lines: u64) {
        self.file.bytes += bytes;
        self.file.lines += lines;
        if let Some(progress) = self.feed.progress.slice(self.file.slice) {
            progress.bytes_text.fetch_add(bytes, Ordering::Relaxed);
            progress.lines.fetch_add(lines, Ordering::Relaxed);
        }
    }

    fn push(&mut self, bytes: Bytes) -> Result<std::vec::IntoIter<FileChunk>> {
        let text = match self.decoder.decode(bytes) {
            Ok(text) => text,
            Err(_) => {
                self.skip()?;
                Bytes::new()
            }
        };
        if self.blocks.is_some() {
            return Ok(self.push_blocks(&text)?.into_iter());
        }
        let (byte_count, lines_before) = (text.len() as u64, self.cutter.lines());
        let chunks = match text.is_empty() {
            true => [None, None],
            false => self.cutter.push(text),
        };
        self.count(byte_count, self.cutter.lines() - lines_before);
        if self.cutter.waiting_bytes() > self.row_bytes_max {
            return Err(Error::Source {
                url: self.url.to_string(),
                reason: match self.feed.row_end {
                    RowEnd::Json { .. } => "a JSON object or array is larger than 4 MB".to_owned(),
                    _ => format!("a row is longer than {} MB", ROW_BYTES_MAX >> 20),
                },
            });
        }
        let chunk = |chunk| FileChunk {
            url: Arc::clone(&self.url),
            chunk,
            avro: None,
        };
        let chunks: Vec<FileChunk> = chunks.into_iter().flatten().map(chunk).collect();
        Ok(chunks.into_iter())
    }

    /// Takes the next bytes of an Avro file.
    fn push_blocks(&mut self, bytes: &[u8]) -> Result<Vec<FileChunk>> {
        let Some(blocks) = &mut self.blocks else {
            return Ok(Vec::new());
        };
        let rows_before = blocks.rows();
        let chunk = blocks.push(bytes);
        let chunk = chunk.map_err(|damage| damaged_avro(&self.url, &damage))?;
        let (rows, file) = (blocks.rows() - rows_before, blocks.file().cloned());
        self.count(bytes.len() as u64, rows);
        let chunk = chunk.map(|chunk| FileChunk {
            url: Arc::clone(&self.url),
            chunk,
            avro: file,
        });
        Ok(chunk.into_iter().collect())
    }

    /// Leaves the file out, which counts as one error.
    fn skip(&mut self) -> Result<()> {
        self.is_skipped = true;
        let problem = Problem::WrongEncoding;
        let reject = Reject {
            filename: self.url.to_string(),
            err_code: problem.code(),
            err_reason: problem.reason().to_owned(),
            ..Reject::default()
        };
        let Feed {
            rejects, progress, ..
        } = &self.feed;
        progress.rejected.fetch_add(1, Ordering::Relaxed);
        rejects.add(1, vec![reject], &self.url, &self.feed.table_name)
    }

    fn finish(mut self) -> Result<(impl Iterator<Item = FileChunk> + use<>, LoadedFile)> {
        let rest = self.decoder.finish();
        let whole: Vec<FileChunk> = self.push(rest)?.collect();
        if let Some(blocks) = &self.blocks {
            let ended = blocks.finish();
            ended.map_err(|damage| damaged_avro(&self.url, &damage))?;
        }
        let lines_before = self.cutter.lines();
        let last = self.cutter.finish();
        // A last line without its newline is a line.
        let is_open = last
            .as_ref()
            .is_some_and(|chunk| chunk.bytes.last() != Some(&b'\n'));
        // What was in no chunk yet.
        self.count(0, self.cutter.lines() - lines_before + u64::from(is_open));
        let url = self.url;
        let last = last.map(|chunk| FileChunk {
            url,
            chunk,
            avro: None,
        });
        Ok((whole.into_iter().chain(last), self.file))
    }
}

/// The bodies of a file as a blocking reader.
struct Bodies {
    bodies: Receiver<Part>,
    current: Bytes,
    ended: bool,
    /// Bytes given on.
    read: Arc<AtomicU64>,
}

impl Read for Bodies {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.current.is_empty() && !self.ended {
            match self.bodies.blocking_recv() {
                Some(Part::Body(body)) => self.current = body,
                Some(Part::End) => self.ended = true,
                None => return Err(ErrorKind::ConnectionAborted.into()),
            }
        }
        let count = buffer.len().min(self.current.len());
        let taken = self.current.split_to(count);
        if let Some(place) = buffer.get_mut(..count) {
            place.copy_from_slice(&taken);
        }
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::is_bomb;

    #[test]
    fn a_file_may_grow_as_files_do() {
        let mb = 1 << 20;
        assert!(!is_bomb(mb, 256 * mb), "small files may");
        assert!(!is_bomb(100 * mb, 10_000 * mb));
        assert!(!is_bomb(mb, 500 * mb));
        assert!(is_bomb(mb, 501 * mb + 500));
        assert!(is_bomb(0, 257 * mb));
    }
}
