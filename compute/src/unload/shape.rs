//! Turns batches into what files take: lines of text or rows, each for the folder of its partition.

use super::cell::{Cells, canonical};
use super::json::JsonLines;
use super::name::push_folder;
use super::parquet::ParquetLayout;
use super::text::{Delimited, FixedWidth};
use super::{UnloadColumn, UnloadPlan};
use crate::error::{Error, Result};
use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::row::{RowConverter, SortField};
use arrow_schema::Schema;
use blueshift_sql::statement::unload::UnloadFormat;
use blueshift_sql::{SqlState, SqlType};
use std::collections::HashMap;
use std::sync::Arc;

/// Partitions that a slice may have.
const FOLDERS_MAX: usize = 100_000;

/// Rows of one folder, ready for a file.
pub(super) struct Piece {
    /// Of its partition, with a slash behind it; empty if there are none.
    pub(super) folder: Arc<str>,
    pub(super) body: PieceBody,
}

pub(super) enum PieceBody {
    /// Lines, and where each ends.
    Text { bytes: Vec<u8>, ends: Vec<usize> },
    /// Rows for Parquet.
    Rows(RecordBatch),
}

/// How rows are written.
#[derive(Debug)]
pub(super) enum Shape {
    Delimited(Delimited),
    FixedWidth(FixedWidth),
    Json(JsonLines),
    Parquet(Arc<ParquetLayout>),
}

/// What stands in the files, and how.
#[derive(Debug)]
pub(super) struct Layout {
    /// All columns of the query.
    columns: Vec<UnloadColumn>,
    /// Those in the files, by their index in the query.
    kept: Vec<usize>,
    /// Those of PARTITION BY.
    partitions: Vec<usize>,
    pub(super) shape: Shape,
    /// The first line of every file; empty if there is none.
    pub(super) header: Vec<u8>,
    /// The delimiter of an external table whose fields have no quotes: no text may hold it, or a newline.
    bare: Option<u8>,
}

impl Layout {
    /// Refuses columns that the format cannot hold.
    pub(super) fn new(plan: &UnloadPlan) -> Result<Self> {
        let options = &plan.options;
        let partitions = options.partition_by.iter();
        let partitions = partitions.map(|name| partition(&plan.columns, name));
        let partitions = partitions.collect::<Result<Vec<usize>>>()?;
        let kept = (0..plan.columns.len())
            .filter(|index| options.include_partitions || !partitions.contains(index));
        let kept: Vec<usize> = kept.collect();
        if kept.is_empty() {
            return Err(refused("UNLOAD needs a column that is not in PARTITION BY"));
        }
        let columns: Vec<UnloadColumn> = kept
            .iter()
            .filter_map(|index| plan.columns.get(*index))
            .cloned()
            .collect();
        let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
        let shape = match (options.format, &options.fixed_width) {
            (UnloadFormat::Text, Some(widths)) => {
                ensure_storable(&columns, "UNLOAD with FIXEDWIDTH", &[])?;
                let named = columns
                    .iter()
                    .map(|column| (column.name.clone(), column.ty));
                let null = options.null_as.as_deref();
                Shape::FixedWidth(FixedWidth::new(named, widths, null)?)
            }
            (UnloadFormat::Text | UnloadFormat::Csv, _) => {
                let marks = plan.external.as_ref().and_then(|target| target.marks);
                Shape::Delimited(Delimited::new(options, marks))
            }
            (UnloadFormat::Json, _) => {
                ensure_storable(&columns, "UNLOAD to JSON", &[])?;
                Shape::Json(JsonLines::new(&names)?)
            }
            (UnloadFormat::Parquet, _) => {
                let is_interval =
                    |ty| matches!(ty, SqlType::YearToMonth(_) | SqlType::DayToSecond(_));
                let intervals = columns
                    .iter()
                    .map(|column| column.ty)
                    .filter(|ty| is_interval(*ty));
                let intervals: Vec<SqlType> = intervals.collect();
                ensure_storable(&columns, "UNLOAD to PARQUET", &intervals)?;
                let mut layout = ParquetLayout::new(&columns, options.row_group_bytes)?;
                let external = plan.external.as_ref();
                layout.is_compressed = external.is_none_or(|target| !target.is_uncompressed);
                Shape::Parquet(Arc::new(layout))
            }
        };
        let header = match &shape {
            Shape::Delimited(writer) if options.header => writer.header(&names),
            _ => Vec::new(),
        };
        Ok(Self {
            columns: plan.columns.clone(),
            kept,
            partitions,
            shape,
            header,
            bare: match (&plan.external, options.format) {
                (Some(_), UnloadFormat::Text) => options.delimiter,
                _ => None,
            },
        })
    }

    /// Gives the columns in the files.
    pub(super) fn file_columns(&self) -> Vec<UnloadColumn> {
        let kept = self
            .kept
            .iter()
            .filter_map(|index| self.columns.get(*index));
        kept.cloned().collect()
    }

