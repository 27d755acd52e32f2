//! UNLOAD: query, destination, authorization, format and options, as the user wrote them.

use super::authorization::{Authorization, Keys};
use super::copy::{CopyCompression, argument, conflict, delimiter, null_text, value_error};
use super::master_key::MasterKey;
use super::{Query, Statement};
use crate::error::{Error, Result};
use crate::parser::cursor::Cursor;
use crate::parser::source::Source;
use crate::sqlstate::SqlState;
use sqlparser::tokenizer::Token;

/// Bytes of a megabyte, as sizes are given.
const MB: u64 = 1 << 20;
/// The smallest file of MAXFILESIZE.
const FILE_BYTES_MIN: u64 = 5 * MB;
/// The largest file, which is also the default: 6.2 GB.
pub const FILE_BYTES_MAX: u64 = 62 * 1024 / 10 * MB;
/// Row groups of Parquet, which files are whole multiples of.
pub const ROW_GROUP_BYTES: u64 = 32 * MB;
/// The largest row group of ROWGROUPSIZE.
const ROW_GROUP_BYTES_MAX: u64 = 128 * MB;

/// `UNLOAD ('query') TO 'destination' authorization [options]`.
#[derive(Clone)]
pub struct Unload {
    /// What is unloaded.
    pub query: Query,
    /// `s3://...` or `file://...`: what the names of files begin with.
    pub destination: String,
    /// How to log in there. Never printed.
    pub authorization: Authorization,
    /// Everything else.
    pub options: UnloadOptions,
}

/// The format of the files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnloadFormat {
    /// Delimited text, `|` by default; or text of fixed width.
    #[default]
    Text,
    /// CSV, `,` by default.
    Csv,
    /// An object a line.
    Json,
    /// Apache Parquet.
    Parquet,
}

impl UnloadFormat {
    /// Its name, as options and log tables have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "Text",
            Self::Csv => "CSV",
            Self::Json => "JSON",
            Self::Parquet => "Parquet",
        }
    }
}

/// MANIFEST.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ManifestKind {
    /// None is written.
    #[default]
    None,
    /// The files.
    Plain,
    /// The files with their sizes, and the schema.
    Verbose,
}

/// ENCRYPTED: what is asked of the store that keeps the files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Encryption {
    /// Whatever the store does by itself.
    #[default]
    Store,
    /// ENCRYPTED: with keys of the store (SSE-S3).
    StoreKeys,
    /// ENCRYPTED AUTO: with the key of the bucket, else with keys of the store.
    BucketKey,
    /// ENCRYPTED with KMS_KEY_ID (SSE-KMS).
    Kms(String),
    /// ENCRYPTED with MASTER_SYMMETRIC_KEY: by the server, before the files go to the store.
    Client(MasterKey),
}

/// UNLOAD's options with Redshift's defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnloadOptions {
    /// FORMAT
    pub format: UnloadFormat,
    /// PARTITION BY; empty if not given.
    pub partition_by: Vec<String>,
    /// INCLUDE: partition columns stay in the files.
    pub include_partitions: bool,
    /// MANIFEST
    pub manifest: ManifestKind,
    /// HEADER
    pub header: bool,
    /// DELIMITER, one ASCII character; `None` is the format's default.
    pub delimiter: Option<u8>,
    /// FIXEDWIDTH: the width of each column in characters.
    pub fixed_width: Option<Vec<usize>>,
    /// ENCRYPTED, KMS_KEY_ID
    pub encryption: Encryption,
    /// GZIP, ZSTD, BZIP2
    pub compression: CopyCompression,
    /// ADDQUOTES
    pub add_quotes: bool,
    /// NULL AS
    pub null_as: Option<String>,
    /// ESCAPE
    pub escape: bool,
    /// ALLOWOVERWRITE
    pub allow_overwrite: bool,
    /// CLEANPATH
    pub clean_path: bool,
    /// PARALLEL
    pub parallel: bool,
    /// MAXFILESIZE in bytes.
    pub file_bytes_max: u64,
    /// ROWGROUPSIZE in bytes.
    pub row_group_bytes: u64,
    /// REGION
    pub region: Option<String>,
    /// EXTENSION
    pub extension: Option<String>,
}

impl Default for UnloadOptions {
    fn default() -> Self {
        Self {
            format: UnloadFormat::Text,
            partition_by: Vec::new(),
            include_partitions: false,
            manifest: ManifestKind::None,
            header: false,
            delimiter: None,
            fixed_width: None,
            encryption: Encryption::Store,
            compression: CopyCompression::None,
            add_quotes: false,
            null_as: None,
            escape: false,
            allow_overwrite: false,
            clean_path: false,
            parallel: true,
            file_bytes_max: FILE_BYTES_MAX,
            row_group_bytes: ROW_GROUP_BYTES,
            region: None,
            extension: None,
        }
    }
}

