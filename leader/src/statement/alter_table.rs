//! ALTER TABLE: names, owners, columns, constraints and the physical design of a table that exists.
//!
//! The table is locked against writers to the end of the transaction; readers go on with what they see. Names, sizes
//! and columns without a default change the catalog only. What changes where or how rows are kept writes all rows
//! anew, in the same commit.

mod append;
mod column;
pub(super) mod constraint;
mod design;

use super::answer::Body;
use super::context::Context;
use super::create_table::{is_temporary, reserve_name};
use super::names::{Named, Right, SessionNames};
use super::target;
use super::{grant, policy};
use crate::access::check;
use crate::catalog::cache::{put_table, put_view};
use crate::catalog::layout::table_layout;
use crate::catalog::name::Relation;
use crate::catalog::{Column, Table, User, View};
use crate::error::{Error, Result};
use crate::transaction::lock::{Lockable, Mode};
use blueshift_sql::SqlState;
use blueshift_sql::statement::ObjectName;
use blueshift_sql::statement::alter_table::{
    AlterAction, AlterDistribution, AlterSort, AlterTable,
};
use blueshift_sql::statement::grant::Privilege;
use blueshift_sql::statement::policy::RowSecurity;
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, cast};
use std::sync::Arc;

/// Runs an ALTER TABLE.
pub async fn run(ctx: &mut Context<'_>, alter: &AlterTable) -> Result<Body> {
    if let Some(done) = Box::pin(super::external::alter::run(ctx, alter)).await? {
        return Ok(done);
    }
    match &alter.action {
        AlterAction::Rename(name) => return rename(ctx, &alter.name, name).await,
        AlterAction::Owner(owner) => return change_owner(ctx, &alter.name, owner).await,
        AlterAction::Append { .. } => {
            append::run(ctx, &alter.name, &alter.action).await?;
            return Ok(Body::done("ALTER TABLE APPEND"));
        }
        AlterAction::RowSecurity(wanted) => return row_security(ctx, &alter.name, *wanted).await,
        _ => {}
    }
    let right = Right::OwnerOr(Some(Privilege::Alter), "ALTER TABLE");
    let (names, table) = target::lock(ctx, &alter.name, right, Mode::Exclusive).await?;
    match &alter.action {
        AlterAction::RenameColumn { from, to } => {
            policy::depend::ensure_free_column(ctx, &table, from, "rename")?;
            column::rename(ctx, &table, from, to)?;
        }
        AlterAction::AddColumn(definition) => column::add(ctx, &names, &table, definition).await?,
        AlterAction::DropColumn { name, cascade } => {
            policy::depend::ensure_free_column(ctx, &table, name, "drop")?;
            column::drop(ctx, &table, name, *cascade).await?;
        }
        AlterAction::ColumnType { name, ty } => {
            policy::depend::ensure_free_column(ctx, &table, name, "alter type of")?;
            column::change_size(ctx, &names, &table, name, *ty).await?;
        }
        AlterAction::AddConstraint(given) => constraint::add(ctx, &table, given)?,
        AlterAction::DropConstraint { name, cascade } => {
            constraint::drop(ctx, &table, name, *cascade).await?;
        }
        AlterAction::Encode(encodings) => design::encode(ctx, &names, &table, encodings).await?,
        AlterAction::EncodeAuto => design::encode_auto(ctx, &table)?,
        AlterAction::Design { distribution, sort } => {
            design::change(ctx, &names, &table, distribution.as_ref(), sort.as_ref()).await?;
        }
        AlterAction::Rename(_)
        | AlterAction::Owner(_)
        | AlterAction::RowSecurity(_)
        | AlterAction::External(_)
        | AlterAction::Append { .. } => {}
    }
    Ok(Body::done("ALTER TABLE"))
}

/// Changes the distribution and the sort key of a table, for the statement of another kind of object.
pub(super) async fn design_of(
    ctx: &mut Context<'_>,
    table: &Table,
    distribution: Option<&AlterDistribution>,
    sort: Option<&AlterSort>,
) -> Result<()> {
    ctx.transaction
        .lock_table(table.oid, Mode::Exclusive)
        .await?;
    let names = ctx.names()?;
    design::change(ctx, &names, table, distribution, sort).await
}

