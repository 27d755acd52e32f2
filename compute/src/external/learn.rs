//! Learns how many rows an external table has, between which values its columns lie, and how many different ones they have,
//! from the footers of some of its Parquet files: a dictionary tells by its size how many values it has. Of other files from their sizes. The planner orders joins by it.

use super::footer::footer_of;
use super::prune::qualified;
use super::{ExternalColumn, ExternalFile, ExternalTable, FileFormat};
use blueshift_sql::SqlType;
use datafusion::catalog::Session;
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, ScalarValue, Statistics};
use datafusion::logical_expr::Expr;
use datafusion::parquet::basic::Type;
use datafusion::parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use datafusion::parquet::file::statistics::Statistics as ChunkStatistics;
use futures::StreamExt;
use std::sync::Arc;

/// Partitions that are listed to learn of a table; others are taken to be as large.
const PARTITIONS_MAX: usize = 16;
/// Footers that are read to learn of a table; other files are taken to be alike.
const FOOTERS_MAX: usize = 64;
/// Footers, and partitions, that are read at the same time.
const IN_FLIGHT: usize = 8;
/// Bytes of text for one byte compressed, about.
const TEXT_RATIO: f64 = 4.0;
/// Bytes of text for one byte of a columnar file, about.
const COLUMNAR_RATIO: f64 = 3.0;
/// Bytes that a long text has, about.
const TEXT_BYTES: u32 = 24;
/// Bytes of the header of a page, about.
const PAGE_HEADER_BYTES: i64 = 20;
/// A dictionary of more than one value for so many rows has not all values of a column.
const DICTIONARY_ROWS: u64 = 4;

/// What is known of a table.
#[derive(Clone, Debug)]
pub struct Learned {
    /// Rows of one byte of its files.
    rows_per_byte: f64,
    /// Rows of all files.
    pub(super) rows: u64,
    /// One per column in the files, or none.
    columns: Vec<ColumnStatistics>,
}

impl Learned {
    /// Gives the rows of files of a size.
    pub(super) fn rows_of(&self, bytes: u64) -> u64 {
        (self.rows_per_byte * bytes as f64).ceil() as u64
    }

    /// Puts what is known into statistics, which no query may be answered by.
    pub(super) fn tell(&self, statistics: &mut Statistics) {
        let told = statistics.column_statistics.iter_mut().zip(&self.columns);
        for (column, known) in told {
            column.clone_from(known);
        }
    }
}

impl ExternalTable {
    /// Learns of the partitions that a query can need, before its joins are ordered. What cannot be read is told when the
    /// query runs.
    pub async fn learn(&self, state: &dyn Session, filters: &[Expr]) {
        if self.learned.get().is_none()
            && let Some(learned) = self.look(state, filters).await
        {
            // Whoever was first was told the same.
            let _known = self.learned.set(learned);
        }
    }

    async fn look(&self, state: &dyn Session, filters: &[Expr]) -> Option<Learned> {
        if let Some(open) = self.open().await.ok()? {
            let (kept, _) = self.open_kept(state, filters, &open).ok()?;
            let files = kept.iter().filter_map(|place| open.files.get(*place));
            let files: Vec<ExternalFile> = files.cloned().collect();
            let bytes: u64 = files.iter().map(|file| file.meta.size).sum();
            let rows = kept.iter().map(|place| open.bounds.rows_of(*place));
            return match rows.sum::<Option<u64>>() {
                Some(rows) => Some(Learned {
                    rows_per_byte: rows as f64 / (bytes as f64).max(1.0),
                    rows,
                    columns: Vec::new(),
                }),
                None => self.of_footers(&files, bytes as f64).await,
            };
        }
        let qualified: Vec<String> = match self.partitions.as_deref() {
            Some(all) => {
                let kept = qualified(state, &self.partition_columns, all, filters);
                let (kept, _) = kept.ok()?;
                let kept = kept.into_iter().filter_map(|place| all.get(place));
                kept.map(|partition| partition.location.clone()).collect()
            }
            None => vec![self.location.clone()],
        };
        let places: Vec<String> = some(&qualified, PARTITIONS_MAX).cloned().collect();
        let share = qualified.len() as f64 / places.len().max(1) as f64;
        let lists = places.into_iter().map(|place| self.files_at(place));
        let mut lists = futures::stream::iter(lists).buffered(IN_FLIGHT);
        let mut files: Vec<ExternalFile> = Vec::new();
        while let Some(list) = lists.next().await {
            files.extend(list?.iter().cloned());
        }
        let sizes: u64 = files.iter().map(|file| file.meta.size).sum();
        let bytes = sizes as f64 * share;
        let rows_per_byte = match self.format {
            FileFormat::Parquet => return self.of_footers(&files, bytes).await,
            _ => self.rows_per_byte(&files),
        };
        Some(Learned {
            rows_per_byte,
            rows: (bytes * rows_per_byte).ceil() as u64,
            columns: Vec::new(),
        })
    }

