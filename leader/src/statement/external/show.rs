//! SHOW EXTERNAL TABLE: the statements that would make an external table, and its partitions, again.

use crate::catalog::Schema;
use crate::catalog::external::{ExternalFormat, ExternalTable, json_properties, partition_text};
use crate::catalog::name::quoted;
use crate::error::{Error, Result};
use crate::statement::answer::Body;
use crate::statement::context::Context;
use crate::statement::names::Named;
use blueshift_sql::statement::ObjectName;
use blueshift_sql::statement::external::NestedType;
use blueshift_sql::{SqlState, SqlType};
use std::collections::BTreeMap;

/// The column SHOW EXTERNAL TABLE answers with.
pub(crate) const COLUMN: &str = "Show External Table DDL statement";

/// Runs a SHOW EXTERNAL TABLE, with the partitions if they are asked for.
pub fn run(ctx: &mut Context<'_>, name: &ObjectName, with_partitions: bool) -> Result<Body> {
    let names = ctx.names()?;
    let is_remote = |table: &ExternalTable| table.format == ExternalFormat::Remote;
    let Named::External(schema, table) = names.find(name)? else {
        return Err(Error::new(
            SqlState::WRONG_OBJECT_TYPE,
            format!("\"{}\" is not an external table", name.name),
        ));
    };
    if is_remote(&table) {
        return Err(blueshift_sql::Error::unsupported(
            "SHOW EXTERNAL TABLE of a table of a live database",
            "SVV_EXTERNAL_COLUMNS shows its columns",
        )
        .into());
    }
    let full = format!("{}.{}", quoted(&schema.name), quoted(&table.name));
    let mut text = definition(&schema, &table);
    if with_partitions {
        for partition in names.external_partitions(&schema, &table)?.values() {
            let values = partition_text(&table.partitioned_by, &partition.values);
            let location = literal(&partition.location);
            text += &format!("\nALTER TABLE {full} ADD PARTITION ({values}) LOCATION {location};");
        }
    }
    Body::text_rows("SHOW", &[COLUMN], &[vec![text]])
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn columns(columns: &[(String, SqlType)], nested: &BTreeMap<String, NestedType>) -> Vec<String> {
    let columns = columns.iter();
    let columns = columns.map(|(name, ty)| match nested.get(name) {
        Some(nested) => format!("{} {nested}", quoted(name)),
        None => format!("{} {ty}", quoted(name)),
    });
    columns.collect()
}

/// Writes the statement that makes a table.
pub(super) fn definition(schema: &Schema, table: &ExternalTable) -> String {
    let mut text = format!(
        "CREATE EXTERNAL TABLE {}.{} (\n    {}\n)",
        quoted(&schema.name),
        quoted(&table.name),
        columns(&table.columns, &table.nested).join(",\n    ")
    );
    if !table.partitioned_by.is_empty() {
        let by = columns(&table.partitioned_by, &BTreeMap::new()).join(", ");
        text += &format!("\nPARTITIONED BY ({by})");
    }
    text += &match &table.format {
        ExternalFormat::Remote => String::new(),
        ExternalFormat::Parquet => "\nSTORED AS PARQUET".to_owned(),
        ExternalFormat::Orc => "\nSTORED AS ORC".to_owned(),
        ExternalFormat::Avro => "\nSTORED AS AVRO".to_owned(),
        ExternalFormat::Json(serde) => {
            let properties = json_properties(serde).into_iter();
            let properties: Vec<String> = properties
                .map(|(name, value)| format!("{}={}", literal(&name), literal(&value)))
                .collect();
            let with = match properties.is_empty() {
                true => String::new(),
                false => format!("\nWITH SERDEPROPERTIES ({})", properties.join(", ")),
            };
            format!(
                "\nROW FORMAT SERDE {}{with}\nSTORED AS TEXTFILE",
                literal(&serde.class)
            )
        }
        ExternalFormat::Delimited { delimiter } => format!(
            "\nROW FORMAT DELIMITED FIELDS TERMINATED BY '\\{delimiter:03o}'\nSTORED AS TEXTFILE"
        ),
        ExternalFormat::Csv {
            separator,
            quote,
            escape,
        } => format!(
            "\nROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.OpenCSVSerde'\n\
             WITH SERDEPROPERTIES ('separatorChar'='\\{separator:03o}', 'quoteChar'='\\{quote:03o}', \
             'escapeChar'='\\{:03o}')\nSTORED AS TEXTFILE",
            escape.unwrap_or(*quote)
        ),
    };
    text += &format!("\nLOCATION {}", literal(&table.location));
    if !table.properties.is_empty() {
        let pairs = table.properties.iter();
        let pairs = pairs.map(|(name, value)| format!("{}={}", literal(name), literal(value)));
        let pairs: Vec<String> = pairs.collect();
        text += &format!("\nTABLE PROPERTIES ({})", pairs.join(", "));
    }
    text + ";"
}
