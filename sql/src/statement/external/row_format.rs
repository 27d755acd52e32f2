//! ROW FORMAT and STORED AS of external tables: how files are taken apart.

use super::{StoredAs, properties};
use crate::error::{Error, Result};
use crate::parser::cursor::Cursor;
use crate::sqlstate::SqlState;
use serde::{Deserialize, Serialize};

/// ROW FORMAT.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RowFormat {
    /// None given.
    #[default]
    Default,
    /// DELIMITED.
    Delimited {
        /// FIELDS TERMINATED BY.
        fields: Option<u8>,
    },
    /// SERDE 'org.apache.hadoop.hive.serde2.OpenCSVSerde'.
    OpenCsv {
        /// `separatorChar`.
        separator: u8,
        /// `quoteChar`; two of them within a field are one.
        quote: u8,
        /// `escapeChar`: makes a quote or itself literal within quotes.
        escape: u8,
    },
    /// SERDE of JSON.
    Json(JsonSerde),
    /// The SERDE of a format that takes itself apart.
    Of(StoredAs),
}

/// A SERDE of JSON: `org.openx.data.jsonserde.JsonSerDe` or those of Hive. Keys are found in any case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JsonSerde {
    /// The class, as it was written.
    pub class: String,
    /// `ignore.malformed.json`: what is no JSON is a row of nulls.
    #[serde(default)]
    pub ignores_malformed: bool,
    /// `case.insensitive` is false.
    #[serde(default)]
    pub is_case_sensitive: bool,
    /// `dots.in.keys`: a dot of a key is an underscore of its column.
    #[serde(default)]
    pub has_dots_in_keys: bool,
    /// `strip.outer.array`: the file is one array, and what is in it are the rows.
    #[serde(default)]
    pub strips_outer_array: bool,
    /// `mapping.column`: the keys of columns with other names.
    #[serde(default)]
    pub mapping: Vec<(String, String)>,
}

impl RowFormat {
    /// Refuses a ROW FORMAT that is not for files in a format. Gives what is left to know.
    pub(super) fn stored_as(self, stored_as: StoredAs) -> Result<Self> {
        let is_text = stored_as == StoredAs::TextFile;
        match self {
            Self::Default => Ok(self),
            Self::Of(format) if format == stored_as => Ok(Self::Default),
            Self::Delimited { .. } | Self::OpenCsv { .. } | Self::Json(_) if is_text => Ok(self),
            _ => Err(Error::new(
                SqlState::SYNTAX_ERROR,
                format!(
                    "this ROW FORMAT does not go with STORED AS {}",
                    word(stored_as)
                ),
            )),
        }
    }
}

fn word(stored_as: StoredAs) -> &'static str {
    match stored_as {
        StoredAs::Parquet => "PARQUET",
        StoredAs::Orc => "ORC",
        StoredAs::Avro => "AVRO",
        StoredAs::TextFile => "TEXTFILE",
    }
}

pub(super) fn row_format(cursor: &mut Cursor<'_>) -> Result<RowFormat> {
    if cursor.take_word("serde") {
        return serde(cursor);
    }
    cursor.expect_word("delimited")?;
    let mut fields = None;
    loop {
        let position = cursor.position();
        if cursor.take_words(&["fields", "terminated", "by"]) {
            fields = Some(delimiter(cursor)?);
        } else if cursor.take_words(&["lines", "terminated", "by"]) {
            let end = delimiter(cursor)?;
            if end != b'\n' {
                return Err(Error::unsupported(
                    "LINES TERMINATED BY another character than a newline",
                    "End the lines of the files with a newline",
                )
                .at(position));
            }
        } else if cursor.is_word("collection") || cursor.is_word("map") || cursor.is_word("escaped")
        {
            let word = cursor.peek_word().unwrap_or_default().to_uppercase();
            return Err(Error::unsupported(
                format!("ROW FORMAT DELIMITED {word}"),
                "Leave it out; quoted and escaped fields are read with OpenCSVSerde",
            )
            .at(position));
        } else {
            return Ok(RowFormat::Delimited { fields });
        }
    }
}

/// Reads the delimiter: one ASCII character, `\t`, `\n`, `\A`, or up to three octal digits behind a backslash.
pub(super) fn delimiter(cursor: &mut Cursor<'_>) -> Result<u8> {
    let position = cursor.position();
    let text = cursor.raw_string()?;
    one_byte(&text).ok_or_else(|| {
        Error::new(
            SqlState::INVALID_PARAMETER_VALUE,
            "the delimiter of an external table must be a single ASCII character",
        )
        .with_hint("Write it as it is, or in octal, as in '\\007'.")
        .at(position)
    })
}

