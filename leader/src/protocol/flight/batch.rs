//! Batches as Flight clients read them: arrow types that every client knows, texts for the rest.

use crate::protocol::encode;
use crate::protocol::wire_type::{Kind, kind};
use crate::session::OutputColumn;
use crate::settings::style::TextStyle;
use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::{CastOptions, cast_with_options};
use arrow_schema::{ArrowError, DataType, Field, IntervalUnit, Schema, SchemaRef, TimeUnit};
use std::collections::HashMap;
use std::sync::Arc;

/// The name of a column's SQL type goes into its field under this key of Flight SQL.
const TYPE_NAME: &str = "ARROW:FLIGHT:SQL:TYPE_NAME";
/// Digits of the widest decimal.
const DIGITS_MAX: u8 = 38;

/// Turns batches of one answer into batches of its Flight schema.
pub(super) struct Shape {
    kinds: Vec<Kind>,
    schema: SchemaRef,
    style: TextStyle,
}

impl Shape {
    /// Chooses the types of `columns`.
    pub(super) fn new(columns: &[OutputColumn], style: TextStyle) -> Self {
        let kinds = columns.iter().map(|column| kind(column.ty, &column.arrow));
        Self {
            kinds: kinds.collect(),
            schema: Arc::new(schema(columns)),
            style,
        }
    }

    /// Gives the schema.
    pub(super) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Turns one batch.
    pub(super) fn batch(&self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        if batch.num_columns() != self.kinds.len() {
            return Err(ArrowError::SchemaError(format!(
                "internal error: {} columns answered, {} described",
                batch.num_columns(),
                self.kinds.len()
            )));
        }
        let fields = self.schema.fields().iter();
        let columns = batch.columns().iter().zip(&self.kinds).zip(fields);
        let columns = columns.map(|((array, kind), field)| self.column(array, *kind, field));
        let options =
            arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(
            self.schema(),
            columns.collect::<Result<_, _>>()?,
            &options,
        )
    }

    fn column(&self, array: &ArrayRef, kind: Kind, field: &Field) -> Result<ArrayRef, ArrowError> {
        let array = encode::canonical(array, kind)?;
        if is_written(kind) {
            return Ok(Arc::new(encode::texts(&array, kind, &self.style)?));
        }
        let strict = CastOptions {
            safe: false,
            ..CastOptions::default()
        };
        match array.data_type() == field.data_type() {
            true => Ok(array),
            false => cast_with_options(&array, field.data_type(), &strict),
        }
    }
}

/// Gives the schema of `columns` as Flight clients see it.
pub(super) fn schema(columns: &[OutputColumn]) -> Schema {
    let field = |column: &OutputColumn| {
        let ty = flight_type(kind(column.ty, &column.arrow), &column.arrow);
        let name = HashMap::from([(TYPE_NAME.to_owned(), column.ty.display())]);
        Field::new(&column.name, ty, true).with_metadata(name)
    };
    Schema::new(columns.iter().map(field).collect::<Vec<_>>())
}

/// Tells whether values go as the text they have on the other wire: arrow has no such type, or not all of it.
fn is_written(kind: Kind) -> bool {
    matches!(kind, Kind::Char(_) | Kind::TimeTz)
}

fn flight_type(kind: Kind, arrow: &DataType) -> DataType {
    match kind {
        Kind::Bool => DataType::Boolean,
        Kind::Int2 => DataType::Int16,
        Kind::Int4 => DataType::Int32,
        Kind::Int8 | Kind::Oid => DataType::Int64,
        Kind::Float4 => DataType::Float32,
        Kind::Float8 => DataType::Float64,
        Kind::Numeric => match arrow {
            DataType::Decimal32(precision, scale)
            | DataType::Decimal64(precision, scale)
            | DataType::Decimal128(precision, scale) => DataType::Decimal128(*precision, *scale),
            DataType::Decimal256(_, scale) => DataType::Decimal128(DIGITS_MAX, *scale),
            _ => DataType::Decimal128(DIGITS_MAX, 0),
        },
        Kind::Date => DataType::Date32,
        Kind::Time => DataType::Time64(TimeUnit::Microsecond),
        Kind::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
        Kind::TimestampTz => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Kind::Bytes => DataType::Binary,
        Kind::Interval => DataType::Interval(IntervalUnit::MonthDayNano),
        Kind::Months => DataType::Interval(IntervalUnit::YearMonth),
        Kind::Microseconds => DataType::Duration(TimeUnit::Microsecond),
        Kind::Text | Kind::Char(_) | Kind::TimeTz => DataType::Utf8,
    }
}
