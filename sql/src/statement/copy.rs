//! COPY: source, authorization, format and options, as the user wrote them.

mod format;
pub mod job;

pub use super::authorization::Authorization;

use super::authorization::Keys;
use super::master_key::MasterKey;
use super::{ObjectName, Statement};
use crate::error::{Error, Result};
use crate::parser::cursor::Cursor;
use crate::sqlstate::SqlState;

/// `COPY table [(columns)] FROM 'source' authorization [options]`.
#[derive(Clone)]
pub struct Copy {
    /// The target.
    pub table: ObjectName,
    /// Named columns; empty means all.
    pub columns: Vec<String>,
    /// `s3://...` or `file://...`.
    pub source: String,
    /// How to log in there. Never printed.
    pub authorization: Authorization,
    /// Everything else.
    pub options: CopyOptions,
}

/// The format of the files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CopyFormat {
    /// Delimited text, `|` by default.
    #[default]
    Text,
    /// CSV, `,` by default.
    Csv,
    /// FIXEDWIDTH
    FixedWidth,
    /// JSON
    Json,
    /// PARQUET
    Parquet,
    /// ORC
    Orc,
    /// AVRO
    Avro,
}

/// Which part of a JSON document, or of an Avro row, goes to which column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum JsonMapping {
    /// 'auto': a value goes to the column of its name.
    #[default]
    Auto,
    /// 'auto ignorecase'
    AutoIgnoreCase,
    /// The URL of a JSONPaths file: one path a column.
    Paths(String),
    /// 'noshred': the document goes to one SUPER column.
    NoShred,
}

/// ENCODING: how text is written in the files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CopyEncoding {
    /// UTF8
    #[default]
    Utf8,
    /// UTF16: by the mark at the beginning of each file.
    Utf16,
    /// UTF16LE
    Utf16Le,
    /// UTF16BE
    Utf16Be,
    /// ISO88591
    Iso88591,
}

/// The compression of the files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CopyCompression {
    /// None.
    #[default]
    None,
    /// GZIP
    Gzip,
    /// ZSTD
    Zstd,
    /// BZIP2
    Bzip2,
    /// LZOP
    Lzop,
}

/// DATEFORMAT, TIMEFORMAT.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TimeText {
    /// The documented default.
    #[default]
    Default,
    /// 'auto'
    Auto,
    /// 'epochsecs'
    EpochSeconds,
    /// 'epochmillisecs'
    EpochMilliseconds,
    /// A format of YYYY, MM, DD, HH24, MI, SS and the like.
    Format(String),
}

/// COMPUPDATE: which encodings the columns of an empty table get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compupdate {
    /// Those that suit the data.
    On,
    /// Those there are.
    Off,
    /// Those that suit the types.
    Preset,
}

/// COPY's options with Redshift's defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CopyOptions {
    /// FORMAT
    pub format: CopyFormat,
    /// ENCRYPTED with MASTER_SYMMETRIC_KEY: the files are encrypted by their client.
    pub master_key: Option<MasterKey>,
    /// FIXEDWIDTH: the width of each field, in characters.
    pub fixed_width: Vec<u32>,
    /// The argument of JSON or AVRO.
    pub json: JsonMapping,
    /// SERIALIZETOJSON: nested values of PARQUET go to SUPER columns.
    pub serialize_to_json: bool,
    /// ENCODING
    pub encoding: CopyEncoding,
    /// GZIP, ZSTD, BZIP2, LZOP
    pub compression: CopyCompression,
    /// MANIFEST
    pub manifest: bool,
    /// SSH: the source names hosts and what to run there.
    pub ssh: bool,
    /// DELIMITER, one byte or character; `None` is the format's default.
    pub delimiter: Option<String>,
    /// QUOTE for CSV; `None` is `"`.
    pub quote: Option<char>,
    /// ESCAPE
    pub escape: bool,
    /// REMOVEQUOTES
    pub remove_quotes: bool,
    /// IGNOREHEADER n
    pub ignore_header: u64,
    /// NULL AS; `None` is `\N`.
    pub null_as: Option<String>,
    /// DATEFORMAT
    pub date_format: TimeText,
    /// TIMEFORMAT
    pub time_format: TimeText,
    /// MAXERROR n; with IGNOREALLERRORS as many as there may be.
    pub max_error: u64,
    /// IGNOREBLANKLINES
    pub ignore_blank_lines: bool,
    /// BLANKSASNULL
    pub blanks_as_null: bool,
    /// EMPTYASNULL
    pub empty_as_null: bool,
    /// TRIMBLANKS
    pub trim_blanks: bool,
    /// TRUNCATECOLUMNS
    pub truncate_columns: bool,
    /// FILLRECORD
    pub fill_record: bool,
    /// ACCEPTANYDATE
    pub accept_any_date: bool,
    /// ACCEPTINVCHARS: the replacement, one byte.
    pub accept_invalid_chars: Option<u8>,
    /// ROUNDEC
    pub round_decimals: bool,
    /// EXPLICIT_IDS
    pub explicit_ids: bool,
    /// NOLOAD
    pub no_load: bool,
    /// COMPUPDATE; `None` if not given.
    pub compupdate: Option<Compupdate>,
    /// STATUPDATE ON / OFF.
    pub statupdate: Option<bool>,
    /// REGION
    pub region: Option<String>,
}

