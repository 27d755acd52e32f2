//! What a statement answers: notices, then rows or a tag.

use arrow::array::{ArrayRef, RecordBatch, StringViewArray};
use arrow_schema::{DataType, Field, Schema};
use blueshift_sql::{SqlState, SqlType};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::memory::MemoryStream;
use std::sync::Arc;

/// A message beside the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// `INFO`, `NOTICE` or `WARNING`.
    pub severity: &'static str,
    /// The SQLSTATE.
    pub code: SqlState,
    /// The text.
    pub message: String,
}

impl Notice {
    /// Makes an `INFO`, as COPY gives.
    pub fn info(message: impl Into<String>) -> Self {
        let code = SqlState::SUCCESSFUL_COMPLETION;
        Self {
            severity: "INFO",
            code,
            message: message.into(),
        }
    }

    /// Makes a `NOTICE`: something was skipped, as IF EXISTS does.
    pub fn skipped(message: impl Into<String>) -> Self {
        let code = SqlState::SUCCESSFUL_COMPLETION;
        Self {
            severity: "NOTICE",
            code,
            message: message.into(),
        }
    }

    /// Makes a `WARNING`.
    pub fn warning(code: SqlState, message: impl Into<String>) -> Self {
        Self {
            severity: "WARNING",
            code,
            message: message.into(),
        }
    }
}

/// A column of an answer as RowDescription tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputColumn {
    /// Its name.
    pub name: String,
    /// Its type, which gives OID, size and modifier.
    pub ty: SqlType,
    /// Its arrow type in the batches.
    pub arrow: DataType,
}

impl OutputColumn {
    /// Makes a column of text.
    pub fn text(name: &str) -> Self {
        Self {
            name: name.to_string(),
            ty: SqlType::Varchar(65_535),
            arrow: DataType::Utf8View,
        }
    }
}

/// What a statement answers.
pub struct Answer {
    /// Sent before the rest.
    pub notices: Vec<Notice>,
    /// Rows or a tag.
    pub body: Body,
}

/// Rows or a tag.
pub enum Body {
    /// Rows; the tag is `tag` followed by the row count.
    Rows {
        /// The columns.
        columns: Vec<OutputColumn>,
        /// The batches. An error in it fails the transaction: the protocol calls `Session::fail`.
        stream: SendableRecordBatchStream,
        /// `SELECT`, `FETCH`, `SHOW`, `EXPLAIN`.
        tag: &'static str,
    },
    /// A tag alone, complete: `INSERT 0 5`, `CREATE TABLE`.
    Done {
        /// The tag.
        tag: String,
    },
    /// The statement was empty.
    Empty,
}

impl Body {
    /// Makes a tag alone.
    pub fn done(tag: impl Into<String>) -> Self {
        Self::Done { tag: tag.into() }
    }

    /// Makes rows of text, as SHOW and EXPLAIN give. `rows` has a value per name.
    pub fn text_rows(
        tag: &'static str,
        names: &[&str],
        rows: &[Vec<String>],
    ) -> crate::Result<Self> {
        let columns: Vec<_> = names.iter().map(|name| OutputColumn::text(name)).collect();
        let fields: Vec<_> = names
            .iter()
            .map(|name| Field::new(*name, DataType::Utf8View, true))
            .collect();
        let schema = Arc::new(Schema::new(fields));
        let arrays = (0..names.len()).map(|column| {
            let values = rows.iter().map(|row| row.get(column));
            Arc::new(values.collect::<StringViewArray>()) as ArrayRef
        });
        let batch = RecordBatch::try_new(schema.clone(), arrays.collect())
            .map_err(datafusion::error::DataFusionError::from)?;
        let stream = Box::pin(MemoryStream::try_new(vec![batch], schema, None)?);
        Ok(Self::Rows {
            columns,
            stream,
            tag,
        })
    }
}
