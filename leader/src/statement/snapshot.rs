//! CREATE SNAPSHOT, CREATE and DROP SNAPSHOT SCHEDULE, RESTORE TABLE: for superusers, outside transaction blocks.

use super::answer::{Body, Notice};
use super::context::Context;
use super::create_table::{install, reserve_name, schema_for};
use crate::access::check;
use crate::catalog::layout::{distribution, table_layout};
use crate::catalog::{Catalog, Table, TableConstraint};
use crate::error::{Error, Result};
use crate::history::now_us;
use crate::snapshot::schedule::{self, Retention, Schedule};
use crate::snapshot::{catalog_of, moved_statistics, stage};
use blueshift_compute::maintain::snapshot::{repository, transfer};
use blueshift_compute::write::WriteTarget;
use blueshift_sql::SqlState;
use blueshift_sql::statement::ObjectName;
use blueshift_sql::statement::snapshot::{
    CreateSnapshot, CreateSnapshotSchedule, RestoreTable, Retention as Asked,
};
use std::sync::Arc;

/// Runs a CREATE SNAPSHOT.
pub async fn create(ctx: &mut Context<'_>, create: &CreateSnapshot) -> Result<Body> {
    ensure_alone(ctx, "CREATE SNAPSHOT", "take snapshots")?;
    // What this session saw before must not keep old row groups alive.
    ctx.transaction.forget_view();
    let node = &ctx.server.node;
    let place = repository(&node.object_policy, &create.place, false)?;
    let keeper = Arc::clone(ctx.server);
    let kept = tokio::task::spawn_blocking(move || keeper.keep_new_statistics());
    kept.await.map_err(Error::internal)?;
    let taken = ctx.server.snapshots.take(node, &place, &create.name, false);
    let manifest = taken.await?.manifest;
    ctx.notices.push(Notice::info(format!(
        "snapshot \"{}\" shows commit {}: {} bytes, of which {} were uploaded",
        manifest.name, manifest.version.0, manifest.bytes, manifest.uploaded_bytes
    )));
    Ok(Body::done("CREATE SNAPSHOT"))
}

/// Runs a CREATE SNAPSHOT SCHEDULE, which replaces the one there is.
pub fn create_schedule(ctx: &Context<'_>, create: &CreateSnapshotSchedule) -> Result<Body> {
    ensure_alone(ctx, "CREATE SNAPSHOT SCHEDULE", "schedule snapshots")?;
    let node = &ctx.server.node;
    // A place that cannot be used is refused now, not at night.
    repository(&node.object_policy, &create.place, false)?;
    let schedule = Schedule {
        place: create.place.clone(),
        interval_minutes: create.interval_minutes,
        retention: create.retention.map(|asked| match asked {
            Asked::Count(count) => Retention::Count(count),
            Asked::Days(days) => Retention::Days(days),
        }),
        created_us: now_us(),
        last_us: 0,
    };
    schedule::write(&node.store, Some(&schedule))?;
    Ok(Body::done("CREATE SNAPSHOT SCHEDULE"))
}

/// Runs a DROP SNAPSHOT SCHEDULE. Snapshots it took stay.
pub fn drop_schedule(ctx: &Context<'_>) -> Result<Body> {
    ensure_alone(ctx, "DROP SNAPSHOT SCHEDULE", "schedule snapshots")?;
    let store = &ctx.server.node.store;
    if schedule::read(store)?.is_none() {
        return Err(Error::new(
            SqlState::UNDEFINED_OBJECT,
            "there is no snapshot schedule",
        ));
    }
    schedule::write(store, None)?;
    Ok(Body::done("DROP SNAPSHOT SCHEDULE"))
}

fn ensure_alone(ctx: &Context<'_>, statement: &str, what: &str) -> Result<()> {
    check::superuser(ctx.user, what)?;
    match ctx.transaction.is_explicit {
        false => Ok(()),
        true => Err(Error::new(
            SqlState::ACTIVE_SQL_TRANSACTION,
            format!("{statement} cannot run inside a transaction block"),
        )),
    }
}

