//! CREATE EXTERNAL SCHEMA, and what DROP SCHEMA does with an external one.

use crate::catalog::cache::{
    put_external_database, put_external_schema, remove, remove_external_partition,
};
use crate::catalog::external::{ExternalDatabase, ExternalSchema, ExternalSource};
use crate::catalog::{Catalog, Oid};
use crate::error::{Error, Result};
use crate::history::now_us;
use crate::statement::answer::{Body, Notice};
use crate::statement::context::Context;
use crate::statement::create_schema;
use crate::transaction::lock::{Lockable, Mode};
use blueshift_compute::external::metastore::Glue;
use blueshift_sql::SqlState;
use blueshift_sql::statement::ddl::CreateSchema;
use blueshift_sql::statement::external::schema::{CreateExternalSchema, SchemaSource};
use std::sync::Arc;

/// The namespace of the names of external databases among what can be locked.
const DATABASES: Oid = 0;

/// Runs a CREATE EXTERNAL SCHEMA.
pub async fn create(ctx: &mut Context<'_>, create: &CreateExternalSchema) -> Result<Body> {
    let is_there = |catalog: &Catalog| catalog.schema_named(&create.name).map(|one| one.oid);
    let before = is_there(ctx.transaction.catalog()?.as_ref());
    let plain = CreateSchema {
        name: create.name.clone(),
        if_not_exists: create.if_not_exists,
        owner: None,
        quota: None,
        elements: Vec::new(),
    };
    create_schema::run(ctx, &plain).await?;
    let after = is_there(ctx.transaction.catalog()?.as_ref());
    let Some(oid) = after.filter(|after| before != Some(*after)) else {
        // It was there: IF NOT EXISTS.
        return Ok(Body::done("CREATE SCHEMA"));
    };
    let schema = ExternalSchema {
        oid,
        database: create.database.clone(),
        source: source(ctx, create),
        iam_role: create.iam_role.clone(),
        region: create.region.clone(),
        catalog_role: create.catalog_role.clone(),
        catalog_id: create.catalog_id.clone(),
    };
    match &schema.source {
        ExternalSource::Own => ensure_database(ctx, create).await?,
        ExternalSource::Glue => ensure_glue_database(ctx, create, &schema).await?,
        // Whether it answers is told when it is asked for a table.
        ExternalSource::Hive { .. } => {}
        // That the server has the login is told at once.
        ExternalSource::Postgres { .. } => {
            ctx.server.foreign.source(&schema, &Arc::default())?;
        }
    }
    ctx.transaction
        .change_catalog(put_external_schema(&schema)?);
    Ok(Body::done("CREATE SCHEMA"))
}

/// Gives what the schema has its tables from: a data catalog is this server's own unless it is told of another.
fn source(ctx: &Context<'_>, create: &CreateExternalSchema) -> ExternalSource {
    match create.source.clone() {
        SchemaSource::DataCatalog if ctx.server.foreign.has_glue() => ExternalSource::Glue,
        SchemaSource::DataCatalog => ExternalSource::Own,
        SchemaSource::Hive { uri, port } => ExternalSource::Hive { uri, port },
        SchemaSource::Postgres {
            schema,
            uri,
            port,
            secret,
        } => ExternalSource::Postgres {
            schema,
            uri,
            port,
            secret,
        },
    }
}

/// Finds the database of a data catalog elsewhere, or makes it if the statement says so.
async fn ensure_glue_database(
    ctx: &mut Context<'_>,
    create: &CreateExternalSchema,
    schema: &ExternalSchema,
) -> Result<()> {
    let glue = ctx.server.foreign.glue(schema)?;
    if glue.has_database().await? {
        return Ok(());
    }
    if !create.create_database {
        return Err(no_database(&create.database));
    }
    glue.create_database().await?;
    let text = format!("External database \"{}\" created", create.database);
    ctx.notices.push(Notice::info(text));
    Ok(())
}

fn no_database(name: &str) -> Error {
    blueshift_sql::Error::new(
        SqlState::INVALID_CATALOG_NAME,
        format!("external database \"{name}\" does not exist"),
    )
    .with_hint("Add CREATE EXTERNAL DATABASE IF NOT EXISTS.")
    .into()
}

/// Finds the external database of a schema, or makes it if the statement says so.
async fn ensure_database(ctx: &mut Context<'_>, create: &CreateExternalSchema) -> Result<()> {
    let name = &create.database;
    ctx.transaction
        .lock(Lockable::Name(DATABASES, name.clone()), Mode::Exclusive)
        .await?;
    let catalog = ctx.transaction.catalog()?;
    let committed = ctx.transaction.committed_catalog()?;
    let known = catalog.external_database_named(name);
    if known
        .or_else(|| committed.external_database_named(name))
        .is_some()
    {
        return Ok(());
    }
    if !create.create_database {
        return Err(no_database(name));
    }
    let database = ExternalDatabase {
        oid: ctx.server.next_oid()?,
        name: name.clone(),
        created_us: now_us(),
    };
    ctx.transaction
        .change_catalog(put_external_database(&database)?);
    let text = format!("External database \"{name}\" created");
    ctx.notices.push(Notice::info(text));
    Ok(())
}

