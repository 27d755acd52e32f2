//! Makes batches of the lines of a text file. Lines with as many fields as the table has columns are the fast way; the
//! others are written anew with as many, and then read as they.

use crate::error::{Error, Result};
use crate::external::TextFormat;
use crate::format::cut::Chunk;
use crate::format::delimited::convert::{self, Block, ColumnRule, TimeRule};
use crate::format::delimited::text::TextRule;
use crate::format::delimited::time_format::TimeFormat;
use crate::format::delimited::{Dialect, Fields, Line, index, text, unquote};
use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::compute::concat_batches;
use arrow_schema::SchemaRef;
use blueshift_sql::SqlType;
use datafusion::error::DataFusionError;

/// Lines that are indexed and converted at a time: their field table stays in the cache.
const BLOCK_ROWS: usize = 8_192;

/// What is left of a chunk.
pub(super) struct Lines {
    chunk: Chunk,
    at: usize,
}

/// Reads the rows of one file.
pub(super) struct RowReader {
    schema: SchemaRef,
    rules: Vec<ColumnRule>,
    dialect: Dialect,
    header_lines: u64,
    fields: Fields,
    /// A block without quotes and escapes.
    rewritten: Vec<u8>,
    /// All numbers below some count of rows.
    rows: Vec<u32>,
}

impl RowReader {
    /// Makes the reader of files of columns of the given types, of which it gives those named by place.
    pub(super) fn new(
        schema: SchemaRef,
        columns: &[usize],
        types: &[SqlType],
        format: &TextFormat,
    ) -> Self {
        let rules = columns.iter().filter_map(|field| {
            let ty = *types.get(*field)?;
            Some(rule(*field, ty))
        });
        Self {
            schema,
            rules: rules.collect(),
            dialect: Dialect {
                delimiter: format.delimiter,
                quote: format.quote,
                escape: false,
                remove_quotes: false,
                null_as: format.null_as.clone(),
                field_count: types.len(),
                fill_record: false,
                ignore_blank_lines: false,
            },
            header_lines: format.header_lines,
            fields: Fields::default(),
            rewritten: Vec::new(),
            rows: Vec::new(),
        }
    }

    /// Begins a chunk, behind the lines at the beginning of the file that hold no rows.
    pub(super) fn begin(&self, chunk: Chunk) -> Lines {
        let bytes = chunk.bytes.as_ref();
        let mut at = 0;
        for _ in chunk.lines_before..self.header_lines {
            let rest = bytes.get(at..).unwrap_or_default();
            at = memchr::memchr(b'\n', rest).map_or(bytes.len(), |end| at + end + 1);
            if at >= bytes.len() {
                break;
            }
        }
        Lines { chunk, at }
    }

    /// Gives the next rows of a chunk; `None` at its end.
    pub(super) fn next(&mut self, lines: &mut Lines) -> Result<Option<RecordBatch>> {
        let bytes = lines.chunk.bytes.get(lines.at..).unwrap_or_default();
        if bytes.is_empty() {
            return Ok(None);
        }
        let (batch, used) = self.block(bytes)?;
        lines.at += used;
        let bad: Vec<Line> = self.fields.bad.iter().map(|(line, _)| *line).collect();
        if bad.is_empty() {
            return Ok(Some(batch));
        }
        let mut anew = Vec::new();
        for line in bad {
            let line = bytes.get(line.start as usize..line.end as usize);
            self.complete(line.unwrap_or_default(), &mut anew);
        }
        let (completed, _) = self.block(&anew)?;
        if !self.fields.bad.is_empty() {
            let reason = "a line has quotes within a field that are not written twice";
            return Err(Error::Engine(DataFusionError::Execution(reason.to_owned())));
        }
        let both = [batch, completed];
        Ok(Some(concat_batches(&self.schema, &both)?))
    }

    /// Converts the next lines; gives the bytes they took. Lines with another count of fields are told in `fields`.
    fn block(&mut self, bytes: &[u8]) -> Result<(RecordBatch, usize)> {
        let used = match self.dialect.is_plain() {
            true => index::index(bytes, &self.dialect, BLOCK_ROWS, &mut self.fields),
            false => {
                self.fields.clear();
                self.rewritten.clear();
                unquote::rewrite(
                    bytes,
                    0,
                    &self.dialect,
                    BLOCK_ROWS,
                    &mut self.rewritten,
                    &mut self.fields,
                )
            }
        };
        let count = self.fields.rows;
        self.rows.extend(self.rows.len() as u32..count as u32);
        let (source, reach) = match self.dialect.is_plain() {
            true => (bytes, used),
            false => (self.rewritten.as_slice(), self.rewritten.len()),
        };
        let block = Block {
            bytes: source,
            text: text::checked(source.get(..reach).unwrap_or_default()),
            fields: &self.fields,
            field_count: self.dialect.field_count,
            null_as: &self.dialect.null_as,
            rows: self.rows.get(..count).unwrap_or_default(),
        };
        // A field that does not convert is null, and nothing more is said of it.
        let mut notes = Vec::new();
        let mut columns = Vec::with_capacity(self.rules.len());
        for rule in &self.rules {
            columns.push(convert::column(&block, rule, &mut notes)?);
            notes.clear();
        }
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        let schema = SchemaRef::clone(&self.schema);
        let batch = RecordBatch::try_new_with_options(schema, columns, &options)?;
        Ok((batch, used))
    }