/// Runs a RESTORE TABLE: the table of the snapshot becomes a new one, owned by who asks.
pub async fn restore_table(ctx: &mut Context<'_>, restore: &RestoreTable) -> Result<Body> {
    check::superuser(ctx.user, "restore tables")?;
    let node = Arc::clone(&ctx.server.node);
    let place = repository(&node.object_policy, &restore.place, false)?;
    let manifest = place.manifest(&restore.snapshot).await?;
    let kept = catalog_of(&manifest)?;
    let here = ctx.transaction.catalog()?;
    let database = restore.table.database.as_deref();
    let database = kept.database_named(database.unwrap_or(here.database_name()))?;
    let old = table_of(&kept.within(database.oid), &restore.table)?;
    let schema = schema_for(ctx, &restore.new_table, false).await?;
    reserve_name(ctx, &schema, &restore.new_table.name, false).await?;
    let is_own = |constraint: &TableConstraint| {
        // A foreign key names a table that may be another by now.
        !matches!(constraint, TableConstraint::ForeignKey { .. })
    };
    let mut new = Table {
        oid: ctx.server.next_oid()?,
        schema: schema.oid,
        name: restore.new_table.name.clone(),
        owner: ctx.user.oid,
        placement_fingerprint: ctx.server.placement_fingerprint,
        created_us: now_us(),
        view: None,
        ..Table::clone(&old)
    };
    new.retain_constraints(is_own);
    install(ctx, &new)?;
    super::policy::restore(ctx, &kept, old.oid, &new).await?;
    let snapshots = Arc::clone(&ctx.server.snapshots);
    let mut turn = snapshots.begin_restore(&new.name, &restore.snapshot);
    let steps = turn.enter("fetch");
    let staged = stage(&node, place, manifest, old.id(), steps).await?;
    let from = staged.store()?;
    let view = from.read_view();
    let version = view.table(old.id())?;
    let target = WriteTarget {
        table: new.id(),
        layout: Arc::new(table_layout(&new)?),
        distribution: distribution(new.distribution),
        slice_count: node.store.slice_count(),
        first_slice: 0,
        identities: Vec::new(),
        keeps_small: false,
    };
    let compute = &node.resources.compute;
    let steps = turn.enter("load");
    let written = transfer(compute, from, version, &node.store, &target, &steps).await?;
    ctx.notices.push(Notice::info(format!(
        "{} rows of snapshot \"{}\" are in table \"{}\"",
        written.rows, restore.snapshot, new.name
    )));
    ctx.transaction.add_row_groups(written.row_groups);
    if let Some(kept) = from.statistics_of(old.id())? {
        let (server, before) = (Arc::clone(ctx.server), Arc::clone(version));
        ctx.transaction.after_commit_try(move || {
            let after = server.node.store.table(new.id())?;
            let moved = moved_statistics(kept, &before, &after);
            server.history.statistics.adopt(new.oid, moved);
            server.history.statistics.keep(&server.node.store, new.oid)
        });
    }
    ctx.last.query_id = Some(ctx.query);
    Ok(Body::done("RESTORE TABLE"))
}

/// Finds a table by the name it had in the snapshot; without a schema that is `public`.
fn table_of(catalog: &Catalog, name: &ObjectName) -> Result<Arc<Table>> {
    let schema = name.schema.as_deref().unwrap_or("public");
    let schema_of = |table: &Table| catalog.schemas.get(&table.schema);
    let is_it = |table: &&Arc<Table>| {
        table.name == name.name && schema_of(table).is_some_and(|found| found.name == schema)
    };
    catalog.tables.values().find(is_it).cloned().ok_or_else(|| {
        Error::new(
            SqlState::UNDEFINED_TABLE,
            format!("the snapshot has no table \"{schema}.{}\"", name.name),
        )
    })
}
