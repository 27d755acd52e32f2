//! Parquet, version 1.0, SNAPPY: the schema, and rows into row groups of about the same size.
//!
//! SUPER has the logical type JSON. What has a time zone is written as of UTC and without it.

use super::UnloadColumn;
use crate::error::{Error, Result};
use arrow::array::{ArrayRef, AsArray, RecordBatch, Time64MicrosecondArray};
use arrow::datatypes::Time64NanosecondType;
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use blueshift_sql::SqlType;
use blueshift_sql::types::timetz::TimeTz;
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::arrow_writer::{ArrowWriter, ArrowWriterOptions};
use parquet::basic::{Compression, LogicalType, Type as PhysicalType};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::schema::types::{SchemaDescriptor, Type};
use std::sync::Arc;

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

/// Memory that the writer of a column has before the first value, about.
const COLUMN_BYTES: usize = 4 << 10;

/// What every file of an UNLOAD is written by.
#[derive(Debug)]
pub(super) struct ParquetLayout {
    types: Vec<SqlType>,
    schema: SchemaRef,
    descriptor: SchemaDescriptor,
    row_group_bytes: usize,
    pub(super) is_compressed: bool,
}

impl ParquetLayout {
    pub(super) fn new(columns: &[UnloadColumn], row_group_bytes: u64) -> Result<Self> {
        let fields = columns.iter().map(|column| {
            let ty = match column.ty {
                SqlType::TimestampTz => SqlType::Timestamp.arrow(),
                SqlType::TimeTz => DataType::Time64(TimeUnit::Microsecond),
                other => other.arrow(),
            };
            Field::new(&column.name, ty, true)
        });
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        Ok(Self {
            types: columns.iter().map(|column| column.ty).collect(),
            descriptor: descriptor(&schema, columns).map_err(failed)?,
            schema,
            row_group_bytes: usize::try_from(row_group_bytes).unwrap_or(usize::MAX),
            is_compressed: true,
        })
    }

    /// Puts a batch of the columns' types into the form that is written.
    pub(super) fn rows(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let columns = batch.columns().iter().zip(&self.types);
        let columns = columns.map(|(array, ty)| match ty {
            SqlType::TimestampTz => Ok(arrow::compute::cast(array, &SqlType::Timestamp.arrow())?),
            SqlType::TimeTz => Ok(times_of_utc(array)),
            _ => Ok(array.clone()),
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }

    /// Begins a file.
    pub(super) fn begin(self: &Arc<Self>) -> Result<ParquetFile> {
        let properties = WriterProperties::builder()
            .set_writer_version(WriterVersion::PARQUET_1_0)
            .set_compression(match self.is_compressed {
                true => Compression::SNAPPY,
                false => Compression::UNCOMPRESSED,
            })
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_max_row_group_row_count(None)
            .set_created_by("Blueshift".to_owned())
            .build();
        let options = ArrowWriterOptions::new()
            .with_properties(properties)
            .with_skip_arrow_metadata(true)
            .with_parquet_schema(self.descriptor.clone());
        let schema = Arc::clone(&self.schema);
        let writer = ArrowWriter::try_new_with_options(Vec::new(), schema, options);
        Ok(ParquetFile {
            writer: writer.map_err(failed)?,
            layout: Arc::clone(self),
        })
    }
}

/// A file in the making.
pub(super) struct ParquetFile {
    writer: ArrowWriter<Vec<u8>>,
    layout: Arc<ParquetLayout>,
}

impl ParquetFile {
    /// Adds rows.
    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let rows = self.layout.rows(batch)?;
        self.writer.write(&rows).map_err(failed)?;
        if self.writer.in_progress_size() >= self.layout.row_group_bytes {
            self.writer.flush().map_err(failed)?;
        }
        Ok(())
    }

    /// Takes what is ready to be sent.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(self.writer.inner_mut())
    }

    /// Guesses how many bytes the file would have if it ended here.
    pub(super) fn bytes(&self) -> u64 {
        (self.writer.bytes_written() + self.writer.in_progress_size()) as u64
    }

