//! External schemas and external tables: made, changed and dropped here, read through [`source`].
//!
//! A table belongs to an external database, which no session's database owns; any external schema that names the
//! database shows it. Whoever may use such a schema reads its tables; its owner makes and changes them.

pub mod alter;
mod cleansing;
mod elsewhere;
pub mod infer;
mod partition;
pub mod schema;
pub mod show;
pub mod source;
pub mod table;
pub mod write;

use super::context::{Context, no_schema};
use crate::access::check;
use crate::catalog::Schema;
use crate::catalog::external::ExternalTable;
use crate::error::{Error, Result};
use crate::transaction::lock::{Lockable, Mode};
use blueshift_sql::SqlState;
use blueshift_sql::statement::ObjectName;
use std::sync::Arc;

/// The refusal of what Redshift refuses of external tables, in its words.
pub fn refused(what: &str, table: &str) -> Error {
    blueshift_sql::Error::new(
        SqlState::FEATURE_NOT_SUPPORTED,
        "Operation not supported on external tables or external schema",
    )
    .with_detail(format!(
        "{what} of external table \"{table}\" was asked for."
    ))
    .with_hint(
        "External tables are read only: change the files, or load them into a table with COPY.",
    )
    .into()
}

/// The refusal of a view that holds on to an external table, in the words of Redshift.
pub fn refused_in_view(table: &str) -> Error {
    blueshift_sql::Error::new(
        SqlState::FEATURE_NOT_SUPPORTED,
        "External tables are not supported in views",
    )
    .with_detail(format!("The view names external table \"{table}\"."))
    .with_hint("Use CREATE VIEW ... WITH NO SCHEMA BINDING.")
    .into()
}

/// Refuses what must be a transaction of its own.
fn ensure_alone(ctx: &Context<'_>, what: &str) -> Result<()> {
    match ctx.transaction.is_explicit {
        false => Ok(()),
        true => Err(Error::new(
            SqlState::ACTIVE_SQL_TRANSACTION,
            format!("{what} cannot run inside a transaction block"),
        )),
    }
}

/// Finds the external schema that a name is in.
fn schema_of(ctx: &mut Context<'_>, name: &ObjectName) -> Result<Arc<Schema>> {
    let catalog = ctx.transaction.catalog()?;
    if let Some(database) = &name.database
        && *database != catalog.database_name()
    {
        catalog.database_named(database)?;
        return Err(crate::catalog::database::elsewhere(
            "changing external tables",
            database,
        ));
    }
    let Some(schema) = &name.schema else {
        return Err(blueshift_sql::Error::new(
            SqlState::INVALID_SCHEMA_NAME,
            format!(
                "external table \"{}\" needs the name of its schema",
                name.name
            ),
        )
        .with_hint("External schemas are not looked for on the search_path: write schema.table.")
        .at(name.position)
        .into());
    };
    let found = catalog.schema_named(schema);
    let found = found.ok_or_else(|| no_schema(schema, &catalog))?;
    if !catalog.is_external(found.oid) {
        return Err(blueshift_sql::Error::new(
            SqlState::WRONG_OBJECT_TYPE,
            format!("schema \"{schema}\" is not an external schema"),
        )
        .with_hint("Make one with CREATE EXTERNAL SCHEMA.")
        .into());
    }
    Ok(Arc::clone(found))
}

/// Finds an external table to change, for the owner of its schema, and keeps others from changing it.
async fn lock_table(ctx: &mut Context<'_>, name: &ObjectName) -> Result<Arc<ExternalTable>> {
    let schema = schema_of(ctx, name)?;
    let catalog = ctx.transaction.catalog()?;
    check::schema_owner(&catalog, ctx.user, &schema)?;
    let missing = || {
        Error::new(
            SqlState::UNDEFINED_TABLE,
            format!("relation \"{}.{}\" does not exist", schema.name, name.name),
        )
    };
    let before = catalog.external_table_named(schema.oid, &name.name);
    let oid = before.ok_or_else(missing)?.oid;
    ctx.transaction
        .lock(Lockable::Relation(oid), Mode::Exclusive)
        .await?;
    // As of after the lock.
    let catalog = ctx.transaction.catalog()?;
    let after = catalog.external_table_named(schema.oid, &name.name);
    let after = after.filter(|table| table.oid == oid);
    after.cloned().ok_or_else(missing)
}
