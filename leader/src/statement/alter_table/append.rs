//! APPEND: the rows of one table go to another, and leave the first empty, in one commit.

use super::ensure_alone;
use crate::catalog::{Column, Table, TableDistribution, TableSort};
use crate::error::{Error, Result};
use crate::statement::context::Context;
use crate::statement::create_table::is_temporary;
use crate::statement::names::Right;
use crate::statement::target;
use crate::transaction::lock::Mode;
use blueshift_sql::SqlState;
use blueshift_sql::statement::ObjectName;
use blueshift_sql::statement::alter_table::AlterAction;
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, cast};
use std::sync::Arc;

/// Runs an ALTER TABLE APPEND.
pub(super) async fn run(
    ctx: &mut Context<'_>,
    name: &ObjectName,
    action: &AlterAction,
) -> Result<()> {
    let AlterAction::Append {
        from,
        ignore_extra,
        fill_target,
    } = action
    else {
        return Ok(());
    };
    ensure_alone(ctx, "ALTER TABLE APPEND")?;
    let right = Right::OwnerOr(None, "ALTER TABLE");
    let (_, source) = target::lock(ctx, from, right, Mode::Exclusive).await?;
    let (names, table) = target::lock(ctx, name, right, Mode::Exclusive).await?;
    for one in [&source, &table] {
        if is_temporary(one.schema, ctx) {
            return Err(refused(one, "it is a temporary table"));
        }
    }
    if source.oid == table.oid {
        return Err(refused(&table, "it cannot be appended to itself"));
    }
    // Its rows would be seen by who sees those of the target.
    if names.catalog().is_kept_from(source.oid, ctx.user) {
        return Err(refused(
            &source,
            "it is protected by policies that hold for the user",
        ));
    }
    ensure_same_design(&source, &table)?;
    if !ignore_extra {
        let extra = source.columns.iter().find(|column| {
            let same = |other: &&Column| other.name == column.name;
            !table.columns.iter().any(|other| same(&other))
        });
        if let Some(column) = extra {
            return Err(blueshift_sql::Error::new(
                SqlState::DATATYPE_MISMATCH,
                format!(
                    "column \"{}\" of source table \"{}\" is not in target table \"{}\"",
                    column.name, source.name, table.name
                ),
            )
            .with_hint("Add IGNOREEXTRA to leave its values behind.")
            .into());
        }
    }
    let mut values = Vec::with_capacity(table.columns.len());
    let mut given = Vec::with_capacity(table.columns.len());
    for column in &table.columns {
        let found = source
            .columns
            .iter()
            .find(|other| other.name == column.name);
        let value = match found {
            Some(other) if other.ty != column.ty => {
                return Err(Error::new(
                    SqlState::DATATYPE_MISMATCH,
                    format!(
                        "column \"{}\" is {} in source table \"{}\" and {} in target table \"{}\"",
                        column.name,
                        other.ty.display(),
                        source.name,
                        column.ty.display(),
                        table.name
                    ),
                ));
            }
            Some(other) => {
                ensure_same_attributes(&source, other, &table, column)?;
                Expr::Column(datafusion::common::Column::new(
                    Some("rows"),
                    column.name.as_str(),
                ))
            }
            None if *fill_target => cast(target::bound_default(&names, column)?, column.ty.arrow()),
            None => {
                return Err(blueshift_sql::Error::new(
                    SqlState::DATATYPE_MISMATCH,
                    format!(
                        "column \"{}\" of target table \"{}\" is not in source table \"{}\"",
                        column.name, table.name, source.name
                    ),
                )
                .with_hint("Add FILLTARGET to fill it with its default.")
                .into());
            }
        };
        given.push(found.is_some());
        values.push(value.alias(column.name.as_str()));
    }
    let scan = provider_as_source(Arc::new(names.stored_table(&source, false)?));
    let rows = LogicalPlanBuilder::scan("rows", scan, None)?
        .project(values)?
        .build()?;
    let plan = ctx.plan(&names.state, rows).await?;
    let into = target::write_target(ctx, &table, &given, None)?;
    let task = ctx.task(&names.state);
    let written = blueshift_compute::write::insert(&ctx.server.node, &into, plan, task).await?;
    ctx.transaction.truncate_table(source.id());
    ctx.transaction.add_row_groups(written.row_groups);
    Ok(())
}

/// Refuses tables whose rows lie in another place or order.
fn ensure_same_design(source: &Table, target: &Table) -> Result<()> {
    let name = |table: &Table, index: usize| table.columns.get(index).map(|c| c.name.clone());
    let distribution = |table: &Table| match table.distribution {
        TableDistribution::Even => (0, None),
        TableDistribution::All => (1, None),
        TableDistribution::AutoAll | TableDistribution::AutoEven => (2, None),
        TableDistribution::Key(index) => (3, name(table, index)),
    };
    let sort = |table: &Table| {
        let (kind, columns) = match &table.sort {
            TableSort::None | TableSort::Auto | TableSort::AutoCompound(_) => (0, &[][..]),
            TableSort::Compound(columns) => (1, columns.as_slice()),
            TableSort::Interleaved(columns) => (2, columns.as_slice()),
        };
        let columns = columns.iter().map(|index| name(table, *index));
        (kind, columns.collect::<Vec<_>>())
    };
    let differs = if distribution(source) != distribution(target) {
        "distribution styles and keys"
    } else if sort(source) != sort(target) {
        "sort keys"
    } else {
        return Ok(());
    };
    Err(blueshift_sql::Error::new(
        SqlState::WRONG_OBJECT_TYPE,
        format!(
            "cannot append table \"{}\" to table \"{}\": their {differs} are not the same",
            source.name, target.name
        ),
    )
    .with_hint("Make them the same with ALTER TABLE, or move the rows with INSERT and TRUNCATE.")
    .into())
}

/// Refuses columns of one name that are not alike.
fn ensure_same_attributes(
    source: &Table,
    from: &Column,
    target: &Table,
    to: &Column,
) -> Result<()> {
    let is_identity = |column: &Column| column.identity.is_some_and(|it| !it.by_default);
    let differs = if from.not_null != to.not_null {
        "NOT NULL in one of them only"
    } else if from.encoding != to.encoding {
        "encoded in another way"
    } else if is_identity(from) || is_identity(to) {
        "an identity column, which cannot be appended"
    } else {
        return Ok(());
    };
    Err(Error::new(
        SqlState::DATATYPE_MISMATCH,
        format!(
            "column \"{}\" of source table \"{}\" and target table \"{}\" is {differs}",
            to.name, source.name, target.name
        ),
    ))
}

fn refused(table: &Table, why: &str) -> Error {
    Error::new(
        SqlState::WRONG_OBJECT_TYPE,
        format!("cannot append table \"{}\": {why}", table.name),
    )
}
