//! Finds out what files hold: their format, their columns with types that lose nothing, and the partitions that folders
//! like `year=2024` name.
//!
//! Parquet, ORC and Avro say it themselves. Of text and JSON a sample is looked at: where it is not all there is, types are as wide as they
//! can be.

mod avro;
mod json;
mod sample;

use super::footer::footer_of;
use super::named::unwrapped;
use super::orc;
use super::{Access, ExternalFile, FileLists};
use crate::error::{Error, Result};
use crate::unload::folder_values;
use arrow_schema::{DataType, Field, Schema};
use blueshift_sql::statement::external::{ENTRY_FIELDS, NestedType};
use blueshift_sql::types::{VARBYTE_DEFAULT, VARCHAR_MAX};
use blueshift_sql::{SqlState, SqlType};
use datafusion::error::DataFusionError;
use datafusion::parquet::arrow::parquet_to_arrow_schema;
use futures::{StreamExt, TryStreamExt};
use object_store::ObjectStoreExt;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Files that are looked into.
const FILES_MAX: usize = 64;
/// Files that are looked into at the same time.
const IN_FLIGHT: usize = 8;
/// The null of a partition column.
const TEXT_PARTITION_BYTES: u32 = 256;

/// What is asked for; what is not given is found out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    /// How the files are written.
    pub kind: Option<FileKind>,
    /// Between the fields of text files.
    pub delimiter: Option<u8>,
}

/// A kind of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// Parquet.
    Parquet,
    /// ORC.
    Orc,
    /// Avro.
    Avro,
    /// Objects of JSON, one a line.
    Json,
    /// Lines of fields.
    Text,
}

/// The format that files have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InferredFormat {
    /// Parquet.
    Parquet,
    /// ORC.
    Orc,
    /// Avro.
    Avro,
    /// Objects of JSON, one a line.
    Json,
    /// Lines of fields without quotes.
    Delimited {
        /// Between fields.
        delimiter: u8,
    },
    /// Lines of fields, some of them in quotation marks.
    Csv {
        /// Between fields.
        separator: u8,
    },
}

/// A column of files.
#[derive(Clone, Debug, PartialEq)]
pub struct InferredColumn {
    /// Its name.
    pub name: String,
    /// Its type; SUPER if it is nested.
    pub ty: SqlType,
    /// Its nested type.
    pub nested: Option<NestedType>,
}

/// What files hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Inferred {
    /// Their format.
    pub format: InferredFormat,
    /// Their columns.
    pub columns: Vec<InferredColumn>,
    /// The columns that folders name.
    pub partition_columns: Vec<(String, SqlType)>,
    /// The values of each partition, as the folders have them, and its place.
    pub partitions: Vec<(Vec<Option<String>>, String)>,
    /// Lines of names at the beginning of text files.
    pub header_lines: u64,
    /// Columns of the files that no column can have, and why.
    pub left_out: Vec<String>,
}

/// Looks into the files below a location.
pub async fn infer(
    access: &Access,
    lists: &FileLists,
    location: &str,
    wanted: Wanted,
) -> Result<Inferred> {
    let files = lists.files(access, location).await?;
    let Some(first) = files.first() else {
        return Err(refused(
            SqlState::UNDEFINED_FILE,
            format!("there are no files at \"{location}\" to infer columns from"),
            "Name a folder with files; those whose names begin with _ or a dot are passed over.",
        ));
    };
    let (partition_columns, partitions) = folders(&access.root(location)?, &files)?;
    let kind = match wanted.kind {
        Some(kind) => kind,
        None => kind_of(first).await?,
    };
    let mut inferred = match kind {
        FileKind::Parquet | FileKind::Orc | FileKind::Avro => of_columns(&files, kind).await?,
        FileKind::Json => json::of_json(&files).await?,
        FileKind::Text => sample::of_text(&files, wanted.delimiter).await?,
    };
    if inferred.columns.is_empty() {
        return Err(refused(
            SqlState::INVALID_TABLE_DEFINITION,
            format!("the files at \"{location}\" have no column that an external table can have"),
            "Look into the files; types of time alone, for example, are none of external tables.",
        ));
    }
    let is_partition = |column: &InferredColumn| {
        partition_columns
            .iter()
            .any(|(name, _)| *name == column.name)
    };
    // The value of the folder stands for the column of the files, as with Spark.
    inferred.columns.retain(|column| !is_partition(column));
    Ok(Inferred {
        partition_columns,
        partitions,
        ..inferred
    })
}