pub(super) fn one_byte(text: &str) -> Option<u8> {
    if let Some(rest) = text.strip_prefix('\\') {
        return match rest {
            "t" => Some(b'\t'),
            "n" => Some(b'\n'),
            "r" => Some(b'\r'),
            "A" => Some(1),
            "" | "\\" => Some(b'\\'),
            "\"" => Some(b'"'),
            "'" => Some(b'\''),
            octal if octal.len() <= 3 => u8::from_str_radix(octal, 8).ok().filter(u8::is_ascii),
            _ => None,
        };
    }
    match text.as_bytes() {
        [only] if only.is_ascii() => Some(*only),
        _ => None,
    }
}

const OPEN_CSV: &str = "org.apache.hadoop.hive.serde2.opencsvserde";
const LAZY_SIMPLE: &str = "org.apache.hadoop.hive.serde2.lazy.lazysimpleserde";
const OPENX_JSON: &str = "org.openx.data.jsonserde.jsonserde";
const HIVE_JSON: [&str; 2] = [
    "org.apache.hive.hcatalog.data.jsonserde",
    "org.apache.hadoop.hive.serde2.jsonserde",
];
/// Classes that take a format apart, or list its files.
const OF_FORMATS: &[(&str, StoredAs)] = &[
    (
        "org.apache.hadoop.hive.ql.io.parquet.serde.parquethiveserde",
        StoredAs::Parquet,
    ),
    (
        "org.apache.hadoop.hive.ql.io.parquet.mapredparquetinputformat",
        StoredAs::Parquet,
    ),
    ("org.apache.hadoop.hive.ql.io.orc.orcserde", StoredAs::Orc),
    (
        "org.apache.hadoop.hive.ql.io.orc.orcinputformat",
        StoredAs::Orc,
    ),
    (
        "org.apache.hadoop.hive.serde2.avro.avroserde",
        StoredAs::Avro,
    ),
    (
        "org.apache.hadoop.hive.ql.io.avro.avrocontainerinputformat",
        StoredAs::Avro,
    ),
    (
        "org.apache.hadoop.mapred.textinputformat",
        StoredAs::TextFile,
    ),
];
/// Classes that are known to Redshift and refused here, with the way out.
const REFUSED: &[(&str, &str)] = &[
    (
        "org.apache.hadoop.hive.serde2.regexserde",
        "Use ROW FORMAT DELIMITED, and split a column with REGEXP_SUBSTR",
    ),
    (
        "com.amazonaws.glue.serde.grokserde",
        "Use ROW FORMAT DELIMITED, and split a column with REGEXP_SUBSTR",
    ),
    (
        "com.amazon.ionhiveserde.ionhiveserde",
        "Convert the files to JSON",
    ),
    (
        "org.apache.hadoop.hive.serde2.columnar.columnarserde",
        "Convert the files to Parquet or ORC",
    ),
];

/// The properties of a SERDE.
struct Properties {
    given: Vec<(String, String)>,
    position: usize,
}

impl Properties {
    fn get(&self, keys: &[&str]) -> Option<&(String, String)> {
        let mut given = self.given.iter();
        given.find(|(key, _)| keys.contains(&key.as_str()))
    }

    fn character(&self, keys: &[&str], default: u8) -> Result<u8> {
        match self.get(keys) {
            None => Ok(default),
            Some((key, value)) => one_byte(value).ok_or_else(|| {
                Error::new(
                    SqlState::INVALID_PARAMETER_VALUE,
                    format!("SERDEPROPERTIES '{key}' must be a single ASCII character"),
                )
                .at(self.position)
            }),
        }
    }

    fn truth(&self, keys: &[&str], default: bool) -> Result<bool> {
        let Some((key, value)) = self.get(keys) else {
            return Ok(default);
        };
        match value.to_lowercase().as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(Error::new(
                SqlState::INVALID_PARAMETER_VALUE,
                format!("SERDEPROPERTIES '{key}' must be true or false"),
            )
            .at(self.position)),
        }
    }

    /// Refuses all others.
    fn ensure(&self, known: &[&str]) -> Result<()> {
        let is_known = |key: &str| {
            known.iter().any(|known| match known.strip_suffix('*') {
                Some(prefix) => key.starts_with(prefix),
                None => key == *known,
            })
        };
        match self.given.iter().find(|(key, _)| !is_known(key)) {
            None => Ok(()),
            Some((key, _)) => Err(Error::unsupported(
                format!("SERDEPROPERTIES '{key}'"),
                format!("Known are {}", known.join(", ")),
            )
            .at(self.position)),
        }
    }
}