/// Finds a table or view and keeps others from changing it.
async fn lock_relation(ctx: &mut Context<'_>, name: &ObjectName) -> Result<Relation> {
    let names = ctx.names()?;
    let relation = find(&names, name)?;
    if let Relation::Table(table) = &relation
        && let Some(view) = table.view
    {
        return Err(names.kept_by(view, &table.name).into());
    }
    match &relation {
        Relation::Table(table) => {
            ctx.transaction
                .lock_table(table.oid, Mode::Exclusive)
                .await?;
        }
        Relation::View(view) => {
            ctx.transaction
                .lock(Lockable::Relation(view.oid), Mode::Exclusive)
                .await?;
        }
    }
    // As of after the lock.
    let relation = find(&ctx.names()?, name)?;
    let catalog = ctx.transaction.catalog()?;
    check::owner_or(
        &catalog,
        ctx.user,
        &relation,
        Some(Privilege::Alter),
        "ALTER TABLE",
    )?;
    Ok(relation)
}

fn find(names: &SessionNames, name: &ObjectName) -> Result<Relation> {
    match names.find(name)? {
        Named::Relation(relation) => Ok(relation),
        Named::External(_, table) => Err(super::external::refused("ALTER TABLE", &table.name)),
        Named::System(table) => Err(Error::new(
            SqlState::INSUFFICIENT_PRIVILEGE,
            format!(
                "permission denied: \"{}\" is a system catalog",
                table.name()
            ),
        )),
    }
}

/// ROW LEVEL SECURITY, of a table or a materialized view; it is no business of the owner.
async fn row_security(
    ctx: &mut Context<'_>,
    name: &ObjectName,
    wanted: RowSecurity,
) -> Result<Body> {
    grant::lock(ctx).await?;
    let relation = find(&ctx.names()?, name)?;
    let refused = match &relation {
        Relation::Table(table) if is_temporary(table.schema, ctx) => Some("temporary table"),
        Relation::Table(table) => {
            if let Some(view) = table.view {
                return Err(ctx.names()?.kept_by(view, &table.name).into());
            }
            None
        }
        Relation::View(view) if view.rows_table().is_none() => Some("view"),
        Relation::View(_) => None,
    };
    if let Some(what) = refused {
        return Err(blueshift_sql::Error::unsupported(
            format!("row-level security of {what} \"{}\"", relation.name()),
            "Turn it on for the tables below, or for a materialized view.",
        )
        .into());
    }
    let on = Lockable::Relation(relation.oid());
    ctx.transaction.lock(on, Mode::Append).await?;
    policy::row_security::change(ctx, relation.oid(), relation.name(), wanted)?;
    Ok(Body::done("ALTER TABLE"))
}

/// RENAME TO, within its schema.
async fn rename(ctx: &mut Context<'_>, name: &ObjectName, to: &str) -> Result<Body> {
    let relation = lock_relation(ctx, name).await?;
    if matches!(&relation, Relation::View(view) if view.rows_table().is_some()) {
        return Err(blueshift_sql::Error::unsupported(
            format!("renaming materialized view \"{}\"", relation.name()),
            "Drop the materialized view and create it again.",
        )
        .into());
    }
    policy::depend::ensure_no_lookup(ctx, &relation, "rename")?;
    if to.starts_with('#') {
        return Err(Error::new(
            SqlState::INVALID_TABLE_DEFINITION,
            format!("cannot rename permanent table to \"{to}\": the name begins with #"),
        ));
    }
    let catalog = ctx.transaction.catalog()?;
    let schema = catalog
        .schemas
        .get(&relation.schema())
        .cloned()
        .ok_or_else(|| Error::internal("a relation without a schema"))?;
    check::create_in_schema(&catalog, ctx.user, &schema, Some("ALTER TABLE"))?;
    reserve_name(ctx, &schema, to, false).await?;
    let change = match &relation {
        Relation::Table(table) => put_table(&Table {
            name: to.to_string(),
            ..Table::clone(table)
        })?,
        Relation::View(view) => put_view(&View {
            name: to.to_string(),
            ..View::clone(view)
        })?,
    };
    ctx.transaction.change_catalog(change);
    Ok(Body::done("ALTER TABLE"))
}

