//! CREATE VIEW: the query's text, bound once to learn its columns and what it needs.

use super::answer::Body;
use super::context::Context;
use super::create_table::{is_temporary, reserve_name, schema_for_by};
use super::names::SessionNames;
use crate::access::check;
use crate::catalog::cache::put_view;
use crate::catalog::name::Relation;
use crate::catalog::{Column, View, ViewKind};
use crate::error::{Error, Result};
use crate::transaction::lock::{Lockable, Mode};
use blueshift_sql::statement::view::CreateView;
use blueshift_sql::{SqlState, SqlType, binder};

/// Runs a CREATE VIEW.
pub async fn run(ctx: &mut Context<'_>, create: &CreateView) -> Result<Body> {
    let schema = schema_for_by(ctx, &create.name, false, "CREATE OR REPLACE VIEW").await?;
    let name = &create.name.name;
    let existing = ctx.transaction.catalog()?.relation_named(schema.oid, name);
    let replaced = match existing {
        Some(Relation::View(view)) if create.or_replace && view.rows_table().is_some() => {
            return Err(Error::new(
                SqlState::WRONG_OBJECT_TYPE,
                format!("\"{}\" is a materialized view", view.name),
            ));
        }
        Some(Relation::View(view)) if create.or_replace => {
            let catalog = ctx.transaction.catalog()?;
            check::owner(&catalog, ctx.user, &Relation::View(view.clone()))?;
            ctx.transaction
                .lock(Lockable::Relation(view.oid), Mode::Exclusive)
                .await?;
            Some(view)
        }
        Some(Relation::Table(table)) if create.or_replace => {
            return Err(Error::new(
                SqlState::WRONG_OBJECT_TYPE,
                format!("\"{}\" is not a view", table.name),
            ));
        }
        _ => {
            reserve_name(ctx, &schema, name, false).await?;
            None
        }
    };
    if let Some(statement) = &create.late {
        return late(ctx, create, statement, schema.oid, replaced.as_deref());
    }
    let names = ctx.names()?;
    let bound = binder::bind_query(&names, &create.query, &[])?;
    if let Some(database) = names.other_database() {
        return Err(blueshift_sql::Error::unsupported(
            format!("a view over objects of another database (\"{database}\")"),
            "Make it a late-binding view: CREATE VIEW ... WITH NO SCHEMA BINDING.",
        )
        .into());
    }
    if let Some(table) = names.external_used() {
        return Err(super::external::refused_in_view(&table));
    }
    let mut depends_on = names.used();
    depends_on.extend(names.called());
    refuse_temporary(ctx, &names, &depends_on)?;
    // Tables it needs may not go away between binding and commit.
    for oid in &depends_on {
        ctx.transaction
            .lock(Lockable::Relation(*oid), Mode::Append)
            .await?;
    }
    let view = View {
        oid: match &replaced {
            Some(view) => view.oid,
            None => ctx.server.next_oid()?,
        },
        schema: schema.oid,
        name: name.clone(),
        owner: replaced.as_ref().map_or(ctx.user.oid, |view| view.owner),
        text: create.query_text.clone(),
        columns: columns(&bound, &create.columns)?,
        depends_on,
        search_path: names.search_path_names(),
        sources: names.written(),
        kind: ViewKind::Bound,
    };
    if let Some(old) = &replaced {
        check_columns_kept(old, &view)?;
        if view.depends_on.contains(&view.oid) {
            return Err(Error::new(
                SqlState::INVALID_TABLE_DEFINITION,
                format!("view \"{name}\" cannot be built on itself"),
            ));
        }
    }
    if let Some(relation) = names.narrowed_relation()
        && create.query.has_wildcard()
    {
        return Err(blueshift_sql::Error::new(
            SqlState::INSUFFICIENT_PRIVILEGE,
            format!("permission denied for relation {relation}"),
        )
        .with_detail("A view of SELECT * needs the right to read every column.")
        .with_hint("Name the columns.")
        .into());
    }
    put(ctx, view, replaced.is_none())
}

