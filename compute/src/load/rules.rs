//! The options of a COPY, made ready for the parser.

use super::{LoadColumn, LoadPlan};
use crate::error::{Error, Result};
use crate::format::avro::{Avro, Style};
use crate::format::compression::Compression;
use crate::format::cut::RowEnd;
use crate::format::delimited::Dialect;
use crate::format::delimited::convert::{ColumnRule, TimeRule};
use crate::format::delimited::text::TextRule;
use crate::format::delimited::time_format::TimeFormat;
use crate::format::encoding::Encoding;
use crate::format::fixed_width::FixedWidth;
use crate::format::json::Json;
use crate::format::json::path::Path;
use crate::format::layout::Layout;
use blueshift_sql::statement::copy::{
    CopyCompression, CopyEncoding, CopyFormat, CopyOptions, JsonMapping, TimeText,
};
use blueshift_sql::{SqlState, SqlType};

/// What the parser needs to know.
pub(super) struct Rules {
    pub(super) layout: Layout,
    pub(super) columns: Vec<ColumnRule>,
    pub(super) compression: Compression,
    pub(super) row_end: RowEnd,
    pub(super) header_lines: u64,
    pub(super) encoding: Encoding,
}

impl Rules {
    /// Checks the options and makes the rules. `paths` are those of a JSONPaths file, if there is one.
    pub(super) fn new(plan: &LoadPlan, paths: Option<Vec<Path>>) -> Result<Rules> {
        let options = &plan.options;
        let header_lines = options.ignore_header;
        let (layout, row_end) = match options.format {
            CopyFormat::FixedWidth => (fixed_width(plan)?, RowEnd::Newline),
            CopyFormat::Json => {
                let row_end = RowEnd::Json {
                    header_lines,
                    strips_array: false,
                };
                (Layout::Json(json(plan, paths)?), row_end)
            }
            CopyFormat::Avro => (Layout::Avro(avro(plan, paths)?), RowEnd::Block),
            _ => delimited(plan)?,
        };
        let columns = (0_u32..)
            .zip(&plan.columns)
            .filter_map(|(place, column)| column_rule(place, column, options));
        Ok(Rules {
            layout,
            columns: columns.collect::<Result<_>>()?,
            compression: match options.compression {
                CopyCompression::None => Compression::None,
                CopyCompression::Gzip => Compression::Gzip,
                CopyCompression::Zstd => Compression::Zstd,
                CopyCompression::Bzip2 => Compression::Bzip2,
                CopyCompression::Lzop => Compression::Lzop,
            },
            row_end,
            header_lines,
            encoding: match options.encoding {
                CopyEncoding::Utf8 => Encoding::Utf8,
                CopyEncoding::Utf16 => Encoding::Utf16,
                CopyEncoding::Utf16Le => Encoding::Utf16Le,
                CopyEncoding::Utf16Be => Encoding::Utf16Be,
                CopyEncoding::Iso88591 => Encoding::Iso88591,
            },
        })
    }
}

fn delimited(plan: &LoadPlan) -> Result<(Layout, RowEnd)> {
    let options = &plan.options;
    let is_csv = options.format == CopyFormat::Csv;
    let quote = is_csv
        .then(|| byte(options.quote.unwrap_or('"'), "QUOTE"))
        .transpose()?;
    let delimiter = delimiter(options, if is_csv { b',' } else { b'|' })?;
    if quote == Some(delimiter) {
        return Err(refused("QUOTE and DELIMITER must differ"));
    }
    if matches!(delimiter, b'\n' | b'\r') {
        return Err(refused("DELIMITER must not be a line end"));
    }
    let dialect = Dialect {
        delimiter,
        quote,
        quote_escape: None,
        escape: options.escape,
        remove_quotes: options.remove_quotes,
        null_as: null_as(options)?,
        field_count: plan.field_count,
        fill_record: options.fill_record,
        ignore_blank_lines: options.ignore_blank_lines,
    };
    let row_end = match quote {
        Some(quote) => RowEnd::Quoted {
            quote,
            delimiter,
            escape: None,
        },
        None if options.escape => RowEnd::Escaped,
        None => RowEnd::Newline,
    };
    Ok((Layout::Delimited(dialect), row_end))
}

fn fixed_width(plan: &LoadPlan) -> Result<Layout> {
    let options = &plan.options;
    let widths = &options.fixed_width;
    if widths.len() != plan.field_count {
        return Err(refused(&format!(
            "FIXEDWIDTH has {} fields, but {} columns are loaded",
            widths.len(),
            plan.field_count
        )));
    }
    Ok(Layout::FixedWidth(FixedWidth {
        widths: widths.iter().map(|width| *width as usize).collect(),
        null_as: null_as(options)?,
        remove_quotes: options.remove_quotes,
        fill_record: options.fill_record,
        ignore_blank_lines: options.ignore_blank_lines,
    }))
}

/// Gives the columns that are loaded, in the order of their fields.
fn loaded(plan: &LoadPlan) -> Vec<&LoadColumn> {
    let mut loaded: Vec<(usize, &LoadColumn)> = plan
        .columns
        .iter()
        .filter_map(|column| Some((column.field?, column)))
        .collect();
    loaded.sort_by_key(|(field, _)| *field);
    loaded.into_iter().map(|(_, column)| column).collect()
}