impl std::fmt::Debug for Unload {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Unload")
            .field("query", &self.query)
            .field("destination", &self.destination)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// Parses UNLOAD.
pub(crate) fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect_word("unload")?;
    cursor.expect(&Token::LParen)?;
    let position = cursor.position();
    let query = query(&cursor.raw_body()?).map_err(|error| error.at(position))?;
    cursor.expect(&Token::RParen)?;
    cursor.expect_word("to")?;
    let position = cursor.position();
    let destination = cursor.raw_string()?;
    ensure_destination(&destination).map_err(|error| error.at(position))?;
    let mut parser = OptionParser {
        options: UnloadOptions::default(),
        keys: Keys::default(),
        seen: Vec::new(),
    };
    while !cursor.at_end() {
        parser.option(cursor)?;
    }
    parser.ensure_together()?;
    Ok(Statement::Unload(Box::new(Unload {
        query,
        destination,
        authorization: parser.keys.finish()?,
        options: parser.options,
    })))
}

/// Parses the text of the query, which must be one and may not be cut off.
fn query(text: &str) -> Result<Query> {
    let source = Source::new(text)?;
    let mut statements = source.statements();
    let not_one = || Error::syntax("UNLOAD needs one SELECT", None);
    let Some((first, more)) = statements.split_first_mut() else {
        return Err(not_one());
    };
    // No other statement is looked into: one may hold texts in texts without end.
    let is_query = first.is_word("select") || first.is_word("with");
    let is_query = is_query || first.peek() == Some(&Token::LParen);
    if !is_query || !more.iter().all(|more| more.at_end()) {
        return Err(not_one());
    }
    let Statement::Select(query) = super::parse_one(first)?.statement else {
        return Err(not_one());
    };
    if query.is_cut_off() {
        return Err(Error::new(
            SqlState::FEATURE_NOT_SUPPORTED,
            "Limit clause is not supported.",
        )
        .with_hint("Wrap the query: SELECT * FROM (SELECT ... LIMIT 10)."));
    }
    Ok(query)
}

fn ensure_destination(destination: &str) -> Result<()> {
    let hint = "Write 's3://bucket/prefix' or 'file:///path/prefix'";
    let Some((scheme, rest)) = destination.split_once("://") else {
        return Err(value_error("UNLOAD destination must be an S3 path or a file").with_hint(hint));
    };
    match scheme {
        "s3" if rest.is_empty() || rest.starts_with('/') => {
            Err(value_error("the S3 path names no bucket"))
        }
        "s3" | "file" => Ok(()),
        other => Err(value_error(format!(
            "UNLOAD destination has the unknown scheme \"{other}\""
        ))
        .with_hint(hint)),
    }
}

/// Reads one option after the other.
struct OptionParser {
    options: UnloadOptions,
    keys: Keys,
    seen: Vec<String>,
}

impl OptionParser {
    fn option(&mut self, cursor: &mut Cursor<'_>) -> Result<()> {
        let position = cursor.position();
        if cursor.take_word("with") && !cursor.is_word("credentials") {
            return Err(cursor.unexpected());
        }
        let mut word = cursor.word()?;
        if word == "format" {
            cursor.take_word("as");
            word = cursor.word()?;
            if !FORMATS.contains(&word.as_str()) {
                return Err(near(&word, position));
            }
        }
        if self.seen.contains(&word) {
            return Err(Error::syntax(
                format!("UNLOAD option {} may be given once", word.to_uppercase()),
                Some(position),
            ));
        }
        self.seen.push(word.clone());
        let is_known = self.keys.take(cursor, &word)?
            || self
                .format_option(cursor, &word)
                .map_err(|error| placed(error, position))?
            || self
                .file_option(cursor, &word)
                .map_err(|error| placed(error, position))?;
        match is_known {
            true => Ok(()),
            false => Err(near(&word, position)),
        }
    }

