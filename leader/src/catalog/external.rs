//! External schemas, and the data catalog they show: external databases with their tables and partitions.
//!
//! An external schema is a [`super::Schema`] with an [`ExternalSchema`] beside it, under the schema's oid. What it shows
//! belongs to an external database, which no database of the server owns: every external schema that names it shows the
//! same tables. Partitions are kept one by one, so that adding one does not write the others again.

use super::name::quoted;
use super::{Catalog, Oid, Schema};
use blueshift_sql::SqlType;
use blueshift_sql::statement::external::{JsonSerde, NestedType, RowFormat, StoredAs};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where an external schema has its tables from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExternalSource {
    /// The data catalog of this server.
    #[default]
    Own,
    /// A data catalog elsewhere, which speaks as AWS Glue does.
    Glue,
    /// A Hive metastore.
    Hive {
        /// URI.
        uri: String,
        /// PORT.
        port: u16,
    },
    /// A live PostgreSQL database.
    Postgres {
        /// SCHEMA.
        schema: String,
        /// URI.
        uri: String,
        /// PORT.
        port: u16,
        /// SECRET_ARN.
        secret: String,
    },
}

impl ExternalSource {
    /// Whether the tables are in the catalog of this server.
    pub fn is_own(&self) -> bool {
        *self == Self::Own
    }

    /// Gives `eskind`. Source: Redshift's guide, SVV_EXTERNAL_SCHEMAS.
    pub fn kind(&self) -> i32 {
        match self {
            Self::Own | Self::Glue => 1,
            Self::Hive { .. } => 2,
            Self::Postgres { .. } => 3,
        }
    }
}

/// What makes a schema external.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExternalSchema {
    /// The schema's oid.
    pub oid: Oid,
    /// The name of the external database.
    pub database: String,
    /// FROM.
    #[serde(default, skip_serializing_if = "ExternalSource::is_own")]
    pub source: ExternalSource,
    /// IAM_ROLE.
    pub iam_role: String,
    /// REGION.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// CATALOG_ROLE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catalog_role: Option<String>,
    /// CATALOG_ID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catalog_id: Option<String>,
}

impl ExternalSchema {
    /// Gives `esoptions`: a JSON object.
    pub fn options(&self) -> String {
        let mut options = serde_json::Map::new();
        let mut put = |name: &str, value: Option<&String>| {
            if let Some(value) = value {
                options.insert(name.to_owned(), value.clone().into());
            }
        };
        put("CATALOG_ID", self.catalog_id.as_ref());
        put("CATALOG_ROLE", self.catalog_role.as_ref());
        put("IAM_ROLE", Some(&self.iam_role));
        put("REGION", self.region.as_ref());
        match &self.source {
            ExternalSource::Own | ExternalSource::Glue => {}
            ExternalSource::Hive { uri, port } => {
                put("URI", Some(uri));
                put("PORT", Some(&port.to_string()));
            }
            ExternalSource::Postgres {
                schema,
                uri,
                port,
                secret,
            } => {
                put("SCHEMA", Some(schema));
                put("URI", Some(uri));
                put("PORT", Some(&port.to_string()));
                put("SECRET_ARN", Some(secret));
            }
        }
        serde_json::Value::Object(options).to_string()
    }
}

/// A database of external tables.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExternalDatabase {
    /// Its oid.
    pub oid: Oid,
    /// Its name.
    pub name: String,
    /// Microseconds since 1970 when it was made.
    pub created_us: i64,
}

/// The format of an external table's files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExternalFormat {
    /// PARQUET
    Parquet,
    /// ORC
    Orc,
    /// AVRO
    Avro,
    /// TEXTFILE, read with a SerDe of JSON.
    Json(JsonSerde),
    /// TEXTFILE, fields divided by a character.
    Delimited {
        /// The character.
        delimiter: u8,
    },
    /// TEXTFILE, read with OpenCSVSerde.
    Csv {
        /// The character between fields.
        separator: u8,
        /// The character around fields.
        quote: u8,
        /// The character that makes a quote or itself literal; the quote if none is given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        escape: Option<u8>,
    },
    /// No files: rows of a live database.
    Remote,
}

/// The character between fields if none is given: start of heading.
const DELIMITER_DEFAULT: u8 = 1;

impl ExternalFormat {
    /// Gives the format that STORED AS and ROW FORMAT say.
    pub fn new(stored_as: StoredAs, row_format: &RowFormat) -> Self {
        match (stored_as, row_format) {
            (StoredAs::Parquet, _) => Self::Parquet,
            (StoredAs::Orc, _) => Self::Orc,
            (StoredAs::Avro, _) => Self::Avro,
            (StoredAs::TextFile, RowFormat::Json(serde)) => Self::Json(serde.clone()),
            (StoredAs::TextFile, RowFormat::Default | RowFormat::Of(_)) => Self::Delimited {
                delimiter: DELIMITER_DEFAULT,
            },
            (StoredAs::TextFile, RowFormat::Delimited { fields }) => Self::Delimited {
                delimiter: fields.unwrap_or(DELIMITER_DEFAULT),
            },
            (
                StoredAs::TextFile,
                RowFormat::OpenCsv {
                    separator,
                    quote,
                    escape,
                },
            ) => Self::Csv {
                separator: *separator,
                quote: *quote,
                escape: Some(*escape),
            },
        }
    }

