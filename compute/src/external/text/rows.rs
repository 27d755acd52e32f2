//! Makes batches of the rows of a file. Lines with as many fields as the table has columns are the fast way; the others
//! are written anew with as many, and then read as they. Of JSON and Avro only the fields that are wanted are read.

use crate::error::{Error, Result};
use crate::external::cleanse::{Cleansing, Dropped, Handling, failed};
use crate::external::{ExternalColumn, FileFormat, JsonFormat, TextFormat};
use crate::format::avro::{Avro, Style};
use crate::format::delimited::convert::{self, Block, ColumnRule, TimeRule};
use crate::format::delimited::problem::Problem;
use crate::format::delimited::text::TextRule;
use crate::format::delimited::time_format::TimeFormat;
use crate::format::delimited::{Dialect, text};
use crate::format::json::Json;
use crate::format::layout::{Found, Layout};
use crate::load::FileChunk;
use arrow::array::{RecordBatch, RecordBatchOptions, new_null_array};
use arrow::compute::concat_batches;
use arrow_schema::SchemaRef;
use blueshift_sql::SqlType;
use datafusion::error::DataFusionError;

/// Lines that are indexed and converted at a time: their field table stays in the cache.
const BLOCK_ROWS: usize = 8_192;

/// What is left of a chunk.
pub(super) struct Lines {
    chunk: FileChunk,
    at: usize,
}

/// What becomes of rows that are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Odd {
    /// They are written anew with as many fields as there are columns.
    Completed,
    /// They are nulls.
    Null,
    /// They end the scan.
    Refused,
}

/// Reads the rows of one file.
pub(super) struct RowReader {
    schema: SchemaRef,
    rules: Vec<ColumnRule>,
    /// Of columns that are not wanted, but whose values may drop their row.
    checks: Vec<ColumnRule>,
    cleansing: Option<Cleansing>,
    /// The names of all columns of the files.
    names: Vec<String>,
    layout: Layout,
    odd: Odd,
    header_lines: u64,
    found: Found,
    /// All numbers below some count of rows.
    rows: Vec<u32>,
}

impl RowReader {
    /// Makes the reader of files with some columns, of which it gives those `wanted`, named by place.
    pub(super) fn new(
        schema: SchemaRef,
        wanted: &[usize],
        columns: &[ExternalColumn],
        format: &FileFormat,
        cleansing: Option<Cleansing>,
    ) -> Self {
        let drops = cleansing.is_some_and(|cleansing| cleansing.drops_rows());
        let unwanted = (0..columns.len()).filter(|place| drops && !wanted.contains(place));
        let read: Vec<usize> = wanted.iter().copied().chain(unwanted).collect();
        let named: Vec<&ExternalColumn> = read
            .iter()
            .filter_map(|place| columns.get(*place))
            .collect();
        let (layout, odd, header_lines) = match format {
            FileFormat::Text(text) => (
                delimited(text, columns.len()),
                Odd::Completed,
                text.header_lines,
            ),
            FileFormat::Json(json) => {
                let odd = match json.ignores_malformed {
                    true => Odd::Null,
                    false => Odd::Refused,
                };
                (Layout::Json(objects(json, &named)), odd, json.header_lines)
            }
            _ => (rows_of_avro(&named), Odd::Refused, 0),
        };
        let is_by_place = odd == Odd::Completed;
        let rules = read.iter().zip(&named).enumerate();
        let rules = rules.map(|(order, (place, column))| {
            let field = if is_by_place { *place } else { order };
            rule(field, column.ty, cleansing)
        });
        let mut rules: Vec<ColumnRule> = rules.collect();
        let checks = rules.split_off(wanted.len().min(rules.len()));
        let names = match is_by_place {
            true => columns.iter().map(|column| column.name.clone()).collect(),
            false => named.iter().map(|column| column.name.clone()).collect(),
        };
        Self {
            schema,
            rules,
            checks,
            cleansing,
            names,
            layout,
            odd,
            header_lines,
            found: Found::default(),
            rows: Vec::new(),
        }
    }

