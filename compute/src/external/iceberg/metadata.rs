//! The metadata file of an Iceberg table: found, and read. It names the schema, the ways of partitioning, and the snapshot.
//!
//! Source: Iceberg's specification, "Table Metadata" and "File System Tables".

use super::transform::Transform;
use super::types::{Field, Plain, Type, fields, id};
use super::{Place, damaged, unsupported};
use crate::error::Result;
use crate::external::list::ExternalFile;
use serde_json::Value;
use std::collections::HashMap;
use std::io::Read;

/// Bytes of a metadata file at most, and what it may become when it is compressed.
const METADATA_BYTES_MAX: u64 = 64 << 20;
/// How the names of metadata files end.
const ENDINGS: [&str; 3] = [".gz.metadata.json", ".metadata.json.gz", ".metadata.json"];

/// What the metadata file says.
#[derive(Debug)]
pub(super) struct Metadata {
    /// The fields of the schema the table has now.
    pub(super) fields: Vec<Field>,
    /// Types of fields that the table has, or had.
    pub(super) types: HashMap<i32, Plain>,
    /// How files are, or were, dealt to partitions.
    pub(super) specs: HashMap<i64, Vec<PartitionField>>,
    /// Whether files are dealt to partitions now.
    pub(super) is_partitioned: bool,
    /// Names for the fields of files without ids.
    pub(super) name_mapping: Option<Value>,
    /// The list of manifests of the snapshot; `None` of a table without rows yet.
    pub(super) manifest_list: Option<String>,
}

/// A column of a partition spec.
#[derive(Clone, Debug)]
pub(super) struct PartitionField {
    pub(super) source: i32,
    pub(super) transform: Transform,
}

/// Finds and reads the newest metadata file of a table, or the one that is named.
pub(super) async fn read(place: &Place<'_>, named: Option<&str>) -> Result<Metadata> {
    let file = match named {
        Some(named) => place.file(named).await?,
        None => newest(place).await?,
    };
    let body = place.body(&file, METADATA_BYTES_MAX).await?;
    let root = place.root;
    let text = match body.starts_with(&[0x1f, 0x8b]) {
        false => body.to_vec(),
        true => {
            let mut text = Vec::new();
            let limit = METADATA_BYTES_MAX + 1;
            let read = flate2::read::GzDecoder::new(body.as_ref())
                .take(limit)
                .read_to_end(&mut text);
            read.map_err(|error| damaged(root, &format!("\"{}\": {error}", file.url)))?;
            if text.len() as u64 >= limit {
                return Err(damaged(root, "its metadata file becomes larger than 64 MB"));
            }
            text
        }
    };
    let value: Value = serde_json::from_slice(&text)
        .map_err(|error| damaged(root, &format!("\"{}\": {error}", file.url)))?;
    parse(root, &value)
}

/// The number of a metadata file: `v3.metadata.json`, `00003-….metadata.json`.
fn number(name: &str) -> Option<u64> {
    let stem = ENDINGS
        .iter()
        .find_map(|ending| name.strip_suffix(ending))?;
    let digits = stem.strip_prefix('v').unwrap_or(stem);
    let digits = digits.split('-').next().unwrap_or_default();
    digits.parse().ok()
}

fn name_of(file: &ExternalFile) -> &str {
    file.url.rsplit('/').next().unwrap_or_default()
}

async fn newest(place: &Place<'_>) -> Result<ExternalFile> {
    let folder = format!("{}/metadata/", place.root);
    let files = place.lists.files(place.access, &folder).await?;
    // A hint names the version that was committed last when it was written; later ones follow it without a gap.
    let hint = files
        .iter()
        .find(|file| name_of(file) == "version-hint.text");
    let hinted = match hint {
        Some(file) => place.body(file, 1 << 10).await?.to_vec(),
        None => Vec::new(),
    };
    let hinted = String::from_utf8(hinted).unwrap_or_default();
    let hinted = hinted.trim();
    let numbered = files
        .iter()
        .filter_map(|file| Some((number(name_of(file))?, file)));
    let by_name = |name: &str| {
        let mut files = files.iter();
        files.find(|file| {
            ENDINGS
                .iter()
                .any(|ending| name_of(file) == format!("{name}{ending}"))
        })
    };
    let named = (!hinted.is_empty()).then(|| match hinted.parse::<u64>() {
        Ok(mut version) => {
            while by_name(&format!("v{}", version + 1)).is_some() {
                version += 1;
            }
            by_name(&format!("v{version}"))
        }
        Err(_) => by_name(hinted),
    });
    if let Some(file) = named.flatten() {
        return Ok(file.clone());
    }
    let found = numbered.max_by_key(|(number, file)| (*number, file.meta.last_modified));
    match found {
        Some((_, file)) => Ok(file.clone()),
        None => Err(damaged(
            place.root,
            "there is no file *.metadata.json in its folder metadata",
        )),
    }
}