    /// Options of what stands in the files.
    fn format_option(&mut self, cursor: &mut Cursor<'_>, word: &str) -> Result<bool> {
        let options = &mut self.options;
        match word {
            "text" => self.format(UnloadFormat::Text)?,
            "csv" => self.format(UnloadFormat::Csv)?,
            "json" => self.format(UnloadFormat::Json)?,
            "parquet" => self.format(UnloadFormat::Parquet)?,
            "header" => options.header = true,
            "delimiter" => {
                let text = delimiter(&argument(cursor)?)?;
                match text.as_bytes() {
                    [byte] => options.delimiter = Some(*byte),
                    _ => return Err(value_error("DELIMITER must be one ASCII character")),
                }
            }
            "fixedwidth" => options.fixed_width = Some(widths(&argument(cursor)?)?),
            "addquotes" => options.add_quotes = true,
            "null" => options.null_as = Some(null_text(&argument(cursor)?)?),
            "escape" => options.escape = true,
            "gzip" => self.compression(CopyCompression::Gzip)?,
            "zstd" => self.compression(CopyCompression::Zstd)?,
            "bzip2" => self.compression(CopyCompression::Bzip2)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Options of which files there are, and where.
    fn file_option(&mut self, cursor: &mut Cursor<'_>, word: &str) -> Result<bool> {
        let options = &mut self.options;
        match word {
            "partition" => {
                cursor.expect_word("by")?;
                options.partition_by = cursor.name_list()?;
                options.include_partitions = cursor.take_word("include");
            }
            "manifest" => {
                options.manifest = match cursor.take_word("verbose") {
                    true => ManifestKind::Verbose,
                    false => ManifestKind::Plain,
                };
            }
            "encrypted" => {
                if cursor.take_word("auto") {
                    self.seen.push("auto".to_owned());
                }
            }
            "kms_key_id" => options.encryption = Encryption::Kms(argument(cursor)?),
            "allowoverwrite" => options.allow_overwrite = true,
            "cleanpath" => options.clean_path = true,
            "parallel" => {
                let off = cursor.take_word("off") || cursor.take_word("false");
                if !off {
                    let _ = cursor.take_word("on") || cursor.take_word("true");
                }
                options.parallel = !off;
            }
            "maxfilesize" => {
                let what = "MAXFILESIZE must be between 5 MB and 6.2 GB";
                options.file_bytes_max = size(cursor)?
                    .filter(|bytes| (FILE_BYTES_MIN..=FILE_BYTES_MAX + MB).contains(bytes))
                    .ok_or_else(|| value_error(what))?;
            }
            "rowgroupsize" => {
                let what = "ROWGROUPSIZE must be between 32 MB and 128 MB";
                options.row_group_bytes = size(cursor)?
                    .filter(|bytes| (ROW_GROUP_BYTES..=ROW_GROUP_BYTES_MAX).contains(bytes))
                    .ok_or_else(|| value_error(what))?;
            }
            "region" => options.region = Some(argument(cursor)?),
            "extension" => options.extension = Some(extension(argument(cursor)?)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn format(&mut self, format: UnloadFormat) -> Result<()> {
        let given = self
            .seen
            .iter()
            .filter(|word| FORMATS.contains(&word.as_str()));
        if given.count() > 1 {
            return Err(conflict("only one FORMAT may be given"));
        }
        self.options.format = format;
        Ok(())
    }

    fn compression(&mut self, compression: CopyCompression) -> Result<()> {
        if self.options.compression != CopyCompression::None {
            return Err(conflict("only one of GZIP, ZSTD and BZIP2 may be given"));
        }
        self.options.compression = compression;
        Ok(())
    }

    fn has(&self, word: &str) -> bool {
        self.seen.iter().any(|seen| seen == word)
    }

    /// Settles ENCRYPTED, and refuses options that Redshift refuses beside each other.
    fn ensure_together(&mut self) -> Result<()> {
        for (word, others) in REFUSED_TOGETHER {
            let other = others.iter().find(|other| self.has(other));
            let Some(other) = other.filter(|_| self.has(word)) else {
                continue;
            };
            let other = match *other {
                "null" => "NULL AS".to_owned(),
                other => other.to_uppercase(),
            };
            let word_shown = word.to_uppercase();
            return Err(match FORMATS.contains(word) {
                true => Error::new(
                    SqlState::FEATURE_NOT_SUPPORTED,
                    format!("{other} is not supported for UNLOAD to {word_shown}"),
                )
                .with_hint("Leave the option out, or unload to text"),
                false => conflict(format!("{other} does not go with {word_shown}")),
            });
        }
        if self.has("rowgroupsize") && self.options.format != UnloadFormat::Parquet {
            return Err(conflict("ROWGROUPSIZE goes only with PARQUET"));
        }
        self.ensure_encryption()?;
        let options = &self.options;
        let delimiter = options.delimiter.unwrap_or(match options.format {
            UnloadFormat::Csv => b',',
            _ => b'|',
        });
        let is_quoted = options.format == UnloadFormat::Csv || options.add_quotes;
        if delimiter == b'"' && is_quoted {
            return Err(conflict("DELIMITER must not be the quotation mark"));
        }
        for (index, name) in options.partition_by.iter().enumerate() {
            if options
                .partition_by
                .iter()
                .take(index)
                .any(|other| other == name)
            {
                return Err(conflict(format!(
                    "PARTITION BY names the column \"{name}\" more than once"
                )));
            }
        }
        Ok(())
    }

    fn ensure_encryption(&mut self) -> Result<()> {
        let is_kms = matches!(self.options.encryption, Encryption::Kms(_));
        let is_encrypted = self.has("encrypted");
        if let Some(key) = self.keys.master_key(is_encrypted)? {
            return self.encrypt_here(key, is_kms);
        }
        if !is_encrypted {
            return match is_kms {
                true => Err(conflict("KMS_KEY_ID needs ENCRYPTED")),
                false => Ok(()),
            };
        }
        if is_kms && self.keys.has_credentials() {
            return Err(conflict("CREDENTIALS does not go with KMS_KEY_ID")
                .with_hint("Use IAM_ROLE, or ACCESS_KEY_ID and SECRET_ACCESS_KEY"));
        }
        match (is_kms, self.has("auto")) {
            (true, true) => return Err(conflict("KMS_KEY_ID does not go with ENCRYPTED AUTO")),
            (true, false) => {}
            (false, true) => self.options.encryption = Encryption::BucketKey,
            (false, false) => self.options.encryption = Encryption::StoreKeys,
        }
        Ok(())
    }

    /// ENCRYPTED with MASTER_SYMMETRIC_KEY.
    fn encrypt_here(&mut self, key: MasterKey, is_kms: bool) -> Result<()> {
        let with = |what| conflict(format!("MASTER_SYMMETRIC_KEY does not go with {what}"));
        if is_kms {
            return Err(with("KMS_KEY_ID"));
        }
        if self.has("auto") {
            return Err(with("ENCRYPTED AUTO"));
        }
        if self.options.format == UnloadFormat::Parquet {
            return Err(with("PARQUET").with_hint("Use KMS_KEY_ID: the store encrypts the files"));
        }
        self.options.encryption = Encryption::Client(key);
        Ok(())
    }
}

/// The words of FORMAT.
const FORMATS: [&str; 4] = ["text", "csv", "json", "parquet"];

/// Options, and those that do not go with them. Source: Redshift's guide, UNLOAD; FIXEDWIDTH has no fields that ADDQUOTES
/// and ESCAPE could tell apart.
const REFUSED_TOGETHER: &[(&str, &[&str])] = &[
    ("csv", &["fixedwidth", "addquotes", "escape"]),
    (
        "parquet",
        &[
            "delimiter",
            "fixedwidth",
            "addquotes",
            "escape",
            "null",
            "header",
            "gzip",
            "bzip2",
            "zstd",
        ],
    ),
    (
        "json",
        &[
            "delimiter",
            "header",
            "fixedwidth",
            "addquotes",
            "escape",
            "null",
        ],
    ),
    (
        "fixedwidth",
        &["delimiter", "header", "addquotes", "escape"],
    ),
    ("cleanpath", &["allowoverwrite"]),
];

fn near(word: &str, position: usize) -> Error {
    Error::syntax(
        format!("syntax error at or near \"{word}\""),
        Some(position),
    )
}

/// Gives an error a place, if it has none of its own.
fn placed(error: Error, position: usize) -> Error {
    match error.position {
        Some(_) => error,
        None => error.at(position),
    }
}

/// `[AS] number [MB | GB]`, in bytes; `None` if it is too large for any.
fn size(cursor: &mut Cursor<'_>) -> Result<Option<u64>> {
    cursor.take_word("as");
    let Some(Token::Number(digits, _)) = cursor.peek() else {
        return Err(cursor.unexpected());
    };
    let number: f64 = digits.parse().map_err(|_| cursor.unexpected())?;
    cursor.skip();
    let unit = if cursor.take_word("gb") {
        1024 * MB
    } else {
        cursor.take_word("mb");
        MB
    };
    let bytes = number * unit as f64;
    Ok((bytes < 1e15).then_some(bytes as u64))
}

/// `id:width, ...`; what columns are called there has no meaning.
fn widths(text: &str) -> Result<Vec<usize>> {
    let bad = || {
        value_error("FIXEDWIDTH must be name:width pairs divided by commas")
            .with_hint("Write 'a:10,b:20', a pair a column")
    };
    let width = |pair: &str| {
        let (_, width) = pair.rsplit_once(':')?;
        width
            .trim()
            .parse()
            .ok()
            .filter(|width| (1..=65_535).contains(width))
    };
    text.split(',')
        .map(|pair| width(pair).ok_or_else(bad))
        .collect()
}

/// A file name's end, which must stay in its folder.
fn extension(text: String) -> Result<String> {
    let is_odd = |letter: char| letter.is_control() || matches!(letter, '/' | '\\' | '#');
    match text.contains(is_odd) || text.len() > 255 {
        true => Err(value_error("EXTENSION must be the end of a file name")),
        false => Ok(text),
    }
}
