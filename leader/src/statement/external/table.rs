//! CREATE EXTERNAL TABLE, and DROP TABLE of external tables.

use super::source::access;
use super::{cleansing, elsewhere, ensure_alone, lock_table, schema, schema_of};
use crate::access::check;
use crate::catalog::Oid;
use crate::catalog::cache::put_external_table;
use crate::catalog::external::{ExternalFormat, ExternalSchema, ExternalTable};
use crate::error::{Error, Result};
use crate::history::now_us;
use crate::server::Server;
use crate::statement::answer::Body;
use crate::statement::context::Context;
use crate::transaction::lock::{Lockable, Mode};
use blueshift_sql::SqlState;
use blueshift_sql::statement::ObjectName;
use blueshift_sql::statement::ddl::DropObjects;
use blueshift_sql::statement::external::CreateExternalTable;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Runs a CREATE EXTERNAL TABLE.
pub async fn create(ctx: &mut Context<'_>, create: &CreateExternalTable) -> Result<Body> {
    let external = made_in(ctx, &create.name)?;
    if !external.source.is_own() {
        return elsewhere::create(ctx, &external, create).await;
    }
    let (external, database) = reserve(ctx, &create.name).await?;
    access(ctx.server, &external).check(&create.location)?;
    let properties: BTreeMap<String, String> = create.properties.iter().cloned().collect();
    let table = ExternalTable {
        oid: ctx.server.next_oid()?,
        database,
        name: create.name.name.clone(),
        columns: create.columns.clone(),
        nested: create.nested.clone(),
        partitioned_by: create.partitioned_by.clone(),
        format: ExternalFormat::new(create.stored_as, &create.row_format),
        location: create.location.clone(),
        properties,
        created_us: now_us(),
    };
    check_properties(&table.format, &table.properties)?;
    check_log(ctx.server, &external, &table)?;
    ctx.transaction.change_catalog(put_external_table(&table)?);
    Ok(Body::done("CREATE EXTERNAL TABLE"))
}

/// Finds what a new table's schema is, for its owner.
fn made_in(ctx: &mut Context<'_>, table: &ObjectName) -> Result<Arc<ExternalSchema>> {
    ensure_alone(ctx, "CREATE EXTERNAL TABLE")?;
    let schema = schema_of(ctx, table)?;
    let catalog = ctx.transaction.catalog()?;
    check::schema_owner(&catalog, ctx.user, &schema)?;
    let external = catalog.external_schemas.get(&schema.oid).cloned();
    external.ok_or_else(|| Error::internal("an external schema without what makes it so"))
}

/// Takes a name that is free for a new table, for the owner of its schema; gives the schema and the oid of its external
/// database. Refuses a schema of another catalog.
pub(super) async fn reserve(
    ctx: &mut Context<'_>,
    table: &ObjectName,
) -> Result<(Arc<ExternalSchema>, Oid)> {
    let external = made_in(ctx, table)?;
    if !external.source.is_own() {
        return Err(blueshift_sql::Error::unsupported(
            "CREATE EXTERNAL TABLE ... AS and INFER FROM in a catalog elsewhere",
            "Make the table in a schema of the server's own catalog, or give its columns",
        )
        .into());
    }
    let catalog = ctx.transaction.catalog()?;
    let Some(database) = catalog.external_database_named(&external.database) else {
        return Err(Error::new(
            SqlState::INVALID_CATALOG_NAME,
            format!("external database \"{}\" does not exist", external.database),
        ));
    };
    let (database, name) = (database.oid, &table.name);
    ctx.transaction
        .lock(Lockable::Name(database, name.clone()), Mode::Exclusive)
        .await?;
    let catalog = ctx.transaction.catalog()?;
    let is_there = |table: &&Arc<ExternalTable>| table.name == *name;
    let known = catalog.external_tables_of(database);
    match known.iter().any(is_there) {
        false => Ok((external, database)),
        true => Err(Error::new(
            SqlState::DUPLICATE_TABLE,
            format!("relation \"{name}\" already exists"),
        )),
    }
}