fn parse(root: &str, value: &Value) -> Result<Metadata> {
    let wrong = |what: &str| damaged(root, &format!("its metadata file has no {what}"));
    let version = value.get("format-version").and_then(Value::as_i64);
    match version.ok_or_else(|| wrong("format-version"))? {
        1 | 2 => {}
        3 => {
            return Err(unsupported(
                "an Iceberg table of format version 3 (deletion vectors in Puffin files, default values, row lineage)",
            ));
        }
        other => {
            return Err(unsupported(format!(
                "an Iceberg table of format version {other}"
            )));
        }
    }
    let keys = value.get("encryption-keys").and_then(Value::as_array);
    if keys.is_some_and(|keys| !keys.is_empty()) {
        return Err(unsupported("an Iceberg table that is encrypted"));
    }
    let schemas = value.get("schemas").and_then(Value::as_array);
    let current_id = value.get("current-schema-id").and_then(Value::as_i64);
    let mut known = schemas.into_iter().flatten();
    let current =
        known.find(|schema| schema.get("schema-id").and_then(Value::as_i64) == current_id);
    let current = current.or_else(|| value.get("schema"));
    let fields = fields(root, current.ok_or_else(|| wrong("schema"))?, 0)?;
    let mut types = HashMap::new();
    for schema in schemas.into_iter().flatten() {
        // A schema of the past may have types that are not known here, as long as nothing asks for them.
        if let Ok(old) = super::types::fields(root, schema, 0) {
            note(&old, &mut types);
        }
    }
    note(&fields, &mut types);
    let specs = specs(value);
    let default_spec = value
        .get("default-spec-id")
        .and_then(Value::as_i64)
        .unwrap_or(0);
    let is_partitioned = specs
        .get(&default_spec)
        .is_some_and(|fields| !fields.is_empty());
    Ok(Metadata {
        fields,
        types,
        is_partitioned,
        specs,
        name_mapping: name_mapping(root, value)?,
        manifest_list: manifest_list(root, value)?,
    })
}

/// Notes the types of fields, also of those within structs.
fn note(fields: &[Field], types: &mut HashMap<i32, Plain>) {
    for field in fields {
        match &field.ty {
            Type::Plain(plain) => {
                types.insert(field.id, *plain);
            }
            Type::Struct(parts) => note(parts, types),
            Type::List(_) | Type::Map(..) => {}
        }
    }
}

fn specs(value: &Value) -> HashMap<i64, Vec<PartitionField>> {
    let read = |fields: &Value| -> Vec<PartitionField> {
        let fields = fields.as_array().into_iter().flatten();
        let fields = fields.map(|field| PartitionField {
            source: id(field.get("source-id")).unwrap_or(i32::MIN),
            transform: Transform::read(
                field.get("transform").and_then(Value::as_str).unwrap_or(""),
            ),
        });
        fields.collect()
    };
    let mut specs = HashMap::new();
    if let Some(fields) = value.get("partition-spec") {
        specs.insert(0, read(fields));
    }
    let all = value.get("partition-specs").and_then(Value::as_array);
    for spec in all.into_iter().flatten() {
        let number = spec.get("spec-id").and_then(Value::as_i64);
        if let (Some(number), Some(fields)) = (number, spec.get("fields")) {
            specs.insert(number, read(fields));
        }
    }
    specs
}

fn name_mapping(root: &str, value: &Value) -> Result<Option<Value>> {
    let text = value
        .get("properties")
        .and_then(|properties| properties.get("schema.name-mapping.default"))
        .and_then(Value::as_str);
    let mapping = text.map(|text| {
        serde_json::from_str(text).map_err(|error| {
            damaged(
                root,
                &format!("its property schema.name-mapping.default: {error}"),
            )
        })
    });
    mapping.transpose()
}

fn manifest_list(root: &str, value: &Value) -> Result<Option<String>> {
    let current = value.get("current-snapshot-id").and_then(Value::as_i64);
    let Some(current) = current.filter(|current| *current != -1) else {
        return Ok(None);
    };
    let snapshots = value.get("snapshots").and_then(Value::as_array);
    let mut snapshots = snapshots.into_iter().flatten();
    let is_current =
        |snapshot: &&Value| snapshot.get("snapshot-id").and_then(Value::as_i64) == Some(current);
    let snapshot = snapshots.find(is_current);
    let snapshot = snapshot
        .ok_or_else(|| damaged(root, "its metadata file does not have the current snapshot"))?;
    match snapshot.get("manifest-list").and_then(Value::as_str) {
        Some(list) => Ok(Some(list.to_owned())),
        None => Err(unsupported(
            "a snapshot of an Iceberg table without a manifest list",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_files_are_numbered() {
        assert_eq!(number("v12.metadata.json"), Some(12));
        assert_eq!(number("v3.gz.metadata.json"), Some(3));
        assert_eq!(number("00007-0a1b-2c.metadata.json"), Some(7));
        assert_eq!(number("snap-1.avro"), None);
        assert_eq!(number("x.metadata.json"), None);
    }

    #[test]
    fn what_is_not_read_is_refused_by_name() {
        let check = |text: &str, part: &str| {
            let value = serde_json::from_str(text).expect(text);
            let told = parse("s3://b/t", &value).expect_err(text).to_string();
            assert!(told.contains(part), "{told}");
        };
        check(
            r#"{"format-version":3}"#,
            "deletion vectors in Puffin files",
        );
        check(r#"{"format-version":9}"#, "format version 9");
        check("{}", "no format-version");
        check(r#"{"format-version":2}"#, "no schema");
        let schema = r#""schema":{"type":"struct","fields":[]}"#;
        check(
            &format!(r#"{{"format-version":1,{schema},"current-snapshot-id":7,"snapshots":[]}}"#),
            "current snapshot",
        );
        check(
            &format!(
                r#"{{"format-version":1,{schema},"current-snapshot-id":7,"snapshots":[{{"snapshot-id":7,"manifests":[]}}]}}"#
            ),
            "without a manifest list",
        );
        let odd = r#"{"type":"struct","fields":[{"id":1,"name":"v","type":"variant"}]}"#;
        check(
            &format!(r#"{{"format-version":2,"schema":{odd}}}"#),
            "type variant",
        );
    }
}
