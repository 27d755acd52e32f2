//! ALTER SCHEMA: its name, its owner and its quota.

use super::alter_table::user_named;
use super::answer::Body;
use super::context::{Context, no_schema};
use super::grant;
use crate::access::check;
use crate::catalog::Schema;
use crate::catalog::cache::put_schema;
use crate::error::{Error, Result};
use crate::transaction::lock::{Lockable, Mode};
use blueshift_sql::SqlState;
use blueshift_sql::statement::alter_table::AlterSchema;
use blueshift_sql::statement::grant::Privilege;

/// Runs an ALTER SCHEMA.
pub async fn run(ctx: &mut Context<'_>, alter: &AlterSchema) -> Result<Body> {
    let catalog = ctx.transaction.catalog()?;
    let oid = catalog
        .schema_named(&alter.name)
        .map(|schema| schema.oid)
        .ok_or_else(|| no_schema(&alter.name, &catalog))?;
    ctx.transaction
        .lock(Lockable::Schema(oid), Mode::Exclusive)
        .await?;
    let catalog = ctx.transaction.catalog()?;
    let schema = catalog
        .schemas
        .get(&oid)
        .filter(|schema| schema.name == alter.name)
        .ok_or_else(|| no_schema(&alter.name, &catalog))?;
    check::schema_owner_or(&catalog, ctx.user, schema, Privilege::Alter, None)?;
    let mut after = Schema::clone(schema);
    if let Some(name) = &alter.rename {
        if super::names::is_system_schema(oid) || name.starts_with("pg_") {
            return Err(Error::new(
                SqlState::INVALID_SCHEMA_NAME,
                format!(
                    "cannot rename schema \"{}\" to \"{name}\": names of the system begin with pg_",
                    alter.name
                ),
            ));
        }
        if catalog.schema_named(name).is_some() {
            return Err(Error::new(
                SqlState::DUPLICATE_SCHEMA,
                format!("schema \"{name}\" already exists"),
            ));
        }
        after.name.clone_from(name);
    }
    if let Some(owner) = &alter.owner {
        // The right to alter is not the right to take.
        check::schema_owner(&catalog, ctx.user, schema)?;
        grant::lock(ctx).await?;
        after.owner = user_named(ctx, owner)?.oid;
        grant::change_owner(ctx, schema.as_ref().into(), after.owner)?;
    }
    if let Some(quota) = alter.quota {
        check::superuser(ctx.user, "change the quota of a schema")?;
        after.quota = quota;
    }
    ctx.transaction.change_catalog(put_schema(&after)?);
    Ok(Body::done("ALTER SCHEMA"))
}
