//! Makes the engine's table of an external one.

use super::{cleansing, partition};
use crate::catalog::external::{ExternalFormat, ExternalSchema, ExternalTable, Partitions};
use crate::catalog::{Catalog, Schema};
use crate::error::{Error, Result};
use crate::server::Server;
use blueshift_compute::external::{
    Access, ExternalColumn, ExternalPartition, ExternalTable as ScannedTable, FileFormat,
    FileLists, JsonFormat, TableLog, TextFormat,
};
use blueshift_compute::format::compression::Compression;
use blueshift_sql::SqlType;
use blueshift_sql::statement::copy::Authorization;
use std::sync::{Arc, OnceLock};

/// Tells how the files of a schema's tables are reached.
pub(super) fn access(server: &Server, schema: &ExternalSchema) -> Access {
    Access {
        policy: server.node.object_policy.clone(),
        authorization: Authorization::IamRole(schema.iam_role.clone()),
        region: schema.region.clone(),
    }
}

/// Makes the table for the planner.
pub fn scanned(
    server: &Server,
    catalog: &Catalog,
    schema: &Schema,
    table: &ExternalTable,
) -> Result<ScannedTable> {
    let external = catalog.external_schemas.get(&schema.oid);
    let external =
        external.ok_or_else(|| Error::internal("an external schema without what makes it so"))?;
    let known = catalog.partitions_of(table.oid);
    scanned_of(server, external, schema, table, &known)
}

/// Makes the table for the planner, with the partitions it has.
pub fn scanned_of(
    server: &Server,
    external: &ExternalSchema,
    schema: &Schema,
    table: &ExternalTable,
    known: &Partitions,
) -> Result<ScannedTable> {
    let columns = |columns: &[(String, SqlType)]| -> Vec<ExternalColumn> {
        let columns = columns.iter().map(|(name, ty)| ExternalColumn {
            name: name.clone(),
            ty: *ty,
            nested: table.nested.get(name).cloned(),
        });
        columns.collect()
    };
    Ok(ScannedTable {
        name: format!("{}.{}", schema.name, table.name),
        oid: table.oid,
        format: format(table),
        columns: columns(&table.columns),
        partition_columns: columns(&table.partitioned_by),
        location: table.location.clone(),
        partitions: partitions(table, known)?,
        cleansing: cleansing::read(&table.format, &table.properties)?,
        log: log(table),
        row_count: table.number("numRows"),
        has_pseudo_columns: false,
        access: access(server, external),
        lists: Arc::new(FileLists::default()),
        schemas: OnceLock::new(),
        learned: OnceLock::new(),
    })
}

fn log(table: &ExternalTable) -> TableLog {
    match (table.is_delta(), table.is_iceberg()) {
        (true, _) => TableLog::Delta,
        (_, true) => TableLog::Iceberg {
            metadata: table.properties.get("metadata_location").cloned(),
        },
        _ => TableLog::Folders,
    }
}

fn partitions(table: &ExternalTable, known: &Partitions) -> Result<Option<Vec<ExternalPartition>>> {
    if table.partitioned_by.is_empty() || table.is_delta() || table.is_iceberg() {
        return Ok(None);
    }
    let all = known.values().map(|one| {
        let values = table.partitioned_by.iter().zip(&one.values);
        let values = values.map(|((_, ty), text)| partition::value(*ty, text));
        Ok(ExternalPartition {
            values: values.collect::<Result<_>>()?,
            location: one.location.clone(),
        })
    });
    all.collect::<Result<_>>().map(Some)
}

fn format(table: &ExternalTable) -> FileFormat {
    let property = |name: &str| table.properties.get(name).map(String::as_str);
    let compression = property("compression_type").map(str::to_lowercase);
    let compression = match compression.as_deref() {
        Some("gzip") => Some(Compression::Gzip),
        Some("bzip2") => Some(Compression::Bzip2),
        Some("zstd") => Some(Compression::Zstd),
        Some("none") => Some(Compression::None),
        _ => None,
    };
    let header_lines = table.number("skip.header.line.count").unwrap_or(0);
    let (delimiter, quote, escape) = match &table.format {
        // A live database is read in its own way.
        ExternalFormat::Parquet | ExternalFormat::Remote => return FileFormat::Parquet,
        ExternalFormat::Orc => {
            let resolution = property("orc.schema.resolution");
            return FileFormat::Orc {
                by_position: resolution.is_some_and(|way| way != "name"),
            };
        }
        ExternalFormat::Avro => return FileFormat::Avro { compression },
        ExternalFormat::Json(serde) => {
            return FileFormat::Json(JsonFormat {
                ignores_malformed: serde.ignores_malformed,
                is_case_sensitive: serde.is_case_sensitive,
                has_dots_in_keys: serde.has_dots_in_keys,
                strips_outer_array: serde.strips_outer_array,
                mapping: serde.mapping.clone(),
                header_lines,
                compression,
            });
        }
        ExternalFormat::Delimited { delimiter } => (*delimiter, None, None),
        ExternalFormat::Csv {
            separator,
            quote,
            escape,
        } => (
            *separator,
            Some(*quote),
            escape.filter(|escape| escape != quote),
        ),
    };
    FileFormat::Text(TextFormat {
        delimiter,
        quote,
        escape,
        null_as: property("serialization.null.format")
            .unwrap_or("\\N")
            .as_bytes()
            .to_vec(),
        header_lines,
        compression,
    })
}
