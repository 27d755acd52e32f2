//! Parses chunks: fields, columns, refused rows; then sends what is good to its slices.

use super::describe;
use super::feed::{FileChunk, damaged_avro};
use super::reject::{Rejects, raw};
use super::rules::Rules;
use super::{LoadColumn, LoadPlan, LoadProgress, Reject};
use crate::error::{Error, Result};
use crate::format::delimited::convert::{self, Block};
use crate::format::delimited::problem::{Note, Problem};
use crate::format::delimited::{Line, text};
use crate::format::layout::Found;
use crate::write::Router;
use arrow::array::{
    ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array, new_null_array,
};
use arrow::compute::{filter_record_batch, take};
use arrow_schema::{Field, Schema, SchemaRef};
use blueshift_sql::{SqlState, SqlType};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::Mutex;
use tokio::sync::mpsc::Receiver;

/// Rows that are indexed and converted at a time: their field table stays in the cache.
const BLOCK_ROWS: usize = 8_192;

/// A batch, and the slice it is for if that is known.
type Placed = (Option<usize>, RecordBatch);

/// One of the parsers of a load.
#[derive(Clone)]
pub(super) struct Parser {
    pub(super) plan: LoadPlan,
    pub(super) rules: Arc<Rules>,
    /// `None` with NOLOAD.
    pub(super) router: Option<Arc<Router>>,
    pub(super) rejects: Arc<Rejects>,
    pub(super) progress: Arc<LoadProgress>,
}

impl Parser {
    /// Parses chunks until there are no more.
    pub(super) async fn run(self, chunks: Arc<Mutex<Receiver<FileChunk>>>) -> Result<()> {
        let schema = Arc::new(Schema::new(
            self.plan
                .columns
                .iter()
                .map(|column| Field::new(&column.name, column.ty.arrow(), true))
                .collect::<Vec<_>>(),
        ));
        let mut index = Index::default();
        loop {
            let next = chunks.lock().await.recv().await;
            let Some(file) = next else {
                return Ok(());
            };
            let mut reader = ChunkReader::new(&file, &self.rules);
            while reader.at < file.chunk.bytes.len() {
                if self.progress.canceled.load(Ordering::Relaxed) {
                    return Err(Error::Canceled);
                }
                for (slice, batch) in self.block(&mut reader, &mut index, &schema)? {
                    self.progress
                        .rows
                        .fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
                    match (&self.router, slice) {
                        (Some(router), Some(slice)) => router.write_to(slice, batch).await?,
                        (Some(router), None) => router.write(batch).await?,
                        (None, _) => {}
                    }
                }
                tokio::task::yield_now().await;
            }
        }
    }

    /// Reads the next rows of a chunk as batches in table order.
    fn block(
        &self,
        reader: &mut ChunkReader<'_>,
        index: &mut Index,
        schema: &SchemaRef,
    ) -> Result<Vec<Placed>> {
        let source = reader.next(&self.rules, index);
        if let Some(damage) = index.found.avro.damage() {
            return Err(damaged_avro(&reader.file.url, damage));
        }
        let block = index.block(&self.rules, source);
        let mut bad = block.fields.bad.iter();
        if let Some((line, _)) = bad.find(|(_, problem)| *problem == Problem::TooLargeJson) {
            let line = reader.line_number(source.line(*line).end as usize);
            return Err(too_large_json(&reader.file.url, line));
        }
        if block.fields.bad.is_empty()
            && let Some(batches) = self.by_slice(&block, schema)?
        {
            return Ok(batches);
        }
        let mut notes = Vec::new();
        let batch = self.batch(&block, schema, &mut notes)?;
        if notes.is_empty() && block.fields.bad.is_empty() {
            return Ok(vec![(None, batch)]);
        }
        let kept = self.refuse(reader, source, &block, notes, batch)?;
        Ok(vec![(None, kept)])
    }

