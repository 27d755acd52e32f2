//! CREATE SCHEMA.

use super::answer::{Body, Notice};
use super::context::Context;
use crate::access::check;
use crate::catalog::Schema;
use crate::catalog::cache::put_schema;
use crate::error::{Error, Result};
use crate::settings::Scope;
use crate::transaction::lock::{Lockable, Mode};
use blueshift_sql::SqlState;
use blueshift_sql::statement::ddl::CreateSchema;
use blueshift_sql::statement::grant::Privilege;

/// Runs what stands inside a CREATE SCHEMA; names without a schema are of the new one.
async fn elements(ctx: &mut Context<'_>, create: &CreateSchema, schema: &Schema) -> Result<()> {
    if create.elements.is_empty() {
        return Ok(());
    }
    if schema.owner != ctx.user.oid {
        return Err(blueshift_sql::Error::unsupported(
            "CREATE SCHEMA for another user with statements inside",
            "SET SESSION AUTHORIZATION to that user first, or send them as statements of their own",
        )
        .into());
    }
    let before = ctx.settings.clone();
    let path = before.search_path(&ctx.user.name);
    let path: Vec<String> = std::iter::once(schema.name.clone()).chain(path).collect();
    ctx.settings.set("search_path", &path, Scope::Session)?;
    for element in &create.elements {
        let done = Box::pin(super::run(ctx, element)).await;
        if let Err(error) = done {
            *ctx.settings = before;
            return Err(error);
        }
    }
    *ctx.settings = before;
    Ok(())
}

/// Runs a CREATE SCHEMA.
pub async fn run(ctx: &mut Context<'_>, create: &CreateSchema) -> Result<Body> {
    let catalog = ctx.transaction.catalog()?;
    let system = Some("CREATE SCHEMA");
    check::database(&catalog, ctx.user, Privilege::Create, system)?;
    let name = &create.name;
    if name.starts_with("pg_") {
        return Err(blueshift_sql::Error::new(
            SqlState::INVALID_NAME,
            format!("unacceptable schema name \"{name}\""),
        )
        .with_detail("The prefix \"pg_\" is reserved for system schemas.")
        .into());
    }
    ctx.transaction
        .lock(
            Lockable::Name(catalog.database, name.clone()),
            Mode::Exclusive,
        )
        .await?;
    let catalog = ctx.transaction.catalog()?;
    let committed = ctx.transaction.committed_catalog()?;
    let others = committed.schema_named(name);
    let others = others.filter(|schema| ctx.transaction.leaves(schema.oid));
    if catalog.schema_named(name).or(others).is_some() {
        if create.if_not_exists {
            ctx.notices.push(Notice::skipped(format!(
                "schema \"{name}\" already exists, skipping"
            )));
            return Ok(Body::done("CREATE SCHEMA"));
        }
        return Err(Error::new(
            SqlState::DUPLICATE_SCHEMA,
            format!("schema \"{name}\" already exists"),
        ));
    }
    let owner = match &create.owner {
        Some(owner) => catalog.user_named(owner).ok_or_else(|| {
            Error::new(
                SqlState::UNDEFINED_OBJECT,
                format!("user \"{owner}\" does not exist"),
            )
        })?,
        None => ctx.user,
    };
    if owner.oid != ctx.user.oid {
        check::superuser(ctx.user, "create a schema for another user")?;
    }
    let schema = Schema {
        oid: ctx.server.next_oid()?,
        name: name.clone(),
        owner: owner.oid,
        database: catalog.database,
        quota: create.quota,
    };
    ctx.transaction.change_catalog(put_schema(&schema)?);
    elements(ctx, create, &schema).await?;
    Ok(Body::done("CREATE SCHEMA"))
}
