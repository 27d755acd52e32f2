//! The formats of COPY: what each is told, and which options it does not go with.

use super::{Copy, CopyEncoding, CopyFormat, JsonMapping, conflict, value_error};
use crate::error::{Error, Result};
use crate::sqlstate::SqlState;

/// The widest field of FIXEDWIDTH, in characters: a row has at most 4 MB.
const WIDTH_MAX: u32 = 4 << 20;
/// The options that go with PARQUET and ORC. Source: the usage notes of COPY from columnar data formats, and SERIALIZETOJSON.
const COLUMNAR_OPTIONS: &[&str] = &[
    "parquet",
    "orc",
    "serializetojson",
    "acceptinvchars",
    "fillrecord",
    "statupdate",
    "manifest",
    "explicit_ids",
    "iam_role",
    "credentials",
    "access_key_id",
    "secret_access_key",
    "session_token",
];
/// A format, and the options that do not go with it, as they are written and shown.
const EXCLUDED: &[(&str, &[(&str, &str)])] = &[
    (
        "csv",
        &[
            ("escape", "ESCAPE"),
            ("removequotes", "REMOVEQUOTES"),
            ("fixedwidth", "FIXEDWIDTH"),
            ("json", "JSON"),
        ],
    ),
    (
        "fixedwidth",
        &[
            ("delimiter", "DELIMITER"),
            ("escape", "ESCAPE"),
            ("quote", "QUOTE"),
            ("json", "JSON"),
        ],
    ),
    (
        "json",
        &[
            ("delimiter", "DELIMITER"),
            ("escape", "ESCAPE"),
            ("fillrecord", "FILLRECORD"),
            ("ignoreblanklines", "IGNOREBLANKLINES"),
            ("null", "NULL AS"),
            ("quote", "QUOTE"),
            ("removequotes", "REMOVEQUOTES"),
        ],
    ),
    (
        "avro",
        &[
            ("csv", "CSV"),
            ("json", "JSON"),
            ("fixedwidth", "FIXEDWIDTH"),
            ("delimiter", "DELIMITER"),
            ("encoding", "ENCODING"),
            ("escape", "ESCAPE"),
            ("fillrecord", "FILLRECORD"),
            ("ignoreblanklines", "IGNOREBLANKLINES"),
            ("ignoreheader", "IGNOREHEADER"),
            ("null", "NULL AS"),
            ("quote", "QUOTE"),
            ("removequotes", "REMOVEQUOTES"),
        ],
    ),
];

/// Reads `label:width, ...`; gives the widths. Labels are free.
pub(super) fn fixed_width(text: &str) -> Result<Vec<u32>> {
    let bad = || {
        value_error("FIXEDWIDTH must be label:width pairs divided by commas")
            .with_hint("Write FIXEDWIDTH 'id:5,name:30', with widths in characters")
    };
    text.split(',')
        .map(|pair| {
            let (_, width) = pair.rsplit_once(':').ok_or_else(bad)?;
            let width: u32 = width.trim().parse().map_err(|_| bad())?;
            match (1..=WIDTH_MAX).contains(&width) {
                true => Ok(width),
                false => Err(value_error(format!(
                    "a width of FIXEDWIDTH must be between 1 and {WIDTH_MAX}"
                ))),
            }
        })
        .collect()
}

/// Reads the argument of JSON.
pub(super) fn json(text: &str) -> Result<JsonMapping> {
    Ok(match text.to_lowercase().as_str() {
        "auto" => JsonMapping::Auto,
        "auto ignorecase" => JsonMapping::AutoIgnoreCase,
        "noshred" => JsonMapping::NoShred,
        _ if text.starts_with("s3://") || text.starts_with("file://") => {
            JsonMapping::Paths(text.to_owned())
        }
        _ => {
            return Err(value_error(
                "JSON needs 'auto', 'auto ignorecase', 'noshred' or the path of a JSONPaths file",
            )
            .with_hint("Write 's3://bucket/key' or 'file:///path/file' for a JSONPaths file"));
        }
    })
}

