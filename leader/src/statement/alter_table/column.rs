//! Columns: add, drop, rename, change the size of a VARCHAR.

use super::{constraint, ensure_alone, place_of, put, rewrite};
use crate::catalog::cache::{put_comment, put_materialized, put_table, remove};
use crate::catalog::layout;
use crate::catalog::matview::STATE_COLUMN_DROPPED;
use crate::catalog::name::Relation;
use crate::catalog::{Catalog, Column, Table, TableConstraint, TableDistribution, TableSort};
use crate::error::{Error, Result};
use crate::statement::answer::Notice;
use crate::statement::context::Context;
use crate::statement::create_table;
use crate::statement::materialized_view::state;
use crate::statement::names::SessionNames;
use crate::statement::target;
use crate::transaction::lock::{Lockable, Mode};
use blueshift_sql::statement::create_table::ColumnDefinition;
use blueshift_sql::statement::query::Query;
use blueshift_sql::{SqlState, SqlType, binder};
use std::sync::Arc;

/// Columns of a table at most.
const COLUMNS_MAX: usize = 1_600;

/// RENAME COLUMN.
pub(super) fn rename(ctx: &mut Context<'_>, table: &Table, from: &str, to: &str) -> Result<()> {
    let place = place_of(table, from)?;
    ensure_new(table, to)?;
    let mut after = table.clone();
    if let Some(column) = after.columns.get_mut(place) {
        column.name = to.to_string();
    }
    put(ctx, &after)
}

fn ensure_new(table: &Table, name: &str) -> Result<()> {
    match table.columns.iter().any(|column| column.name == name) {
        false => Ok(()),
        true => Err(Error::new(
            SqlState::DUPLICATE_COLUMN,
            format!(
                "column \"{name}\" of relation \"{}\" already exists",
                table.name
            ),
        )),
    }
}

/// ADD COLUMN. Without a default no row is touched: storage reads a column a row group lacks as null.
pub(super) async fn add(
    ctx: &mut Context<'_>,
    names: &SessionNames,
    table: &Table,
    definition: &ColumnDefinition,
) -> Result<()> {
    ensure_new(table, &definition.name)?;
    if table.columns.len() >= COLUMNS_MAX {
        return Err(Error::new(
            SqlState::TOO_MANY_COLUMNS,
            format!("tables can have at most {COLUMNS_MAX} columns"),
        ));
    }
    let mut column = create_table::column(definition, &*ctx.transaction.catalog()?);
    column.id = table.next_column_id();
    if let Some(word) = &column.encoding {
        layout::encoding(word, &column.name, column.ty)?;
    }
    let default = target::default_value(names, &column)?;
    let is_null = default.as_ref().is_none_or(|value| value.is_null(0));
    if column.not_null && is_null {
        return Err(Error::new(
            SqlState::INVALID_TABLE_DEFINITION,
            "ALTER TABLE ADD COLUMN defined as NOT NULL must have a non-null default expression",
        ));
    }
    let mut after = table.clone();
    after.columns_made = column.id;
    let filler = target::bound_default(names, &column)?;
    after.columns.push(column);
    if is_null {
        return put(ctx, &after);
    }
    rewrite(ctx, names, table, &after, Some(filler)).await
}

/// DROP COLUMN. Views that show it, and keys it is part of, need CASCADE and go with it.
pub(super) async fn drop(
    ctx: &mut Context<'_>,
    table: &Table,
    name: &str,
    cascade: bool,
) -> Result<()> {
    let place = place_of(table, name)?;
    let refuse = |code: SqlState, text: String| Err(Error::new(code, text));
    if table.columns.len() == 1 {
        return refuse(
            SqlState::INVALID_TABLE_DEFINITION,
            format!(
                "cannot drop column \"{name}\": table \"{}\" must have at least one column",
                table.name
            ),
        );
    }
    if table.distribution == TableDistribution::Key(place) {
        return refuse(
            SqlState::INVALID_TABLE_DEFINITION,
            format!("cannot drop distkey column \"{name}\""),
        );
    }
    if sort_columns(&table.sort).contains(&place) {
        return refuse(
            SqlState::INVALID_TABLE_DEFINITION,
            format!("cannot drop sortkey column \"{name}\""),
        );
    }
    let own = table.constraints.iter().filter(|constraint| {
        own_columns(constraint).contains(&place) && (own_columns(constraint).len() > 1)
    });
    let catalog = ctx.transaction.catalog()?;
    let referring = referring_tables(&catalog, table, place);
    let mut facts: Vec<String> = own
        .map(|_| format!("a key of table {} has column {name}", table.name))
        .collect();
    facts.extend(referring.iter().map(|other| {
        format!(
            "constraint on table {} depends on table {} column {name}",
            other.name, table.name
        )
    }));
    let mut after = table.clone();
    after.columns_made = table.next_column_id().saturating_sub(1);
    after.columns.remove(place);
    let shifted = |index: usize| if index > place { index - 1 } else { index };
    after.distribution = match table.distribution {
        TableDistribution::Key(key) => TableDistribution::Key(shifted(key)),
        other => other,
    };
    after.sort = match &table.sort {
        TableSort::Compound(keys) => {
            TableSort::Compound(keys.iter().copied().map(shifted).collect())
        }
        TableSort::Interleaved(keys) => {
            TableSort::Interleaved(keys.iter().copied().map(shifted).collect())
        }
        // Nobody named that key: it goes with its column, and another may be chosen.
        TableSort::AutoCompound(keys) if keys.contains(&place) => TableSort::Auto,
        TableSort::AutoCompound(keys) => {
            TableSort::AutoCompound(keys.iter().copied().map(shifted).collect())
        }
        other => other.clone(),
    };
    constraint::retain(ctx, &mut after, |constraint| {
        !touches(constraint, table.oid, place)
    })?;
    for constraint in &mut after.constraints {
        shift(constraint, table.oid, true, &shifted);
    }
    put(ctx, &after)?;
    shift_comments(ctx, table, place)?;
    let views = broken_views(ctx, table)?;
    facts.extend(views.iter().map(|view| {
        format!(
            "view {} depends on table {} column {name}",
            view.name(),
            table.name
        )
    }));
    if !facts.is_empty() && !cascade {
        return Err(blueshift_sql::Error::new(
            SqlState::DEPENDENT_OBJECTS_STILL_EXIST,
            format!(
                "cannot drop table {} column {name} because other objects depend on it",
                table.name
            ),
        )
        .with_detail(facts.join("\n"))
        .with_hint("Use DROP ... CASCADE to drop the dependent objects too.")
        .into());
    }
    shift_referring(ctx, table, place, &shifted).await?;
    drop_views(ctx, views).await
}