    /// Memory it holds.
    pub(super) fn memory_bytes(&self) -> usize {
        self.writer.memory_size() + self.layout.types.len() * COLUMN_BYTES
    }

    /// Ends the file and gives what is left to send.
    pub(super) fn finish(mut self) -> Result<Vec<u8>> {
        self.writer.finish().map_err(failed)?;
        Ok(std::mem::take(self.writer.inner_mut()))
    }
}

/// Gives the schema of the files: that of the arrow types, with JSON for SUPER.
fn descriptor(
    schema: &Schema,
    columns: &[UnloadColumn],
) -> std::result::Result<SchemaDescriptor, ParquetError> {
    let plain = ArrowSchemaConverter::new().convert(schema)?;
    let root = plain.root_schema();
    let fields = root.get_fields().iter().zip(columns);
    let fields = fields.map(|(field, column)| match column.ty {
        SqlType::Super => Type::primitive_type_builder(field.name(), PhysicalType::BYTE_ARRAY)
            .with_repetition(field.get_basic_info().repetition())
            .with_logical_type(Some(LogicalType::Json))
            .build()
            .map(Arc::new),
        _ => Ok(Arc::clone(field)),
    });
    let fields = fields.collect::<std::result::Result<Vec<_>, ParquetError>>()?;
    let root = Type::group_type_builder(root.name())
        .with_fields(fields)
        .build()?;
    Ok(SchemaDescriptor::new(Arc::new(root)))
}

/// Shows times on the clocks of UTC.
fn times_of_utc(array: &ArrayRef) -> ArrayRef {
    let values = array.as_primitive::<Time64NanosecondType>();
    let utc = |packed| TimeTz::unpacked(packed).instant().rem_euclid(DAY);
    let utc: Time64MicrosecondArray = values.unary(utc);
    Arc::new(utc)
}

fn failed(error: ParquetError) -> Error {
    Error::Internal(format!("could not write Parquet: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int32Array, StringViewArray, TimestampMicrosecondArray};
    use bytes::Bytes;
    use parquet::file::reader::{FileReader, SerializedFileReader};

    #[test]
    fn files_hold_row_groups_of_a_size_and_json() {
        let column = |name: &str, ty| UnloadColumn {
            name: name.to_owned(),
            ty,
        };
        let columns = [
            column("a", SqlType::Integer),
            column("s", SqlType::Super),
            column("z", SqlType::TimestampTz),
        ];
        let layout = Arc::new(ParquetLayout::new(&columns, 40_000).expect("a layout"));
        let mut file = layout.begin().expect("a file");
        let rows = 10_000;
        let moments = TimestampMicrosecondArray::from(vec![0; rows]).with_timezone("UTC");
        let texts = (0..rows).map(|row| format!("[{row}]"));
        let arrays: Vec<ArrayRef> = vec![
            Arc::new((0..10_000).collect::<Int32Array>()),
            Arc::new(StringViewArray::from_iter_values(texts)),
            Arc::new(moments),
        ];
        let schema = columns
            .iter()
            .map(|column| column.ty.field(&column.name, true));
        let schema = Arc::new(Schema::new(schema.collect::<Vec<_>>()));
        let batch = RecordBatch::try_new(schema, arrays).expect("a batch");
        let mut bytes = Vec::new();
        for start in (0..rows).step_by(1_000) {
            file.write(&batch.slice(start, 1_000)).expect("rows");
            bytes.extend(file.take());
        }
        bytes.extend(file.finish().expect("the end"));
        let reader = SerializedFileReader::new(Bytes::from(bytes)).expect("a file");
        let metadata = reader.metadata();
        assert_eq!(metadata.file_metadata().num_rows(), 10_000);
        assert_eq!(metadata.file_metadata().version(), 1);
        assert!(metadata.num_row_groups() > 1);
        let super_column = metadata.file_metadata().schema_descr().column(1);
        assert_eq!(super_column.logical_type_ref(), Some(&LogicalType::Json));
    }
}
