//! Loads files of columns, Parquet and ORC: footers first, then row groups or stripes, each by whichever parser is free.
//!
//! The first value that does not fit ends the load; it is told in the words of Redshift Spectrum, which reads these files
//! there, and stands in STL_LOAD_ERRORS as well.

mod file;
mod orc;

use super::describe;
use super::parse::{Parser, left_out, type_length, type_name};
use super::reject::raw;
use super::source::Source;
use super::{LoadColumn, LoadedFile, Reject};
use crate::error::{Error, Result};
use crate::format::delimited::problem::Problem;
use crate::format::parquet::convert::{Refused, convert};
use crate::node::Node;
use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow_schema::{Field, Schema, SchemaRef};
use blueshift_sql::SqlState;
use file::{Footer, OpenFile, check_group, unreadable};
use futures::StreamExt;
use parquet::arrow::ParquetRecordBatchStreamBuilder;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinSet;

/// Rows of a batch.
const BATCH_ROWS: usize = 8_192;
/// Row groups that may wait for a parser.
const GROUPS_WAITING: usize = 4;
/// Footers of files that are read at the same time, for each thread: most files are small, and then this is all the waiting.
const FOOTERS_PER_THREAD: usize = 4;

/// A row group or a stripe to read.
struct Unit {
    file: Arc<OpenFile>,
    group: usize,
}

/// The files that were read.
type Files = Arc<Mutex<Vec<LoadedFile>>>;

/// Starts what reads footers, and what reads row groups.
pub(super) fn spawn(
    node: &Node,
    parser: Parser,
    sources: Vec<Source>,
    files: &Files,
    tasks: &mut JoinSet<Result<()>>,
) {
    let (sender, receiver) = channel(GROUPS_WAITING);
    let receiver = Arc::new(tokio::sync::Mutex::new(receiver));
    let threads = node.resources.threads.max(1);
    let compute = &node.resources.compute;
    for _ in 0..threads {
        let (parser, files) = (parser.clone(), Arc::clone(files));
        tasks.spawn_on(read(parser, files, Arc::clone(&receiver)), compute);
    }
    let footers = threads * FOOTERS_PER_THREAD;
    tasks.spawn_on(
        deal(parser, sources, Arc::clone(files), footers, sender),
        compute,
    );
}