fn sort_columns(sort: &TableSort) -> &[usize] {
    match sort {
        TableSort::Compound(keys) | TableSort::Interleaved(keys) => keys,
        TableSort::None | TableSort::Auto | TableSort::AutoCompound(_) => &[],
    }
}

fn own_columns(constraint: &TableConstraint) -> &[usize] {
    match constraint {
        TableConstraint::PrimaryKey(columns)
        | TableConstraint::Unique(columns)
        | TableConstraint::ForeignKey { columns, .. } => columns,
    }
}

/// Tells whether a constraint of `table` itself names its column `place`, here or as what is referred to.
fn touches(constraint: &TableConstraint, oid: u32, place: usize) -> bool {
    let refers = matches!(constraint, TableConstraint::ForeignKey { table, referred, .. }
        if *table == oid && referred.contains(&place));
    refers || own_columns(constraint).contains(&place)
}

/// Moves the column indexes of a constraint that are of table `oid`; `is_own` if the constraint is that table's.
fn shift(
    constraint: &mut TableConstraint,
    oid: u32,
    is_own: bool,
    shifted: &impl Fn(usize) -> usize,
) {
    let move_all = |columns: &mut Vec<usize>| {
        for column in columns {
            *column = shifted(*column);
        }
    };
    match constraint {
        TableConstraint::PrimaryKey(columns) | TableConstraint::Unique(columns) => {
            if is_own {
                move_all(columns);
            }
        }
        TableConstraint::ForeignKey {
            columns,
            table,
            referred,
        } => {
            if is_own {
                move_all(columns);
            }
            if *table == oid {
                move_all(referred);
            }
        }
    }
}

fn refers_to_column(table: &Table, target: u32, place: usize) -> bool {
    table.constraints.iter().any(|constraint| {
        matches!(constraint, TableConstraint::ForeignKey { table, referred, .. }
            if *table == target && referred.contains(&place))
    })
}

fn referring_tables(catalog: &Catalog, table: &Table, place: usize) -> Vec<Arc<Table>> {
    let mut found: Vec<Arc<Table>> = catalog
        .tables
        .values()
        .filter(|other| other.oid != table.oid && refers_to_column(other, table.oid, place))
        .cloned()
        .collect();
    found.sort_by(|one, other| one.name.cmp(&other.name));
    found
}

/// Foreign keys of other tables name columns by place: those on the column go, the rest move along.
async fn shift_referring(
    ctx: &mut Context<'_>,
    table: &Table,
    place: usize,
    shifted: &impl Fn(usize) -> usize,
) -> Result<()> {
    let catalog = ctx.transaction.catalog()?;
    let refers = |other: &Table| {
        other.constraints.iter().any(|constraint| {
            matches!(constraint, TableConstraint::ForeignKey { table: target, .. } if *target == table.oid)
        })
    };
    let others: Vec<u32> = catalog
        .tables
        .values()
        .filter(|other| other.oid != table.oid && refers(other))
        .map(|other| other.oid)
        .collect();
    for oid in others {
        ctx.transaction.lock_table(oid, Mode::Exclusive).await?;
        let catalog = ctx.transaction.catalog()?;
        let Some(other) = catalog.tables.get(&oid) else {
            continue;
        };
        let mut other = Table::clone(other);
        constraint::retain(ctx, &mut other, |constraint| {
            !matches!(constraint, TableConstraint::ForeignKey { table: target, referred, .. }
                if *target == table.oid && referred.contains(&place))
        })?;
        for constraint in &mut other.constraints {
            shift(constraint, table.oid, false, shifted);
        }
        ctx.transaction.change_catalog(put_table(&other)?);
    }
    Ok(())
}