    /// Gives the class that reads the files, as the data catalog names it.
    pub fn input_format(&self) -> &'static str {
        match self {
            Self::Parquet => "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
            Self::Orc => "org.apache.hadoop.hive.ql.io.orc.OrcInputFormat",
            Self::Avro => "org.apache.hadoop.hive.ql.io.avro.AvroContainerInputFormat",
            Self::Delimited { .. } | Self::Csv { .. } | Self::Json(_) => {
                "org.apache.hadoop.mapred.TextInputFormat"
            }
            Self::Remote => "",
        }
    }

    /// Gives the class that writes the files.
    pub fn output_format(&self) -> &'static str {
        match self {
            Self::Parquet => "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
            Self::Orc => "org.apache.hadoop.hive.ql.io.orc.OrcOutputFormat",
            Self::Avro => "org.apache.hadoop.hive.ql.io.avro.AvroContainerOutputFormat",
            Self::Delimited { .. } | Self::Csv { .. } | Self::Json(_) => {
                "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat"
            }
            Self::Remote => "",
        }
    }

    /// Gives the class that takes rows apart.
    pub fn serialization_lib(&self) -> &str {
        match self {
            Self::Parquet => "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
            Self::Orc => "org.apache.hadoop.hive.ql.io.orc.OrcSerde",
            Self::Avro => "org.apache.hadoop.hive.serde2.avro.AvroSerDe",
            Self::Json(serde) => &serde.class,
            Self::Delimited { .. } => "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
            Self::Csv { .. } => "org.apache.hadoop.hive.serde2.OpenCSVSerde",
            Self::Remote => "",
        }
    }

    /// Gives its parameters: a JSON object.
    pub fn serde_parameters(&self) -> String {
        let text = |byte: u8| serde_json::Value::from(char::from(byte).to_string());
        let value = match self {
            Self::Parquet | Self::Orc | Self::Avro => {
                serde_json::json!({"serialization.format": "1"})
            }
            Self::Json(serde) => json_properties(serde).into_iter().collect(),
            Self::Remote => return String::new(),
            Self::Delimited { delimiter } => serde_json::json!({
                "field.delim": text(*delimiter),
                "serialization.format": text(*delimiter),
            }),
            Self::Csv {
                separator,
                quote,
                escape,
            } => serde_json::json!({
                "separatorChar": text(*separator),
                "quoteChar": text(*quote),
                "escapeChar": text(escape.unwrap_or(*quote)),
            }),
        };
        value.to_string()
    }
}

/// Gives the properties of a SerDe of JSON that are not as they are without being given.
pub fn json_properties(serde: &JsonSerde) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (is_given, name, value) in [
        (serde.ignores_malformed, "ignore.malformed.json", "true"),
        (serde.is_case_sensitive, "case.insensitive", "false"),
        (serde.has_dots_in_keys, "dots.in.keys", "true"),
        (serde.strips_outer_array, "strip.outer.array", "true"),
    ] {
        if is_given {
            all.push((name.to_owned(), value.to_owned()));
        }
    }
    let mapping = serde.mapping.iter();
    all.extend(mapping.map(|(column, key)| (format!("mapping.{column}"), key.clone())));
    all
}

/// An external table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExternalTable {
    /// Its oid.
    pub oid: Oid,
    /// The external database's oid.
    pub database: Oid,
    /// Its name.
    pub name: String,
    /// Columns that stand in the files.
    pub columns: Vec<(String, SqlType)>,
    /// The types of those of them that are SUPER.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub nested: BTreeMap<String, NestedType>,
    /// Columns that follow from where a file lies.
    pub partitioned_by: Vec<(String, SqlType)>,
    /// The format of the files.
    pub format: ExternalFormat,
    /// A folder or a manifest.
    pub location: String,
    /// TABLE PROPERTIES as given, also those that nothing here reads.
    pub properties: BTreeMap<String, String>,
    /// Microseconds since 1970 when it was made.
    pub created_us: i64,
}

impl ExternalTable {
    /// Gives a property that holds a whole number.
    pub fn number(&self, property: &str) -> Option<u64> {
        self.properties.get(property)?.trim().parse().ok()
    }

    /// Gives a property in lower case.
    pub fn property(&self, name: &str) -> Option<String> {
        self.properties.get(name).map(|value| value.to_lowercase())
    }

    /// Tells whether its files are those of a Delta table, whose log names them.
    pub fn is_delta(&self) -> bool {
        self.property("table_type").as_deref() == Some("delta")
    }