/// Reads the argument of AVRO.
pub(super) fn avro(text: &str) -> Result<JsonMapping> {
    match json(text) {
        Ok(mapping) if mapping != JsonMapping::NoShred => Ok(mapping),
        _ => Err(value_error(
            "AVRO needs 'auto', 'auto ignorecase' or the path of a JSONPaths file",
        )
        .with_hint("Write 's3://bucket/key' or 'file:///path/file' for a JSONPaths file")),
    }
}

/// Reads the argument of ENCODING.
pub(super) fn encoding(name: &str) -> Result<CopyEncoding> {
    Ok(match name.to_lowercase().as_str() {
        "utf8" => CopyEncoding::Utf8,
        "utf16" => CopyEncoding::Utf16,
        "utf16le" => CopyEncoding::Utf16Le,
        "utf16be" => CopyEncoding::Utf16Be,
        "iso88591" => CopyEncoding::Iso88591,
        _ => {
            return Err(value_error(format!("unknown ENCODING \"{name}\""))
                .with_hint("Known are UTF8, UTF16, UTF16LE, UTF16BE and ISO88591"));
        }
    })
}

/// Refuses what Redshift refuses beside a format. `seen` has the options as they were written.
pub(super) fn ensure_together(copy: &Copy, seen: &[String]) -> Result<()> {
    let has = |name: &str| seen.iter().any(|seen| seen == name);
    if has("parquet") && has("orc") {
        return Err(conflict("ORC does not go with PARQUET"));
    }
    if has("serializetojson") && !has("parquet") && !has("orc") {
        return Err(conflict("SERIALIZETOJSON goes only with PARQUET and ORC"));
    }
    for (format, shown) in [("parquet", "PARQUET"), ("orc", "ORC")] {
        if has(format) {
            let known = |option: &&String| !COLUMNAR_OPTIONS.contains(&option.as_str());
            return match seen.iter().find(known) {
                None => Ok(()),
                Some(option) => Err(not_with_columnar(option, shown)),
            };
        }
    }
    for (format, excluded) in EXCLUDED {
        let both = |(name, _): &&(&str, &str)| has(format) && has(name);
        if let Some((_, shown)) = excluded.iter().find(both) {
            let format = format.to_uppercase();
            return Err(conflict(format!("{shown} does not go with {format}")));
        }
    }
    if has("ssh") {
        let is_text = [
            CopyFormat::Text,
            CopyFormat::Csv,
            CopyFormat::FixedWidth,
            CopyFormat::Json,
        ];
        if !is_text.contains(&copy.options.format) {
            return Err(conflict(
                "SSH loads text only: CSV, FIXEDWIDTH, JSON, or delimited",
            ));
        }
    }
    if has("quote") && !has("csv") {
        return Err(conflict("QUOTE goes only with CSV"));
    }
    if copy.options.format == CopyFormat::FixedWidth && copy.options.encoding != CopyEncoding::Utf8
    {
        return Err(conflict("FIXEDWIDTH goes only with ENCODING UTF8"));
    }
    Ok(())
}

fn not_with_columnar(option: &str, format: &str) -> Error {
    let shown = match option {
        "null" => "NULL AS".to_owned(),
        other => other.to_uppercase(),
    };
    let message = format!("{shown} argument is not supported for {format} based COPY");
    Error::new(SqlState::FEATURE_NOT_SUPPORTED, message).with_hint(format!(
        "Leave {shown} out: values are loaded as the file has them"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_read() {
        assert_eq!(fixed_width("a:1, b c : 20,3:4").ok(), Some(vec![1, 20, 4]));
        assert_eq!(fixed_width("a:b:2").ok(), Some(vec![2]));
        for wrong in ["", "a", "a:", "a:0", "a:-1", "a:1,", "a:99999999"] {
            assert!(fixed_width(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn mappings_are_read() {
        assert_eq!(
            json("Auto IgnoreCase").ok(),
            Some(JsonMapping::AutoIgnoreCase)
        );
        let paths = JsonMapping::Paths("s3://b/K".to_owned());
        assert_eq!(json("s3://b/K").ok(), Some(paths));
        assert!(json("paths.json").is_err());
        assert_eq!(avro("AUTO").ok(), Some(JsonMapping::Auto));
        assert!(avro("noshred").is_err());
    }
}