/// Opens all files and gives out their row groups. Ends early without an error when the parsers have ended.
async fn deal(
    parser: Parser,
    sources: Vec<Source>,
    files: Files,
    at_once: usize,
    units: Sender<Unit>,
) -> Result<()> {
    let open = sources
        .into_iter()
        .filter(|source| !is_mark(source))
        .map(|source| OpenFile::open(source, &parser));
    let mut opened = futures::stream::iter(open).buffered(at_once);
    while let Some(file) = opened.next().await {
        let file = Arc::new(file?);
        if file.group_count() == 0 {
            ended(&parser, &files, &file);
        }
        for group in 0..file.group_count() {
            let file = Arc::clone(&file);
            if units.send(Unit { file, group }).await.is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Tells whether a file only says that others are whole, as writers of many files leave one: it is empty and hidden.
fn is_mark(source: &Source) -> bool {
    let name = source.url.rsplit('/').next().unwrap_or_default();
    source.bytes == 0 && name.starts_with(['_', '.'])
}

/// Notes that a file was read whole.
fn ended(parser: &Parser, files: &Files, file: &OpenFile) {
    if let Some(progress) = parser.progress.slice(file.slice) {
        progress.end_file(&file.url);
    }
    let mut files = files.lock().unwrap_or_else(PoisonError::into_inner);
    files.push(file.loaded());
}

/// Reads row groups until there are no more.
async fn read(
    parser: Parser,
    files: Files,
    units: Arc<tokio::sync::Mutex<Receiver<Unit>>>,
) -> Result<()> {
    let schema = Arc::new(Schema::new(
        parser
            .plan
            .columns
            .iter()
            .map(|column| Field::new(&column.name, column.ty.arrow(), true))
            .collect::<Vec<_>>(),
    ));
    loop {
        let next = units.lock().await.recv().await;
        let Some(unit) = next else {
            return Ok(());
        };
        read_group(&parser, &unit, &schema).await?;
        if unit.file.groups_left.fetch_sub(1, Ordering::AcqRel) == 1 {
            ended(&parser, &files, &unit.file);
        }
    }
}

async fn read_group(parser: &Parser, unit: &Unit, schema: &SchemaRef) -> Result<()> {
    let Unit { file, group } = unit;
    let mut before = file.rows_before.get(*group).copied().unwrap_or_default();
    match &file.footer {
        Footer::Parquet(footer) => {
            check_group(&file.url, footer, *group)?;
            let failed = |error| unreadable(&file.url, error);
            let reader = file.reader.clone();
            let builder =
                ParquetRecordBatchStreamBuilder::new_with_metadata(reader, footer.clone())
                    .with_row_groups(vec![*group])
                    .with_batch_size(BATCH_ROWS);
            let mut batches = builder.build().map_err(failed)?;
            while let Some(batch) = batches.next().await {
                let batch = batch.map_err(failed)?;
                before = parser.take(file, &batch, before, schema).await?;
            }
        }
        Footer::Orc(footer) => {
            let Some(mut stripe) = orc::stripe(file, footer, *group, parser).await? else {
                return Ok(());
            };
            let failed = |why: String| orc::unreadable(&file.url, &why);
            while let Some(batch) = stripe.next_batch().map_err(failed)? {
                before = parser.take(file, &batch, before, schema).await?;
            }
        }
    }
    Ok(())
}

impl Parser {
    /// Sends a batch of a file to its slices; gives the rows of the file up to its end.
    async fn take(
        &self,
        file: &OpenFile,
        batch: &RecordBatch,
        before: u64,
        schema: &SchemaRef,
    ) -> Result<u64> {
        if self.progress.canceled.load(Ordering::Relaxed) {
            return Err(Error::Canceled);
        }
        let rows = batch.num_rows() as u64;
        let loaded = self.conform(file, batch, before, schema)?;
        self.progress.rows.fetch_add(rows, Ordering::Relaxed);
        if let Some(progress) = self.progress.slice(file.slice) {
            progress.lines.fetch_add(rows, Ordering::Relaxed);
        }
        if let Some(router) = &self.router {
            router.write(loaded).await?;
        }
        tokio::task::yield_now().await;
        Ok(before + rows)
    }

    /// Makes a batch of a file one of the table; `before` rows of the file stand before it.
    fn conform(
        &self,
        file: &OpenFile,
        batch: &RecordBatch,
        before: u64,
        schema: &SchemaRef,
    ) -> Result<RecordBatch> {
        let rows = batch.num_rows();
        let mut columns = Vec::with_capacity(self.plan.columns.len());
        for (place, column) in self.plan.columns.iter().enumerate() {
            columns.push(match column.field {
                None => left_out(column, rows)?,
                // FILLRECORD: the file has no such column.
                Some(field) => match batch.columns().get(field) {
                    Some(array) => self.column(file, array, place, before)?,
                    None => new_null_array(&column.ty.arrow(), rows),
                },
            });
            if let Some(array) = columns.last()
                && column.field.is_some()
                && column.not_null
                && array.null_count() > 0
            {
                let row = (0..rows)
                    .find(|row| array.is_null(*row))
                    .unwrap_or_default();
                let refused = Refused {
                    row,
                    problem: Problem::Null,
                    value: Vec::new(),
                    bytes: 0,
                };
                return Err(self.refuse_value(file, column, &refused, before));
            }
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let schema = Arc::clone(schema);
        Ok(RecordBatch::try_new_with_options(
            schema, columns, &options,
        )?)
    }

    fn column(
        &self,
        file: &OpenFile,
        array: &ArrayRef,
        place: usize,
        before: u64,
    ) -> Result<ArrayRef> {
        let missing = || Error::Internal(format!("column {place} of a load has no rule"));
        let column = self.plan.columns.get(place).ok_or_else(missing)?;
        let mut rules = self.rules.columns.iter();
        let rule = rules.find(|rule| rule.column as usize == place);
        let rule = rule.ok_or_else(missing)?;
        let way = file
            .ways
            .get(place)
            .copied()
            .flatten()
            .ok_or_else(missing)?;
        let converted = convert(array, way, column.ty, &rule.text)?;
        if let Some(refused) = converted.refused {
            return Err(self.refuse_value(file, column, &refused, before));
        }
        let replaced = converted.replaced.into_iter();
        let replaced = replaced.take(self.rejects.replaced_wanted()).map(|row| {
            let refused = Refused {
                row,
                problem: Problem::Replaced,
                value: Vec::new(),
                bytes: 0,
            };
            self.rejected(file, column, &refused, before)
        });
        self.rejects.add_replaced(replaced.collect(), &file.url);
        Ok(converted.array)
    }

    fn rejected(
        &self,
        file: &OpenFile,
        column: &LoadColumn,
        refused: &Refused,
        before: u64,
    ) -> Reject {
        let row = before + refused.row as u64 + 1;
        Reject {
            filename: file.url.to_string(),
            line_number: i64::try_from(row).unwrap_or(i64::MAX),
            colname: column.name.clone(),
            ty: type_name(column.ty),
            col_length: type_length(column.ty),
            raw_field_value: raw(&refused.value),
            err_code: describe::code(refused.problem, Some(column.ty)),
            err_reason: describe::reason(refused.problem, Some(column.ty), &refused.value),
            ..Reject::default()
        }
    }

    /// Records a value that does not fit, and gives the error that ends the load.
    fn refuse_value(
        &self,
        file: &OpenFile,
        column: &LoadColumn,
        refused: &Refused,
        before: u64,
    ) -> Error {
        let reject = self.rejected(file, column, refused, before);
        let (name, url) = (&column.name, &file.url);
        let (state, context) = match refused.problem {
            Problem::TooLong => (
                SqlState::STRING_DATA_RIGHT_TRUNCATION,
                format!(
                    "The length of the data column {name} is longer than the length defined in the table. Table: {}, \
                     Data: {}, File name: {url}",
                    reject.col_length, refused.bytes
                ),
            ),
            problem => (
                match problem {
                    Problem::Null => SqlState::NOT_NULL_VIOLATION,
                    Problem::Overflow => SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
                    Problem::Utf8 | Problem::MultibyteChar => SqlState::CHARACTER_NOT_IN_REPERTOIRE,
                    _ => SqlState::BAD_COPY_FILE_FORMAT,
                },
                format!(
                    "{}. Column name: {name}, Row: {}, File name: {url}",
                    reject.err_reason, reject.line_number
                ),
            ),
        };
        self.progress.rejected.fetch_add(1, Ordering::Relaxed);
        // The error of the load is told below, in words of its own.
        let _ = self
            .rejects
            .add(1, vec![reject], &file.url, &self.plan.table_name);
        scan_error(
            state,
            context,
            "Change the column of the table, or the file.",
        )
    }
}

/// Makes the error of a file that cannot be loaded, as Redshift Spectrum tells it.
fn scan_error(state: SqlState, context: String, hint: &str) -> Error {
    Error::Sql(
        blueshift_sql::Error::new(state, "Spectrum Scan Error")
            .with_detail(format!("{context} (code 15007)"))
            .with_hint(hint),
    )
}