impl std::fmt::Debug for Copy {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Copy")
            .field("table", &self.table)
            .field("source", &self.source)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// Options of COPY that are known to Redshift and refused here, with the way out.
const REFUSED: &[(&str, &str)] = &[
    ("shapefile", "Convert the files to CSV"),
    ("readratio", "Export the table to S3 first"),
    ("using", "Write the options in the COPY itself"),
    (
        "kms_key_id",
        "Store the files encrypted by the server that keeps them",
    ),
];

/// Parses COPY.
pub(crate) fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let start = cursor.mark();
    cursor.expect_word("copy")?;
    if job::is_next(cursor) {
        return job::parse(cursor);
    }
    let table = cursor.object_name()?;
    let columns = cursor.optional_name_list()?;
    for (idx, column) in columns.iter().enumerate() {
        if columns.iter().take(idx).any(|other| other == column) {
            return Err(Error::new(
                SqlState::DUPLICATE_COLUMN,
                format!("column \"{column}\" specified more than once"),
            ));
        }
    }
    if cursor.is_word("to") {
        return Err(
            Error::unsupported("COPY ... TO", "Read the rows with a SELECT").at(cursor.position()),
        );
    }
    cursor.expect_word("from")?;
    if cursor.is_word("stdin") {
        return Err(Error::unsupported(
            "COPY ... FROM STDIN",
            "Put the files on S3 or use file://",
        )
        .at(cursor.position()));
    }
    let position = cursor.position();
    let source = cursor.raw_string()?;
    ensure_source(&source).map_err(|error| error.at(position))?;
    let mut copy = Copy {
        table,
        columns,
        source,
        authorization: Authorization::None,
        options: CopyOptions::default(),
    };
    let mut keys = Keys::default();
    let mut seen: Vec<String> = Vec::new();
    while !cursor.at_end() && !cursor.is_word("job") {
        option(cursor, &mut copy, &mut keys, &mut seen)?;
    }
    let is_encrypted = seen.iter().any(|word| word == "encrypted");
    copy.options.master_key = keys.master_key(is_encrypted)?;
    if is_encrypted && copy.options.master_key.is_none() {
        return Err(conflict("ENCRYPTED needs MASTER_SYMMETRIC_KEY")
            .with_hint("Leave ENCRYPTED out: files that the store encrypts are read without it"));
    }
    copy.authorization = keys.finish()?;
    ensure_together(&copy, &seen)?;
    if cursor.is_word("job") {
        let text = cursor.text_from(start).to_owned();
        return job::parse_create(cursor, copy, &seen, text);
    }
    Ok(Statement::Copy(Box::new(copy)))
}

fn ensure_source(source: &str) -> Result<()> {
    let Some((scheme, rest)) = source.split_once("://") else {
        return Err(Error::new(
            SqlState::INVALID_PARAMETER_VALUE,
            "COPY source must be an S3 path or a file",
        )
        .with_hint("Write 's3://bucket/prefix' or 'file:///path/prefix'"));
    };
    match scheme {
        "s3" if rest.is_empty() || rest.starts_with('/') => Err(Error::new(
            SqlState::INVALID_PARAMETER_VALUE,
            "the S3 path names no bucket",
        )),
        "s3" | "file" => Ok(()),
        "emr" => Err(Error::unsupported(
            "COPY from emr://",
            "Copy the files to S3, as with s3-dist-cp, and load them from there",
        )),
        "dynamodb" => Err(Error::unsupported(
            "COPY from dynamodb://",
            "Export the table to S3 and load it with JSON 'auto'",
        )),
        "ssh" => Err(Error::unsupported(
            "COPY from ssh://",
            "Name the host in a manifest, and write COPY ... FROM 's3://bucket/manifest' ... SSH",
        )),
        other => Err(Error::new(
            SqlState::INVALID_PARAMETER_VALUE,
            format!("COPY source has the unknown scheme \"{other}\""),
        )
        .with_hint("Write 's3://bucket/prefix' or 'file:///path/prefix'")),
    }
}

