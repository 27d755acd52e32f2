//! Tables as Hive describes them: types, classes that read files, places; there and back.

use super::{ForeignTable, numbered};
use crate::catalog::external::{ExternalFormat, ExternalTable};
use blueshift_compute::external::metastore::{MetaPartition, MetaTable};
use blueshift_sql::SqlType;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Bytes of a `string`.
const STRING_BYTES: u32 = 65_535;
/// Bytes of a `binary`.
const BINARY_BYTES: u32 = 1_024_000;
/// Seconds in microseconds.
const SECOND_US: i64 = 1_000_000;

const PARQUET: &str = "org.apache.hadoop.hive.ql.io.parquet.serde.parquethiveserde";
const ORC: &str = "org.apache.hadoop.hive.ql.io.orc.orcserde";
const AVRO: &str = "org.apache.hadoop.hive.serde2.avro.avroserde";
const LAZY_SIMPLE: &str = "org.apache.hadoop.hive.serde2.lazy.lazysimpleserde";
const OPEN_CSV: &str = "org.apache.hadoop.hive.serde2.opencsvserde";

/// Reads a table. One that cannot be read here is there all the same, and tells why when it is asked for its rows.
pub(super) fn read(table: MetaTable, partitions: Vec<MetaPartition>) -> ForeignTable {
    let known = |columns: &[(String, String)]| -> Vec<(String, SqlType)> {
        let columns = columns.iter();
        columns
            .filter_map(|(name, ty)| Some((name.clone(), column_type(ty)?)))
            .collect()
    };
    let format = format(&table);
    let columns = known(&table.columns);
    let partitioned_by = known(&table.partition_keys);
    // A field of a line has its place; one of the other formats has its name.
    let is_named = |format: &ExternalFormat| {
        matches!(
            format,
            ExternalFormat::Parquet | ExternalFormat::Orc | ExternalFormat::Avro
        )
    };
    let is_whole = columns.len() == table.columns.len() || format.as_ref().is_ok_and(is_named);
    let refused = |what: String, hint: &str| Some(blueshift_sql::Error::unsupported(what, hint));
    let name = &table.name;
    let why = match &format {
        _ if table.table_type == "VIRTUAL_VIEW" => refused(
            format!("the view \"{name}\" of another catalog"),
            "Make the view here, over the tables it names",
        ),
        Err(class) => refused(
            format!("table \"{name}\", whose files are read by {class},"),
            "Files of ParquetHiveSerDe, OrcSerde, AvroSerDe, LazySimpleSerDe and OpenCSVSerde are read",
        ),
        Ok(_) if partitioned_by.len() != table.partition_keys.len() => refused(
            format!("table \"{name}\", which is partitioned by a type that is not here,"),
            "Partition it by numbers, texts, dates or timestamps",
        ),
        Ok(_) if !is_whole => refused(
            format!("table \"{name}\", text files with columns of nested types,"),
            "Write the files as Parquet",
        ),
        Ok(_) => None,
    };
    ForeignTable {
        table: Arc::new(ExternalTable {
            oid: 0,
            database: 0,
            name: table.name.clone(),
            columns,
            nested: BTreeMap::default(),
            partitioned_by,
            format: format.unwrap_or(ExternalFormat::Parquet),
            location: place(&table.location),
            properties: table.parameters.into_iter().collect(),
            created_us: table.created_s.saturating_mul(SECOND_US),
        }),
        partitions: Arc::new(numbered(partitions)),
        remote: None,
        is_stale: Arc::default(),
        refused: why,
    }
}

/// Describes a table for another catalog.
pub fn described(table: &ExternalTable) -> MetaTable {
    let columns = |columns: &[(String, SqlType)]| -> Vec<(String, String)> {
        let columns = columns.iter();
        columns
            .map(|(name, ty)| (name.clone(), type_name(*ty)))
            .collect()
    };
    let parameters: serde_json::Value =
        serde_json::from_str(&table.format.serde_parameters()).unwrap_or_default();
    let parameters = parameters.as_object().into_iter().flatten();
    let parameters =
        parameters.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
    let external = ("EXTERNAL".to_owned(), "TRUE".to_owned());
    let given = table.properties.clone().into_iter();
    MetaTable {
        name: table.name.clone(),
        columns: columns(&table.columns),
        partition_keys: columns(&table.partitioned_by),
        location: table.location.clone(),
        input_format: table.format.input_format().to_owned(),
        serialization_lib: table.format.serialization_lib().to_owned(),
        serde_parameters: parameters.collect(),
        parameters: given
            .filter(|(name, _)| name != "EXTERNAL")
            .chain([external])
            .collect(),
        table_type: "EXTERNAL_TABLE".to_owned(),
        created_s: 0,
    }
}