    /// Writes a line anew with as many fields as the table has columns.
    fn complete(&self, line: &[u8], anew: &mut Vec<u8>) {
        let dialect = &self.dialect;
        let mut fields = 1;
        let mut quoted = false;
        for byte in line {
            if dialect.quote == Some(*byte) {
                quoted = !quoted;
            } else if *byte == dialect.delimiter && !quoted {
                if fields == dialect.field_count {
                    break;
                }
                fields += 1;
            }
            anew.push(*byte);
        }
        if quoted {
            // A quote that is not closed would take the next line with it.
            anew.extend(dialect.quote);
        }
        for _ in fields..dialect.field_count {
            anew.push(dialect.delimiter);
            anew.extend(&dialect.null_as);
        }
        anew.push(b'\n');
    }
}

fn rule(field: usize, ty: SqlType) -> ColumnRule {
    let (bytes_max, is_char) = match ty {
        SqlType::Char(bytes) => (bytes as usize, true),
        SqlType::Varchar(bytes) => (bytes as usize, false),
        _ => (usize::MAX, false),
    };
    ColumnRule {
        column: field as u32,
        field,
        ty,
        not_null: false,
        text: TextRule {
            bytes_max,
            is_char,
            trim_blanks: false,
            truncate: true,
            blanks_as_null: false,
            empty_as_null: false,
            replacement: None,
        },
        date: TimeRule::Formats(TimeFormat::auto()),
        timestamp: TimeRule::Iso,
        accept_any_date: false,
        round_decimals: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::util::pretty::pretty_format_batches;
    use bytes::Bytes;
    use std::sync::Arc;

    fn check(format: &TextFormat, bytes: &'static [u8], expected: &[&str]) {
        let types = [SqlType::Integer, SqlType::Varchar(4), SqlType::Date];
        let fields = types.iter().zip(["a", "b", "c"]);
        let fields: Vec<_> = fields.map(|(ty, name)| ty.field(name, true)).collect();
        let schema = Arc::new(arrow_schema::Schema::new(fields));
        let mut reader = RowReader::new(Arc::clone(&schema), &[0, 1, 2], &types, format);
        let chunk = Chunk {
            bytes: Bytes::from_static(bytes),
            lines_before: 0,
            offset: 0,
        };
        let mut lines = reader.begin(chunk);
        let mut batches = Vec::new();
        while let Some(batch) = reader.next(&mut lines).expect("a batch") {
            batches.push(batch);
        }
        let table = pretty_format_batches(&batches)
            .expect("a table")
            .to_string();
        let rows = table.lines().skip(3).filter(|line| !line.starts_with('+'));
        let rows: Vec<String> = rows
            .map(|row| row.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(rows, expected);
    }

    fn plain() -> TextFormat {
        TextFormat {
            delimiter: b'|',
            quote: None,
            null_as: b"\\N".to_vec(),
            header_lines: 0,
            compression: None,
        }
    }

    #[test]
    fn fields_that_do_not_convert_are_null() {
        check(
            &plain(),
            b"1|one|2008-01-02\nx|longer|never\n\\N|\\N|\\N\n",
            &["| 1 | one | 2008-01-02 |", "| | long | |", "| | | |"],
        );
    }

    #[test]
    fn lines_have_any_number_of_fields() {
        check(
            &plain(),
            b"1|a|2008-01-02\n2\n3|c|2008-01-03|more|still\n4|d|2008-01-04",
            &[
                "| 1 | a | 2008-01-02 |",
                "| 4 | d | 2008-01-04 |",
                "| 2 | | |",
                "| 3 | c | 2008-01-03 |",
            ],
        );
    }

    #[test]
    fn headers_are_passed_over() {
        let format = TextFormat {
            header_lines: 2,
            ..plain()
        };
        check(
            &format,
            b"a|b|c\n-|-|-\n1|one|2008-01-02\n",
            &["| 1 | one | 2008-01-02 |"],
        );
    }

    #[test]
    fn quoted_fields_hold_delimiters() {
        let format = TextFormat {
            delimiter: b',',
            quote: Some(b'"'),
            ..plain()
        };
        check(
            &format,
            b"\"1\",\"a,b\",2008-01-02\n2,\"c\"\n3,d,2008-01-03,\"x,y\"\n",
            &[
                "| 1 | a,b | 2008-01-02 |",
                "| 2 | c | |",
                "| 3 | d | 2008-01-03 |",
            ],
        );
    }
}
