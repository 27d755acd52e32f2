//! Lines of text: delimited, CSV and of fixed width.

use super::CsvMarks;
use super::cell::Cells;
use crate::error::{Error, Result};
use blueshift_sql::statement::unload::{UnloadFormat, UnloadOptions};
use blueshift_sql::{SqlState, SqlType};

/// Bytes that the texts of numbers, dates and truth have.
const PLAIN: &[u8] = b"0123456789+-.:eE tfNaInityBC";

/// When fields have quotes around them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quotes {
    Never,
    /// CSV: where the field could be read wrongly.
    WhereNeeded,
    /// ADDQUOTES.
    Always,
}

/// Writes delimited text and CSV.
#[derive(Debug)]
pub(super) struct Delimited {
    delimiter: u8,
    quotes: Quotes,
    /// What CSV has around fields.
    marks: CsvMarks,
    escape: bool,
    null: Vec<u8>,
    /// Bytes that make CSV quote a field, or that ESCAPE puts a backslash before.
    special: Box<[bool; 256]>,
    /// Whether numbers, dates and truth may hold one of them.
    is_plain_special: bool,
}

impl Delimited {
    /// Writes as the options say; CSV with other marks than its own, if they are given.
    pub(super) fn new(options: &UnloadOptions, marks: Option<CsvMarks>) -> Self {
        let marks = marks.unwrap_or(CsvMarks {
            quote: b'"',
            escape: None,
        });
        let is_csv = options.format == UnloadFormat::Csv;
        let delimiter = options
            .delimiter
            .unwrap_or(if is_csv { b',' } else { b'|' });
        let mut special = Box::new([false; 256]);
        let quotes = match (is_csv, options.add_quotes) {
            (true, _) => Quotes::WhereNeeded,
            (false, true) => Quotes::Always,
            (false, false) => Quotes::Never,
        };
        let mut mark = |bytes: &[u8]| {
            for byte in bytes {
                special[usize::from(*byte)] = true;
            }
        };
        match (is_csv, options.escape) {
            (true, _) => {
                mark(&[delimiter, marks.quote, b'\n', b'\r']);
                mark(marks.escape.as_slice());
            }
            (false, true) => {
                mark(&[delimiter, b'\\', b'\n', b'\r']);
                if options.add_quotes {
                    mark(b"\"'");
                }
            }
            (false, false) => {}
        }
        Self {
            delimiter,
            quotes,
            marks,
            escape: options.escape && !is_csv,
            null: options.null_as.clone().unwrap_or_default().into_bytes(),
            is_plain_special: PLAIN.iter().any(|byte| special[usize::from(*byte)]),
            special,
        }
    }

    /// Gives the line of the names of columns.
    pub(super) fn header(&self, names: &[String]) -> Vec<u8> {
        let mut line = Vec::new();
        for (index, name) in names.iter().enumerate() {
            if index > 0 {
                line.push(self.delimiter);
            }
            self.text(name.as_bytes(), &mut line);
        }
        line.push(b'\n');
        line
    }