    /// Tells whether its files are those of an Iceberg table, whose metadata names them.
    pub fn is_iceberg(&self) -> bool {
        self.property("table_type").as_deref() == Some("iceberg")
    }

    /// Gives columns and partition columns, in order.
    pub fn all_columns(&self) -> impl Iterator<Item = &(String, SqlType)> {
        self.columns.iter().chain(&self.partitioned_by)
    }

    /// Gives its properties: a JSON object.
    pub fn parameters(&self) -> String {
        let mut all = serde_json::Map::new();
        all.insert("EXTERNAL".to_owned(), "TRUE".into());
        let given = self.properties.iter();
        all.extend(given.map(|(name, value)| (name.clone(), value.clone().into())));
        serde_json::Value::Object(all).to_string()
    }
}

/// A partition of an external table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExternalPartition {
    /// Its values, in the order of the partition columns, as canonical text.
    pub values: Vec<String>,
    /// A folder or a manifest.
    pub location: String,
}

/// The partitions of a table by number.
pub type Partitions = BTreeMap<u32, ExternalPartition>;

impl Catalog {
    /// Finds an external database.
    pub fn external_database_named(&self, name: &str) -> Option<&Arc<ExternalDatabase>> {
        let mut all = self.external_databases.values();
        all.find(|database| database.name == name)
    }

    /// Tells whether a schema is external.
    pub fn is_external(&self, schema: Oid) -> bool {
        self.external_schemas.contains_key(&schema)
    }

    /// Gives an external schema whose tables are not in the catalog of this server.
    pub fn foreign_schema(&self, schema: Oid) -> Option<&Arc<ExternalSchema>> {
        let external = self.external_schemas.get(&schema);
        external.filter(|one| !one.source.is_own())
    }

    /// Gives the tables that an external schema of the server's own data catalog shows, in order of name.
    pub fn external_tables_in(&self, schema: Oid) -> Vec<&Arc<ExternalTable>> {
        let database = self.external_schemas.get(&schema);
        let database = database.filter(|one| one.source.is_own());
        let database = database.and_then(|one| self.external_database_named(&one.database));
        database.map_or_else(Vec::new, |database| self.external_tables_of(database.oid))
    }

    /// Gives the tables of an external database, in order of name.
    pub fn external_tables_of(&self, database: Oid) -> Vec<&Arc<ExternalTable>> {
        let all = self.external_tables.values();
        let mut found: Vec<_> = all.filter(|table| table.database == database).collect();
        found.sort_by(|one, other| one.name.cmp(&other.name));
        found
    }

    /// Finds a table that an external schema of the server's own data catalog shows.
    pub fn external_table_named(&self, schema: Oid, name: &str) -> Option<&Arc<ExternalTable>> {
        let external = self.external_schemas.get(&schema);
        let external = external.filter(|one| one.source.is_own())?;
        let database = self.external_database_named(&external.database)?.oid;
        let mut all = self.external_tables.values();
        all.find(|table| table.database == database && table.name == name)
    }

    /// Gives the partitions of an external table.
    pub fn partitions_of(&self, table: Oid) -> Arc<Partitions> {
        let found = self.external_partitions.get(&table);
        found.cloned().unwrap_or_default()
    }

    /// Gives the external schemas with their schemas, in order of name.
    pub fn external_schemas_by_name(&self) -> Vec<(&Arc<Schema>, &Arc<ExternalSchema>)> {
        let all = self.external_schemas.values();
        let mut found: Vec<_> = all
            .filter_map(|external| Some((self.schemas.get(&external.oid)?, external)))
            .collect();
        found.sort_by(|(one, _), (other, _)| one.name.cmp(&other.name));
        found
    }
}

/// Writes a partition's values as a query shows them: `saledate='2008-01-01'`.
pub fn partition_text(columns: &[(String, SqlType)], values: &[String]) -> String {
    let pairs = columns.iter().zip(values);
    let pairs = pairs.map(|((name, _), value)| {
        let value = value.replace('\'', "''");
        format!("{}='{value}'", quoted(name))
    });
    pairs.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_never_hold_what_was_not_given() {
        let schema = ExternalSchema {
            oid: 7,
            database: "d".into(),
            source: ExternalSource::Own,
            iam_role: "arn:aws:iam::1:role/r".into(),
            region: None,
            catalog_role: None,
            catalog_id: None,
        };
        assert_eq!(schema.options(), r#"{"IAM_ROLE":"arn:aws:iam::1:role/r"}"#);
    }

    #[test]
    fn partitions_are_written_as_they_are_given() {
        let columns = vec![
            ("day".to_owned(), SqlType::Date),
            ("Group".to_owned(), SqlType::Varchar(9)),
        ];
        let values = vec!["2008-01-01".to_owned(), "it's".to_owned()];
        assert_eq!(
            partition_text(&columns, &values),
            "day='2008-01-01', \"Group\"='it''s'"
        );
    }
}