    /// Puts columns into the form their types have in memory.
    fn columns(&self, batch: &RecordBatch) -> Result<Vec<ArrayRef>> {
        let columns = batch.columns().iter().zip(&self.columns);
        columns
            .map(|(array, column)| canonical(array, column.ty))
            .collect()
    }

    /// Writes the rows of canonical columns, all of one folder.
    fn piece(&self, folder: &Arc<str>, rows: &RecordBatch) -> Result<Piece> {
        let body = match &self.shape {
            Shape::Parquet(_) => PieceBody::Rows(rows.project(&self.kept)?),
            _ => self.text(rows)?,
        };
        Ok(Piece {
            folder: Arc::clone(folder),
            body,
        })
    }

    fn text(&self, rows: &RecordBatch) -> Result<PieceBody> {
        let kept = self.kept.iter().filter_map(|index| {
            let ty = self.columns.get(*index)?.ty;
            Some(Cells::new(rows.columns().get(*index)?.as_ref(), ty))
        });
        let cells: Vec<Cells<'_>> = kept.collect();
        if let Some(delimiter) = self.bare {
            self.ensure_bare(&cells, rows.num_rows(), delimiter)?;
        }
        let mut bytes = Vec::with_capacity(rows.num_rows() * cells.len() * 8);
        let mut ends = Vec::with_capacity(rows.num_rows());
        for row in 0..rows.num_rows() {
            match &self.shape {
                Shape::Delimited(writer) => writer.row(&cells, row, &mut bytes),
                Shape::FixedWidth(writer) => writer.row(&cells, row, &mut bytes)?,
                Shape::Json(writer) => writer.row(&cells, row, &mut bytes),
                Shape::Parquet(_) => {}
            }
            ends.push(bytes.len());
        }
        Ok(PieceBody::Text { bytes, ends })
    }
}

impl Layout {
    /// Refuses texts that would be read as several fields or lines.
    fn ensure_bare(&self, cells: &[Cells<'_>], rows: usize, delimiter: u8) -> Result<()> {
        for (cell, index) in cells.iter().zip(&self.kept) {
            let is_split = |row: &usize| {
                let text = cell.text(*row).filter(|_| !cell.is_null(*row));
                text.is_some_and(|text| memchr::memchr2(delimiter, b'\n', text).is_some())
            };
            if (0..rows).any(|row| is_split(&row)) {
                let name = self.columns.get(*index).map_or("", |column| &column.name);
                return Err(Error::Sql(
                    blueshift_sql::Error::new(
                        SqlState::INVALID_PARAMETER_VALUE,
                        format!("a value of column \"{name}\" holds the delimiter or a newline"),
                    )
                    .with_detail("A text file of an external table has nothing to tell it from the end of the field.")
                    .with_hint("Use STORED AS PARQUET, another delimiter, or REPLACE in the query."),
                ));
            }
        }
        Ok(())
    }
}

/// Shapes the batches of one partition of the plan, one after the other.
pub(super) struct Shaper {
    layout: Arc<Layout>,
    /// Of the partition columns; `None` if there are none.
    keys: Option<RowConverter>,
    /// Folders by the rows of their keys.
    known: HashMap<Box<[u8]>, usize>,
    folders: Vec<Arc<str>>,
}

impl Shaper {
    pub(super) fn new(layout: &Arc<Layout>) -> Result<Self> {
        let types = layout
            .partitions
            .iter()
            .filter_map(|index| layout.columns.get(*index));
        let fields: Vec<SortField> = types
            .map(|column| SortField::new(column.ty.arrow()))
            .collect();
        let keys = match fields.is_empty() {
            true => None,
            false => Some(RowConverter::new(fields)?),
        };
        Ok(Self {
            layout: Arc::clone(layout),
            keys,
            known: HashMap::new(),
            folders: vec!["".into()],
        })
    }

    /// Shapes a batch of the query.
    pub(super) fn pieces(&mut self, batch: &RecordBatch) -> Result<Vec<Piece>> {
        if batch.num_rows() == 0 {
            return Ok(Vec::new());
        }
        let columns = self.layout.columns(batch)?;
        let schema = columns
            .iter()
            .zip(&self.layout.columns)
            .map(|(array, column)| {
                arrow_schema::Field::new(&column.name, array.data_type().clone(), true)
            });
        let schema = Arc::new(Schema::new(schema.collect::<Vec<_>>()));
        let count = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let rows = RecordBatch::try_new_with_options(schema, columns, &count)?;
        let Some(folders) = self.folders_of(&rows)? else {
            let all = self
                .folders
                .first()
                .map(|all| self.layout.piece(all, &rows));
            return all.into_iter().collect();
        };
        let mut order: Vec<u32> = (0..u32::try_from(rows.num_rows()).unwrap_or(u32::MAX)).collect();
        let folder_of = |row: &u32| folders.get(*row as usize).copied().unwrap_or(0);
        let is_grouped = folders.is_sorted();
        order.sort_by_key(folder_of);
        let rows = match is_grouped {
            true => rows,
            false => take_record_batch(&rows, &UInt32Array::from(order.clone()))?,
        };
        let mut pieces = Vec::new();
        let mut start = 0;
        for group in order.chunk_by(|left, right| folder_of(left) == folder_of(right)) {
            let folder = group
                .first()
                .and_then(|row| self.folders.get(folder_of(row)));
            if let Some(folder) = folder {
                let rows = rows.slice(start, group.len());
                pieces.push(self.layout.piece(folder, &rows)?);
            }
            start += group.len();
        }
        Ok(pieces)
    }