    async fn files_at(&self, place: String) -> Option<Arc<Vec<ExternalFile>>> {
        self.lists.files(&self.access, &place).await.ok()
    }

    async fn of_footers(&self, files: &[ExternalFile], bytes: f64) -> Option<Learned> {
        let some: Vec<ExternalFile> = some(files, FOOTERS_MAX).cloned().collect();
        let read_bytes: u64 = some.iter().map(|file| file.meta.size).sum();
        let is_all = some.len() == files.len();
        let footers = some.into_iter().map(footer_of);
        let mut footers = futures::stream::iter(footers).buffered(IN_FLIGHT);
        let mut rows = 0_u64;
        let mut bounds: Vec<Bounds> = vec![Bounds::default(); self.columns.len()];
        while let Some(footer) = footers.next().await {
            let footer = footer.ok()?;
            let count = footer.file_metadata().num_rows();
            rows += u64::try_from(count).unwrap_or(0);
            for (bounds, column) in bounds.iter_mut().zip(&self.columns) {
                bounds.widen(&footer, column);
            }
        }
        let rows_per_byte = rows as f64 / (read_bytes as f64).max(1.0);
        let all_rows = (rows_per_byte * bytes).round() as u64;
        let columns = bounds.iter().zip(&self.columns);
        let columns = columns.map(|(bounds, column)| bounds.statistics(column.ty, all_rows));
        Some(Learned {
            rows_per_byte,
            rows: all_rows,
            columns: match is_all {
                true => columns.collect(),
                // Of files that were not looked into nothing is known.
                false => Vec::new(),
            },
        })
    }

    fn rows_per_byte(&self, files: &[ExternalFile]) -> f64 {
        let width: u32 = self.columns.iter().map(|column| width(column.ty) + 1).sum();
        let is_compressed = files.first().is_some_and(|file| {
            let ending = file.url.rsplit('.').next().unwrap_or_default();
            ["gz", "bz2", "zst", "snappy", "lzo", "deflate"].contains(&ending)
        });
        let text = matches!(self.format, FileFormat::Text(_));
        let ratio = match (text, is_compressed) {
            (true, false) => 1.0,
            (true, true) => TEXT_RATIO,
            (false, _) => COLUMNAR_RATIO,
        };
        ratio / f64::from(width.max(1))
    }
}

/// Gives at most so many of them, from the first to the last.
fn some<T>(all: &[T], most: usize) -> impl Iterator<Item = &T> {
    let step = all.len().div_ceil(most.max(1)).max(1);
    all.iter().step_by(step)
}

/// Bytes that a value has in text, about.
fn width(ty: SqlType) -> u32 {
    match ty {
        SqlType::Boolean => 2,
        SqlType::SmallInt => 4,
        SqlType::Integer => 6,
        SqlType::Char(bytes) | SqlType::Varchar(bytes) => bytes.div_ceil(2).min(TEXT_BYTES),
        SqlType::Timestamp => 20,
        SqlType::Super => 4 * TEXT_BYTES,
        _ => 9,
    }
}

/// Between which values a column lies, and how many nulls it has.
#[derive(Clone, Debug, Default)]
struct Bounds {
    least: Option<i64>,
    most: Option<i64>,
    nulls: u64,
    /// How many different values there are, about.
    values: u64,
    /// Whether some of the values are not known.
    is_open: bool,
    /// Whether it is not known how many there are.
    is_uncounted: bool,
}

impl Bounds {
    fn widen(&mut self, footer: &Arc<ParquetMetaData>, column: &ExternalColumn) {
        let schema = footer.file_metadata().schema_descr();
        let place = schema.columns().iter().position(|leaf| {
            leaf.path().parts().len() == 1 && leaf.name().eq_ignore_ascii_case(&column.name)
        });
        for group in footer.row_groups() {
            let chunk = place.and_then(|place| group.columns().get(place));
            match chunk.and_then(values_of) {
                Some(values) => {
                    let rows = u64::try_from(group.num_rows()).unwrap_or(0);
                    match values.saturating_mul(DICTIONARY_ROWS) <= rows {
                        true => self.values = self.values.max(values),
                        false => self.values = self.values.saturating_add(values),
                    }
                }
                None => self.is_uncounted = true,
            }
            match chunk.and_then(ColumnChunkMetaData::statistics) {
                Some(statistics) => self.add(statistics),
                None => self.is_open = true,
            }
        }
    }