/// Says which part of an Avro row each field is, and how it is written for its column.
fn avro(plan: &LoadPlan, paths: Option<Vec<Path>>) -> Result<Avro> {
    let unit = match plan.options.time_format {
        TimeText::EpochSeconds => Some(1_000_000),
        TimeText::EpochMilliseconds => Some(1_000),
        _ => None,
    };
    let style = |column: &&LoadColumn| match column.ty {
        SqlType::Timestamp | SqlType::TimestampTz => unit.map_or(Style::Text, Style::Epoch),
        ty => Style::of(ty),
    };
    let styles = loaded(plan).iter().map(style).collect();
    Ok(Avro::new(json(plan, paths)?, styles))
}

fn json(plan: &LoadPlan, paths: Option<Vec<Path>>) -> Result<Json> {
    let loaded = loaded(plan);
    let is_raw: Vec<bool> = loaded
        .iter()
        .map(|column| column.ty == SqlType::Super)
        .collect();
    let names = loaded.iter().map(|column| column.name.as_str());
    Ok(match (&plan.options.json, paths) {
        (JsonMapping::NoShred, _) if is_raw != [true] => {
            return Err(refused(
                "JSON 'noshred' loads exactly one column, of type SUPER",
            ));
        }
        (JsonMapping::NoShred, _) => Json::by_paths([Vec::new()], is_raw),
        (JsonMapping::Paths(_), Some(paths)) => {
            if paths.len() != is_raw.len() {
                return Err(refused(&format!(
                    "Number of jsonpaths and the number of columns should match. JSONPath size: {}, Number of columns \
                     in table or column list: {}",
                    paths.len(),
                    is_raw.len()
                )));
            }
            Json::by_paths(paths, is_raw)
        }
        (mapping, _) => {
            let ignores_case = *mapping == JsonMapping::AutoIgnoreCase;
            Json::by_names(names, is_raw, ignores_case)
        }
    })
}

fn refused(message: &str) -> Error {
    Error::Sql(blueshift_sql::Error::new(
        SqlState::INVALID_PARAMETER_VALUE,
        message,
    ))
}

fn byte(character: char, option: &str) -> Result<u8> {
    u8::try_from(character)
        .ok()
        .filter(u8::is_ascii)
        .ok_or_else(|| {
            Error::Sql(blueshift_sql::Error::unsupported(
                format!("{option} '{character}'"),
                "Use one ASCII character.",
            ))
        })
}

/// Reads `'|'`, `'\t'`, `'\001'`.
fn delimiter(options: &CopyOptions, default: u8) -> Result<u8> {
    let Some(text) = &options.delimiter else {
        return Ok(default);
    };
    let octal = |digits: &str| {
        (digits.len() == 3)
            .then(|| u8::from_str_radix(digits, 8).ok())
            .flatten()
    };
    match text.strip_prefix('\\') {
        Some("t") => return Ok(b'\t'),
        Some("") | None => {}
        Some(digits) => {
            if let Some(byte) = octal(digits) {
                return Ok(byte);
            }
        }
    }
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (Some(only), None) => byte(only, "DELIMITER"),
        _ => Err(refused("DELIMITER must be one character")),
    }
}

fn null_as(options: &CopyOptions) -> Result<Vec<u8>> {
    match options.null_as.as_deref() {
        None => Ok(b"\\N".to_vec()),
        Some("\\0" | "\\000") => Ok(vec![0]),
        Some("\n" | "\\n") => Err(refused("NULL AS must not be a line end")),
        Some(text) => Ok(text.as_bytes().to_vec()),
    }
}

fn column_rule(
    place: u32,
    column: &LoadColumn,
    options: &CopyOptions,
) -> Option<Result<ColumnRule>> {
    let field = column.field?;
    let (bytes_max, is_char) = match column.ty {
        SqlType::Char(bytes) => (bytes as usize, true),
        SqlType::Varchar(bytes) => (bytes as usize, false),
        _ => (usize::MAX, false),
    };
    let empty_is_null = options.null_as.as_deref() == Some("");
    let times = || {
        Ok(ColumnRule {
            column: place,
            field,
            ty: column.ty,
            not_null: column.not_null,
            text: TextRule {
                bytes_max,
                is_char,
                trim_blanks: options.trim_blanks,
                truncate: options.truncate_columns,
                blanks_as_null: options.blanks_as_null,
                empty_as_null: options.empty_as_null || empty_is_null,
                replacement: options.accept_invalid_chars,
            },
            date: time_rule(&options.date_format, "DATEFORMAT", options.format)?,
            timestamp: time_rule(&options.time_format, "TIMEFORMAT", options.format)?,
            accept_any_date: options.accept_any_date,
            round_decimals: options.round_decimals,
        })
    };
    Some(times())
}

fn time_rule(text: &TimeText, option: &str, of: CopyFormat) -> Result<TimeRule> {
    Ok(match text {
        TimeText::Default => TimeRule::Iso,
        TimeText::Auto => TimeRule::Formats(TimeFormat::auto()),
        TimeText::EpochSeconds => TimeRule::Epoch(1_000_000),
        TimeText::EpochMilliseconds => TimeRule::Epoch(1_000),
        TimeText::Format(format) => {
            let format = TimeFormat::new(format).ok_or_else(|| {
                refused(&format!(
                    "{option} '{format}' names no part of a date or time"
                ))
            })?;
            match of {
                // What a file has as a date or time, and not as text, is written as ISO 8601.
                CopyFormat::Avro => TimeRule::Formats(vec![format]),
                _ => TimeRule::Only(format),
            }
        }
    })
}