/// Gives the format that the classes of a table mean, or the class that is not known.
fn format(table: &MetaTable) -> Result<ExternalFormat, String> {
    let parameter = |names: &[&str]| {
        let known = table.serde_parameters.iter();
        names
            .iter()
            .find_map(|name| known.clone().find(|(key, _)| key == name))
            .map(|(_, value)| value.as_str())
    };
    // As Hive does it: a number means the character of that number, so that "1" is start of heading.
    let byte = |value: Option<&str>, default: u8| -> Option<u8> {
        match value {
            None | Some("") => Some(default),
            Some(text) => text.parse::<u8>().ok().or(match text.as_bytes() {
                [only] if only.is_ascii() => Some(*only),
                _ => None,
            }),
        }
    };
    let class = &table.serialization_lib;
    let unknown = || class.clone();
    let is_iceberg = |(name, value): &(String, String)| {
        name == "table_type" && value.eq_ignore_ascii_case("iceberg")
    };
    // Its metadata tells of its files; the classes, if there are any, are those of Hive's own reader of it.
    if table.parameters.iter().any(is_iceberg) {
        return Ok(ExternalFormat::Parquet);
    }
    match class.to_lowercase().as_str() {
        PARQUET => Ok(ExternalFormat::Parquet),
        ORC => Ok(ExternalFormat::Orc),
        AVRO => Ok(ExternalFormat::Avro),
        LAZY_SIMPLE => {
            let is_text =
                table.input_format.is_empty() || table.input_format.ends_with(".TextInputFormat");
            if !is_text {
                return Err(table.input_format.clone());
            }
            let delimiter = byte(parameter(&["field.delim", "serialization.format"]), 1);
            let delimiter = delimiter.ok_or_else(unknown)?;
            Ok(ExternalFormat::Delimited { delimiter })
        }
        OPEN_CSV => {
            let separator = byte(parameter(&["separatorChar"]), b',').ok_or_else(unknown)?;
            let quote = byte(parameter(&["quoteChar"]), b'"').ok_or_else(unknown)?;
            let escape = byte(parameter(&["escapeChar"]), b'\\').ok_or_else(unknown)?;
            Ok(ExternalFormat::Csv {
                separator,
                quote,
                escape: Some(escape),
            })
        }
        _ => Err(unknown()),
    }
}

/// Gives the type here of a type as Hive writes it; `None` of a nested one, and of one that is not known.
fn column_type(text: &str) -> Option<SqlType> {
    let text = text.trim().to_lowercase();
    let (word, rest) = match text.split_once('(') {
        Some((word, rest)) => (word.trim(), rest.strip_suffix(')')?),
        None => (text.as_str(), ""),
    };
    let mut numbers = rest
        .split(',')
        .map(|number| number.trim().parse::<u32>().ok());
    let mut number = || numbers.next().flatten();
    Some(match word {
        "boolean" => SqlType::Boolean,
        "tinyint" | "smallint" => SqlType::SmallInt,
        "int" | "integer" => SqlType::Integer,
        "bigint" => SqlType::BigInt,
        "float" => SqlType::Real,
        "double" | "double precision" => SqlType::Double,
        "decimal" | "numeric" => {
            // Hive's own defaults.
            let precision = u8::try_from(number().unwrap_or(10)).ok()?;
            let scale = i8::try_from(number().unwrap_or(0)).ok()?;
            let is_decimal = (1..=38).contains(&precision) && scale.unsigned_abs() <= precision;
            is_decimal.then_some(SqlType::Decimal { precision, scale })?
        }
        "string" => SqlType::Varchar(STRING_BYTES),
        "varchar" => SqlType::Varchar(number()?.clamp(1, STRING_BYTES)),
        "char" => SqlType::Char(number()?.clamp(1, 4_096)),
        "binary" => SqlType::Varbyte(BINARY_BYTES),
        "date" => SqlType::Date,
        "timestamp" => SqlType::Timestamp,
        _ => return None,
    })
}

