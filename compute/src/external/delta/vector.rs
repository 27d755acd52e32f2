//! Deletion vectors of a Delta table: where the log says that they are.
//!
//! Source: Delta's protocol, "Deletion Vectors".

use super::replay::Place;
use super::{unsupported, wrong};
use crate::error::Result;
use crate::external::deletes::{DeletedRows, VectorDeletes, VectorPlace};
use crate::external::roaring::read_base85;
use serde_json::Value;
use std::sync::Arc;

/// Digits of the id of a file of vectors.
const ID_DIGITS: usize = 20;

/// Reads where the deletion vector of a file is; `None` if it has none.
pub(super) fn vector(
    place: &Place<'_>,
    add: &Value,
    held: &Arc<DeletedRows>,
) -> Result<Option<VectorDeletes>> {
    let vector = add.get("deletionVector");
    let Some(vector) = vector.filter(|vector| !vector.is_null()) else {
        return Ok(None);
    };
    let damaged = |what: &str| wrong(place.root, &format!("a deletion vector has {what}"));
    let text = |name: &str| vector.get(name).and_then(Value::as_str);
    let number = |name: &str| vector.get(name).and_then(Value::as_u64);
    let path = text("pathOrInlineDv").ok_or_else(|| damaged("no pathOrInlineDv"))?;
    let bytes = number("sizeInBytes").ok_or_else(|| damaged("no sizeInBytes"))?;
    let count = number("cardinality").ok_or_else(|| damaged("no cardinality"))?;
    let from = match text("storageType") {
        Some("i") => {
            let inline = read_base85(path).ok_or_else(|| damaged("text that is not of base 85"))?;
            VectorPlace::Inline(inline)
        }
        Some("u") => {
            let cut = path.len().checked_sub(ID_DIGITS);
            let parts = cut.and_then(|cut| path.split_at_checked(cut));
            let (prefix, id) = parts.ok_or_else(|| damaged("no id of a file"))?;
            let id = read_base85(id).and_then(|id| id_text(&id));
            let id = id.ok_or_else(|| damaged("no id of a file"))?;
            let folder = match prefix {
                "" => String::new(),
                prefix => format!("{prefix}/"),
            };
            let url = format!("{}/{folder}deletion_vector_{id}.bin", place.root);
            let named = std::iter::once((url, 0));
            let file = place.lists.known_files(place.access, named)?.pop();
            VectorPlace::File {
                file: file.ok_or_else(|| damaged("no file"))?,
                offset: number("offset").unwrap_or(1),
            }
        }
        _ => {
            return Err(unsupported(
                "deletion vectors of a Delta table outside its folder",
            ));
        }
    };
    Ok(Some(VectorDeletes::new(
        from,
        bytes,
        count,
        Arc::clone(held),
    )))
}

/// Writes an id of 16 bytes as file names have it.
fn id_text(id: &[u8]) -> Option<String> {
    let id: [u8; 16] = id.try_into().ok()?;
    let digits = format!("{:032x}", u128::from_be_bytes(id));
    let part = |from: usize, to: usize| digits.get(from..to);
    Some(format!(
        "{}-{}-{}-{}-{}",
        part(0, 8)?,
        part(8, 12)?,
        part(12, 16)?,
        part(16, 20)?,
        part(20, 32)?
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_written_as_in_names() {
        // Source: Delta's protocol, "Derived Fields".
        let id = read_base85("^-aqEH.-t@S}K{vb[*k^").expect("an id");
        assert_eq!(
            id_text(&id).as_deref(),
            Some("d2c639aa-8816-431a-aaf6-d3fe2512ff61")
        );
        assert_eq!(id_text(&[1, 2]), None);
    }
}
