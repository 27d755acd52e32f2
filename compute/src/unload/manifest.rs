//! The manifest of an UNLOAD: its files, and with VERBOSE their sizes and the schema. COPY reads it.

use super::{UnloadColumn, UnloadedFile};
use blueshift_sql::SqlType;
use blueshift_sql::statement::unload::{ManifestKind, UnloadFormat, UnloadOptions};
use serde_json::{Value, json};

/// Gives the text of the manifest; `columns` are those in the files.
pub(super) fn text(
    options: &UnloadOptions,
    columns: &[UnloadColumn],
    files: &[UnloadedFile],
) -> String {
    let is_verbose = options.manifest == ManifestKind::Verbose;
    let has_lengths = options.format == UnloadFormat::Parquet;
    let entries = files.iter().map(|file| match (is_verbose, has_lengths) {
        (true, _) => format!(
            "{{\"url\":{}, \"meta\": {{ \"content_length\": {}, \"record_count\": {} }}}}",
            json!(file.url),
            file.bytes,
            file.lines
        ),
        (false, true) => format!(
            "{{\"url\":{}, \"meta\": {{ \"content_length\": {} }}}}",
            json!(file.url),
            file.bytes
        ),
        (false, false) => format!("{{\"url\":{}}}", json!(file.url)),
    });
    let entries = list(entries);
    if !is_verbose {
        return format!("{{\n  \"entries\": {entries}\n}}\n");
    }
    let elements = columns.iter().map(|column| {
        let name = json!(column.name);
        format!("{{\"name\": {name}, \"type\": {}}}", base(column.ty))
    });
    let elements = list(elements).replace("\n  ", "\n    ");
    let bytes: u64 = files.iter().map(|file| file.bytes).sum();
    let lines: u64 = files.iter().map(|file| file.lines).sum();
    format!(
        "{{\n  \"entries\": {entries},\n  \"schema\": {{\n    \"elements\": {elements}\n  }},\n  \"meta\": {{\n    \
         \"content_length\": {bytes},\n    \"record_count\": {lines}\n  }},\n  \"author\": {{\n    \"name\": \
         \"Amazon Redshift\",\n    \"version\": \"1.0.0\"\n  }}\n}}\n"
    )
}

/// Puts texts between brackets, one a line.
fn list(entries: impl Iterator<Item = String>) -> String {
    let entries: Vec<String> = entries.map(|entry| format!("\n    {entry}")).collect();
    match entries.is_empty() {
        true => "[]".to_owned(),
        false => format!("[{}\n  ]", entries.join(",")),
    }
}

/// Gives a type as the schema has it: its name, and its dimensions beside it.
fn base(ty: SqlType) -> Value {
    match ty {
        SqlType::Char(length) => json!({"base": "character", "max_length": length}),
        SqlType::Varchar(length) => json!({"base": "character varying", "max_length": length}),
        SqlType::Varbyte(length) => json!({"base": "binary varying", "max_length": length}),
        SqlType::Decimal { precision, scale } => {
            json!({"base": "numeric", "precision": precision, "scale": scale})
        }
        other => json!({"base": other.display()}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(url: &str, lines: u64, bytes: u64) -> UnloadedFile {
        UnloadedFile {
            url: url.to_owned(),
            lines,
            bytes,
            ..UnloadedFile::default()
        }
    }

    #[test]
    fn manifests_are_json_of_the_documented_form() {
        let files = [
            file("s3://b/p0000_part_00", 10, 32_295),
            file("s3://b/p\"1", 20, 5),
        ];
        let column = |name: &str, ty| UnloadColumn {
            name: name.to_owned(),
            ty,
        };
        let columns = [
            column("id", SqlType::Integer),
            column("s", SqlType::Varchar(25)),
            column(
                "d",
                SqlType::Decimal {
                    precision: 8,
                    scale: 2,
                },
            ),
        ];
        let plain = UnloadOptions {
            manifest: ManifestKind::Plain,
            ..UnloadOptions::default()
        };
        assert_eq!(
            text(&plain, &columns, &files),
            "{\n  \"entries\": [\n    {\"url\":\"s3://b/p0000_part_00\"},\n    {\"url\":\"s3://b/p\\\"1\"}\n  ]\n}\n"
        );
        let parquet = UnloadOptions {
            format: UnloadFormat::Parquet,
            ..plain.clone()
        };
        let read: Value = serde_json::from_str(&text(&parquet, &columns, &files)).expect("JSON");
        assert_eq!(read["entries"][1]["meta"], json!({"content_length": 5}));
        let verbose = UnloadOptions {
            manifest: ManifestKind::Verbose,
            ..plain
        };
        let read: Value = serde_json::from_str(&text(&verbose, &columns, &files)).expect("JSON");
        assert_eq!(
            read,
            json!({
                "entries": [
                    {"url": "s3://b/p0000_part_00", "meta": {"content_length": 32_295, "record_count": 10}},
                    {"url": "s3://b/p\"1", "meta": {"content_length": 5, "record_count": 20}},
                ],
                "schema": {"elements": [
                    {"name": "id", "type": {"base": "integer"}},
                    {"name": "s", "type": {"base": "character varying", "max_length": 25}},
                    {"name": "d", "type": {"base": "numeric", "precision": 8, "scale": 2}},
                ]},
                "meta": {"content_length": 32_300, "record_count": 30},
                "author": {"name": "Amazon Redshift", "version": "1.0.0"},
            })
        );
        let none: Value = serde_json::from_str(&text(&verbose, &[], &[])).expect("JSON");
        assert_eq!(none["entries"], json!([]));
    }
}