    fn add(&mut self, statistics: &ChunkStatistics) {
        self.nulls += statistics.null_count_opt().unwrap_or(0);
        let (least, most) = match statistics {
            ChunkStatistics::Int32(values) => (
                values.min_opt().map(|least| i64::from(*least)),
                values.max_opt().map(|most| i64::from(*most)),
            ),
            ChunkStatistics::Int64(values) => {
                (values.min_opt().copied(), values.max_opt().copied())
            }
            _ => (None, None),
        };
        match (least, most) {
            (Some(least), Some(most)) => {
                self.least = Some(self.least.map_or(least, |known| known.min(least)));
                self.most = Some(self.most.map_or(most, |known| known.max(most)));
            }
            _ => self.is_open = true,
        }
    }

    fn statistics(&self, ty: SqlType, rows: u64) -> ColumnStatistics {
        let count = |count: u64| Precision::Inexact(usize::try_from(count).unwrap_or(usize::MAX));
        let mut column = ColumnStatistics::new_unknown().with_null_count(count(self.nulls));
        let counted = match self.is_uncounted || self.values == 0 {
            true => rows.max(1),
            false => self.values.min(rows.max(1)),
        };
        if !self.is_uncounted && self.values > 0 {
            column = column.with_distinct_count(count(counted));
        }
        let (Some(least), Some(most), false) = (self.least, self.most, self.is_open) else {
            return column;
        };
        let value = |value: i64| match ty {
            SqlType::SmallInt => Some(ScalarValue::Int16(i16::try_from(value).ok())),
            SqlType::Integer => Some(ScalarValue::Int32(i32::try_from(value).ok())),
            SqlType::BigInt => Some(ScalarValue::Int64(Some(value))),
            SqlType::Date => Some(ScalarValue::Date32(i32::try_from(value).ok())),
            SqlType::Decimal { precision, scale } => {
                let value = Some(i128::from(value));
                Some(ScalarValue::Decimal128(value, precision, scale))
            }
            _ => None,
        };
        if let (Some(low), Some(high)) = (value(least), value(most)) {
            let values = most.abs_diff(least).saturating_add(1).min(counted);
            column = column
                .with_min_value(Precision::Inexact(low))
                .with_max_value(Precision::Inexact(high))
                .with_distinct_count(count(values));
        }
        column
    }
}

/// Tells about how many values the dictionary of a column chunk has, if it has one for nearly all of its rows.
fn values_of(chunk: &ColumnChunkMetaData) -> Option<u64> {
    let told = chunk
        .statistics()
        .and_then(ChunkStatistics::distinct_count_opt);
    if let Some(told) = told.filter(|told| *told > 0) {
        return Some(told);
    }
    let begin = chunk.dictionary_page_offset()?;
    let bytes = chunk.data_page_offset().checked_sub(begin)?.max(0);
    // Where values stand by themselves behind it, the dictionary was given up.
    if bytes > chunk.compressed_size() / 2 {
        return None;
    }
    let length = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len) as i64;
    let width = match chunk.column_type() {
        Type::INT32 | Type::FLOAT => 4,
        Type::INT64 | Type::DOUBLE => 8,
        Type::BYTE_ARRAY => {
            let statistics = chunk.statistics();
            let least = length(statistics.and_then(ChunkStatistics::min_bytes_opt));
            let most = length(statistics.and_then(ChunkStatistics::max_bytes_opt));
            4 + (least + most) / 2
        }
        _ => return None,
    };
    let values = (bytes - PAGE_HEADER_BYTES).max(0) / width;
    u64::try_from(values).ok().map(|values| values.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_of_many_are_spread() {
        let all: Vec<u32> = (0..100).collect();
        let few: Vec<u32> = some(&all, 8).copied().collect();
        assert_eq!(few, [0, 13, 26, 39, 52, 65, 78, 91]);
        assert_eq!(some(&all, 200).count(), 100);
        assert_eq!(some::<u32>(&[], 8).count(), 0);
    }

    #[test]
    fn whole_numbers_have_no_more_values_than_lie_between() {
        let bounds = Bounds {
            least: Some(1),
            most: Some(10),
            ..Bounds::default()
        };
        let told = bounds.statistics(SqlType::Integer, 1_000);
        assert_eq!(told.distinct_count, Precision::Inexact(10));
        let low = ScalarValue::Int32(Some(1));
        assert_eq!(told.min_value, Precision::Inexact(low));
        let open = Bounds {
            is_open: true,
            ..bounds
        };
        let told = open.statistics(SqlType::Integer, 1_000);
        assert_eq!(told.min_value, Precision::Absent);
    }
}