/// Checks the properties that are read here; others are kept as they are.
pub(super) fn check_properties(
    format: &ExternalFormat,
    properties: &BTreeMap<String, String>,
) -> Result<()> {
    let wrong = |name: &str, value: &str, hint: &str| Err(wrong_property(name, value, hint));
    for name in ["numRows", "skip.header.line.count"] {
        if let Some(value) = properties.get(name)
            && value.trim().parse::<u64>().is_err()
        {
            return wrong(name, value, "It must be a whole number.");
        }
    }
    if let Some(value) = properties.get("compression_type") {
        match value.to_lowercase().as_str() {
            "bzip2" | "gzip" | "none" | "zstd" => {}
            // Parquet files tell their compression themselves; the property is for those that are written.
            "snappy" if *format == ExternalFormat::Parquet => {}
            "snappy" => {
                return Err(blueshift_sql::Error::unsupported(
                    "the table property 'compression_type'='snappy'",
                    "Compress text files with GZIP, BZIP2 or ZSTD; Parquet files tell theirs themselves.",
                )
                .into());
            }
            _ => return wrong("compression_type", value, "Use bzip2, gzip, zstd or none."),
        }
    }
    match properties
        .get("table_type")
        .map(|ty| ty.to_lowercase())
        .as_deref()
    {
        Some("delta") if *format != ExternalFormat::Parquet => {
            return wrong(
                "table_type",
                "delta",
                "Delta tables need STORED AS PARQUET.",
            );
        }
        Some("iceberg") if *format != ExternalFormat::Parquet => {
            return wrong(
                "table_type",
                "iceberg",
                "Iceberg tables need STORED AS PARQUET.",
            );
        }
        Some("hudi") => {
            let given = properties.get("table_type").map_or("", String::as_str);
            return Err(blueshift_sql::Error::unsupported(
                format!("the table property 'table_type'='{given}'"),
                "Leave it out and make a table over a copy of the files in Parquet, or use 'table_type'='delta' or \
                 'iceberg'.",
            )
            .into());
        }
        _ => {}
    }
    cleansing::read(format, properties)?;
    Ok(())
}

/// Checks what a table of an open format is declared with.
pub(super) fn check_log(
    server: &Server,
    schema: &ExternalSchema,
    table: &ExternalTable,
) -> Result<()> {
    if !table.is_iceberg() {
        return Ok(());
    }
    if let Some((column, _)) = table.partitioned_by.first() {
        return Err(blueshift_sql::Error::new(
            SqlState::INVALID_TABLE_DEFINITION,
            "an Iceberg table cannot be PARTITIONED BY columns",
        )
        .with_detail("Its metadata tells how its files are partitioned, and filters on its columns use that.")
        .with_hint(format!(
            "Declare \"{column}\" among the other columns."
        ))
        .into());
    }
    if let Some(metadata) = table.properties.get("metadata_location") {
        access(server, schema).check(metadata)?;
    }
    Ok(())
}

/// The refusal of the value of a property.
pub(super) fn wrong_property(name: &str, value: &str, hint: &str) -> Error {
    blueshift_sql::Error::new(
        SqlState::INVALID_PARAMETER_VALUE,
        format!("invalid value for table property '{name}': \"{value}\""),
    )
    .with_hint(hint)
    .into()
}

/// Runs the part of a DROP TABLE that is about external tables, and gives the rest.
pub async fn drop(ctx: &mut Context<'_>, drop: &DropObjects) -> Result<DropObjects> {
    let catalog = ctx.transaction.catalog()?;
    let mut rest = drop.clone();
    rest.names.clear();
    let mut external = Vec::new();
    let mut foreign = Vec::new();
    for name in &drop.names {
        let schema = name.schema.as_ref();
        let schema = schema.and_then(|schema| catalog.schema_named(schema));
        let is_here = name
            .database
            .as_ref()
            .is_none_or(|database| database == catalog.database_name());
        let schema = schema.filter(|_| is_here);
        if let Some(elsewhere) = schema.and_then(|schema| catalog.foreign_schema(schema.oid)) {
            foreign.push((name, Arc::clone(elsewhere)));
            continue;
        }
        let table = schema.and_then(|schema| catalog.external_table_named(schema.oid, &name.name));
        match table {
            Some(_) => external.push(name),
            None => rest.names.push(name.clone()),
        }
    }
    if !external.is_empty() || !foreign.is_empty() {
        ensure_alone(ctx, "DROP EXTERNAL TABLE")?;
    }
    for name in external {
        let table = lock_table(ctx, name).await?;
        schema::forget_table(ctx, table.oid)?;
    }
    for (name, external) in foreign {
        let schema = schema_of(ctx, name)?;
        let catalog = ctx.transaction.catalog()?;
        check::schema_owner(&catalog, ctx.user, &schema)?;
        elsewhere::drop(ctx, &external, &name.name).await?;
    }
    Ok(rest)
}
