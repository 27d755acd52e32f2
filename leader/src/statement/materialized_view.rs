//! CREATE, ALTER and DROP MATERIALIZED VIEW: a view, and a table `mv_tbl__name__0` that keeps its rows.

pub(crate) mod definition;
mod flat;
mod pieces;
pub mod refresh;
pub(crate) mod rewrite;
pub(super) mod state;

use super::answer::{Body, Notice};
use super::context::Context;
use super::create_table::{install, new_table, reserve_name, schema_for_by};
use super::create_table_as::{columns, kept_type};
use super::names::{Named, SessionNames};
use super::{analyze, create_view, drop, grant};
use crate::access::check;
use crate::catalog::cache::{put_materialized, put_table, put_view};
use crate::catalog::name::Relation;
use crate::catalog::{Column, Oid, Table, View, ViewKind};
use crate::error::{Error, Result};
use crate::transaction::lock::{Lockable, Mode};
use blueshift_sql::statement::ObjectName;
use blueshift_sql::statement::alter_table::AlterAction;
use blueshift_sql::statement::create_table::DistStyle;
use blueshift_sql::statement::ddl::DropObjects;
use blueshift_sql::statement::materialized_view::{
    AlterMaterializedAction, AlterMaterializedView, CreateMaterializedView,
};
use blueshift_sql::{SqlState, SqlType, binder};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use definition::{Definition, Shape};
use std::sync::Arc;

/// Gives the name of the table that keeps the rows of a view, as Redshift names it.
fn table_name(view: &str) -> String {
    format!("mv_tbl__{view}__0")
}

/// Finds a materialized view.
fn find(ctx: &mut Context<'_>, name: &ObjectName) -> Result<Arc<View>> {
    match ctx.names()?.find(name)? {
        Named::Relation(Relation::View(view)) if view.rows_table().is_some() => Ok(view),
        _ => Err(Error::new(
            SqlState::WRONG_OBJECT_TYPE,
            format!("\"{}\" is not a materialized view", name.name),
        )),
    }
}

/// Runs a CREATE MATERIALIZED VIEW.
pub async fn create(ctx: &mut Context<'_>, create: &CreateMaterializedView) -> Result<Body> {
    let name = &create.name.name;
    let schema = schema_for_by(ctx, &create.name, false, "CREATE TABLE").await?;
    reserve_name(ctx, &schema, name, false).await?;
    reserve_name(ctx, &schema, &table_name(name), false).await?;
    let names = ctx.names()?;
    let bound = binder::bind_query(&names, &create.query, &[])?;
    let definition = Definition::of(bound)?;
    if let Some(database) = names.other_database() {
        return Err(blueshift_sql::Error::unsupported(
            format!("a materialized view over objects of another database (\"{database}\")"),
            "Make it a late-binding view: CREATE VIEW ... WITH NO SCHEMA BINDING.",
        )
        .into());
    }
    if let Some(table) = names.external_used() {
        return Err(blueshift_sql::Error::unsupported(
            format!("a materialized view over external table \"{table}\""),
            "Keep the rows in a table: CREATE TABLE ... AS SELECT.",
        )
        .into());
    }
    let mut depends_on = names.used();
    let is_over_another = check_sources(ctx, &names, &definition, &depends_on)?;
    depends_on.extend(names.called());
    if create.auto_refresh && is_over_another {
        return Err(blueshift_sql::Error::unsupported(
            "AUTO REFRESH YES of a materialized view on another",
            "Refresh it with REFRESH MATERIALIZED VIEW ... CASCADE of the one below.",
        )
        .into());
    }
    for oid in &depends_on {
        ctx.transaction
            .lock(Lockable::Relation(*oid), Mode::Append)
            .await?;
    }
    let shown = columns(&definition.bound, &[])?;
    let mut all = shown.clone();
    all.extend(hidden_columns(&definition, &names, shown.len())?);
    let mut attributes = create.attributes.clone();
    if attributes.dist_style.is_none() && attributes.dist_key.is_none() {
        attributes.dist_style = Some(DistStyle::Even);
    }
    let mut table = new_table(ctx, &schema, &table_name(name), all, &mut attributes)?;
    let view = View {
        oid: ctx.server.next_oid()?,
        schema: schema.oid,
        name: name.clone(),
        owner: ctx.user.oid,
        text: create.query_text.clone(),
        columns: table.columns.iter().take(shown.len()).cloned().collect(),
        depends_on,
        search_path: names.search_path_names(),
        sources: names.written(),
        kind: ViewKind::Materialized {
            statement: create.statement.clone(),
            table: table.oid,
        },
    };
    names.ensure_may_keep(&view)?;
    table.view = Some(view.oid);
    install(ctx, &table)?;
    ctx.transaction.change_catalog(put_view(&view)?);
    let table = Arc::new(table);
    let mut rows = refresh::marked(ctx, &names, &definition, &view)?;
    rows.auto_refresh = create.auto_refresh;
    rows.is_rewritable = !is_over_another && !matches!(definition.shape, Shape::Whole(_));
    let relation = Relation::View(Arc::new(view));
    grant::born(ctx, (&relation).into(), schema.oid)?;
    Box::pin(refresh::whole(ctx, &table, &definition)).await?;
    rows.count = ctx.transaction.view()?.table(table.id())?.row_count();
    ctx.transaction.change_catalog(put_materialized(&rows)?);
    analyze::after_load(ctx, &table).await?;
    if let Shape::Whole(reason) = &definition.shape {
        ctx.notices.push(Notice::warning(
            SqlState::WARNING,
            format!(
                "An incrementally maintained materialized view could not be created, reason: {reason}. The materialized view created, {name}, will be recomputed from scratch for every REFRESH."
            ),
        ));
    }
    ctx.last.query_id = Some(ctx.query);
    Ok(Body::done("CREATE MATERIALIZED VIEW"))
}