fn refused(code: SqlState, message: String, hint: &str) -> Error {
    Error::Sql(blueshift_sql::Error::new(code, message).with_hint(hint))
}

/// Tells the kind of a file by its beginning, and refuses what is told by that and not read.
async fn kind_of(file: &ExternalFile) -> Result<FileKind> {
    let end = file.meta.size.min(4);
    let begin = file.store.get_range(&file.meta.location, 0..end).await;
    let begin = begin.map_err(|error| crate::object::failed(&file.url, &error))?;
    let other = match begin.as_ref() {
        b"PAR1" => return Ok(FileKind::Parquet),
        [b'O', b'R', b'C', ..] => return Ok(FileKind::Orc),
        [b'O', b'b', b'j', 1] => return Ok(FileKind::Avro),
        [b'{', ..] => return Ok(FileKind::Json),
        [b'S', b'E', b'Q', ..] => "SEQUENCEFILE",
        [b'R', b'C', b'F', ..] => "RCFILE",
        _ => return sample::kind_of(file).await,
    };
    Err(Error::Sql(blueshift_sql::Error::unsupported(
        format!("INFER FROM files of {other}"),
        "Name the columns in CREATE EXTERNAL TABLE, or INFER FROM files of Parquet, ORC, Avro, JSON or delimited text.",
    )))
}

type Partitions = Vec<(Vec<Option<String>>, String)>;

/// Reads the partitions from the folders of the files.
fn folders(root: &str, files: &[ExternalFile]) -> Result<(Vec<(String, SqlType)>, Partitions)> {
    let mut names: Option<Vec<String>> = None;
    let mut found: BTreeMap<String, Vec<Option<String>>> = BTreeMap::new();
    for file in files {
        let rest = file.url.strip_prefix(root).unwrap_or_default();
        let folder = rest.trim_start_matches('/');
        let folder = folder.rsplit_once('/').map_or("", |(folder, _)| folder);
        let values = folder_values(folder);
        let own: Vec<String> = values.iter().map(|(name, _)| name.to_lowercase()).collect();
        if *names.get_or_insert_with(|| own.clone()) != own {
            return Err(refused(
                SqlState::INVALID_TABLE_DEFINITION,
                format!(
                    "the folder of \"{}\" does not name the same partition columns as the others",
                    file.url
                ),
                "Name a folder below which all files lie in folders like year=2024/month=01.",
            ));
        }
        let below: Vec<&str> = folder.split('/').take(own.len()).collect();
        let place = format!("{root}/{}/", below.join("/"));
        let values = values.into_iter().map(|(_, value)| value);
        found.entry(place).or_insert_with(|| values.collect());
    }
    let names = names.unwrap_or_default();
    if names.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let columns = names.into_iter().enumerate().map(|(place, name)| {
        let values = found
            .values()
            .filter_map(|values| values.get(place)?.as_deref());
        let ty = partition_type(values);
        (name, ty)
    });
    let columns = columns.collect();
    let partitions = found.into_iter().map(|(place, values)| (values, place));
    Ok((columns, partitions.collect()))
}

/// Gives the narrowest type that shows all values of folders as they are written.
fn partition_type<'a>(values: impl Iterator<Item = &'a str> + Clone) -> SqlType {
    let is_all = |test: &dyn Fn(&str) -> bool| values.clone().all(test);
    if values.clone().next().is_none() {
        return SqlType::Varchar(TEXT_PARTITION_BYTES);
    }
    if is_all(&|text| sample::is_integer(text) && text.parse::<i32>().is_ok()) {
        return SqlType::Integer;
    }
    if is_all(&sample::is_integer) {
        return SqlType::BigInt;
    }
    if is_all(&sample::is_date) {
        return SqlType::Date;
    }
    let longest = values.map(str::len).max().unwrap_or(0);
    let longest = u32::try_from(longest).unwrap_or(VARCHAR_MAX);
    SqlType::Varchar(longest.clamp(TEXT_PARTITION_BYTES, VARCHAR_MAX))
}

