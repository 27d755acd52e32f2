//! DROP TABLE, DROP VIEW, DROP SCHEMA: what depends on them goes with CASCADE, or keeps them.

use super::alter_table::constraint;
use super::answer::{Body, Notice};
use super::context::Context;
use super::copy_job;
use super::names::Named;
use super::policy;
use crate::access::check;
use crate::catalog::cache::{put_comment, put_default_access, put_table, remove};
use crate::catalog::name::Relation;
use crate::catalog::{Oid, Table, TableConstraint};
use crate::error::{Error, Result};
use crate::transaction::lock::{Lockable, Mode};
use blueshift_sql::SqlState;
use blueshift_sql::statement::ObjectName;
use blueshift_sql::statement::ddl::DropObjects;
use blueshift_sql::statement::grant::Privilege;
use std::sync::Arc;

/// Runs a DROP TABLE.
pub async fn table(ctx: &mut Context<'_>, drop: &DropObjects) -> Result<Body> {
    let drop = &super::external::table::drop(ctx, drop).await?;
    relations(ctx, drop, "table").await?;
    Ok(Body::done("DROP TABLE"))
}

/// Runs a DROP VIEW.
pub async fn view(ctx: &mut Context<'_>, drop: &DropObjects) -> Result<Body> {
    relations(ctx, drop, "view").await?;
    Ok(Body::done("DROP VIEW"))
}

/// What DROP MATERIALIZED VIEW drops.
pub(super) const MATERIALIZED: &str = "materialized view";

/// Gives the word for what a relation is in DROP.
fn kind_of(relation: &Relation) -> &'static str {
    match relation {
        Relation::View(view) if view.rows_table().is_some() => MATERIALIZED,
        other => other.kind(),
    }
}

/// Drops tables, views or materialized views.
pub(super) async fn relations(
    ctx: &mut Context<'_>,
    drop: &DropObjects,
    kind: &'static str,
) -> Result<()> {
    let mut found = Vec::new();
    for name in &drop.names {
        found.extend(find(ctx, name, kind, drop.if_exists)?);
    }
    for relation in &found {
        let catalog = ctx.transaction.catalog()?;
        let system = if kind == "table" {
            "DROP TABLE"
        } else {
            "DROP VIEW"
        };
        if let Relation::Table(table) = relation
            && let Some(view) = table.view
        {
            let refused = ctx.names()?.kept_by(view, &table.name);
            return Err(refused
                .with_hint("Use DROP MATERIALIZED VIEW to remove it with its view.")
                .into());
        }
        check::owner_or(&catalog, ctx.user, relation, Some(Privilege::Drop), system)?;
        lock(ctx, relation).await?;
    }
    let listed: Vec<Oid> = found.iter().map(Relation::oid).collect();
    for relation in found {
        drop_with_dependents(ctx, &relation, &listed, drop.cascade).await?;
    }
    Ok(())
}

fn find(
    ctx: &mut Context<'_>,
    name: &ObjectName,
    kind: &'static str,
    if_exists: bool,
) -> Result<Option<Relation>> {
    let relation = match ctx.names()?.find(name) {
        Ok(Named::Relation(relation)) => relation,
        Ok(Named::External(_, table)) => {
            return Err(blueshift_sql::Error::new(
                SqlState::WRONG_OBJECT_TYPE,
                format!("\"{}\" is not a {kind}", table.name),
            )
            .with_hint("Use DROP TABLE to remove it.")
            .into());
        }
        Ok(Named::System(table)) => {
            return Err(Error::new(
                SqlState::INSUFFICIENT_PRIVILEGE,
                format!(
                    "permission denied: \"{}\" is a system catalog",
                    table.name()
                ),
            ));
        }
        Err(error) => {
            let is_missing =
                [SqlState::UNDEFINED_TABLE, SqlState::INVALID_SCHEMA_NAME].contains(&error.code);
            if !is_missing {
                return Err(error.into());
            }
            if if_exists {
                let text = format!("{kind} \"{}\" does not exist, skipping", name.name);
                ctx.notices.push(Notice::skipped(text));
                return Ok(None);
            }
            // Redshift names the kind that was to be dropped.
            let text = format!("{kind} \"{}\" does not exist", name.name);
            return Err(match error.code {
                SqlState::UNDEFINED_TABLE => blueshift_sql::Error {
                    message: text,
                    ..error
                }
                .into(),
                _ => error.into(),
            });
        }
    };
    if kind_of(&relation) != kind {
        return Err(blueshift_sql::Error::new(
            SqlState::WRONG_OBJECT_TYPE,
            format!("\"{}\" is not a {kind}", relation.name()),
        )
        .with_hint(format!(
            "Use DROP {} to remove it.",
            kind_of(&relation).to_uppercase()
        ))
        .into());
    }
    Ok(Some(relation))
}

