//! Looks at the beginning of text files: what divides their fields, whether the first line names them, and what types take
//! all of the fields seen.

use super::{FileKind, Inferred, InferredColumn, InferredFormat, refused};
use crate::error::Result;
use crate::external::ExternalFile;
use crate::format::compression::{Compression, reader};
use blueshift_sql::types::VARCHAR_MAX;
use blueshift_sql::{SqlState, SqlType};
use bytes::Bytes;
use object_store::ObjectStoreExt;
use std::io::Read;

/// Files of which the beginning is looked at.
const FILES_MAX: usize = 4;
/// Bytes of each.
const SAMPLE_BYTES: u64 = 256 << 10;
/// Bytes that a sample becomes at most when it is decompressed.
const TEXT_BYTES_MAX: u64 = 4 << 20;
/// What may divide fields, in the order it is tried.
const DELIMITERS: [u8; 5] = [b',', b'\t', b'|', b';', 1];
/// What divides the fields of a table that says nothing.
const DELIMITER_DEFAULT: u8 = 1;
/// What stands for null in text files.
const NULL: &str = "\\N";
/// Lengths of texts, where all of the text was seen.
const LENGTHS: [u32; 5] = [64, 256, 1_024, 8_192, VARCHAR_MAX];

/// The beginning of a file.
pub(super) struct Sample {
    lines: Vec<String>,
    /// Whether that is all of it.
    is_whole: bool,
}

impl Sample {
    /// Gives the lines that were seen.
    pub(super) fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }
}

/// Reads the beginnings of some files.
pub(super) async fn samples(files: &[ExternalFile]) -> Result<Vec<Sample>> {
    let step = files.len().div_ceil(FILES_MAX).max(1);
    let mut samples = Vec::new();
    for file in files.iter().step_by(step) {
        samples.push(sample(file).await?);
    }
    Ok(samples)
}

/// Tells whether a file whose beginning says nothing, as it is compressed perhaps, holds JSON or lines of fields.
pub(super) async fn kind_of(file: &ExternalFile) -> Result<FileKind> {
    let sample = sample(file).await?;
    let first = sample.lines().find(|line| !line.trim().is_empty());
    Ok(
        match first.is_some_and(|line| line.trim_start().starts_with('{')) {
            true => FileKind::Json,
            false => FileKind::Text,
        },
    )
}

/// Looks at text files.
pub(super) async fn of_text(files: &[ExternalFile], delimiter: Option<u8>) -> Result<Inferred> {
    let step = files.len().div_ceil(FILES_MAX).max(1);
    let samples = samples(files).await?;
    let is_whole = step == 1 && samples.iter().all(|sample| sample.is_whole);
    let lines = || samples.iter().flat_map(|sample| &sample.lines);
    if lines().next().is_none() {
        return Err(refused(
            SqlState::BAD_COPY_FILE_FORMAT,
            "the files hold no whole line of text to infer columns from".to_owned(),
            "Name the columns in CREATE EXTERNAL TABLE.",
        ));
    }
    let delimiter = delimiter.unwrap_or_else(|| delimiter_of(lines().map(String::as_str)));
    let has_quotes = lines().any(|line| has_quoted(line, delimiter));
    let rows: Vec<Vec<Vec<String>>> = samples
        .iter()
        .map(|sample| {
            let lines = sample.lines.iter();
            lines
                .map(|line| fields(line, delimiter, has_quotes))
                .collect()
        })
        .collect();
    let width = rows.iter().flatten().map(Vec::len).max().unwrap_or(0);
    let header = header_of(&rows, width);
    let begin = usize::from(header.is_some());
    let rows = rows.iter().flat_map(|rows| rows.iter().skip(begin));
    let mut seen: Vec<Seen> = vec![Seen::default(); width];
    for row in rows {
        for (seen, field) in seen.iter_mut().zip(row) {
            seen.add(field);
        }
    }
    let names = names_of(header, width);
    let columns = seen.iter().zip(names).map(|(seen, name)| InferredColumn {
        name,
        ty: seen.ty(is_whole),
        nested: None,
    });
    Ok(Inferred {
        format: match has_quotes {
            true => InferredFormat::Csv {
                separator: delimiter,
            },
            false => InferredFormat::Delimited { delimiter },
        },
        columns: columns.collect(),
        partition_columns: Vec::new(),
        partitions: Vec::new(),
        header_lines: begin as u64,
        left_out: Vec::new(),
    })
}

