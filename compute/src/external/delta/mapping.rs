//! Column mapping of a Delta table: how its columns are called in files, and by which keys its log names them.
//!
//! Source: Delta's protocol, "Column Mapping".

use super::wrong;
use crate::error::Result;
use crate::external::called::Called;
use serde_json::Value;

/// How columns are found in files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// By their names in the table.
    None,
    /// By physical names.
    Name,
    /// By the ids of fields.
    Id,
}

impl Mode {
    /// Reads the mode of a table.
    pub(super) fn read(root: &str, metadata: &Value) -> Result<Self> {
        let mode = metadata
            .get("configuration")
            .and_then(|settings| settings.get("delta.columnMapping.mode"))
            .and_then(Value::as_str);
        match mode.unwrap_or("none").to_lowercase().as_str() {
            "none" => Ok(Self::None),
            "name" => Ok(Self::Name),
            "id" => Ok(Self::Id),
            other => Err(wrong(
                root,
                &format!("there is no column mapping mode {other}"),
            )),
        }
    }
}

/// Reads how the columns of the table are called, by their names there.
pub(super) fn columns(root: &str, metadata: &Value, mode: Mode) -> Result<Vec<(String, Called)>> {
    let text = metadata.get("schemaString").and_then(Value::as_str);
    let text = text.ok_or_else(|| wrong(root, "its log has no schema"))?;
    let schema: Value =
        serde_json::from_str(text).map_err(|error| wrong(root, &error.to_string()))?;
    fields(root, &schema, mode)
}

fn fields(root: &str, schema: &Value, mode: Mode) -> Result<Vec<(String, Called)>> {
    let fields = schema.get("fields").and_then(Value::as_array);
    let fields = fields.into_iter().flatten().map(|field| {
        let name = field.get("name").and_then(Value::as_str);
        let name = name.ok_or_else(|| wrong(root, "a column of its schema has no name"))?;
        let note = |key: &str| field.get("metadata").and_then(|notes| notes.get(key));
        let physical = note("delta.columnMapping.physicalName").and_then(Value::as_str);
        let id = note("delta.columnMapping.id").and_then(Value::as_i64);
        let id = id.and_then(|id| i32::try_from(id).ok());
        if mode != Mode::None && physical.is_none() || mode == Mode::Id && id.is_none() {
            let what =
                format!("column \"{name}\" has no place in the column mapping of its schema");
            return Err(wrong(root, &what));
        }
        let called = Called {
            id: id.filter(|_| mode == Mode::Id),
            names: vec![
                physical
                    .filter(|_| mode != Mode::None)
                    .unwrap_or(name)
                    .to_owned(),
            ],
            parts: parts(root, field.get("type").unwrap_or(&Value::Null), mode)?,
        };
        Ok((name.to_owned(), called))
    });
    fields.collect()
}

fn parts(root: &str, ty: &Value, mode: Mode) -> Result<Vec<(String, Called)>> {
    let part = |name: &str| -> Result<(String, Called)> {
        let parts = parts(root, ty.get(name).unwrap_or(&Value::Null), mode)?;
        let called = Called {
            parts,
            ..Called::default()
        };
        Ok((name.to_owned(), called))
    };
    match ty.get("type").and_then(Value::as_str) {
        Some("struct") => fields(root, ty, mode),
        Some("array") => Ok(vec![part("elementType")?]),
        Some("map") => Ok(vec![part("keyType")?, part("valueType")?]),
        _ => Ok(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_have_physical_names_and_ids() {
        let field = |name: &str, ty: &str, id: u32| {
            format!(
                r#"{{"name":"{name}","type":{ty},"metadata":{{"delta.columnMapping.id":{id},"delta.columnMapping.physicalName":"col-{id}"}}}}"#
            )
        };
        let inner = format!(
            r#"{{"type":"struct","fields":[{}]}}"#,
            field("x", "\"long\"", 3)
        );
        let list = format!(r#"{{"type":"array","elementType":{inner}}}"#);
        let all = [field("a", "\"long\"", 1), field("l", &list, 2)].join(",");
        let schema = format!(r#"{{"type":"struct","fields":[{all}]}}"#);
        let metadata = serde_json::json!({ "schemaString": schema });
        let by_name = columns("r", &metadata, Mode::Name).expect("columns");
        let [(first, called), (_, list)] = by_name.as_slice() else {
            panic!("two columns");
        };
        assert_eq!((first.as_str(), called.id), ("a", None));
        assert_eq!(called.names, ["col-1"]);
        let element = list.parts.first().map(|(_, element)| element);
        let inner = element.and_then(|element| element.parts.first());
        assert_eq!(
            inner.map(|(_, called)| called.names.clone()),
            Some(vec!["col-3".to_owned()])
        );
        let by_id = columns("r", &metadata, Mode::Id).expect("columns");
        assert_eq!(by_id.first().and_then(|(_, called)| called.id), Some(1));
        let bare =
            serde_json::json!({ "schemaString": r#"{"fields":[{"name":"a","type":"long"}]}"# });
        assert!(columns("r", &bare, Mode::Name).is_err());
        assert!(columns("r", &bare, Mode::None).is_ok());
    }
}