    /// Converts the rows of each slice apart, so that none is copied to reach its slice. `None` if rows need not be told
    /// apart, or if not all are good.
    fn by_slice(&self, block: &Block<'_>, schema: &SchemaRef) -> Result<Option<Vec<Placed>>> {
        let Some((router, key)) = self
            .router
            .as_ref()
            .and_then(|router| Some((router, router.key()?)))
        else {
            return Ok(None);
        };
        let mut rules = self.rules.columns.iter();
        let Some(rule) = rules.find(|rule| rule.column as usize == key) else {
            return Ok(None);
        };
        let mut notes = Vec::new();
        let values = convert::column(block, rule, &mut notes)?;
        if !notes.is_empty() {
            return Ok(None);
        }
        let Some(rows_by_slice) = router.rows_by_slice(&values)? else {
            return Ok(None);
        };
        let mut batches = Vec::with_capacity(rows_by_slice.len());
        for (slice, rows) in rows_by_slice.iter().enumerate() {
            if !rows.is_empty() {
                let of_slice = Block { rows, ..*block };
                batches.push((Some(slice), self.batch(&of_slice, schema, &mut notes)?));
            }
            if !notes.is_empty() {
                return Ok(None);
            }
        }
        Ok(Some(batches))
    }

    /// Converts rows to a batch in table order.
    fn batch(
        &self,
        block: &Block<'_>,
        schema: &SchemaRef,
        notes: &mut Vec<Note>,
    ) -> Result<RecordBatch> {
        let rows = block.rows.len();
        let mut rules = self.rules.columns.iter().peekable();
        let mut columns = Vec::with_capacity(self.plan.columns.len());
        for (place, column) in self.plan.columns.iter().enumerate() {
            columns.push(match rules.next_if(|rule| rule.column as usize == place) {
                Some(rule) => convert::column(block, rule, notes)?,
                None => left_out(column, rows)?,
            });
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let schema = Arc::clone(schema);
        Ok(RecordBatch::try_new_with_options(
            schema, columns, &options,
        )?)
    }

    /// Reports the rows with notes, and gives the batch without those that are refused.
    #[cold]
    fn refuse(
        &self,
        reader: &mut ChunkReader<'_>,
        source: Source<'_>,
        block: &Block<'_>,
        mut notes: Vec<Note>,
        batch: RecordBatch,
    ) -> Result<RecordBatch> {
        notes.sort_by_key(|note| (note.row, note.column));
        let is_replaced = |note: &mut Note| note.problem == Problem::Replaced;
        let mut replaced: Vec<Note> = notes.extract_if(.., is_replaced).collect();
        // The first problem of a row is the one told.
        notes.dedup_by_key(|note| note.row);
        let is_refused = |row: u32| notes.binary_search_by_key(&row, |note| note.row).is_ok();
        replaced.retain(|note| !is_refused(note.row));
        let mut keep = vec![true; batch.num_rows()];
        let mut refused: Vec<(Line, Problem, Option<&Note>)> = Vec::new();
        for (line, problem) in &block.fields.bad {
            refused.push((*line, *problem, None));
        }
        for note in &notes {
            if let Some(kept) = keep.get_mut(note.row as usize) {
                *kept = false;
            }
            let row = note.row as usize;
            if let Some(line) = block.fields.line(row, block.field_count, source.bytes) {
                refused.push((line, note.problem, Some(note)));
            }
        }
        refused.sort_by_key(|(line, _, _)| line.start);
        let count = refused.len() as u64;
        self.progress.rejected.fetch_add(count, Ordering::Relaxed);
        // Only those that will be kept are described: a file of the wrong kind has a bad row every few bytes.
        let described = refused
            .into_iter()
            .take(self.rejects.wanted())
            .map(|(line, problem, note)| {
                let blamed = note.and_then(|note| self.blamed(block, note));
                self.reject(reader, source.line(line), problem, blamed)
            })
            .collect();
        let url = reader.file.url.clone();
        let replaced: Vec<Reject> = replaced
            .iter()
            .take(self.rejects.replaced_wanted())
            .filter_map(|note| {
                let row = note.row as usize;
                let line = block.fields.line(row, block.field_count, source.bytes)?;
                let blamed = self.blamed(block, note);
                Some(self.reject(reader, source.line(line), note.problem, blamed))
            })
            .collect();
        self.rejects.add_replaced(replaced, &url);
        self.rejects
            .add(count, described, &url, &self.plan.table_name)?;
        Ok(filter_record_batch(&batch, &BooleanArray::from(keep))?)
    }

    /// Gives the column and the field a note is about.
    fn blamed<'a>(&'a self, block: &'a Block<'_>, note: &Note) -> Option<Blamed<'a>> {
        let column = self.plan.columns.get(note.column as usize)?;
        let row = note.row as usize;
        let (start, end) = block.fields.place(row, column.field?)?;
        Some(Blamed {
            column,
            value: block.bytes.get(start..end)?,
            line: match self.rules.layout.is_binary() {
                true => Some(shown_row(block, row)),
                false => None,
            },
        })
    }

    fn reject(
        &self,
        reader: &mut ChunkReader<'_>,
        line: Line,
        problem: Problem,
        blamed: Option<Blamed<'_>>,
    ) -> Reject {
        let layout = &self.rules.layout;
        let line_number = match (layout.is_binary(), layout.is_counted_at_end()) {
            (true, _) => reader.file.chunk.lines_before + u64::from(line.start) + 1,
            (false, true) => reader.line_number(line.end as usize),
            (false, false) => reader.line_number(line.start as usize),
        };
        let (column, value, shown) = match &blamed {
            Some(blamed) => (Some(blamed.column), blamed.value, blamed.line.as_deref()),
            None => (None, &[][..], None),
        };
        let bytes = reader.file.chunk.bytes.as_ref();
        let raw_line = match layout.is_binary() {
            true => shown,
            false => bytes.get(line.start as usize..line.end as usize),
        };
        let raw_line = raw_line.unwrap_or_default();
        let position = match value.is_empty() {
            true => 0,
            false => memchr::memmem::find(raw_line, value).unwrap_or(0),
        };
        Reject {
            slice: 0,
            filename: reader.file.url.to_string(),
            line_number: i64::try_from(line_number).unwrap_or(i64::MAX),
            colname: column.map(|column| column.name.clone()).unwrap_or_default(),
            ty: column
                .map(|column| type_name(column.ty))
                .unwrap_or_default(),
            col_length: column
                .map(|column| type_length(column.ty))
                .unwrap_or_default(),
            position: position as i32,
            raw_line: raw(raw_line),
            raw_field_value: raw(value),
            err_code: describe::code(problem, column.map(|column| column.ty)),
            err_reason: describe::reason(problem, column.map(|column| column.ty), value),
        }
    }
}

