//! The columns of an Avro file, by the schema in its header. Values with parts are read as JSON text.

use super::{InferredColumn, VARCHAR_MAX};
use crate::error::Result;
use crate::external::ExternalFile;
use crate::format::avro::blocks::{File, HEADER_BYTES_MAX};
use crate::format::avro::schema::{Kind, Logical, Schema, TypeId};
use blueshift_sql::types::VARBYTE_DEFAULT;
use blueshift_sql::{SqlState, SqlType};
use object_store::ObjectStoreExt;

/// The digits of a decimal: the schema's own are not kept, and no file has more.
const DECIMAL_DIGITS: u8 = 38;

/// The columns of a file, and those that no column can have.
pub(super) async fn columns(file: &ExternalFile) -> Result<(Vec<InferredColumn>, Vec<String>)> {
    let end = file.meta.size.min(HEADER_BYTES_MAX as u64);
    let head = file.store.get_range(&file.meta.location, 0..end).await;
    let head = head.map_err(|error| crate::object::failed(&file.url, &error))?;
    let parsed = File::parse(&head).and_then(|found| {
        let (header, _) = found.ok_or("it ends early")?;
        Ok(header.schema)
    });
    let schema = parsed.map_err(|reason| {
        super::refused(
            SqlState::BAD_COPY_FILE_FORMAT,
            format!(
                "could not read \"{}\": not an Avro file, or a damaged one: {reason}",
                file.url
            ),
            "Check the file.",
        )
    })?;
    let fields = match schema.get(schema.root()).map(|root| &root.kind) {
        Some(Kind::Record(fields)) => fields.as_slice(),
        _ => &[],
    };
    let mut columns = Vec::new();
    let mut left_out = Vec::new();
    for (name, ty) in fields {
        let name = name.to_lowercase();
        match type_of(&schema, *ty) {
            Some(ty) => columns.push(InferredColumn {
                name,
                ty,
                nested: None,
            }),
            None => left_out.push(format!("\"{name}\" of a type that is not here")),
        }
    }
    Ok((columns, left_out))
}

/// Gives the type whose columns take all values of a type without parts.
fn type_of(schema: &Schema, id: TypeId) -> Option<SqlType> {
    let ty = schema.get(id)?;
    Some(match (&ty.kind, ty.logical) {
        (Kind::Union(branches), _) => {
            let mut widest = None;
            for branch in branches {
                let ty = match schema.get(*branch).map(|ty| &ty.kind) {
                    Some(Kind::Null) => continue,
                    // A union has no union right in it.
                    Some(Kind::Union(_)) | None => return None,
                    Some(_) => type_of(schema, *branch)?,
                };
                widest = Some(widest.map_or(ty, |widest| wider(widest, ty)));
            }
            return widest;
        }
        (_, Some(Logical::Time(_) | Logical::Duration)) => return None,
        (_, Some(Logical::Date)) => SqlType::Date,
        (_, Some(Logical::Timestamp(_))) => SqlType::Timestamp,
        (_, Some(Logical::Decimal(scale))) => SqlType::Decimal {
            precision: DECIMAL_DIGITS,
            scale: i8::try_from(scale).ok().filter(|scale| *scale <= 38)?,
        },
        (Kind::Array(_) | Kind::Map(_) | Kind::Record(_), _)
        | (Kind::String | Kind::Enum(_), _)
        | (_, Some(Logical::Uuid)) => SqlType::Varchar(VARCHAR_MAX),
        (Kind::Boolean, _) => SqlType::Boolean,
        (Kind::Int, _) => SqlType::Integer,
        (Kind::Long, _) => SqlType::BigInt,
        (Kind::Float, _) => SqlType::Real,
        (Kind::Double, _) => SqlType::Double,
        (Kind::Bytes | Kind::Fixed(_), _) => SqlType::Varbyte(VARBYTE_DEFAULT),
        (Kind::Null, _) => return None,
    })
}

/// Gives the type whose columns take the values of both.
fn wider(one: SqlType, other: SqlType) -> SqlType {
    use SqlType::{BigInt, Double, Integer, Real};
    match (one, other) {
        _ if one == other => one,
        (Integer | BigInt, Integer | BigInt) => BigInt,
        (Integer | BigInt | Real | Double, Integer | BigInt | Real | Double) => Double,
        // Every value can be read as text.
        _ => SqlType::Varchar(VARCHAR_MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_fields() {
        let check = |ty: &str, expected: Option<SqlType>| {
            let text =
                format!(r#"{{"type":"record","name":"r","fields":[{{"name":"a","type":{ty}}}]}}"#);
            let schema = Schema::parse(&text).expect(ty);
            let Some(Kind::Record(fields)) = schema.get(schema.root()).map(|ty| &ty.kind) else {
                panic!("a record");
            };
            let found = fields.first().and_then(|(_, ty)| type_of(&schema, *ty));
            assert_eq!(found, expected, "{ty}");
        };
        check(r#""long""#, Some(SqlType::BigInt));
        check(r#"["null","string"]"#, Some(SqlType::Varchar(VARCHAR_MAX)));
        check(r#"["int","string"]"#, Some(SqlType::Varchar(VARCHAR_MAX)));
        check(r#"["null","int","double"]"#, Some(SqlType::Double));
        check(r#"["int","null","long"]"#, Some(SqlType::BigInt));
        check(
            r#"{"type":"int","logicalType":"date"}"#,
            Some(SqlType::Date),
        );
        let list = r#"{"type":"array","items":"int"}"#;
        check(list, Some(SqlType::Varchar(VARCHAR_MAX)));
        check(r#""null""#, None);
    }
}