async fn change_owner(ctx: &mut Context<'_>, name: &ObjectName, owner: &str) -> Result<Body> {
    let relation = lock_relation(ctx, name).await?;
    // The right to alter is not the right to take.
    let catalog = ctx.transaction.catalog()?;
    check::owner(&catalog, ctx.user, &relation)?;
    grant::lock(ctx).await?;
    let owner = user_named(ctx, owner)?.oid;
    if let Relation::View(view) = &relation
        && view.rows_table().is_some()
    {
        super::materialized_view::change_owner(ctx, view, owner)?;
        return Ok(Body::done("ALTER TABLE"));
    }
    grant::change_owner(ctx, (&relation).into(), owner)?;
    let change = match &relation {
        Relation::Table(table) => put_table(&Table {
            owner,
            ..Table::clone(table)
        })?,
        Relation::View(view) => put_view(&View {
            owner,
            ..View::clone(view)
        })?,
    };
    ctx.transaction.change_catalog(change);
    Ok(Body::done("ALTER TABLE"))
}

/// Finds the user of OWNER TO; an owner may give things to himself only, a superuser to anyone.
pub(super) fn user_named(ctx: &mut Context<'_>, name: &str) -> Result<Arc<User>> {
    let name = match name {
        "current_user" | "session_user" => ctx.user.name.clone(),
        other => other.to_string(),
    };
    let catalog = ctx.transaction.catalog()?;
    let user = catalog.user_named(&name).cloned().ok_or_else(|| {
        Error::new(
            SqlState::UNDEFINED_OBJECT,
            format!("user \"{name}\" does not exist"),
        )
    })?;
    if user.oid != ctx.user.oid {
        check::superuser(ctx.user, "give an object to another user")?;
    }
    Ok(user)
}

/// Finds a column.
fn place_of(table: &Table, name: &str) -> Result<usize> {
    table
        .columns
        .iter()
        .position(|column| column.name == name)
        .ok_or_else(|| {
            Error::new(
                SqlState::UNDEFINED_COLUMN,
                format!(
                    "column \"{name}\" of relation \"{}\" does not exist",
                    table.name
                ),
            )
        })
}

/// Refuses what must be a transaction of its own.
fn ensure_alone(ctx: &Context<'_>, what: &str) -> Result<()> {
    if ctx.transaction.is_explicit {
        return Err(Error::new(
            SqlState::ACTIVE_SQL_TRANSACTION,
            format!("{what} cannot run inside a transaction block"),
        ));
    }
    Ok(())
}

/// Changes the catalog and what storage knows; rows stay.
fn put(ctx: &mut Context<'_>, table: &Table) -> Result<()> {
    ctx.transaction
        .change_layout(table.id(), table_layout(table)?);
    ctx.transaction.change_catalog(put_table(table)?);
    Ok(())
}

/// Writes all rows of `before` anew as `after` wants them, in place of the old. Columns that `before` lacks get
/// `filler`.
async fn rewrite(
    ctx: &mut Context<'_>,
    names: &SessionNames,
    before: &Table,
    after: &Table,
    filler: Option<Expr>,
) -> Result<()> {
    let source = provider_as_source(Arc::new(names.stored_table(before, false)?));
    let scan = LogicalPlanBuilder::scan("rows", source, None)?;
    let column = |column: &Column| {
        let is_kept = before.columns.iter().any(|kept| kept.id == column.id);
        let value = match (&filler, is_kept) {
            (Some(filler), false) => cast(filler.clone(), column.ty.arrow()),
            _ => Expr::Column(datafusion::common::Column::new(
                Some("rows"),
                column.name.as_str(),
            )),
        };
        value.alias(column.name.as_str())
    };
    let rows = scan
        .project(after.columns.iter().map(column).collect::<Vec<_>>())?
        .build()?;
    let plan = ctx.plan(&names.state, rows).await?;
    put(ctx, after)?;
    let given = vec![true; after.columns.len()];
    let target = target::write_target(ctx, &Arc::new(after.clone()), &given, None)?;
    let task = ctx.task(&names.state);
    let written = blueshift_compute::write::insert(&ctx.server.node, &target, plan, task).await?;
    // Only now: the old rows, also those this transaction wrote, were read until here.
    ctx.transaction.truncate_table(after.id());
    ctx.transaction.add_row_groups(written.row_groups);
    Ok(())
}