/// What is to blame for a refused row.
struct Blamed<'a> {
    column: &'a LoadColumn,
    value: &'a [u8],
    /// The row, if it has no line in its file.
    line: Option<Vec<u8>>,
}

/// Shows the fields of a row that has no line in its file.
fn shown_row(block: &Block<'_>, row: usize) -> Vec<u8> {
    let fields = (0..block.field_count).map(|field| {
        let place = block.fields.place(row, field);
        let bytes = place.and_then(|(start, end)| block.bytes.get(start..end));
        bytes.unwrap_or_default()
    });
    fields.collect::<Vec<_>>().join(&b'|')
}

fn too_large_json(url: &str, line: u64) -> Error {
    Error::Sql(
        blueshift_sql::Error::new(
            SqlState::PROGRAM_LIMIT_EXCEEDED,
            format!("could not read \"{url}\": the JSON object or array that ends in line {line} is larger than 4 MB"),
        )
        .with_hint("Split it into smaller ones; MAXERROR does not apply."),
    )
}

/// Gives a column the file does not have: its DEFAULT, or null.
pub(super) fn left_out(column: &LoadColumn, rows: usize) -> Result<ArrayRef> {
    match &column.default {
        None => Ok(new_null_array(&column.ty.arrow(), rows)),
        Some(one) => Ok(take(one.as_ref(), &UInt32Array::from(vec![0; rows]), None)?),
    }
}

/// Names a type as STL_LOAD_ERRORS does.
pub(super) fn type_name(ty: SqlType) -> String {
    match ty {
        SqlType::Char(_) => "char",
        other => other.short_name(),
    }
    .to_owned()
}