/// Comments are kept by a column's place.
fn shift_comments(ctx: &mut Context<'_>, table: &Table, place: usize) -> Result<()> {
    let catalog = ctx.transaction.catalog()?;
    let number = |place: usize| u32::try_from(place + 1).unwrap_or(u32::MAX);
    for at in place..table.columns.len() {
        let next = catalog.comments.get(&(table.oid, number(at + 1)));
        let had = catalog.comments.contains_key(&(table.oid, number(at)));
        if had || next.is_some() {
            let text = next.map(String::as_str);
            ctx.transaction
                .change_catalog(put_comment(table.oid, number(at), text));
        }
    }
    Ok(())
}

/// Finds the views that no longer bind, and those over them.
fn broken_views(ctx: &mut Context<'_>, table: &Table) -> Result<Vec<Relation>> {
    let names = ctx.names()?;
    let views = names.catalog().dependents(table.oid);
    let mut lost = Vec::new();
    for view in views.iter().filter(|view| view.rows_table().is_some()) {
        // It goes on showing the rows it has, and can never be refreshed again, as documented.
        let rows = names.catalog().materialized.get(&view.oid);
        if names.bind_definition(view).is_err()
            && let Some(rows) = rows
        {
            let mut rows = rows.as_ref().clone();
            rows.state = STATE_COLUMN_DROPPED;
            lost.push(view.oid);
            ctx.transaction.change_catalog(put_materialized(&rows)?);
        }
    }
    state::unrefreshable(ctx, table, "Column was dropped", &lost)?;
    let broken = views
        .into_iter()
        .filter(|view| names.bind_view(view).is_err())
        .map(Relation::View);
    Ok(broken.collect())
}

async fn drop_views(ctx: &mut Context<'_>, views: Vec<Relation>) -> Result<()> {
    for view in views {
        ctx.transaction
            .lock(Lockable::Relation(view.oid()), Mode::Exclusive)
            .await?;
        ctx.notices.push(Notice::skipped(format!(
            "drop cascades to view {}",
            view.name()
        )));
        ctx.transaction.change_catalog(remove("view", view.oid()));
    }
    Ok(())
}

/// ALTER COLUMN ... TYPE: only the size of a VARCHAR, and never below what is stored.
pub(super) async fn change_size(
    ctx: &mut Context<'_>,
    names: &SessionNames,
    table: &Table,
    name: &str,
    ty: SqlType,
) -> Result<()> {
    ensure_alone(ctx, "ALTER TABLE ALTER COLUMN")?;
    let place = place_of(table, name)?;
    let Some(column) = table.columns.get(place) else {
        return Ok(());
    };
    let refuse = |why: String| -> Result<()> {
        Err(Error::new(
            SqlState::FEATURE_NOT_SUPPORTED,
            format!(
                "cannot alter column \"{name}\" of relation \"{}\", {why}",
                table.name
            ),
        ))
    };
    let (SqlType::Varchar(before), SqlType::Varchar(after)) = (column.ty, ty) else {
        return refuse("only the size of a VARCHAR can be changed".to_string());
    };
    if before == after {
        return refuse("target column size should be different".to_string());
    }
    if let Some(word @ ("bytedict" | "runlength" | "text255" | "text32k")) =
        column.encoding.as_deref()
    {
        return refuse(format!("its encoding is {word}"));
    }
    if column.default.is_some() {
        return refuse("it has a default value".to_string());
    }
    let in_key = |constraint: &TableConstraint| own_columns(constraint).contains(&place);
    if table.constraints.iter().any(in_key) {
        return refuse("it is part of a key".to_string());
    }
    if after < before && longest(ctx, names, table, column).await? > i64::from(after) {
        return refuse(
            "target column size should be greater or equal to current maximum column size"
                .to_string(),
        );
    }
    let mut changed = table.clone();
    if let Some(column) = changed.columns.get_mut(place) {
        column.ty = ty;
    }
    put(ctx, &changed)
}

/// Gives the bytes of the longest value stored.
async fn longest(
    ctx: &mut Context<'_>,
    names: &SessionNames,
    table: &Table,
    column: &Column,
) -> Result<i64> {
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let schema = names
        .catalog()
        .schemas
        .get(&table.schema)
        .map_or("public", |schema| schema.name.as_str());
    let text = format!(
        "SELECT coalesce(max(octet_length({})), 0)::bigint FROM {}.{}",
        quoted(&column.name),
        quoted(schema),
        quoted(&table.name)
    );
    let bound = binder::bind_query(names, &Query::parse(&text)?, &[])?;
    let plan = ctx.plan(&names.state, bound).await?;
    let batches = datafusion::physical_plan::collect(plan, ctx.task(&names.state)).await?;
    let value = batches.first().map(|batch| Arc::clone(batch.column(0)));
    let value = value.and_then(|array| {
        let array = arrow::array::AsArray::as_primitive_opt::<arrow::datatypes::Int64Type>(&array)?;
        array.iter().flatten().next()
    });
    Ok(value.unwrap_or_default())
}