fn serde(cursor: &mut Cursor<'_>) -> Result<RowFormat> {
    let position = cursor.position();
    let name = cursor.raw_string()?;
    let given = match cursor.take_words(&["with", "serdeproperties"]) {
        true => properties(cursor)?,
        false => Vec::new(),
    };
    let given = Properties { given, position };
    let class = name.to_lowercase();
    if let Some((_, format)) = OF_FORMATS.iter().find(|(known, _)| *known == class)
        && *format != StoredAs::TextFile
    {
        given.ensure(&["serialization.format"])?;
        return Ok(RowFormat::Of(*format));
    }
    match class.as_str() {
        LAZY_SIMPLE => {
            given.ensure(&["field.delim", "serialization.format"])?;
            let delimiter = given.character(&["field.delim", "serialization.format"], 1)?;
            Ok(RowFormat::Delimited {
                fields: Some(delimiter),
            })
        }
        OPEN_CSV => {
            given.ensure(&[
                "separatorChar",
                "quoteChar",
                "escapeChar",
                "wholeFile",
                "serialization.format",
            ])?;
            Ok(RowFormat::OpenCsv {
                separator: given.character(&["separatorChar"], b',')?,
                quote: given.character(&["quoteChar"], b'"')?,
                escape: given.character(&["escapeChar"], b'\\')?,
            })
        }
        OPENX_JSON => openx(name, &given).map(RowFormat::Json),
        _ if HIVE_JSON.contains(&class.as_str()) => {
            given.ensure(&["ignore.malformed.json", "serialization.format"])?;
            Ok(RowFormat::Json(JsonSerde {
                class: name,
                ignores_malformed: given.truth(&["ignore.malformed.json"], false)?,
                ..JsonSerde::default()
            }))
        }
        _ => {
            let refused = REFUSED.iter().find(|(known, _)| *known == class);
            let hint = refused.map_or(
                "Use ROW FORMAT DELIMITED, or the SerDe org.apache.hadoop.hive.serde2.OpenCSVSerde or \
                 org.openx.data.jsonserde.JsonSerDe",
                |(_, hint)| hint,
            );
            Err(Error::unsupported(format!("ROW FORMAT SERDE '{name}'"), hint).at(position))
        }
    }
}

/// Source: the SerDe's own manual, and Amazon Athena's guide, "OpenX JSON SerDe".
fn openx(class: String, given: &Properties) -> Result<JsonSerde> {
    given.ensure(&[
        "ignore.malformed.json",
        "case.insensitive",
        "dots.in.keys",
        "strip.outer.array",
        // The keys that there are, as crawlers note them.
        "paths",
        "mapping.*",
        "serialization.format",
    ])?;
    let mapping = given.given.iter().filter_map(|(key, value)| {
        let column = key.strip_prefix("mapping.")?;
        Some((column.to_lowercase(), value.clone()))
    });
    Ok(JsonSerde {
        class,
        ignores_malformed: given.truth(&["ignore.malformed.json"], false)?,
        is_case_sensitive: !given.truth(&["case.insensitive"], true)?,
        has_dots_in_keys: given.truth(&["dots.in.keys"], false)?,
        strips_outer_array: given.truth(&["strip.outer.array"], false)?,
        mapping: mapping.collect(),
    })
}

/// Reads the format of files: a word, or the classes that stand for one.
pub(super) fn stored_as(cursor: &mut Cursor<'_>) -> Result<StoredAs> {
    let position = cursor.position();
    let word = cursor.word()?;
    match word.as_str() {
        "parquet" => Ok(StoredAs::Parquet),
        "orc" => Ok(StoredAs::Orc),
        "avro" => Ok(StoredAs::Avro),
        "textfile" => Ok(StoredAs::TextFile),
        "rcfile" | "sequencefile" => Err(Error::unsupported(
            format!("STORED AS {}", word.to_uppercase()),
            "Convert the files, and use STORED AS PARQUET, ORC, AVRO or TEXTFILE",
        )
        .at(position)),
        "inputformat" => {
            let class = cursor.raw_string()?;
            cursor.expect_word("outputformat")?;
            // Files are only read.
            cursor.raw_string()?;
            let lower = class.to_lowercase();
            let known = OF_FORMATS.iter().find(|(known, _)| *known == lower);
            known.map(|(_, format)| *format).ok_or_else(|| {
                Error::unsupported(
                    format!("STORED AS INPUTFORMAT '{class}'"),
                    "Use STORED AS PARQUET, ORC, AVRO or TEXTFILE",
                )
                .at(position)
            })
        }
        _ => Err(Error::syntax(
            format!("syntax error at or near \"{word}\""),
            Some(position),
        )),
    }
}