/// Locks a relation and drops it whole; its dependents are the caller's.
pub async fn whole(ctx: &mut Context<'_>, relation: &Relation) -> Result<()> {
    lock(ctx, relation).await?;
    remove_relation(ctx, relation)
}

async fn lock(ctx: &mut Context<'_>, relation: &Relation) -> Result<()> {
    match relation {
        Relation::Table(table) => ctx.transaction.lock_table(table.oid, Mode::Exclusive).await,
        Relation::View(view) => {
            ctx.transaction
                .lock(Lockable::Relation(view.oid), Mode::Exclusive)
                .await
        }
    }
}

/// Drops a relation. Dependents that are not `listed` for dropping themselves need `cascade`.
async fn drop_with_dependents(
    ctx: &mut Context<'_>,
    relation: &Relation,
    listed: &[Oid],
    cascade: bool,
) -> Result<()> {
    let catalog = ctx.transaction.catalog()?;
    let views = catalog.dependents(relation.oid());
    let tables: Vec<Arc<Table>> = catalog
        .tables
        .values()
        .filter(|table| table.oid != relation.oid() && refers_to(table, relation.oid()))
        .cloned()
        .collect();
    let mut facts: Vec<String> = views
        .iter()
        .filter(|view| !listed.contains(&view.oid))
        .map(|view| {
            format!(
                "{} {} depends on {} {}",
                kind_of(&Relation::View(Arc::clone(view))),
                view.name,
                kind_of(relation),
                relation.name()
            )
        })
        .collect();
    facts.extend(
        tables
            .iter()
            .filter(|table| !listed.contains(&table.oid))
            .map(|table| {
                format!(
                    "constraint on table {} depends on table {}",
                    table.name,
                    relation.name()
                )
            }),
    );
    if !facts.is_empty() && !cascade {
        return Err(blueshift_sql::Error::new(
            SqlState::DEPENDENT_OBJECTS_STILL_EXIST,
            format!(
                "cannot drop {} {} because other objects depend on it",
                kind_of(relation),
                relation.name()
            ),
        )
        .with_detail(facts.join("\n"))
        .with_hint("Use DROP ... CASCADE to drop the dependent objects too.")
        .into());
    }
    for view in views {
        ctx.transaction
            .lock(Lockable::Relation(view.oid), Mode::Exclusive)
            .await?;
        if !listed.contains(&view.oid) {
            ctx.notices.push(Notice::skipped(format!(
                "drop cascades to {} {}",
                kind_of(&Relation::View(Arc::clone(&view))),
                view.name
            )));
        }
        remove_relation(ctx, &Relation::View(view))?;
    }
    for table in tables {
        ctx.transaction
            .lock(Lockable::Relation(table.oid), Mode::Exclusive)
            .await?;
        forget_foreign_keys(ctx, table.oid, relation.oid())?;
    }
    remove_relation(ctx, relation)
}

fn refers_to(table: &Table, target: Oid) -> bool {
    table.constraints.iter().any(|constraint| {
        matches!(constraint, TableConstraint::ForeignKey { table, .. } if *table == target)
    })
}

fn forget_foreign_keys(ctx: &mut Context<'_>, table: Oid, target: Oid) -> Result<()> {
    let catalog = ctx.transaction.catalog()?;
    if let Some(table) = catalog.tables.get(&table) {
        let mut table = Table::clone(table);
        constraint::retain(
            ctx,
            &mut table,
            |constraint| !matches!(constraint, TableConstraint::ForeignKey { table, .. } if *table == target),
        )?;
        ctx.transaction.change_catalog(put_table(&table)?);
    }
    Ok(())
}

/// Takes a relation with its comments out of the catalog, and a table's rows with it.
fn remove_relation(ctx: &mut Context<'_>, relation: &Relation) -> Result<()> {
    let oid = relation.oid();
    let catalog = ctx.transaction.catalog()?;
    if catalog.relation(oid).is_none() {
        return Ok(());
    }
    policy::depend::ensure_no_lookup(ctx, relation, "drop")?;
    policy::depend::forget_relation(ctx, oid)?;
    for (_, column) in catalog.comments.keys().filter(|(object, _)| *object == oid) {
        ctx.transaction
            .change_catalog(put_comment(oid, *column, None));
    }
    ctx.transaction.change_catalog(remove(relation.kind(), oid));
    forget_access(ctx, oid)?;
    match relation {
        Relation::Table(table) => {
            copy_job::forget_table(ctx, oid)?;
            ctx.transaction.drop_table(table.id());
        }
        Relation::View(view) => {
            if let Some(table) = view.rows_table().and_then(|oid| catalog.tables.get(&oid)) {
                ctx.transaction.change_catalog(remove("materialized", oid));
                remove_relation(ctx, &Relation::Table(Arc::clone(table)))?;
            }
        }
    }
    Ok(())
}

