//! The files of one slice: a file per partition is open, and the next begins where one is full.

use super::file::OpenFile;
use super::ledger::Ledger;
use super::name::Names;
use super::shape::{Layout, Piece, PieceBody, Shape};
use super::upload::Upload;
use super::{UnloadPlan, UnloadedFile};
use crate::error::Result;
use arrow::array::RecordBatch;
use blueshift_sql::statement::copy::CopyCompression;
use blueshift_sql::statement::unload::{ROW_GROUP_BYTES, UnloadFormat};
use futures::{StreamExt, TryStreamExt};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

/// Text is given to a compressor in pieces of this size, so that files end near their largest size.
const COMPRESS_BYTES: usize = 256 << 10;
/// Files that are ended at a time.
const FINISHING: usize = 8;
/// How often memory is measured while so much comes as may be held.
const MEASURES: usize = 16;
/// What a file counts for by itself.
const FILE_BYTES: usize = 32 << 10;
/// Files that are open anyway, however much memory they take.
const OPEN_MIN: usize = 2;

/// What all lanes of an UNLOAD share.
pub(super) struct Shared {
    pub(super) layout: Arc<Layout>,
    pub(super) names: Names,
    pub(super) ledger: Arc<Ledger>,
    pub(super) compression: CopyCompression,
    pub(super) file_bytes_max: u64,
    /// Memory of the open files of a lane.
    pub(super) lane_bytes_max: usize,
    pub(super) began: Instant,
}

impl Shared {
    pub(super) fn new(
        plan: &UnloadPlan,
        layout: Arc<Layout>,
        ledger: Arc<Ledger>,
        lane_bytes_max: usize,
    ) -> Self {
        let options = &plan.options;
        let largest = options.file_bytes_max;
        Self {
            layout,
            names: Names::new(options).starting(plan.external.as_ref()),
            ledger,
            compression: options.compression,
            file_bytes_max: match options.format {
                // Files are whole row groups.
                UnloadFormat::Parquet if largest >= ROW_GROUP_BYTES => {
                    largest / ROW_GROUP_BYTES * ROW_GROUP_BYTES
                }
                _ => largest,
            },
            lane_bytes_max,
            began: Instant::now(),
        }
    }

    fn now_us(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Ends a file.
    async fn finish(&self, slice: u32, file: OpenFile) -> Result<UnloadedFile> {
        let (url, lines, began_us) = (file.url().to_owned(), file.lines, file.began_us);
        let bytes = file.finish().await?;
        Ok(UnloadedFile {
            url,
            slice,
            lines,
            bytes,
            began_us,
            ended_us: self.now_us(),
        })
    }
}

/// The files of a slice.
pub(super) struct Lane {
    shared: Arc<Shared>,
    slice: u32,
    folders: HashMap<Arc<str>, Folder>,
    ended: Vec<UnloadedFile>,
    /// Bytes that came since memory was measured.
    unmeasured_bytes: usize,
}

#[derive(Default)]
struct Folder {
    next_part: u32,
    file: Option<OpenFile>,
}

impl Lane {
    pub(super) fn new(shared: &Arc<Shared>, slice: u32) -> Self {
        Self {
            shared: Arc::clone(shared),
            slice,
            folders: HashMap::new(),
            ended: Vec::new(),
            unmeasured_bytes: 0,
        }
    }

    /// Writes the rows of a piece.
    pub(super) async fn write(&mut self, piece: Piece) -> Result<()> {
        let folder = piece.folder;
        match piece.body {
            PieceBody::Text { bytes, ends } => {
                self.unmeasured_bytes += bytes.len();
                self.write_text(&folder, &bytes, &ends).await?;
            }
            PieceBody::Rows(batch) => {
                self.unmeasured_bytes += batch.get_array_memory_size();
                self.write_rows(&folder, &batch).await?;
            }
        }
        // Measuring looks at all folders, of which there may be many.
        if self.unmeasured_bytes >= self.shared.lane_bytes_max / MEASURES {
            self.unmeasured_bytes = 0;
            self.shrink().await?;
        }
        Ok(())
    }