fn option(
    cursor: &mut Cursor<'_>,
    copy: &mut Copy,
    keys: &mut Keys,
    seen: &mut Vec<String>,
) -> Result<()> {
    let position = cursor.position();
    if cursor.take_word("with") && !cursor.is_word("credentials") {
        return Err(cursor.unexpected());
    }
    let mut word = cursor.word()?;
    if word == "format" {
        cursor.take_word("as");
        word = cursor.word()?;
        if !["csv", "json", "avro", "parquet", "orc", "shapefile"].contains(&word.as_str()) {
            return Err(Error::syntax(
                format!("syntax error at or near \"{word}\""),
                Some(position),
            ));
        }
    }
    if let Some((name, hint)) = REFUSED.iter().find(|(name, _)| *name == word) {
        return Err(
            Error::unsupported(format!("COPY option {}", name.to_uppercase()), *hint).at(position),
        );
    }
    if seen.contains(&word) {
        return Err(Error::syntax(
            format!("COPY option {} may be given once", word.to_uppercase()),
            Some(position),
        ));
    }
    seen.push(word.clone());
    let options = &mut copy.options;
    match word.as_str() {
        "csv" => options.format = CopyFormat::Csv,
        "fixedwidth" => {
            options.format = CopyFormat::FixedWidth;
            let text = argument(cursor)?;
            options.fixed_width = format::fixed_width(&text).map_err(|e| e.at(position))?;
        }
        "json" => {
            options.format = CopyFormat::Json;
            if cursor.is_string() || cursor.is_word("as") {
                let text = argument(cursor)?;
                options.json = format::json(&text).map_err(|e| e.at(position))?;
            }
        }
        "avro" => {
            options.format = CopyFormat::Avro;
            if cursor.is_string() || cursor.is_word("as") {
                let text = argument(cursor)?;
                options.json = format::avro(&text).map_err(|e| e.at(position))?;
            }
        }
        "parquet" => options.format = CopyFormat::Parquet,
        "orc" => options.format = CopyFormat::Orc,
        "serializetojson" => options.serialize_to_json = true,
        // Encodings are chosen for each block from all of its rows, so a sample of any size is part of what is looked at.
        "comprows" => {
            number(cursor, "COMPROWS", 1_000, 2_147_483_647)?;
        }
        "delimiter" => {
            options.delimiter = Some(delimiter(&argument(cursor)?).map_err(|e| e.at(position))?)
        }
        "quote" => {
            let text = argument(cursor)?;
            let mut chars = text.chars();
            match (chars.next(), chars.next()) {
                (Some(quote), None) if quote.is_ascii() => options.quote = Some(quote),
                _ => return Err(value_error("QUOTE must be one ASCII character").at(position)),
            }
        }
        "gzip" => compression(options, CopyCompression::Gzip)?,
        "zstd" => compression(options, CopyCompression::Zstd)?,
        "bzip2" => compression(options, CopyCompression::Bzip2)?,
        "lzop" => compression(options, CopyCompression::Lzop)?,
        "manifest" => options.manifest = true,
        "ssh" => options.ssh = true,
        "escape" => options.escape = true,
        "removequotes" => options.remove_quotes = true,
        "ignoreheader" => options.ignore_header = number(cursor, "IGNOREHEADER", 0, i64::MAX)?,
        "null" => {
            let text = argument(cursor)?;
            options.null_as = Some(null_text(&text).map_err(|e| e.at(position))?);
        }
        "dateformat" => options.date_format = time_text(&argument(cursor)?, false)?,
        "timeformat" => options.time_format = time_text(&argument(cursor)?, true)?,
        "maxerror" => options.max_error = number(cursor, "MAXERROR", 0, 100_000)?,
        "ignoreallerrors" => options.max_error = u64::MAX,
        "ignoreblanklines" => options.ignore_blank_lines = true,
        "blanksasnull" => options.blanks_as_null = true,
        "emptyasnull" => options.empty_as_null = true,
        "trimblanks" => options.trim_blanks = true,
        "truncatecolumns" => options.truncate_columns = true,
        "fillrecord" => options.fill_record = true,
        "acceptanydate" => options.accept_any_date = true,
        "acceptinvchars" => {
            let given = cursor.take_word("as") || cursor.is_string();
            let text = if given {
                cursor.raw_string()?
            } else {
                "?".to_owned()
            };
            match text.as_bytes() {
                [byte] if byte.is_ascii() && *byte != 0 => {
                    options.accept_invalid_chars = Some(*byte)
                }
                _ => {
                    return Err(
                        value_error("ACCEPTINVCHARS must be one ASCII character").at(position)
                    );
                }
            }
        }
        "roundec" => options.round_decimals = true,
        "encrypted" => {}
        "explicit_ids" => options.explicit_ids = true,
        "noload" => options.no_load = true,
        "compupdate" => {
            let choice = ["preset", "on", "off", "true", "false"]
                .into_iter()
                .find(|word| cursor.take_word(word))
                .unwrap_or("on");
            options.compupdate = Some(match choice {
                "preset" => Compupdate::Preset,
                "off" | "false" => Compupdate::Off,
                _ => Compupdate::On,
            });
        }
        "statupdate" => {
            let off = cursor.take_word("off") || cursor.take_word("false");
            if !off {
                let _ = cursor.take_word("on") || cursor.take_word("true");
            }
            options.statupdate = Some(!off);
        }
        "region" => options.region = Some(argument(cursor)?),
        "encoding" => {
            cursor.take_word("as");
            let name = if cursor.is_string() {
                cursor.raw_string()?
            } else {
                cursor.word()?
            };
            options.encoding = format::encoding(&name).map_err(|e| e.at(position))?;
        }
        other if keys.take(cursor, other)? => {}
        other => {
            return Err(Error::syntax(
                format!("syntax error at or near \"{other}\""),
                Some(position),
            ));
        }
    }
    Ok(())
}