/// Gives the declared length of a type as STL_LOAD_ERRORS does.
pub(super) fn type_length(ty: SqlType) -> String {
    match ty {
        SqlType::Char(bytes) | SqlType::Varchar(bytes) | SqlType::Varbyte(bytes) => {
            bytes.to_string()
        }
        SqlType::Decimal { precision, scale } => format!("{precision}, {scale}"),
        _ => "0".to_owned(),
    }
}

/// The index of a block, and the memory it is made in.
#[derive(Default)]
struct Index {
    found: Found,
    /// All numbers below some count of rows.
    rows: Vec<u32>,
}

impl Index {
    /// Gives the rows of the block read last, from `source`.
    fn block<'a>(&'a mut self, rules: &'a Rules, source: Source<'a>) -> Block<'a> {
        let Found {
            fields, rewritten, ..
        } = &self.found;
        let count = fields.rows as u32;
        self.rows.extend(self.rows.len() as u32..count);
        let (bytes, used) = match rules.layout.is_plain() {
            true => (source.bytes, source.block_bytes),
            false => (rewritten.as_slice(), rewritten.len()),
        };
        Block {
            bytes,
            text: text::checked(bytes.get(..used).unwrap_or_default()),
            fields,
            field_count: rules.layout.field_count(),
            null_as: rules.layout.null_as(),
            rows: self.rows.get(..fields.rows).unwrap_or_default(),
        }
    }
}

/// What is left of a chunk.
#[derive(Clone, Copy)]
struct Source<'a> {
    /// The next block and all behind it.
    bytes: &'a [u8],
    /// Bytes of the block.
    block_bytes: usize,
    /// Where that is in the chunk: its first byte, or the rows before it in a file that has no lines.
    at: usize,
}

impl Source<'_> {
    /// Gives a line's place in the chunk.
    fn line(&self, line: Line) -> Line {
        let at = self.at as u32;
        Line {
            start: at + line.start,
            end: at + line.end,
        }
    }
}

/// Where the reading of a chunk stands.
struct ChunkReader<'a> {
    file: &'a FileChunk,
    at: usize,
    /// A place in the chunk and the newlines before it, so that lines are counted once.
    counted: (usize, u64),
    /// Rows read, of a file that has no lines.
    rows: usize,
}

impl<'a> ChunkReader<'a> {
    fn new(file: &'a FileChunk, rules: &Rules) -> Self {
        let bytes = file.chunk.bytes.as_ref();
        let mut at = 0;
        let header_lines = match rules.layout.is_binary() {
            true => 0,
            false => rules.header_lines,
        };
        for _ in file.chunk.lines_before..header_lines {
            let rest = bytes.get(at..).unwrap_or_default();
            at = memchr::memchr(b'\n', rest).map_or(bytes.len(), |end| at + end + 1);
            if at >= bytes.len() {
                break;
            }
        }
        Self {
            file,
            at,
            counted: (0, 0),
            rows: 0,
        }
    }

    /// Gives the line of the file, from 1, that begins at `start` of the chunk. Cheap when asked in order.
    fn line_number(&mut self, start: usize) -> u64 {
        let (mut from, mut lines) = self.counted;
        if start < from {
            (from, lines) = (0, 0);
        }
        let between = self.file.chunk.bytes.get(from..start).unwrap_or_default();
        lines += memchr::memchr_iter(b'\n', between).count() as u64;
        self.counted = (start, lines);
        self.file.chunk.lines_before + 1 + lines
    }

    /// Finds the fields of the next rows; gives what they were read from.
    fn next(&mut self, rules: &Rules, index: &mut Index) -> Source<'a> {
        let mut at = self.at;
        let bytes = self.file.chunk.bytes.get(at..).unwrap_or_default();
        if let Some(file) = &self.file.avro {
            index.found.avro.begin(file);
        }
        let block_bytes = rules.layout.find(bytes, BLOCK_ROWS, &mut index.found);
        self.at += block_bytes;
        if rules.layout.is_binary() {
            at = self.rows;
            self.rows += index.found.fields.found();
        }
        Source {
            bytes,
            block_bytes,
            at,
        }
    }
}