async fn sample(file: &ExternalFile) -> Result<Sample> {
    let end = file.meta.size.min(SAMPLE_BYTES);
    let got = file.store.get_range(&file.meta.location, 0..end).await;
    let bytes = got.map_err(|error| crate::object::failed(&file.url, &error))?;
    let compression = crate::external::text::compression_by_name(&file.url)?;
    let (text, is_cut) = decompressed(bytes, compression, end < file.meta.size);
    let text = String::from_utf8_lossy(&text).into_owned();
    let mut lines: Vec<String> = text
        .split('\n')
        .map(|line| line.trim_end_matches('\r').to_owned())
        .collect();
    // Behind the last newline there is nothing, or a part of a line.
    if is_cut || text.ends_with('\n') {
        lines.pop();
    }
    Ok(Sample {
        lines,
        is_whole: !is_cut,
    })
}

/// Gives the text of a sample, and whether there is more.
fn decompressed(bytes: Bytes, compression: Compression, is_cut: bool) -> (Vec<u8>, bool) {
    if compression == Compression::None {
        return (bytes.to_vec(), is_cut);
    }
    let mut text = Vec::new();
    let Ok(reader) = reader(bytes.as_ref(), compression) else {
        return (text, true);
    };
    // A sample that ends within a block fails there, and what came before it counts.
    let read = reader.take(TEXT_BYTES_MAX).read_to_end(&mut text);
    let is_full = text.len() as u64 >= TEXT_BYTES_MAX;
    (text, is_cut || is_full || read.is_err())
}

/// Finds what divides fields: what stands in most lines, as often in each.
fn delimiter_of<'a>(lines: impl Iterator<Item = &'a str> + Clone) -> u8 {
    let mut best = (0, DELIMITER_DEFAULT);
    for delimiter in DELIMITERS {
        let counts = lines
            .clone()
            .map(|line| fields(line, delimiter, true).len());
        let mut counts: Vec<usize> = counts.filter(|count| *count > 1).collect();
        counts.sort_unstable();
        let runs = counts.chunk_by(|left, right| left == right);
        let most = runs.map(<[usize]>::len).max().unwrap_or(0);
        if most > best.0 {
            best = (most, delimiter);
        }
    }
    best.1
}

/// Tells whether a field of a line begins with a quotation mark.
fn has_quoted(line: &str, delimiter: u8) -> bool {
    let mut fields = line.split(char::from(delimiter));
    fields.any(|field| field.starts_with('"'))
}

/// Divides a line. A field in quotation marks may hold the delimiter, and two of them are one.
fn fields(line: &str, delimiter: u8, has_quotes: bool) -> Vec<String> {
    let delimiter = char::from(delimiter);
    let mut fields = Vec::new();
    let mut field = String::new();
    let mut is_quoted = false;
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if has_quotes && is_quoted && letters.peek() == Some(&'"') => {
                letters.next();
                field.push('"');
            }
            '"' if has_quotes => is_quoted = !is_quoted,
            _ if letter == delimiter && !is_quoted => fields.push(std::mem::take(&mut field)),
            _ => field.push(letter),
        }
    }
    fields.push(field);
    fields
}