/// `[AS] 'text'`.
pub(super) fn argument(cursor: &mut Cursor<'_>) -> Result<String> {
    cursor.take_word("as");
    cursor.raw_string()
}

fn number(cursor: &mut Cursor<'_>, name: &str, low: i64, high: i64) -> Result<u64> {
    cursor.take_word("as");
    let position = cursor.position();
    let value = cursor.integer()?;
    if !(low..=high).contains(&value) {
        return Err(value_error(format!("{name} must be between {low} and {high}")).at(position));
    }
    Ok(value.unsigned_abs())
}

/// One character, or `\t`, or `\ddd` in octal.
pub(super) fn delimiter(text: &str) -> Result<String> {
    let bad = || value_error("DELIMITER must be one character, \\t or \\ddd");
    let delimiter = match text.strip_prefix('\\') {
        Some("t") => "\t".to_owned(),
        Some("\\") | Some("") => "\\".to_owned(),
        Some(octal) if octal.len() == 3 => {
            let code = u8::from_str_radix(octal, 8).map_err(|_| bad())?;
            char::from(code).to_string()
        }
        Some(_) => return Err(bad()),
        None => text.to_owned(),
    };
    if delimiter.chars().count() != 1 || ["\n", "\r", "\0"].contains(&delimiter.as_str()) {
        return Err(bad());
    }
    Ok(delimiter)
}

/// NULL AS as written: `\N` stays, `\0` and `\000` are the NUL byte, `\n` is refused.
pub(super) fn null_text(text: &str) -> Result<String> {
    match text {
        "\\n" | "\n" => Err(value_error("NULL AS must not be a newline")),
        "\\0" | "\\000" => Ok("\0".to_owned()),
        "\\\\N" => Ok("\\N".to_owned()),
        other => Ok(other.to_owned()),
    }
}

fn time_text(text: &str, time: bool) -> Result<TimeText> {
    Ok(match text.to_lowercase().as_str() {
        "auto" => TimeText::Auto,
        "epochsecs" if time => TimeText::EpochSeconds,
        "epochmillisecs" if time => TimeText::EpochMilliseconds,
        "" => {
            let name = if time { "TIMEFORMAT" } else { "DATEFORMAT" };
            return Err(value_error(format!("{name} must not be empty")));
        }
        _ => TimeText::Format(text.to_owned()),
    })
}

fn compression(options: &mut CopyOptions, compression: CopyCompression) -> Result<()> {
    if options.compression != CopyCompression::None {
        return Err(conflict(
            "only one of GZIP, ZSTD, BZIP2 and LZOP may be given",
        ));
    }
    options.compression = compression;
    Ok(())
}

/// Options Redshift refuses beside each other.
fn ensure_together(copy: &Copy, seen: &[String]) -> Result<()> {
    let has = |name: &str| seen.iter().any(|seen| seen == name);
    format::ensure_together(copy, seen)?;
    if has("ssh") && has("manifest") {
        return Err(conflict("MANIFEST does not go with SSH"));
    }
    if has("ignoreallerrors") && has("maxerror") {
        return Err(conflict("IGNOREALLERRORS does not go with MAXERROR"));
    }
    if has("emptyasnull") && copy.options.null_as.as_deref() == Some("") {
        return Err(conflict("EMPTYASNULL does not go with NULL AS ''"));
    }
    if let (Some(delimiter), quote) = (&copy.options.delimiter, copy.options.quote.unwrap_or('"'))
        && has("csv")
        && delimiter.starts_with(quote)
    {
        return Err(conflict("DELIMITER and QUOTE must differ"));
    }
    Ok(())
}

pub(super) fn conflict(message: impl Into<String>) -> Error {
    Error::new(SqlState::SYNTAX_ERROR, message)
}

pub(super) fn value_error(message: impl Into<String>) -> Error {
    Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
}
