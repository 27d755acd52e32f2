//! Collects the rows of a system table and makes them a batch.

use crate::error::Result;
use arrow::array::{
    ArrayRef, BooleanArray, Decimal128Array, Float32Array, Float64Array, Int16Array, Int32Array,
    Int64Array, RecordBatch, StringViewArray, TimestampMicrosecondArray,
};
use arrow_schema::{DataType, Schema, SchemaRef};
use blueshift_sql::SqlType;
use datafusion::error::DataFusionError;
use std::sync::Arc;

/// A value of a system table. Made with `into()`.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Null.
    Null,
    /// For BOOLEAN.
    Bool(bool),
    /// For integers and OIDs, and timestamps as microseconds since 1970.
    Int(i64),
    /// For DOUBLE and DECIMAL.
    Float(f64),
    /// For text.
    Text(String),
}

impl From<bool> for Cell {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Cell {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<i32> for Cell {
    fn from(value: i32) -> Self {
        Self::Int(value.into())
    }
}

impl From<u32> for Cell {
    fn from(value: u32) -> Self {
        Self::Int(value.into())
    }
}

impl From<u64> for Cell {
    fn from(value: u64) -> Self {
        Self::Int(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

impl From<usize> for Cell {
    fn from(value: usize) -> Self {
        Self::Int(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

impl From<f64> for Cell {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<&str> for Cell {
    fn from(value: &str) -> Self {
        Self::Text(value.to_string())
    }
}

impl From<String> for Cell {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// The rows of a system table, one list per column.
pub struct Rows {
    types: Vec<SqlType>,
    columns: Vec<Vec<Cell>>,
    count: usize,
}

impl Rows {
    /// Begins without rows.
    pub fn new(columns: &[(&'static str, SqlType)]) -> Self {
        Self {
            types: columns.iter().map(|(_, ty)| *ty).collect(),
            columns: vec![Vec::new(); columns.len()],
            count: 0,
        }
    }

    /// Adds a row; a column without a cell is null.
    pub fn push(&mut self, row: impl IntoIterator<Item = Cell>) {
        let mut cells = row.into_iter();
        for column in &mut self.columns {
            column.push(cells.next().unwrap_or(Cell::Null));
        }
        self.count += 1;
    }

    /// Counts the rows so far.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Makes the batch.
    pub fn finish(self, schema: &SchemaRef) -> Result<RecordBatch> {
        let columns = self
            .types
            .iter()
            .zip(self.columns)
            .map(|(ty, cells)| array(*ty, cells));
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(self.count));
        let batch = RecordBatch::try_new_with_options(schema.clone(), columns.collect(), &options);
        Ok(batch.map_err(DataFusionError::from)?)
    }
}

/// Makes the schema of a system table.
pub fn schema(columns: &[(&'static str, SqlType)]) -> SchemaRef {
    let fields = columns.iter().map(|(name, ty)| ty.field(*name, true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn array(ty: SqlType, cells: Vec<Cell>) -> ArrayRef {
    let integers = || {
        cells.iter().map(|cell| match cell {
            Cell::Int(value) => Some(*value),
            Cell::Bool(value) => Some(i64::from(*value)),
            Cell::Null | Cell::Float(_) | Cell::Text(_) => None,
        })
    };
    match ty {
        SqlType::Boolean => {
            let values = cells.iter().map(|cell| match cell {
                Cell::Bool(value) => Some(*value),
                _ => None,
            });
            Arc::new(values.collect::<BooleanArray>())
        }
        SqlType::SmallInt => {
            let narrow = |value: Option<i64>| value.and_then(|value| i16::try_from(value).ok());
            Arc::new(integers().map(narrow).collect::<Int16Array>())
        }
        SqlType::Integer => {
            let narrow = |value: Option<i64>| value.and_then(|value| i32::try_from(value).ok());
            Arc::new(integers().map(narrow).collect::<Int32Array>())
        }
        SqlType::BigInt | SqlType::Oid => Arc::new(integers().collect::<Int64Array>()),
        SqlType::Timestamp => Arc::new(integers().collect::<TimestampMicrosecondArray>()),
        SqlType::Decimal { precision, scale } => {
            let unit = 10_f64.powi(i32::from(scale));
            let values = cells.iter().map(|cell| match cell {
                Cell::Float(value) => Some((value * unit).round() as i128),
                Cell::Int(value) => 10_i128
                    .checked_pow(scale.unsigned_abs().into())
                    .and_then(|unit| i128::from(*value).checked_mul(unit)),
                Cell::Null | Cell::Bool(_) | Cell::Text(_) => None,
            });
            let values = values.collect::<Decimal128Array>();
            Arc::new(values.with_data_type(DataType::Decimal128(precision, scale)))
        }
        SqlType::Real => {
            let values = cells.iter().map(|cell| match cell {
                Cell::Float(value) => Some(*value as f32),
                Cell::Int(value) => Some(*value as f32),
                Cell::Null | Cell::Bool(_) | Cell::Text(_) => None,
            });
            Arc::new(values.collect::<Float32Array>())
        }
        SqlType::Double => {
            let values = cells.iter().map(|cell| match cell {
                Cell::Float(value) => Some(*value),
                Cell::Int(value) => Some(*value as f64),
                Cell::Null | Cell::Bool(_) | Cell::Text(_) => None,
            });
            Arc::new(values.collect::<Float64Array>())
        }
        _ => {
            let values = cells.iter().map(|cell| match cell {
                Cell::Text(value) => Some(value.clone()),
                Cell::Int(value) => Some(value.to_string()),
                Cell::Float(value) => Some(value.to_string()),
                Cell::Bool(value) => Some(if *value { "t" } else { "f" }.to_string()),
                Cell::Null => None,
            });
            Arc::new(values.collect::<StringViewArray>())
        }
    }
}
