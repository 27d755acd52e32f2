//! The arrow adapter: decodes picked rows of zones straight into the buffers of arrow arrays.
#![expect(
    unsafe_code,
    reason = "text arrays skip the UTF-8 check of what a text array was written from"
)]

use super::zones::VectorBatch;
use super::{ROW_ID, ScanRequest};
use crate::block::vector::{ColumnVector, Picks};
use crate::encoding::Kind;
use crate::encoding::bytedict::Dictionary;
use crate::encoding::text::rebase;
use crate::error::Result;
use crate::schema::{ColumnType, TableLayout};
use arrow_array::types::{
    Date32Type, Decimal128Type, DurationMicrosecondType, Float32Type, Float64Type, Int16Type,
    Int32Type, Int64Type, IntervalYearMonthType, Time64MicrosecondType, Time64NanosecondType,
    TimestampMicrosecondType,
};
use arrow_array::{
    ArrayRef, ArrowPrimitiveType, BinaryViewArray, BooleanArray, Int64Array, PrimitiveArray,
    RecordBatch, RecordBatchOptions, StringViewArray,
};
use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder, Buffer, NullBuffer, ScalarBuffer};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use std::sync::Arc;

/// One column of a batch being filled.
pub(super) struct ColumnSink {
    ty: ColumnType,
    values: Values,
    rows: usize,
    rows_max: usize,
    /// Made when the first null comes.
    validity: Option<BooleanBufferBuilder>,
}

enum Values {
    I8(Vec<i8>),
    I16(Vec<i16>),
    I32(Vec<i32>),
    I64(Vec<i64>),
    I128 {
        values: Vec<i128>,
        narrow: Vec<i64>,
    },
    Text {
        views: Vec<u128>,
        buffers: Vec<Buffer>,
    },
}

impl ColumnSink {
    pub(super) fn new(ty: ColumnType, rows_max: usize) -> Self {
        let values = match ty {
            ColumnType::Bool => Values::I8(Vec::with_capacity(rows_max)),
            ColumnType::Int16 => Values::I16(Vec::with_capacity(rows_max)),
            ColumnType::Int32 | ColumnType::Date | ColumnType::Float32 | ColumnType::Months => {
                Values::I32(Vec::with_capacity(rows_max))
            }
            ColumnType::Decimal { .. } => Values::I128 {
                values: Vec::with_capacity(rows_max),
                narrow: vec![],
            },
            ColumnType::Text | ColumnType::Bytes => Values::Text {
                views: Vec::with_capacity(rows_max),
                buffers: vec![],
            },
            _ => Values::I64(Vec::with_capacity(rows_max)),
        };
        ColumnSink {
            ty,
            values,
            rows: 0,
            rows_max,
            validity: None,
        }
    }

    /// Appends the picked rows of a zone.
    pub(super) fn append(&mut self, vector: &ColumnVector, picks: Picks<'_>) {
        let count = vector.count(picks);
        if vector.is_all_null() {
            return self.append_nulls(count);
        }
        match &mut self.values {
            Values::I8(values) => vector.fixed(picks, values),
            Values::I16(values) => vector.fixed(picks, values),
            Values::I32(values) => vector.fixed(picks, values),
            Values::I64(values) => vector.fixed(picks, values),
            Values::I128 { values, narrow } => match vector.kind() {
                Kind::I128 => vector.wide(picks, values),
                _ => {
                    let base = vector.block().base;
                    narrow.clear();
                    vector.fixed(picks, narrow);
                    values.extend(narrow.iter().map(|value| i128::from(*value) + base));
                }
            },
            Values::Text { views, buffers } => {
                vector.texts(picks, buffers, views);
            }
        }
        match (vector.validity(), picks) {
            (None, _) => self.append_valid(count),
            (Some(bits), Picks::All) => self.validity().append_buffer(&bits),
            (Some(bits), Picks::Rows(picks)) => {
                let validity = self.validity();
                picks
                    .iter()
                    .for_each(|pick| validity.append(bits.value(usize::from(*pick))));
            }
        }
        self.rows += count;
    }