/// The columns of a file, and those that no column can have.
type Described = (Vec<InferredColumn>, Vec<String>);

/// Reads the columns that a file says it has, and gives its URL with them.
async fn described(file: ExternalFile, kind: FileKind) -> Result<(Arc<str>, Described)> {
    let url = Arc::clone(&file.url);
    let described = match kind {
        FileKind::Avro => avro::columns(&file).await?,
        FileKind::Orc => {
            let schema = orc::schema_of(file).await?;
            // Types with parts are none of external tables of ORC.
            columns_of(&schema, |column| column.nested.is_none())
        }
        _ => {
            let footer = footer_of(file).await;
            let footer = footer.map_err(|error| unwrapped(DataFusionError::from(error)))?;
            let metadata = footer.file_metadata();
            let schema = parquet_to_arrow_schema(metadata.schema_descr(), None);
            columns_of(&schema.map_err(DataFusionError::from)?, |_| true)
        }
    };
    Ok((url, described))
}

fn columns_of(schema: &Schema, is_column: impl Fn(&InferredColumn) -> bool) -> Described {
    let (mut columns, mut left_out) = (Vec::new(), Vec::new());
    for field in schema.fields() {
        let name = field.name().to_lowercase();
        match column_of(&name, field).filter(&is_column) {
            Some(column) => columns.push(column),
            None => left_out.push(format!("\"{name}\" of type {}", field.data_type())),
        }
    }
    (columns, left_out)
}

/// Puts the columns of all files together.
async fn of_columns(files: &[ExternalFile], kind: FileKind) -> Result<Inferred> {
    let step = files.len().div_ceil(FILES_MAX).max(1);
    let some: Vec<ExternalFile> = files.iter().step_by(step).cloned().collect();
    let read = some.into_iter().map(|file| described(file, kind));
    let mut found = futures::stream::iter(read).buffered(IN_FLIGHT);
    let mut columns: Vec<InferredColumn> = Vec::new();
    let mut left_out: Vec<String> = Vec::new();
    while let Some((url, (more, without))) = found.try_next().await? {
        for text in without {
            if !left_out.contains(&text) {
                left_out.push(text);
            }
        }
        for column in more {
            match columns.iter_mut().find(|known| known.name == column.name) {
                None => columns.push(column),
                Some(known) => widen(known, column, &url)?,
            }
        }
    }
    Ok(Inferred {
        format: match kind {
            FileKind::Orc => InferredFormat::Orc,
            FileKind::Avro => InferredFormat::Avro,
            _ => InferredFormat::Parquet,
        },
        columns,
        partition_columns: Vec::new(),
        partitions: Vec::new(),
        header_lines: 0,
        left_out,
    })
}

fn column_of(name: &str, field: &Field) -> Option<InferredColumn> {
    let nested = type_of(field.data_type())?;
    Some(InferredColumn {
        name: name.to_owned(),
        ty: match nested {
            NestedType::Scalar(ty) => ty,
            _ => SqlType::Super,
        },
        nested: match nested {
            NestedType::Scalar(_) => None,
            nested => Some(nested),
        },
    })
}

