//! Constraints: kept and trusted by the planner, not enforced, so adding one looks at no row.

use super::put;
use crate::catalog::cache::{put_comment, put_table};
use crate::catalog::constraint::constraint_comment;
use crate::catalog::{Table, TableConstraint};
use crate::error::{Error, Result};
use crate::statement::context::Context;
use crate::statement::create_table;
use crate::transaction::lock::Mode;
use blueshift_sql::SqlState;
use blueshift_sql::statement::create_table::NamedConstraint;
use std::sync::Arc;

/// ADD CONSTRAINT.
pub(super) fn add(ctx: &mut Context<'_>, table: &Table, given: &NamedConstraint) -> Result<()> {
    let mut after = table.clone();
    for (name, constraint) in create_table::constraints(ctx, table, std::slice::from_ref(given))? {
        if let TableConstraint::PrimaryKey(key) = &constraint {
            let is_primary =
                |other: &TableConstraint| matches!(other, TableConstraint::PrimaryKey(_));
            if table.constraints.iter().any(is_primary) {
                return Err(Error::new(
                    SqlState::INVALID_TABLE_DEFINITION,
                    format!(
                        "multiple primary keys for table \"{}\" are not allowed",
                        table.name
                    ),
                ));
            }
            let nullable = key
                .iter()
                .filter_map(|index| table.columns.get(*index))
                .find(|column| !column.not_null);
            if let Some(column) = nullable {
                return Err(Error::new(
                    SqlState::INVALID_TABLE_DEFINITION,
                    format!(
                        "column \"{}\" of relation \"{}\" is nullable and cannot be part of a primary key",
                        column.name, table.name
                    ),
                ));
            }
        }
        after.add_constraint(name, constraint);
    }
    put(ctx, &after)
}

/// DROP CONSTRAINT. A key that foreign keys refer to goes with CASCADE only, and they with it.
pub(super) async fn drop(
    ctx: &mut Context<'_>,
    table: &Table,
    name: &str,
    cascade: bool,
) -> Result<()> {
    let named = table.named_constraints();
    let Some(place) = named.iter().position(|constraint| constraint.name == name) else {
        let known: Vec<String> = named
            .iter()
            .map(|constraint| format!("\"{}\"", constraint.name))
            .collect();
        let missing = blueshift_sql::Error::new(
            SqlState::UNDEFINED_OBJECT,
            format!(
                "constraint \"{name}\" of relation \"{}\" does not exist",
                table.name
            ),
        );
        return Err(match known.is_empty() {
            true => missing.with_hint("The table has no constraints."),
            false => missing.with_hint(format!(
                "The constraints of the table are {}.",
                known.join(", ")
            )),
        }
        .into());
    };
    let mut after = table.clone();
    let mut places = 0..;
    let kept = after.retain_constraints(|_| places.next() != Some(place));
    let Some(gone) = table.constraints.get(place).cloned() else {
        return Err(Error::internal("a constraint has a name and no place"));
    };
    let referring = match &gone {
        TableConstraint::PrimaryKey(key) | TableConstraint::Unique(key) => {
            referring(ctx, table, &after, key)?
        }
        TableConstraint::ForeignKey { .. } => Vec::new(),
    };
    if !cascade && let Some(other) = referring.first() {
        return Err(blueshift_sql::Error::new(
            SqlState::DEPENDENT_OBJECTS_STILL_EXIST,
            format!(
                "cannot drop constraint {name} on table {} because other objects depend on it",
                table.name
            ),
        )
        .with_detail(format!(
            "constraint on table {} depends on constraint {name} on table {}",
            other.name, table.name
        ))
        .with_hint("Use DROP CONSTRAINT ... CASCADE to drop the foreign keys too.")
        .into());
    }
    put(ctx, &after)?;
    move_comments(ctx, table, &kept)?;
    for other in referring {
        ctx.transaction
            .lock_table(other.oid, Mode::Exclusive)
            .await?;
        let catalog = ctx.transaction.catalog()?;
        if let (Some(other), TableConstraint::PrimaryKey(key) | TableConstraint::Unique(key)) =
            (catalog.tables.get(&other.oid), &gone)
        {
            let mut other = Table::clone(other);
            retain(ctx, &mut other, |constraint| {
                !refers_to(constraint, table.oid, key)
            })?;
            ctx.transaction.change_catalog(put_table(&other)?);
        }
    }
    Ok(())
}

/// Removes the constraints of a table that are not to be kept; the comments on the others follow them.
pub(in crate::statement) fn retain(
    ctx: &mut Context<'_>,
    table: &mut Table,
    keep: impl FnMut(&TableConstraint) -> bool,
) -> Result<()> {
    let before = table.clone();
    let kept = table.retain_constraints(keep);
    move_comments(ctx, &before, &kept)
}

/// Gives the comments on the constraints of a table to the places they have now, if those at `kept` are left.
fn move_comments(ctx: &mut Context<'_>, before: &Table, kept: &[usize]) -> Result<()> {
    let table = before.oid;
    let catalog = ctx.transaction.catalog()?;
    let text = |place: usize| catalog.comments.get(&(table, constraint_comment(place)));
    for place in 0..before.constraints.len() {
        let next = kept.get(place).and_then(|before| text(*before));
        if text(place) != next {
            let number = constraint_comment(place);
            let change = put_comment(table, number, next.map(String::as_str));
            ctx.transaction.change_catalog(change);
        }
    }
    Ok(())
}

fn refers_to(constraint: &TableConstraint, oid: u32, key: &[usize]) -> bool {
    matches!(constraint, TableConstraint::ForeignKey { table, referred, .. }
        if *table == oid && referred == key)
}

/// Finds the tables whose foreign keys refer to a key that is no key of `after` any more.
fn referring(
    ctx: &mut Context<'_>,
    table: &Table,
    after: &Table,
    key: &[usize],
) -> Result<Vec<Arc<Table>>> {
    let is_still_key = after.constraints.iter().any(|constraint| {
        matches!(constraint, TableConstraint::PrimaryKey(other) | TableConstraint::Unique(other)
            if other == key)
    });
    if is_still_key {
        return Ok(Vec::new());
    }
    let catalog = ctx.transaction.catalog()?;
    let refers = |other: &&Arc<Table>| {
        let mut constraints = other.constraints.iter();
        constraints.any(|constraint| refers_to(constraint, table.oid, key))
    };
    let others = catalog
        .tables
        .values()
        .filter(|other| other.oid != table.oid);
    Ok(others.filter(refers).cloned().collect())
}