    /// Appends every entry of a dictionary.
    pub(super) fn append_entries(&mut self, vector: &ColumnVector, dictionary: &Dictionary) {
        let (count, values) = (dictionary.entries, &dictionary.values);
        match &mut self.values {
            Values::I8(out) => out.extend_from_slice(&values.typed_data()[..count]),
            Values::I16(out) => out.extend_from_slice(&values.typed_data()[..count]),
            Values::I32(out) => out.extend_from_slice(&values.typed_data()[..count]),
            Values::I64(out) => out.extend_from_slice(&values.typed_data()[..count]),
            Values::I128 { values: out, .. } if vector.kind() == Kind::I128 => {
                out.extend_from_slice(&values.typed_data()[..count]);
            }
            Values::I128 { values: out, .. } => {
                let (entries, base) = (&values.typed_data::<i64>()[..count], vector.block().base);
                out.extend(entries.iter().map(|value| i128::from(*value) + base));
            }
            Values::Text { views, buffers } => {
                let index = vector.share_text(buffers);
                views.extend(
                    dictionary.views[..count]
                        .iter()
                        .map(|view| rebase(*view, index)),
                );
            }
        }
        self.append_valid(count);
        self.rows += count;
    }

    /// Appends nulls.
    pub(super) fn append_nulls(&mut self, count: usize) {
        self.validity().append_n(count, false);
        self.rows += count;
        let rows = self.rows;
        match &mut self.values {
            Values::I8(values) => values.resize(rows, 0),
            Values::I16(values) => values.resize(rows, 0),
            Values::I32(values) => values.resize(rows, 0),
            Values::I64(values) => values.resize(rows, 0),
            Values::I128 { values, .. } => values.resize(rows, 0),
            Values::Text { views, .. } => views.resize(rows, 0),
        }
    }

    fn append_valid(&mut self, count: usize) {
        if let Some(validity) = &mut self.validity {
            validity.append_n(count, true);
        }
    }

    fn validity(&mut self) -> &mut BooleanBufferBuilder {
        let (rows, rows_max) = (self.rows, self.rows_max);
        self.validity.get_or_insert_with(|| {
            let mut validity = BooleanBufferBuilder::new(rows_max);
            validity.append_n(rows, true);
            validity
        })
    }

    /// Gives the array.
    pub(super) fn finish(mut self) -> Result<ArrayRef> {
        let nulls = self
            .validity
            .as_mut()
            .map(|validity| NullBuffer::new(validity.finish()));
        let nulls = nulls.filter(|nulls| nulls.null_count() > 0);
        let (ty, data_type) = (self.ty, self.ty.arrow());
        Ok(match self.values {
            Values::I8(values) => {
                let bits = BooleanBuffer::collect_bool(values.len(), |row| values[row] != 0);
                Arc::new(BooleanArray::new(bits, nulls))
            }
            Values::I16(values) => {
                primitive::<Int16Type>(Buffer::from_vec(values), nulls, data_type)?
            }
            Values::I32(values) => {
                let buffer = Buffer::from_vec(values);
                match ty {
                    ColumnType::Float32 => primitive::<Float32Type>(buffer, nulls, data_type)?,
                    ColumnType::Date => primitive::<Date32Type>(buffer, nulls, data_type)?,
                    ColumnType::Months => {
                        primitive::<IntervalYearMonthType>(buffer, nulls, data_type)?
                    }
                    _ => primitive::<Int32Type>(buffer, nulls, data_type)?,
                }
            }
            Values::I64(values) => {
                let buffer = Buffer::from_vec(values);
                match ty {
                    ColumnType::Float64 => primitive::<Float64Type>(buffer, nulls, data_type)?,
                    ColumnType::Time => {
                        primitive::<Time64MicrosecondType>(buffer, nulls, data_type)?
                    }
                    ColumnType::TimeTz => {
                        primitive::<Time64NanosecondType>(buffer, nulls, data_type)?
                    }
                    ColumnType::Duration => {
                        primitive::<DurationMicrosecondType>(buffer, nulls, data_type)?
                    }
                    ColumnType::Timestamp | ColumnType::TimestampTz => {
                        primitive::<TimestampMicrosecondType>(buffer, nulls, data_type)?
                    }
                    _ => primitive::<Int64Type>(buffer, nulls, data_type)?,
                }
            }
            Values::I128 { values, .. } => {
                primitive::<Decimal128Type>(Buffer::from_vec(values), nulls, data_type)?
            }
            Values::Text { views, buffers } => {
                let views = ScalarBuffer::from(views);
                // SAFETY: every view was made by this crate, within its buffer, over bytes that came
                // from an array of this type (so valid UTF-8 for texts) and whose checksum held.
                unsafe {
                    match ty {
                        ColumnType::Text => {
                            Arc::new(StringViewArray::new_unchecked(views, buffers, nulls))
                        }
                        _ => Arc::new(BinaryViewArray::new_unchecked(views, buffers, nulls)),
                    }
                }
            }
        })
    }
}