/// Refuses what a materialized view may not be made of; tells whether another materialized view is among it.
fn check_sources(
    ctx: &Context<'_>,
    names: &SessionNames,
    definition: &Definition,
    used: &[Oid],
) -> Result<bool> {
    create_view::refuse_temporary(ctx, names, used)?;
    let mut is_over_another = false;
    for view in used.iter().filter_map(|oid| names.catalog().views.get(oid)) {
        if view.rows_table().is_none() {
            return Err(blueshift_sql::Error::unsupported(
                format!("a materialized view of view \"{}\"", view.name),
                "Write the query of the view in its place.",
            )
            .into());
        }
        is_over_another = true;
    }
    if definition.reads_others()? {
        return Err(blueshift_sql::Error::unsupported(
            "a materialized view of system tables",
            "Use a view, or a table made by CREATE TABLE AS.",
        )
        .into());
    }
    Ok(is_over_another)
}

/// Gives the columns that follow the view's own in the stored table.
fn hidden_columns(
    definition: &Definition,
    names: &SessionNames,
    shown: usize,
) -> Result<Vec<Column>> {
    let all = definition.all(&names.state)?;
    let fields = all.schema().fields().iter().skip(shown);
    let columns = fields.map(|field| Column {
        name: field.name().clone(),
        id: 0,
        ty: kept_type(SqlType::from_field(field), field.data_type()),
        encoding: None,
        default: None,
        identity: None,
        not_null: false,
        case_insensitive: false,
    });
    Ok(columns.collect())
}

/// Casts columns to what the table stores, under the table's names.
fn cast_to(table: &Table, rows: LogicalPlan) -> Result<LogicalPlan> {
    let casts = rows.schema().columns().into_iter().zip(&table.columns);
    let casts = casts.map(|(from, to)| {
        datafusion::logical_expr::cast(Expr::Column(from), to.ty.arrow()).alias(&to.name)
    });
    let casts: Vec<_> = casts.collect();
    Ok(LogicalPlanBuilder::from(rows).project(casts)?.build()?)
}

/// Runs an ALTER MATERIALIZED VIEW.
pub async fn alter(ctx: &mut Context<'_>, alter: &AlterMaterializedView) -> Result<Body> {
    let oid = find(ctx, &alter.name)?.oid;
    ctx.transaction
        .lock(Lockable::Relation(oid), Mode::Exclusive)
        .await?;
    let view = find(ctx, &alter.name)?;
    let catalog = ctx.transaction.catalog()?;
    let relation = Relation::View(view.clone());
    if let AlterMaterializedAction::RowSecurity(wanted) = &alter.action {
        grant::lock(ctx).await?;
        super::policy::row_security::change(ctx, view.oid, &view.name, *wanted)?;
        return Ok(Body::done("ALTER MATERIALIZED VIEW"));
    }
    check::owner(&catalog, ctx.user, &relation)?;
    match &alter.action {
        AlterMaterializedAction::RowSecurity(_) => {}
        AlterMaterializedAction::AutoRefresh(yes) => {
            let is_over_another = view
                .depends_on
                .iter()
                .any(|oid| catalog.materialized.contains_key(oid));
            if *yes && is_over_another {
                return Err(blueshift_sql::Error::unsupported(
                    "AUTO REFRESH YES of a materialized view on another",
                    "Refresh it with REFRESH MATERIALIZED VIEW ... CASCADE of the one below.",
                )
                .into());
            }
            if let Some(rows) = catalog.materialized.get(&view.oid) {
                let mut rows = rows.as_ref().clone();
                rows.auto_refresh = *yes;
                ctx.transaction.change_catalog(put_materialized(&rows)?);
            }
        }
        AlterMaterializedAction::Owner(owner) => {
            grant::lock(ctx).await?;
            let owner = super::alter_table::user_named(ctx, owner)?.oid;
            change_owner(ctx, &view, owner)?;
        }
        AlterMaterializedAction::Design(action) => {
            if let AlterAction::Design { distribution, sort } = action.as_ref() {
                let table = view.rows_table().and_then(|oid| catalog.tables.get(&oid));
                let table =
                    table.ok_or_else(|| Error::internal("a materialized view without rows"))?;
                super::alter_table::design_of(ctx, table, distribution.as_ref(), sort.as_ref())
                    .await?;
            }
        }
    }
    Ok(Body::done("ALTER MATERIALIZED VIEW"))
}

/// Gives a materialized view and its rows to another user.
pub(super) fn change_owner(ctx: &mut Context<'_>, view: &Arc<View>, owner: Oid) -> Result<()> {
    let catalog = ctx.transaction.catalog()?;
    grant::change_owner(ctx, (&Relation::View(view.clone())).into(), owner)?;
    ctx.transaction.change_catalog(put_view(&View {
        owner,
        ..View::clone(view)
    })?);
    if let Some(table) = view.rows_table().and_then(|oid| catalog.tables.get(&oid)) {
        grant::change_owner(ctx, (&Relation::Table(table.clone())).into(), owner)?;
        ctx.transaction.change_catalog(put_table(&Table {
            owner,
            ..Table::clone(table)
        })?);
    }
    Ok(())
}

/// Runs a DROP MATERIALIZED VIEW.
pub async fn drop(ctx: &mut Context<'_>, drop: &DropObjects) -> Result<Body> {
    drop::relations(ctx, drop, drop::MATERIALIZED).await?;
    Ok(Body::done("DROP MATERIALIZED VIEW"))
}