/// Writes a type as Hive does.
fn type_name(ty: SqlType) -> String {
    match ty {
        SqlType::Integer => "int".to_owned(),
        SqlType::Decimal { precision, scale } => format!("decimal({precision},{scale})"),
        SqlType::Real => "float".to_owned(),
        SqlType::Double => "double".to_owned(),
        SqlType::Char(bytes) => format!("char({bytes})"),
        SqlType::Varchar(bytes) => format!("varchar({bytes})"),
        SqlType::Varbyte(_) => "binary".to_owned(),
        SqlType::Timestamp => "timestamp".to_owned(),
        other => other.display(),
    }
}

/// Writes a place as it is written here: Hive has several names for S3, and one slash for files.
pub(super) fn place(location: &str) -> String {
    for name in ["s3a://", "s3n://"] {
        if let Some(rest) = location.strip_prefix(name) {
            return format!("s3://{rest}");
        }
    }
    match location.strip_prefix("file:/") {
        Some(rest) if !rest.starts_with('/') => format!("file:///{rest}"),
        _ => location.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(lib: &str, parameters: &[(&str, &str)]) -> MetaTable {
        let parameters = parameters.iter();
        MetaTable {
            name: "t".to_owned(),
            columns: vec![("a".to_owned(), "int".to_owned())],
            serialization_lib: lib.to_owned(),
            serde_parameters: parameters
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            ..MetaTable::default()
        }
    }

    #[test]
    fn types_of_hive_are_types_here() {
        let check = |text: &str, expected: Option<SqlType>| {
            assert_eq!(column_type(text), expected, "{text}");
        };
        check("tinyint", Some(SqlType::SmallInt));
        check(
            "DECIMAL(8, 2)",
            Some(SqlType::Decimal {
                precision: 8,
                scale: 2,
            }),
        );
        check(
            "decimal",
            Some(SqlType::Decimal {
                precision: 10,
                scale: 0,
            }),
        );
        check("varchar(12)", Some(SqlType::Varchar(12)));
        check("string", Some(SqlType::Varchar(65_535)));
        check("array<int>", None);
        check("struct<a:decimal(3,1)>", None);
        check("decimal(39,1)", None);
    }

    #[test]
    fn classes_tell_the_format() {
        let lazy = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe";
        let of = |lib: &str, parameters: &[(&str, &str)]| format(&table(lib, parameters));
        let delimited = |delimiter| Ok(ExternalFormat::Delimited { delimiter });
        assert_eq!(of(lazy, &[]), delimited(1));
        assert_eq!(of(lazy, &[("serialization.format", "1")]), delimited(1));
        assert_eq!(
            of(lazy, &[("field.delim", "|"), ("serialization.format", "1")]),
            delimited(b'|')
        );
        assert_eq!(of(lazy, &[("field.delim", "\t")]), delimited(b'\t'));
        let orc = of("org.apache.hadoop.hive.ql.io.orc.OrcSerde", &[]);
        assert_eq!(orc, Ok(ExternalFormat::Orc));
        let columnar = "org.apache.hadoop.hive.serde2.columnar.LazyBinaryColumnarSerDe";
        assert!(of(columnar, &[]).is_err());
    }

    #[test]
    fn what_cannot_be_read_tells_why() {
        let mut text = table("org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe", &[]);
        text.columns.push(("b".to_owned(), "array<int>".to_owned()));
        assert!(read(text.clone(), Vec::new()).refused.is_some());
        text.serialization_lib =
            "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe".to_owned();
        let read = read(text, Vec::new());
        assert!(read.refused.is_none() && read.table.columns.len() == 1);
    }

    #[test]
    fn places_are_written_one_way() {
        assert_eq!(place("s3a://b/x"), "s3://b/x");
        assert_eq!(place("file:/x/y"), "file:///x/y");
        assert_eq!(place("file:///x/y"), "file:///x/y");
        assert_eq!(place("hdfs://h/x"), "hdfs://h/x");
    }
}