/// Gives the first line if it names the columns: the same in all files, names that are unlike each other and stand
/// nowhere below, over a column that is no text, or all texts.
fn header_of(files: &[Vec<Vec<String>>], width: usize) -> Option<Vec<String>> {
    let first = files.first()?.first()?.clone();
    let is_same = files.iter().all(|rows| rows.first() == Some(&first));
    let is_name = |text: &String| {
        let text = text.trim();
        text.starts_with(|letter: char| letter.is_alphabetic() || letter == '_')
            && text.len() <= 127
            && !is_truth(text)
    };
    let is_unlike = (0..first.len()).all(|index| {
        let before = first.get(..index).unwrap_or_default();
        first.get(index).is_some_and(|name| !before.contains(name))
    });
    let rows = || files.iter().flat_map(|rows| rows.iter().skip(1));
    let is_repeated = rows().any(|row| row.iter().zip(&first).any(|(field, name)| field == name));
    let has_rows = rows().next().is_some();
    let is_header = is_same
        && first.len() == width
        && first.iter().all(is_name)
        && is_unlike
        && has_rows
        && !is_repeated;
    is_header.then_some(first)
}

/// Names the columns: as the first line does, or by number.
fn names_of(header: Option<Vec<String>>, width: usize) -> Vec<String> {
    let given = header.unwrap_or_default();
    let mut names: Vec<String> = Vec::with_capacity(width);
    for place in 0..width {
        let name = given.get(place).map(|name| name.trim().to_lowercase());
        let mut name = name.unwrap_or_else(|| format!("c{}", place + 1));
        while names.contains(&name) {
            name.push('_');
        }
        names.push(name);
    }
    names
}

/// What the fields of a column have in common.
#[derive(Clone, Debug)]
struct Seen {
    has_values: bool,
    is_truth: bool,
    is_integer: bool,
    is_decimal: bool,
    is_double: bool,
    is_date: bool,
    is_timestamp: bool,
    least: i64,
    most: i64,
    /// Digits before and after the point.
    whole_digits: usize,
    fraction_digits: usize,
    bytes: usize,
}

impl Default for Seen {
    fn default() -> Self {
        Self {
            has_values: false,
            is_truth: true,
            is_integer: true,
            is_decimal: true,
            is_double: true,
            is_date: true,
            is_timestamp: true,
            least: 0,
            most: 0,
            whole_digits: 0,
            fraction_digits: 0,
            bytes: 0,
        }
    }
}

impl Seen {
    fn add(&mut self, field: &str) {
        self.bytes = self.bytes.max(field.len());
        if field.is_empty() || field == NULL {
            return;
        }
        self.has_values = true;
        self.is_truth &= is_truth(field);
        self.is_integer &= is_integer(field);
        self.is_decimal &= is_decimal(field);
        self.is_double &= is_double(field);
        self.is_date &= is_date(field);
        self.is_timestamp &= is_timestamp(field);
        if let Ok(value) = field.parse::<i64>() {
            self.least = self.least.min(value);
            self.most = self.most.max(value);
        }
        let (whole, fraction) = field.split_once('.').unwrap_or((field, ""));
        let whole = whole.trim_start_matches('-').len();
        self.whole_digits = self.whole_digits.max(whole);
        self.fraction_digits = self.fraction_digits.max(fraction.len());
    }

    /// Gives the narrowest type that takes what was seen, or the widest of its kind if that is not all there is.
    fn ty(&self, is_whole: bool) -> SqlType {
        let is_narrow = is_whole && self.least >= i32::MIN.into() && self.most <= i32::MAX.into();
        let digits = self.whole_digits + self.fraction_digits;
        let scale = i8::try_from(self.fraction_digits).unwrap_or(i8::MAX);
        match self {
            Self {
                has_values: false, ..
            } => self.text(is_whole),
            Self { is_truth: true, .. } => SqlType::Boolean,
            Self {
                is_integer: true, ..
            } if is_narrow => SqlType::Integer,
            Self {
                is_integer: true, ..
            } => SqlType::BigInt,
            Self {
                is_decimal: true, ..
            } if is_whole && digits <= 38 => SqlType::Decimal {
                precision: if digits <= 18 { 18 } else { 38 },
                scale,
            },
            Self {
                is_double: true, ..
            } => SqlType::Double,
            Self { is_date: true, .. } => SqlType::Date,
            Self {
                is_timestamp: true, ..
            } => SqlType::Timestamp,
            _ => self.text(is_whole),
        }
    }