/// Gives the type whose columns take all values of a type of a file.
fn type_of(found: &DataType) -> Option<NestedType> {
    let scalar = match found {
        DataType::Boolean => SqlType::Boolean,
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => SqlType::SmallInt,
        DataType::Int32 | DataType::UInt16 => SqlType::Integer,
        DataType::Int64 | DataType::UInt32 | DataType::UInt64 => SqlType::BigInt,
        DataType::Float16 | DataType::Float32 => SqlType::Real,
        DataType::Float64 => SqlType::Double,
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale)
            if *precision <= 38 && *scale >= 0 =>
        {
            SqlType::Decimal {
                precision: *precision,
                scale: *scale,
            }
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => SqlType::Varchar(VARCHAR_MAX),
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => SqlType::Varbyte(VARBYTE_DEFAULT),
        DataType::Date32 => SqlType::Date,
        DataType::Timestamp(..) => SqlType::Timestamp,
        DataType::Dictionary(_, value) => return type_of(value),
        DataType::Struct(fields) => {
            let fields = fields.iter().map(|field| {
                let ty = type_of(field.data_type())?;
                Some((field.name().to_lowercase(), ty))
            });
            return fields.collect::<Option<_>>().map(NestedType::Struct);
        }
        DataType::List(element)
        | DataType::LargeList(element)
        | DataType::FixedSizeList(element, _) => {
            let element = type_of(element.data_type())?;
            return Some(NestedType::Array(Box::new(element)));
        }
        DataType::Map(entries, _) => {
            let entries = type_of(entries.data_type())?;
            let NestedType::Struct(mut fields) = entries else {
                return None;
            };
            if fields.len() != ENTRY_FIELDS.len() {
                return None;
            }
            let (value, key) = (fields.pop()?.1, fields.pop()?.1);
            return Some(NestedType::Map(Box::new(key), Box::new(value)));
        }
        _ => return None,
    };
    Some(NestedType::Scalar(scalar))
}

/// Makes a column take the values of another file too.
fn widen(known: &mut InferredColumn, other: InferredColumn, url: &str) -> Result<()> {
    if *known == other {
        return Ok(());
    }
    let rank = |ty: SqlType| match ty {
        SqlType::SmallInt => Some(1),
        SqlType::Integer => Some(2),
        SqlType::BigInt => Some(3),
        SqlType::Real => Some(11),
        SqlType::Double => Some(12),
        _ => None,
    };
    let wider = match (known.ty, other.ty) {
        (
            SqlType::Decimal { precision, scale },
            SqlType::Decimal {
                precision: other,
                scale: other_scale,
            },
        ) if scale == other_scale => Some(SqlType::Decimal {
            precision: precision.max(other),
            scale,
        }),
        (one, two) => match (rank(one), rank(two)) {
            (Some(left), Some(right)) if left / 10 == right / 10 => {
                Some(if left >= right { one } else { two })
            }
            _ => None,
        },
    };
    match wider {
        Some(ty) => {
            known.ty = ty;
            Ok(())
        }
        None => Err(refused(
            SqlState::DATATYPE_MISMATCH,
            format!(
                "column \"{}\" has another type in \"{url}\" than in the files before it",
                known.name
            ),
            "Make one external table of the files of each type.",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[&str], expected: SqlType) {
        assert_eq!(
            partition_type(values.iter().copied()),
            expected,
            "{values:?}"
        );
    }

    #[test]
    fn folders_have_types_that_show_them_as_they_are() {
        check(&["2023", "2024"], SqlType::Integer);
        check(&["1", "12345678901"], SqlType::BigInt);
        check(&["01", "12"], SqlType::Varchar(256));
        check(&["2024-01-02"], SqlType::Date);
        check(&["eu", "us"], SqlType::Varchar(256));
        check(&[], SqlType::Varchar(256));
    }

    #[test]
    fn types_of_several_files_widen() {
        let column = |ty| InferredColumn {
            name: "a".to_owned(),
            ty,
            nested: None,
        };
        let check = |one, two, expected: Option<SqlType>| {
            let mut known = column(one);
            let widened = widen(&mut known, column(two), "f").is_ok();
            assert_eq!(widened.then_some(known.ty), expected, "{one:?} {two:?}");
        };
        check(SqlType::Integer, SqlType::BigInt, Some(SqlType::BigInt));
        check(SqlType::Double, SqlType::Real, Some(SqlType::Double));
        check(SqlType::Integer, SqlType::Double, None);
        check(SqlType::Date, SqlType::Date, Some(SqlType::Date));
        check(SqlType::Date, SqlType::Timestamp, None);
    }

    #[test]
    fn nested_types_are_those_of_the_file() {
        let list = DataType::List(Arc::new(Field::new("item", DataType::Int32, true)));
        let row = DataType::Struct(vec![Field::new("L", list, true)].into());
        let ty = type_of(&row).expect("a type");
        assert_eq!(ty.to_string(), "struct<l:array<integer>>");
        assert_eq!(type_of(&DataType::Null), None);
    }
}