    /// Begins a chunk, behind the lines at the beginning of the file that hold no rows.
    pub(super) fn begin(&mut self, chunk: FileChunk) -> Lines {
        if let Some(file) = &chunk.avro {
            self.found.avro.begin(file);
        }
        let bytes = chunk.chunk.bytes.as_ref();
        let mut at = 0;
        for _ in chunk.chunk.lines_before..self.header_lines {
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
        let bytes = lines.chunk.chunk.bytes.get(lines.at..).unwrap_or_default();
        if bytes.is_empty() {
            return Ok(None);
        }
        let (batch, used) = self.block(bytes)?;
        lines.at += used;
        if let Some(damage) = self.found.avro.damage() {
            return Err(refused(damage));
        }
        let bad = &self.found.fields.bad;
        let odd = match bad.first() {
            None => return Ok(Some(batch)),
            Some((_, Problem::TooLargeJson)) => {
                return Err(refused("a JSON object or array is larger than 4 MB"));
            }
            Some(_) => self.odd,
        };
        let others = match odd {
            Odd::Completed => {
                let mut anew = Vec::new();
                for (line, problem) in bad {
                    match self.cleansing.unwrap_or_default().of_line(*problem) {
                        Handling::Fail => return Err(refused(problem.reason())),
                        Handling::DropRow => continue,
                        _ => {}
                    }
                    let line = bytes.get(line.start as usize..line.end as usize);
                    self.complete(line.unwrap_or_default(), &mut anew);
                }
                let (completed, _) = self.block(&anew)?;
                if !self.found.fields.bad.is_empty() {
                    return Err(refused(
                        "a line has quotes within a field that are not written twice",
                    ));
                }
                completed
            }
            Odd::Null => nulls(&self.schema, bad.len())?,
            Odd::Refused => return Err(refused("a row is no JSON object")),
        };
        Ok(Some(concat_batches(&self.schema, &[batch, others])?))
    }

    /// Converts the next rows; gives the bytes they took. Those that are none are told in `found`.
    fn block(&mut self, bytes: &[u8]) -> Result<(RecordBatch, usize)> {
        let used = self.layout.find(bytes, BLOCK_ROWS, &mut self.found);
        let Found {
            fields, rewritten, ..
        } = &self.found;
        let count = fields.rows;
        self.rows.extend(self.rows.len() as u32..count as u32);
        let (source, reach) = match self.layout.is_plain() {
            true => (bytes, used),
            false => (rewritten.as_slice(), rewritten.len()),
        };
        let block = Block {
            bytes: source,
            text: text::checked(source.get(..reach).unwrap_or_default()),
            fields,
            field_count: self.layout.field_count(),
            null_as: self.layout.null_as(),
            rows: self.rows.get(..count).unwrap_or_default(),
        };
        // A field that does not convert is null, and nothing more is said of it.
        let mut notes = Vec::new();
        let mut columns = Vec::with_capacity(self.rules.len());
        let mut dropped = Dropped::default();
        for rule in self.rules.iter().chain(&self.checks) {
            columns.push(convert::column(&block, rule, &mut notes)?);
            if let Some(cleansing) = self.cleansing {
                for note in &notes {
                    match cleansing.of_field(note.problem) {
                        Handling::Fail => {
                            let name = self.names.get(rule.field);
                            return Err(failed(note.problem, name.map_or("", String::as_str)));
                        }
                        Handling::DropRow => dropped.add(note.row as usize, count),
                        _ => {}
                    }
                }
            }
            notes.clear();
        }
        columns.truncate(self.rules.len());
        dropped.apply(&mut columns)?;
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        let schema = SchemaRef::clone(&self.schema);
        let batch = RecordBatch::try_new_with_options(schema, columns, &options)?;
        Ok((batch, used))
    }

    /// Writes a line anew with as many fields as the table has columns.
    fn complete(&self, line: &[u8], anew: &mut Vec<u8>) {
        let Layout::Delimited(dialect) = &self.layout else {
            return;
        };
        let mut fields = 1;
        let mut quoted = false;
        let mut escaped = false;
        for byte in line {
            if escaped {
                escaped = false;
            } else if quoted && dialect.quote_escape == Some(*byte) {
                escaped = true;
            } else if dialect.quote == Some(*byte) {
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

fn refused(reason: &str) -> Error {
    Error::Engine(DataFusionError::Execution(reason.to_owned()))
}

fn delimited(format: &TextFormat, field_count: usize) -> Layout {
    Layout::Delimited(Dialect {
        delimiter: format.delimiter,
        quote: format.quote,
        quote_escape: format.escape,
        escape: false,
        remove_quotes: false,
        null_as: format.null_as.clone(),
        field_count,
        fill_record: false,
        ignore_blank_lines: false,
    })
}

fn objects(format: &JsonFormat, wanted: &[&ExternalColumn]) -> Json {
    let keys = wanted.iter().map(|column| {
        let mut mapping = format.mapping.iter();
        let mapped = mapping.find(|(name, _)| *name == column.name);
        mapped.map_or(column.name.as_str(), |(_, key)| key)
    });
    let is_raw = vec![false; wanted.len()];
    Json::by_names(keys, is_raw, !format.is_case_sensitive)
        .with_dots_as_underscores(format.has_dots_in_keys)
}

fn rows_of_avro(wanted: &[&ExternalColumn]) -> Layout {
    let names = wanted.iter().map(|column| column.name.as_str());
    let fields = Json::by_names(names, vec![false; wanted.len()], true);
    let styles = wanted.iter().map(|column| Style::of(column.ty)).collect();
    Layout::Avro(Avro::new(fields, styles))
}

/// Makes rows of nulls.
fn nulls(schema: &SchemaRef, count: usize) -> Result<RecordBatch> {
    let fields = schema.fields().iter();
    let columns = fields.map(|field| new_null_array(field.data_type(), count));
    let options = RecordBatchOptions::new().with_row_count(Some(count));
    let schema = SchemaRef::clone(schema);
    Ok(RecordBatch::try_new_with_options(
        schema,
        columns.collect(),
        &options,
    )?)
}

fn rule(field: usize, ty: SqlType, cleansing: Option<Cleansing>) -> ColumnRule {
    let cleansing = cleansing.unwrap_or_default();
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
            truncate: cleansing.only_cuts(),
            blanks_as_null: false,
            empty_as_null: false,
            replacement: match cleansing.invalid_char {
                Handling::Replace(byte) => Some(byte),
                _ => None,
            },
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
    use crate::format::cut::Chunk;
    use arrow::util::pretty::pretty_format_batches;
    use bytes::Bytes;
    use std::sync::Arc;

    fn check(format: &FileFormat, bytes: &'static [u8], expected: &[&str]) {
        let types = [SqlType::Integer, SqlType::Varchar(4), SqlType::Date];
        let columns = types.into_iter().zip(["a", "b", "c"]);
        let columns = columns.map(|(ty, name)| ExternalColumn {
            name: name.to_owned(),
            ty,
            nested: None,
        });
        let columns: Vec<ExternalColumn> = columns.collect();
        let fields = columns.iter().map(|one| one.ty.field(&one.name, true));
        let schema = Arc::new(arrow_schema::Schema::new(fields.collect::<Vec<_>>()));
        let mut reader = RowReader::new(Arc::clone(&schema), &[0, 1, 2], &columns, format, None);
        let chunk = FileChunk {
            url: "file:///f".into(),
            chunk: Chunk {
                bytes: Bytes::from_static(bytes),
                lines_before: 0,
                offset: 0,
            },
            avro: None,
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
            escape: None,
            null_as: b"\\N".to_vec(),
            header_lines: 0,
            compression: None,
        }
    }

    #[test]
    fn objects_have_any_keys() {
        let json = |ignores_malformed| {
            FileFormat::Json(JsonFormat {
                ignores_malformed,
                is_case_sensitive: false,
                has_dots_in_keys: false,
                strips_outer_array: false,
                mapping: vec![("b".to_owned(), "The B".to_owned())],
                header_lines: 0,
                compression: None,
            })
        };
        check(
            &json(false),
            b"{\"A\":1,\"the b\":\"one\",\"b\":9}\n{\"c\":\"2008-01-02\",\"d\":[1]}",
            &["| 1 | one | |", "| | | 2008-01-02 |"],
        );
        check(
            &json(true),
            b"{\"a\":1}\n{\"a\":2,,}\n{\"a\":3}\n",
            &["| 1 | | |", "| 3 | | |", "| | | |"],
        );
    }

    #[test]
    fn quotes_are_escaped() {
        let format = TextFormat {
            delimiter: b',',
            quote: Some(b'"'),
            escape: Some(b'\\'),
            ..plain()
        };
        check(
            &FileFormat::Text(format),
            b"1,\"a\\\",b\",2008-01-02\n2,\"\\\\\"\n3,\"a\"\"b\",2008-01-03\n",
            &[
                "| 1 | a\",b | 2008-01-02 |",
                "| 3 | a\"b | 2008-01-03 |",
                "| 2 | \\ | |",
            ],
        );
    }

    #[test]
    fn fields_that_do_not_convert_are_null() {
        check(
            &FileFormat::Text(plain()),
            b"1|one|2008-01-02\nx|longer|never\n\\N|\\N|\\N\n",
            &["| 1 | one | 2008-01-02 |", "| | long | |", "| | | |"],
        );
    }

    #[test]
    fn lines_have_any_number_of_fields() {
        check(
            &FileFormat::Text(plain()),
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
            &FileFormat::Text(format),
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
            &FileFormat::Text(format),
            b"\"1\",\"a,b\",2008-01-02\n2,\"c\"\n3,d,2008-01-03,\"x,y\"\n",
            &[
                "| 1 | a,b | 2008-01-02 |",
                "| 2 | c | |",
                "| 3 | d | 2008-01-03 |",
            ],
        );
    }
}