/// Takes the access list of an object that goes out of the catalog.
pub(super) fn forget_access(ctx: &mut Context<'_>, oid: Oid) -> Result<()> {
    let committed = ctx.transaction.committed_catalog()?;
    let is_kept =
        committed.access.contains_key(&oid) || ctx.transaction.catalog()?.access.contains_key(&oid);
    if is_kept {
        ctx.transaction.change_catalog(remove("access", oid));
    }
    Ok(())
}

/// Runs a DROP SCHEMA.
pub async fn schema(ctx: &mut Context<'_>, drop: &DropObjects) -> Result<Body> {
    for name in &drop.names {
        let catalog = ctx.transaction.catalog()?;
        let Some(schema) = catalog.schema_named(&name.name) else {
            if drop.if_exists {
                let text = format!("schema \"{}\" does not exist, skipping", name.name);
                ctx.notices.push(Notice::skipped(text));
                continue;
            }
            return Err(super::context::no_schema(&name.name, &catalog));
        };
        let system = Some("DROP SCHEMA");
        check::schema_owner_or(&catalog, ctx.user, schema, Privilege::Drop, system)?;
        if super::names::is_system_schema(schema.oid) || schema.name.starts_with("pg_") {
            return Err(Error::new(
                SqlState::INSUFFICIENT_PRIVILEGE,
                format!(
                    "cannot drop schema {} because it is required by the database system",
                    schema.name
                ),
            ));
        }
        super::external::schema::before_drop(ctx, schema.oid, drop.external_database, drop.cascade)
            .await?;
        drop_schema(ctx, schema.oid, &schema.name.clone(), drop.cascade).await?;
    }
    Ok(Body::done("DROP SCHEMA"))
}

async fn drop_schema(ctx: &mut Context<'_>, oid: Oid, name: &str, cascade: bool) -> Result<()> {
    ctx.transaction
        .lock(Lockable::Schema(oid), Mode::Exclusive)
        .await?;
    let catalog = ctx.transaction.catalog()?;
    let committed = ctx.transaction.committed_catalog()?;
    let mut contents: Vec<Relation> = Vec::new();
    for catalog in [&catalog, &committed] {
        let tables = catalog.tables.values().cloned().map(Relation::Table);
        let views = catalog.views.values().cloned().map(Relation::View);
        let inside = tables
            .chain(views)
            .filter(|relation| relation.schema() == oid && !ctx.transaction.drops(relation.oid()));
        for relation in inside {
            if !contents.iter().any(|known| known.oid() == relation.oid()) {
                contents.push(relation);
            }
        }
    }
    contents.sort_by_key(Relation::oid);
    let mut routines: Vec<_> = [&catalog, &committed]
        .into_iter()
        .flat_map(|catalog| catalog.routines.values())
        .filter(|one| one.schema == oid && !ctx.transaction.drops(one.oid))
        .cloned()
        .collect();
    routines.sort_by_key(|routine| routine.oid);
    routines.dedup_by_key(|routine| routine.oid);
    let is_empty = contents.is_empty() && routines.is_empty();
    if !is_empty && !cascade {
        let facts = contents.iter().map(|relation| {
            format!(
                "{} {} depends on schema {name}",
                relation.kind(),
                relation.name()
            )
        });
        let facts = facts.chain(routines.iter().map(|routine| {
            format!(
                "{} {} depends on schema {name}",
                routine.kind.word(),
                routine.signature()
            )
        }));
        return Err(blueshift_sql::Error::new(
            SqlState::DEPENDENT_OBJECTS_STILL_EXIST,
            format!("cannot drop schema {name} because other objects depend on it"),
        )
        .with_detail(facts.collect::<Vec<_>>().join("\n"))
        .with_hint("Use DROP ... CASCADE to drop the dependent objects too.")
        .into());
    }
    let listed: Vec<Oid> = contents.iter().map(Relation::oid).collect();
    for relation in contents {
        lock(ctx, &relation).await?;
        drop_with_dependents(ctx, &relation, &listed, true).await?;
    }
    for routine in routines {
        super::routine::remove_routine(ctx, &routine, true).await?;
    }
    ctx.transaction.change_catalog(put_comment(oid, 0, None));
    ctx.transaction.change_catalog(remove("schema", oid));
    forget_access(ctx, oid)?;
    for key in catalog
        .defaults
        .keys()
        .filter(|(_, schema, _)| *schema == oid)
    {
        ctx.transaction
            .change_catalog(put_default_access(*key, None)?);
    }
    Ok(())
}

/// Drops the session's temporary tables, for DISCARD.
pub async fn temporary(ctx: &mut Context<'_>) -> Result<()> {
    let Some(schema) = *ctx.temp_schema else {
        return Ok(());
    };
    let catalog = ctx.transaction.catalog()?;
    let tables = catalog
        .tables
        .values()
        .filter(|table| table.schema == schema);
    for table in tables.cloned() {
        let relation = Relation::Table(table);
        lock(ctx, &relation).await?;
        remove_relation(ctx, &relation)?;
    }
    Ok(())
}