    async fn write_text(&mut self, folder: &Arc<str>, bytes: &[u8], ends: &[usize]) -> Result<()> {
        let is_compressed = self.shared.compression != CopyCompression::None;
        let (mut start, mut row) = (0, 0);
        while row < ends.len() {
            let largest = self.shared.file_bytes_max;
            let has_header = u64::from(!self.shared.layout.header.is_empty());
            let file = self.file(folder).await?;
            let room = largest.saturating_sub(file.bytes());
            let mut room = usize::try_from(room).unwrap_or(usize::MAX);
            if is_compressed {
                room = room.min(COMPRESS_BYTES);
            }
            let rest = ends.get(row..).unwrap_or_default();
            let mut fit = rest.partition_point(|end| end - start <= room);
            let is_empty = file.lines <= has_header;
            if fit == 0 && !is_empty {
                let is_full = !is_compressed || room < COMPRESS_BYTES;
                if is_full {
                    self.end(folder).await?;
                    continue;
                }
            }
            // A row longer than a file, or than a piece, goes alone.
            fit = fit.max(1);
            let end = rest.get(fit - 1).copied().unwrap_or(bytes.len());
            let text = bytes.get(start..end).unwrap_or_default();
            file.write_text(text, fit as u64).await?;
            (start, row) = (end, row + fit);
        }
        Ok(())
    }

    async fn write_rows(&mut self, folder: &Arc<str>, batch: &RecordBatch) -> Result<()> {
        let largest = self.shared.file_bytes_max;
        let file = self.file(folder).await?;
        file.write_rows(batch).await?;
        match file.bytes() >= largest {
            true => self.end(folder).await,
            false => Ok(()),
        }
    }

    /// Gives the open file of a folder; begins one if there is none.
    async fn file(&mut self, folder: &Arc<str>) -> Result<&mut OpenFile> {
        let shared = &self.shared;
        let entry = self.folders.entry(Arc::clone(folder)).or_default();
        let file = match entry.file.take() {
            Some(file) => file,
            None => {
                let name = shared.names.file(folder, self.slice, entry.next_part);
                entry.next_part += 1;
                self.unmeasured_bytes += FILE_BYTES;
                let upload = Upload::new(&shared.ledger, shared.ledger.destination.place(&name)?);
                let mut file = match &shared.layout.shape {
                    Shape::Parquet(layout) => OpenFile::parquet(upload, layout)?,
                    _ => OpenFile::text(upload, shared.compression),
                };
                file.began_us = shared.now_us();
                if !shared.layout.header.is_empty() {
                    file.write_text(&shared.layout.header, 1).await?;
                }
                file
            }
        };
        Ok(entry.file.insert(file))
    }

    /// Ends the open file of a folder.
    async fn end(&mut self, folder: &Arc<str>) -> Result<()> {
        let file = self
            .folders
            .get_mut(folder)
            .and_then(|folder| folder.file.take());
        if let Some(file) = file {
            self.ended.push(self.shared.finish(self.slice, file).await?);
        }
        Ok(())
    }

    /// Ends the largest files while all of them take too much memory: what follows goes to new ones.
    async fn shrink(&mut self) -> Result<()> {
        if self.folders.len() <= OPEN_MIN {
            return Ok(());
        }
        let open = self.folders.iter().filter_map(|(name, folder)| {
            let file = folder.file.as_ref()?;
            Some((file.memory_bytes(), Arc::clone(name)))
        });
        let mut open: Vec<(usize, Arc<str>)> = open.collect();
        let mut bytes: usize = open.iter().map(|(bytes, _)| bytes).sum();
        if bytes <= self.shared.lane_bytes_max {
            return Ok(());
        }
        open.sort_unstable();
        while let Some((freed, name)) = open.pop() {
            if bytes <= self.shared.lane_bytes_max / 2 || open.len() < OPEN_MIN {
                break;
            }
            self.end(&name).await?;
            bytes = bytes.saturating_sub(freed);
        }
        Ok(())
    }

    /// Begins a file without rows.
    pub(super) async fn begin_empty(&mut self) -> Result<()> {
        self.file(&Arc::from("")).await.map(drop)
    }

    /// Tells whether there is no file yet.
    pub(super) fn is_empty(&self) -> bool {
        self.folders.is_empty()
    }

    /// Ends all files and gives them.
    pub(super) async fn finish(self) -> Result<Vec<UnloadedFile>> {
        let (shared, slice) = (self.shared, self.slice);
        let open = self.folders.into_values().filter_map(|folder| folder.file);
        let mut files: Vec<UnloadedFile> = futures::stream::iter(open)
            .map(|file| {
                let shared = Arc::clone(&shared);
                async move { shared.finish(slice, file).await }
            })
            .buffer_unordered(FINISHING)
            .try_collect()
            .await?;
        files.extend(self.ended);
        Ok(files)
    }
}