    /// Appends a line.
    #[inline]
    pub(super) fn row(&self, cells: &[Cells<'_>], row: usize, out: &mut Vec<u8>) {
        for (index, cell) in cells.iter().enumerate() {
            if index > 0 {
                out.push(self.delimiter);
            }
            self.field(cell, row, out);
        }
        out.push(b'\n');
    }

    #[inline]
    fn field(&self, cell: &Cells<'_>, row: usize, out: &mut Vec<u8>) {
        if cell.is_null(row) {
            // The null of a SUPER is JSON's, whatever NULL AS says. Source: the guide, "Unloading semistructured data".
            match cell {
                Cells::Super(_) => self.text(b"null", out),
                _ => out.extend_from_slice(&self.null),
            }
            return;
        }
        if let Some(text) = cell.text(row) {
            return self.text(text, out);
        }
        let is_other = matches!(cell, Cells::Other(..));
        match self.quotes {
            _ if self.is_plain_special || is_other => {
                let mut text = Vec::new();
                cell.write(row, &mut text);
                self.text(&text, out);
            }
            Quotes::Always => {
                out.push(b'"');
                cell.write(row, out);
                out.push(b'"');
            }
            Quotes::WhereNeeded => {
                let start = out.len();
                cell.write(row, out);
                if out.len() - start == self.null.len() && out[start..] == self.null {
                    out.insert(start, self.marks.quote);
                    out.push(self.marks.quote);
                }
            }
            Quotes::Never => cell.write(row, out),
        }
    }

    #[inline]
    fn text(&self, text: &[u8], out: &mut Vec<u8>) {
        match self.quotes {
            Quotes::WhereNeeded => {
                let is_needed = text.iter().any(|byte| self.special[usize::from(*byte)]);
                // A text that looks like null is told from it by its quotes.
                if !is_needed && text != self.null {
                    return out.extend_from_slice(text);
                }
                let CsvMarks { quote, escape } = self.marks;
                let is_mark = |byte: &u8| *byte == quote || Some(*byte) == escape;
                out.push(quote);
                for part in text.split_inclusive(is_mark) {
                    out.extend_from_slice(part);
                    // Both are literal when they are doubled.
                    out.extend(part.last().filter(|last| is_mark(last)));
                }
                out.push(quote);
            }
            Quotes::Always => {
                out.push(b'"');
                self.escaped(text, out);
                out.push(b'"');
            }
            Quotes::Never => self.escaped(text, out),
        }
    }

    #[inline]
    fn escaped(&self, text: &[u8], out: &mut Vec<u8>) {
        let is_special = |byte: &u8| self.special[usize::from(*byte)];
        if !self.escape || !text.iter().any(is_special) {
            return out.extend_from_slice(text);
        }
        for byte in text {
            if is_special(byte) {
                out.push(b'\\');
            }
            out.push(*byte);
        }
    }
}

/// Writes fields of a fixed width in characters, blanks behind them.
#[derive(Debug)]
pub(super) struct FixedWidth {
    /// Name, type and width of each column.
    columns: Vec<(String, SqlType, usize)>,
    null: Vec<u8>,
}

impl FixedWidth {
    pub(super) fn new(
        columns: impl Iterator<Item = (String, SqlType)>,
        widths: &[usize],
        null: Option<&str>,
    ) -> Result<Self> {
        let columns: Vec<_> = columns.collect();
        if columns.len() != widths.len() {
            return Err(Error::Sql(
                blueshift_sql::Error::new(
                    SqlState::INVALID_PARAMETER_VALUE,
                    "FIXEDWIDTH must have a width for each column of the query",
                )
                .with_detail(format!(
                    "The query has {} columns, FIXEDWIDTH has {}.",
                    columns.len(),
                    widths.len()
                )),
            ));
        }
        let columns = columns.into_iter().zip(widths);
        Ok(Self {
            columns: columns
                .map(|((name, ty), width)| (name, ty, *width))
                .collect(),
            null: null.unwrap_or_default().into(),
        })
    }