    fn text(&self, is_whole: bool) -> SqlType {
        let longest = u32::try_from(self.bytes).unwrap_or(VARCHAR_MAX);
        let fits = LENGTHS.into_iter().find(|length| longest <= *length);
        match (is_whole, fits) {
            (true, Some(length)) => SqlType::Varchar(length),
            // More may come, and would be cut.
            _ => SqlType::Varchar(VARCHAR_MAX),
        }
    }
}

fn is_truth(text: &str) -> bool {
    ["true", "false"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word))
}

/// Tells whether a text is a whole number as numbers are shown: without zeros before it, which would be lost.
pub(super) fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let has_zeros = digits.len() > 1 && digits.starts_with('0');
    !has_zeros && text != "-0" && text.parse::<i64>().is_ok() && !text.starts_with('+')
}

fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let has_zeros = whole.len() > 1 && whole.starts_with('0');
    !whole.is_empty() && is_digits(whole) && is_digits(fraction) && !has_zeros
}

fn is_double(text: &str) -> bool {
    let is_number = text.bytes().all(|byte| b"0123456789+-.eE".contains(&byte));
    let digits = text.trim_start_matches(['-', '+']);
    let has_zeros = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
    is_number && !has_zeros && text.parse::<f64>().is_ok()
}

/// Tells whether a text is a date as `2024-01-31`.
pub(super) fn is_date(text: &str) -> bool {
    text.len() == 10 && chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok()
}

fn is_timestamp(text: &str) -> bool {
    text.len() >= 19 && chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(fields: &[&str], whole: SqlType, part: SqlType) {
        let mut seen = Seen::default();
        fields.iter().for_each(|field| seen.add(field));
        assert_eq!(seen.ty(true), whole, "{fields:?}");
        assert_eq!(seen.ty(false), part, "{fields:?}");
    }

    #[test]
    fn types_take_all_fields() {
        let longest = SqlType::Varchar(VARCHAR_MAX);
        let decimal = SqlType::Decimal {
            precision: 18,
            scale: 2,
        };
        check(&["1", "", "-7"], SqlType::Integer, SqlType::BigInt);
        check(&["1", "3000000000"], SqlType::BigInt, SqlType::BigInt);
        check(&["1.5", "10.25"], decimal, SqlType::Double);
        check(&["1e9", "2"], SqlType::Double, SqlType::Double);
        check(&["true", "FALSE"], SqlType::Boolean, SqlType::Boolean);
        check(&["2024-01-31", "\\N"], SqlType::Date, SqlType::Date);
        check(
            &["2024-01-31 10:00:00.5"],
            SqlType::Timestamp,
            SqlType::Timestamp,
        );
        check(&["007", "8"], SqlType::Varchar(64), longest);
        check(&["2024-13-31"], SqlType::Varchar(64), longest);
        check(&["", ""], SqlType::Varchar(64), longest);
    }

    #[test]
    fn delimiters_and_headers_are_found() {
        let text = ["id,name", "1,\"a|b,c\"", "2,d"];
        assert_eq!(delimiter_of(text.into_iter()), b',');
        assert_eq!(delimiter_of(["a|b|c", "1|2|3"].into_iter()), b'|');
        assert_eq!(delimiter_of(["alone", "again"].into_iter()), 1);
        let rows = |lines: &[&str]| -> Vec<Vec<String>> {
            lines.iter().map(|line| fields(line, b',', true)).collect()
        };
        let header = |files: &[&[&str]]| {
            let files: Vec<_> = files.iter().map(|lines| rows(lines)).collect();
            header_of(&files, 2)
        };
        let named = Some(vec!["id".to_owned(), "name".to_owned()]);
        assert_eq!(header(&[&["id,name", "1,a"]]), named);
        assert_eq!(header(&[&["id,name", "1,a"], &["id,name"]]), named);
        assert_eq!(header(&[&["id,name", "1,a"], &["2,b"]]), None);
        assert_eq!(header(&[&["1,a", "2,b"]]), None);
        assert_eq!(header(&[&["a,b", "a,c"]]), None);
        assert_eq!(
            fields("\"say \"\"hi\"\"\",x", b',', true),
            ["say \"hi\"", "x"]
        );
    }
}