    /// Gives the folder of each row as its index; `None` if there are no partitions.
    fn folders_of(&mut self, rows: &RecordBatch) -> Result<Option<Vec<usize>>> {
        let Some(keys) = &self.keys else {
            return Ok(None);
        };
        let layout = Arc::clone(&self.layout);
        let columns = layout
            .partitions
            .iter()
            .filter_map(|index| rows.columns().get(*index));
        let columns: Vec<ArrayRef> = columns.cloned().collect();
        let keys = keys.convert_columns(&columns)?;
        let mut folders = Vec::with_capacity(rows.num_rows());
        for (row, key) in keys.iter().enumerate() {
            let key = key.as_ref();
            if let Some(folder) = self.known.get(key) {
                folders.push(*folder);
                continue;
            }
            if self.folders.len() > FOLDERS_MAX {
                return Err(Error::Sql(
                    blueshift_sql::Error::new(
                        SqlState::PROGRAM_LIMIT_EXCEEDED,
                        format!("PARTITION BY makes more than {FOLDERS_MAX} folders"),
                    )
                    .with_hint("Partition by columns of fewer values."),
                ));
            }
            let folder = self.folders.len();
            self.folders.push(layout.folder(&columns, row).into());
            self.known.insert(key.into(), folder);
            folders.push(folder);
        }
        Ok(Some(folders))
    }
}

impl Layout {
    /// Gives the folder of a row's partition.
    fn folder(&self, columns: &[ArrayRef], row: usize) -> String {
        let mut folder = String::new();
        for (array, index) in columns.iter().zip(&self.partitions) {
            let Some(column) = self.columns.get(*index) else {
                continue;
            };
            let cells = Cells::new(array.as_ref(), column.ty);
            if cells.is_null(row) {
                push_folder(&column.name, None, &mut folder);
                continue;
            }
            let mut value = Vec::new();
            cells.write(row, &mut value);
            push_folder(
                &column.name,
                Some(&String::from_utf8_lossy(&value)),
                &mut folder,
            );
        }
        folder
    }
}

/// Finds a column of PARTITION BY, which must be of a type whose values make good names.
fn partition(columns: &[UnloadColumn], name: &str) -> Result<usize> {
    let found = columns.iter().position(|column| column.name == *name);
    let Some((index, column)) = found.and_then(|index| Some((index, columns.get(index)?))) else {
        return Err(Error::Sql(
            blueshift_sql::Error::new(
                SqlState::UNDEFINED_COLUMN,
                format!("column \"{name}\" of PARTITION BY is not in the query"),
            )
            .with_hint("Select the column: it leaves the files unless INCLUDE is given."),
        ));
    };
    match column.ty {
        SqlType::SmallInt
        | SqlType::Integer
        | SqlType::BigInt
        | SqlType::Decimal { .. }
        | SqlType::Real
        | SqlType::Boolean
        | SqlType::Char(_)
        | SqlType::Varchar(_)
        | SqlType::Unknown
        | SqlType::Name
        | SqlType::Date
        | SqlType::Timestamp => Ok(index),
        other => Err(Error::Sql(blueshift_sql::Error::unsupported(
            format!("PARTITION BY of the {other} column \"{name}\""),
            "Cast the column to a number, text, date or timestamp in the query.",
        ))),
    }
}

/// Refuses types that only delimited text can hold, and `others`.
fn ensure_storable(columns: &[UnloadColumn], what: &str, others: &[SqlType]) -> Result<()> {
    let is_refused = |ty: SqlType| {
        matches!(ty, SqlType::Varbyte(_) | SqlType::HllSketch) || others.contains(&ty)
    };
    match columns.iter().find(|column| is_refused(column.ty)) {
        None => Ok(()),
        Some(column) => Err(Error::Sql(blueshift_sql::Error::unsupported(
            format!("{what} of the {} column \"{}\"", column.ty, column.name),
            "Unload the column to delimited text or CSV.",
        ))),
    }
}

fn refused(message: &str) -> Error {
    Error::Sql(blueshift_sql::Error::new(
        SqlState::INVALID_PARAMETER_VALUE,
        message,
    ))
}