    /// Appends a line. What does not fit is an error: nothing is cut.
    pub(super) fn row(&self, cells: &[Cells<'_>], row: usize, out: &mut Vec<u8>) -> Result<()> {
        for (cell, (name, ty, width)) in cells.iter().zip(&self.columns) {
            let start = out.len();
            if !cell.is_null(row) {
                cell.write(row, out);
            } else if self.null.len() <= *width || is_text(*ty) {
                out.extend_from_slice(&self.null);
            }
            let field = out.get(start..).unwrap_or_default();
            let letters = field.iter().filter(|byte| **byte & 0xc0 != 0x80).count();
            if letters > *width {
                return Err(Error::Sql(
                    blueshift_sql::Error::new(
                        SqlState::STRING_DATA_RIGHT_TRUNCATION,
                        format!(
                            "a value of column \"{name}\" does not fit its FIXEDWIDTH of {width}"
                        ),
                    )
                    .with_detail(format!("The value has {letters} characters."))
                    .with_hint("Give the column the width of its longest value."),
                ));
            }
            out.extend(std::iter::repeat_n(b' ', width - letters));
        }
        out.push(b'\n');
        Ok(())
    }
}

fn is_text(ty: SqlType) -> bool {
    matches!(
        ty,
        SqlType::Char(_) | SqlType::Varchar(_) | SqlType::Name | SqlType::Unknown
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, BooleanArray, Int32Array, StringViewArray};
    use std::sync::Arc;

    fn columns() -> Vec<(ArrayRef, SqlType)> {
        let texts = [
            Some("a|b"),
            Some("x,\"y\""),
            Some(""),
            None,
            Some("it's\\\n"),
        ];
        vec![
            (
                Arc::new(Int32Array::from(vec![
                    Some(1),
                    Some(-2),
                    None,
                    Some(4),
                    Some(5),
                ])),
                SqlType::Integer,
            ),
            (
                Arc::new(StringViewArray::from(texts.to_vec())),
                SqlType::Varchar(9),
            ),
            (
                Arc::new(BooleanArray::from(vec![
                    Some(true),
                    Some(false),
                    None,
                    None,
                    Some(true),
                ])),
                SqlType::Boolean,
            ),
        ]
    }

    fn written(options: &UnloadOptions) -> String {
        let columns = columns();
        let cells: Vec<_> = columns
            .iter()
            .map(|(array, ty)| Cells::new(array.as_ref(), *ty))
            .collect();
        let writer = Delimited::new(options, None);
        let mut out = Vec::new();
        for row in 0..5 {
            writer.row(&cells, row, &mut out);
        }
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn fields_are_told_apart_as_the_options_say() {
        let options = UnloadOptions::default();
        assert_eq!(
            written(&options),
            "1|a|b|t\n-2|x,\"y\"|f\n||\n4||\n5|it's\\\n|t\n"
        );
        let escaped = UnloadOptions {
            escape: true,
            null_as: Some("NIL".into()),
            ..UnloadOptions::default()
        };
        assert_eq!(
            written(&escaped),
            "1|a\\|b|t\n-2|x,\"y\"|f\nNIL||NIL\n4|NIL|NIL\n5|it's\\\\\\\n|t\n"
        );
        let quoted = UnloadOptions {
            add_quotes: true,
            ..escaped
        };
        assert_eq!(
            written(&quoted),
            "\"1\"|\"a\\|b\"|\"t\"\n\"-2\"|\"x,\\\"y\\\"\"|\"f\"\nNIL|\"\"|NIL\n\"4\"|NIL|NIL\n\"5\"|\"it\\'s\\\\\\\n\"|\"t\"\n"
        );
        let csv = UnloadOptions {
            format: UnloadFormat::Csv,
            ..UnloadOptions::default()
        };
        assert_eq!(
            written(&csv),
            "1,a|b,t\n-2,\"x,\"\"y\"\"\",f\n,\"\",\n4,,\n5,\"it's\\\n\",t\n"
        );
        let odd = UnloadOptions {
            delimiter: Some(b't'),
            null_as: Some("1".into()),
            ..csv
        };
        assert!(
            written(&odd).starts_with("\"1\"ta|bt\"t\"\n"),
            "{}",
            written(&odd)
        );
        assert_eq!(
            Delimited::new(&csv_with_header(), None).header(&["a".into(), "b,c".into()]),
            b"a,\"b,c\"\n"
        );
    }

    fn csv_with_header() -> UnloadOptions {
        UnloadOptions {
            format: UnloadFormat::Csv,
            header: true,
            ..UnloadOptions::default()
        }
    }

    #[test]
    fn fixed_fields_are_filled_and_never_cut() {
        let columns = columns();
        let cells: Vec<_> = columns
            .iter()
            .map(|(array, ty)| Cells::new(array.as_ref(), *ty))
            .collect();
        let names = || columns.iter().map(|(_, ty)| ("c".to_owned(), *ty));
        let writer = FixedWidth::new(names(), &[3, 6, 1], Some("nil")).expect("widths");
        let mut out = Vec::new();
        for row in 0..4 {
            writer.row(&cells, row, &mut out).expect("a row");
        }
        assert_eq!(
            String::from_utf8_lossy(&out),
            "1  a|b   t\n-2 x,\"y\" f\nnil       \n4  nil    \n"
        );
        let narrow = FixedWidth::new(names(), &[3, 2, 1], None).expect("widths");
        assert!(narrow.row(&cells, 0, &mut out).is_err());
        assert!(FixedWidth::new(names(), &[3, 2], None).is_err());
    }
}