/// Writes a view to the catalog; a new one gets the privileges it is born with.
fn put(ctx: &mut Context<'_>, view: View, is_new: bool) -> Result<Body> {
    ctx.transaction.change_catalog(put_view(&view)?);
    if is_new {
        let schema = view.schema;
        let object = (&Relation::View(std::sync::Arc::new(view))).into();
        super::grant::born(ctx, object, schema)?;
    }
    Ok(Body::done("CREATE VIEW"))
}

/// WITH NO SCHEMA BINDING: nothing is looked up but the schemas that are named, which must be there.
fn late(
    ctx: &mut Context<'_>,
    create: &CreateView,
    statement: &str,
    schema: u32,
    replaced: Option<&View>,
) -> Result<Body> {
    let names = ctx.names()?;
    for relation in create.query.relations() {
        let named = relation.schema.as_deref().unwrap_or_default();
        let is_system = matches!(named, "pg_catalog" | "information_schema" | "pg_temp");
        if !is_system && names.catalog().schema_named(named).is_none() {
            return Err(super::context::no_schema(named, names.catalog()));
        }
    }
    let view = View {
        oid: match replaced {
            Some(view) => view.oid,
            None => ctx.server.next_oid()?,
        },
        schema,
        name: create.name.name.clone(),
        owner: replaced.map_or(ctx.user.oid, |view| view.owner),
        text: create.query_text.clone(),
        columns: Vec::new(),
        depends_on: Vec::new(),
        search_path: names.search_path_names(),
        sources: Vec::new(),
        kind: ViewKind::Late {
            statement: statement.to_owned(),
            columns: create.columns.clone(),
        },
    };
    if let Some(old) = replaced {
        check_columns_kept(old, &view)?;
    }
    put(ctx, view, replaced.is_none())
}

/// Refuses what reads temporary tables.
pub(super) fn refuse_temporary(
    ctx: &Context<'_>,
    names: &SessionNames,
    needed: &[u32],
) -> Result<()> {
    for relation in needed
        .iter()
        .filter_map(|oid| names.catalog().relation(*oid))
    {
        if is_temporary(relation.schema(), ctx) {
            return Err(blueshift_sql::Error::unsupported(
                format!("a view of temporary table \"{}\"", relation.name()),
                "Make the table permanent, or use the query itself.",
            )
            .into());
        }
    }
    Ok(())
}

fn columns(bound: &datafusion::logical_expr::LogicalPlan, names: &[String]) -> Result<Vec<Column>> {
    let fields = bound.schema().fields();
    if names.len() > fields.len() {
        return Err(Error::new(
            SqlState::SYNTAX_ERROR,
            "CREATE VIEW specifies more column names than columns",
        ));
    }
    let mut columns: Vec<Column> = Vec::with_capacity(fields.len());
    for (index, field) in fields.iter().enumerate() {
        let name = match names.get(index) {
            Some(name) => name.clone(),
            None => binder::shown_name(field.name()).to_string(),
        };
        if columns.iter().any(|column| column.name == name) {
            return Err(Error::new(
                SqlState::DUPLICATE_COLUMN,
                format!("column \"{name}\" specified more than once"),
            ));
        }
        columns.push(Column {
            name,
            id: u32::try_from(index + 1).unwrap_or(u32::MAX),
            ty: SqlType::from_field(field),
            encoding: None,
            default: None,
            identity: None,
            not_null: false,
            case_insensitive: false,
        });
    }
    Ok(columns)
}

/// OR REPLACE may add columns at the end, no more: queries and views over it must stay right.
fn check_columns_kept(old: &View, new: &View) -> Result<()> {
    let refuse = |text: String| Err(Error::new(SqlState::INVALID_TABLE_DEFINITION, text));
    for (index, before) in old.columns.iter().enumerate() {
        let Some(after) = new.columns.get(index) else {
            return refuse("cannot drop columns from view".to_string());
        };
        if before.name != after.name {
            return refuse(format!(
                "cannot change name of view column \"{}\" to \"{}\"",
                before.name, after.name
            ));
        }
        if before.ty != after.ty {
            return refuse(format!(
                "cannot change data type of view column \"{}\"",
                before.name
            ));
        }
    }
    Ok(())
}