/// Gives the index at which views find `buffer`: neighbouring zones share their block's.
fn primitive<T: ArrowPrimitiveType>(
    buffer: Buffer,
    nulls: Option<NullBuffer>,
    data_type: DataType,
) -> Result<ArrayRef> {
    let rows = buffer.len() / size_of::<T::Native>();
    let array = PrimitiveArray::<T>::try_new(ScalarBuffer::new(buffer, 0, rows), nulls)?;
    Ok(Arc::new(array.with_data_type(data_type)))
}

/// A batch being filled.
pub(super) struct BatchSink {
    columns: Vec<ColumnSink>,
    row_ids: Option<Vec<i64>>,
    schema: SchemaRef,
    rows: usize,
}

/// Gives the schema of the batches of a request.
pub(super) fn batch_schema(layout: &TableLayout, request: &ScanRequest) -> SchemaRef {
    let columns = request
        .projection
        .iter()
        .filter_map(|index| layout.columns.get(*index));
    let mut fields: Vec<Field> = columns
        .map(|column| Field::new(&column.name, column.ty.arrow(), column.nullable))
        .collect();
    if request.row_ids {
        fields.push(Field::new(ROW_ID, DataType::Int64, false));
    }
    Arc::new(Schema::new(fields))
}

impl BatchSink {
    pub(super) fn new(layout: &TableLayout, request: &ScanRequest, schema: &SchemaRef) -> Self {
        let rows_max = request.batch_rows.max(1);
        let columns = request
            .projection
            .iter()
            .filter_map(|index| layout.columns.get(*index));
        BatchSink {
            columns: columns
                .map(|column| ColumnSink::new(column.ty, rows_max))
                .collect(),
            row_ids: request.row_ids.then(|| Vec::with_capacity(rows_max)),
            schema: Arc::clone(schema),
            rows: 0,
        }
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Appends `rows` of a zone's surviving rows, after the first `skip` of them.
    pub(super) fn append(&mut self, zone: &VectorBatch, skip: usize, rows: usize) {
        let whole = zone.selection.is_all() && skip == 0 && rows == zone.selection.count();
        self.rows += rows;
        if self.columns.is_empty() && self.row_ids.is_none() {
            return;
        }
        let picks = if whole {
            vec![]
        } else {
            zone.selection.rows_in()
        };
        let picks = if whole {
            Picks::All
        } else {
            Picks::Rows(&picks[skip..skip + rows])
        };
        for (sink, vector) in self.columns.iter_mut().zip(&zone.columns) {
            match vector {
                Some(vector) => sink.append(vector, picks),
                None => sink.append_nulls(rows),
            }
        }
        if let Some(row_ids) = &mut self.row_ids {
            let first = zone.first_row_id;
            match picks {
                Picks::All => row_ids.extend(first..first + rows as i64),
                Picks::Rows(picks) => {
                    row_ids.extend(picks.iter().map(|pick| first + i64::from(*pick)))
                }
            }
        }
    }

    pub(super) fn finish(self) -> Result<RecordBatch> {
        let mut arrays = self
            .columns
            .into_iter()
            .map(ColumnSink::finish)
            .collect::<Result<Vec<_>>>()?;
        if let Some(row_ids) = self.row_ids {
            arrays.push(Arc::new(Int64Array::from(row_ids)));
        }
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        Ok(RecordBatch::try_new_with_options(
            self.schema,
            arrays,
            &options,
        )?)
    }
}