/// Takes what makes a schema external out of the catalog, before the schema goes; with `drop_database` its external
/// database too, with its tables if `cascade`. Other schemas that name the database then show nothing.
pub async fn before_drop(
    ctx: &mut Context<'_>,
    schema: Oid,
    drop_database: bool,
    cascade: bool,
) -> Result<()> {
    let catalog = ctx.transaction.catalog()?;
    let Some(external) = catalog.external_schemas.get(&schema) else {
        if drop_database {
            let text = "No external database exists for the schema";
            ctx.notices.push(Notice::skipped(text));
        }
        return Ok(());
    };
    if drop_database {
        match &external.source {
            ExternalSource::Own => {
                drop_external_database(ctx, &external.database, cascade).await?;
            }
            ExternalSource::Glue => {
                let glue = ctx.server.foreign.glue(external)?;
                drop_glue_database(glue, cascade).await?;
            }
            ExternalSource::Hive { .. } | ExternalSource::Postgres { .. } => {
                return Err(blueshift_sql::Error::unsupported(
                    "DROP EXTERNAL DATABASE of a Hive metastore or a live database",
                    "Drop the schema alone, and the database where it is",
                )
                .into());
            }
        }
    }
    ctx.server.foreign.forget(schema);
    ctx.transaction
        .change_catalog(remove("external_schema", schema));
    Ok(())
}

/// Drops the database of a data catalog elsewhere, with its tables if `cascade`.
async fn drop_glue_database(glue: Glue, cascade: bool) -> Result<()> {
    if !glue.has_database().await? {
        return Ok(());
    }
    let tables = glue.tables().await?;
    if !cascade && !tables.is_empty() {
        let tables = tables.iter().map(|table| table.name.clone()).collect();
        return Err(has_tables(&glue.database, tables));
    }
    Ok(glue.drop_database().await?)
}

/// The refusal to drop a database with what is in it.
fn has_tables(name: &str, tables: Vec<String>) -> Error {
    let facts = tables
        .iter()
        .map(|table| format!("external table {table} depends on external database {name}"));
    let facts: Vec<String> = facts.collect();
    blueshift_sql::Error::new(
        SqlState::DEPENDENT_OBJECTS_STILL_EXIST,
        format!("cannot drop external database {name} because other objects depend on it"),
    )
    .with_detail(facts.join("\n"))
    .with_hint("Use DROP SCHEMA ... DROP EXTERNAL DATABASE CASCADE to drop the tables too.")
    .into()
}

async fn drop_external_database(ctx: &mut Context<'_>, name: &str, cascade: bool) -> Result<()> {
    ctx.transaction
        .lock(Lockable::Name(DATABASES, name.to_owned()), Mode::Exclusive)
        .await?;
    let catalog = ctx.transaction.catalog()?;
    let Some(database) = catalog.external_database_named(name) else {
        let text = format!("External database \"{name}\" does not exist");
        ctx.notices.push(Notice::skipped(text));
        return Ok(());
    };
    let committed = ctx.transaction.committed_catalog()?;
    let mut tables: Vec<_> = [&catalog, &committed]
        .into_iter()
        .flat_map(|catalog| catalog.external_tables_of(database.oid))
        .filter(|table| !ctx.transaction.drops(table.oid))
        .map(|table| (table.oid, table.name.clone()))
        .collect();
    tables.sort();
    tables.dedup();
    if !tables.is_empty() && !cascade {
        let tables = tables.into_iter().map(|(_, table)| table).collect();
        return Err(has_tables(name, tables));
    }
    for (oid, _) in tables {
        ctx.transaction
            .lock(Lockable::Relation(oid), Mode::Exclusive)
            .await?;
        forget_table(ctx, oid)?;
    }
    ctx.transaction
        .change_catalog(remove("external_database", database.oid));
    Ok(())
}

/// Takes an external table with its partitions out of the catalog. Its files stay.
pub(super) fn forget_table(ctx: &mut Context<'_>, table: Oid) -> Result<()> {
    let catalog = ctx.transaction.catalog()?;
    let committed = ctx.transaction.committed_catalog()?;
    for catalog in [&catalog, &committed] {
        for number in catalog.partitions_of(table).keys() {
            ctx.transaction
                .change_catalog(remove_external_partition(table, *number));
        }
    }
    ctx.transaction
        .change_catalog(remove("external_table", table));
    Ok(())
}

/// Refuses to make an object of the server in an external schema, in the words of Redshift.
pub fn ensure_local(catalog: &Catalog, schema: Oid) -> Result<()> {
    match catalog.is_external(schema) {
        false => Ok(()),
        true => Err(blueshift_sql::Error::new(
            SqlState::FEATURE_NOT_SUPPORTED,
            "Operations on local objects in external schema are not enabled.",
        )
        .with_hint("Use CREATE EXTERNAL TABLE, or make the object in another schema.")
        .into()),
    }
}
