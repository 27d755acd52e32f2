//! ALTER TABLE of an external table: partitions, place, format, properties and columns.

use super::source::access;
use super::{elsewhere, ensure_alone, lock_table, partition, table};
use crate::catalog::cache::{
    put_external_partition, put_external_table, remove_external_partition,
};
use crate::catalog::external::{
    ExternalFormat, ExternalPartition, ExternalSchema, ExternalTable, partition_text,
};
use crate::error::{Error, Result};
use crate::statement::answer::{Body, Notice};
use crate::statement::context::Context;
use blueshift_sql::SqlState;
use blueshift_sql::statement::ObjectName;
use blueshift_sql::statement::alter_table::{AlterAction, AlterTable};
use blueshift_sql::statement::create_table::ColumnDefinition;
use blueshift_sql::statement::external::{
    COLUMNS_MAX, ExternalAction, PSEUDO_COLUMNS, PartitionSpec, RowFormat, StoredAs,
};
use std::sync::Arc;

/// Partitions that one statement may add. Source: Redshift's guide, ALTER TABLE.
const ADDED_MAX: usize = 100;
/// Partitions of one table.
pub(super) const PARTITIONS_MAX: usize = 100_000;

/// Runs an ALTER TABLE if it is about an external table.
pub async fn run(ctx: &mut Context<'_>, alter: &AlterTable) -> Result<Option<Body>> {
    if !is_external(ctx, &alter.name)? {
        return match &alter.action {
            AlterAction::External(_) => Err(blueshift_sql::Error::new(
                SqlState::WRONG_OBJECT_TYPE,
                format!("\"{}\" is not an external table", alter.name.name),
            )
            .with_hint("Partitions, places, formats and properties are those of external tables.")
            .into()),
            _ => Ok(None),
        };
    }
    ensure_alone(ctx, "ALTER EXTERNAL TABLE")?;
    let outside = external_of(ctx, &alter.name)?;
    if !outside.source.is_own() {
        return elsewhere::alter(ctx, &outside, alter).await.map(Some);
    }
    let table = lock_table(ctx, &alter.name).await?;
    let external = external_of(ctx, &alter.name)?;
    match &alter.action {
        AlterAction::External(action) => change(ctx, &table, &external, action)?,
        AlterAction::AddColumn(column) => add_column(ctx, &table, column)?,
        AlterAction::DropColumn { name, .. } => drop_column(ctx, &table, name)?,
        AlterAction::RenameColumn { from, to } => rename_column(ctx, &table, from, to)?,
        _ => return Err(super::refused("This ALTER TABLE", &table.name)),
    }
    Ok(Some(Body::done("ALTER EXTERNAL TABLE")))
}

/// Tells whether a name is in an external schema.
pub(super) fn is_external(ctx: &mut Context<'_>, name: &ObjectName) -> Result<bool> {
    let catalog = ctx.transaction.catalog()?;
    let schema = name.schema.as_ref();
    let schema = schema.and_then(|schema| catalog.schema_named(schema));
    Ok(schema.is_some_and(|schema| catalog.is_external(schema.oid)))
}

/// Finds what makes the schema of a name external.
pub(super) fn external_of(ctx: &mut Context<'_>, name: &ObjectName) -> Result<Arc<ExternalSchema>> {
    let schema = super::schema_of(ctx, name)?;
    let catalog = ctx.transaction.catalog()?;
    let external = catalog.external_schemas.get(&schema.oid).cloned();
    external.ok_or_else(|| Error::internal("an external schema without what makes it so"))
}

fn change(
    ctx: &mut Context<'_>,
    table: &ExternalTable,
    external: &ExternalSchema,
    action: &ExternalAction,
) -> Result<()> {
    let mut after = table.clone();
    match action {
        ExternalAction::AddPartitions {
            if_not_exists,
            partitions,
        } => {
            for (_, location) in partitions {
                access(ctx.server, external).check(location)?;
            }
            return add_partitions(ctx, table, *if_not_exists, partitions);
        }
        ExternalAction::DropPartition(spec) => {
            let (number, _) = find(ctx, table, spec)?;
            ctx.transaction
                .change_catalog(remove_external_partition(table.oid, number));
            return Ok(());
        }
        ExternalAction::PartitionLocation(spec, location) => {
            access(ctx.server, external).check(location)?;
            let (number, mut found) = find(ctx, table, spec)?;
            found.location.clone_from(location);
            let change = put_external_partition(table.oid, number, &found)?;
            ctx.transaction.change_catalog(change);
            return Ok(());
        }
        ExternalAction::Location(location) => {
            access(ctx.server, external).check(location)?;
            after.location.clone_from(location);
        }
        ExternalAction::FileFormat(stored_as) => {
            after.format = match (stored_as, &table.format) {
                (StoredAs::TextFile, text @ ExternalFormat::Delimited { .. })
                | (StoredAs::TextFile, text @ ExternalFormat::Csv { .. })
                | (StoredAs::TextFile, text @ ExternalFormat::Json(_)) => text.clone(),
                (stored_as, _) => ExternalFormat::new(*stored_as, &RowFormat::Default),
            };
            table::check_properties(&after.format, &after.properties)?;
        }
        ExternalAction::Properties(given) => {
            after.properties.extend(given.iter().cloned());
            table::check_properties(&after.format, &after.properties)?;
            table::check_log(ctx.server, external, &after)?;
        }
    }
    ctx.transaction.change_catalog(put_external_table(&after)?);
    Ok(())
}

fn add_partitions(
    ctx: &mut Context<'_>,
    table: &ExternalTable,
    if_not_exists: bool,
    added: &[(PartitionSpec, String)],
) -> Result<()> {
    ensure_partitioned(table)?;
    if added.len() > ADDED_MAX {
        return Err(Error::new(
            SqlState::PROGRAM_LIMIT_EXCEEDED,
            format!("one ALTER TABLE can add at most {ADDED_MAX} partitions"),
        ));
    }
    let known = ctx.transaction.catalog()?.partitions_of(table.oid);
    if known.len() + added.len() > PARTITIONS_MAX {
        return Err(Error::new(
            SqlState::PROGRAM_LIMIT_EXCEEDED,
            format!("an external table can have at most {PARTITIONS_MAX} partitions"),
        ));
    }
    let mut number = known.keys().next_back().map_or(0, |last| last + 1);
    let mut new: Vec<Vec<String>> = Vec::new();
    for (spec, location) in added {
        let values = partition::values(&table.name, &table.partitioned_by, spec)?;
        let is_there = known.values().any(|one| one.values == values) || new.contains(&values);
        if is_there {
            let text = partition_text(&table.partitioned_by, &values);
            let text = format!(
                "partition ({text}) of external table \"{}\" already exists",
                table.name
            );
            if !if_not_exists {
                return Err(Error::new(SqlState::DUPLICATE_OBJECT, text));
            }
            ctx.notices
                .push(Notice::skipped(format!("{text}, skipping")));
            continue;
        }
        let partition = ExternalPartition {
            values: values.clone(),
            location: location.clone(),
        };
        let change = put_external_partition(table.oid, number, &partition)?;
        ctx.transaction.change_catalog(change);
        new.push(values);
        number += 1;
    }
    Ok(())
}

fn ensure_partitioned(table: &ExternalTable) -> Result<()> {
    if table.is_delta() || table.is_iceberg() {
        return Err(super::refused("A change of the partitions", &table.name));
    }
    match table.partitioned_by.is_empty() {
        false => Ok(()),
        true => Err(Error::new(
            SqlState::WRONG_OBJECT_TYPE,
            format!("external table \"{}\" is not partitioned", table.name),
        )),
    }
}

fn find(
    ctx: &mut Context<'_>,
    table: &ExternalTable,
    spec: &PartitionSpec,
) -> Result<(u32, ExternalPartition)> {
    ensure_partitioned(table)?;
    let values = partition::values(&table.name, &table.partitioned_by, spec)?;
    let known = ctx.transaction.catalog()?.partitions_of(table.oid);
    let found = known.iter().find(|(_, one)| one.values == values);
    found
        .map(|(number, one)| (*number, one.clone()))
        .ok_or_else(|| {
            let text = partition_text(&table.partitioned_by, &values);
            Error::new(
                SqlState::UNDEFINED_OBJECT,
                format!(
                    "partition ({text}) of external table \"{}\" does not exist",
                    table.name
                ),
            )
        })
}

/// Source: Redshift's guide, ALTER TABLE, "ADD COLUMN": no constraint, no default and no encoding.
fn add_column(
    ctx: &mut Context<'_>,
    table: &ExternalTable,
    column: &ColumnDefinition,
) -> Result<()> {
    if column.default.is_some() || column.encoding.is_some() || column.not_null {
        return Err(Error::new(
            SqlState::FEATURE_NOT_SUPPORTED,
            "columns of external tables cannot have DEFAULT, ENCODE, NOT NULL or NULL",
        ));
    }
    ensure_free(table, &column.name)?;
    blueshift_sql::statement::external::ensure_column_type(column.ty, false)?;
    if table.all_columns().count() >= COLUMNS_MAX {
        return Err(Error::new(
            SqlState::TOO_MANY_COLUMNS,
            format!("external tables can have at most {COLUMNS_MAX} columns"),
        ));
    }
    let mut after = table.clone();
    after.columns.push((column.name.clone(), column.ty));
    ctx.transaction.change_catalog(put_external_table(&after)?);
    Ok(())
}

fn ensure_free(table: &ExternalTable, name: &str) -> Result<()> {
    if PSEUDO_COLUMNS.contains(&name) {
        return Err(Error::new(
            SqlState::INVALID_TABLE_DEFINITION,
            format!("column name \"{name}\" is reserved for a pseudocolumn"),
        ));
    }
    match table.all_columns().any(|(known, _)| known == name) {
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

fn place_of(table: &ExternalTable, name: &str, what: &str) -> Result<usize> {
    if table.partitioned_by.iter().any(|(known, _)| known == name) {
        return Err(Error::new(
            SqlState::FEATURE_NOT_SUPPORTED,
            format!(
                "cannot {what} partition column \"{name}\" of external table \"{}\"",
                table.name
            ),
        ));
    }
    let place = table.columns.iter().position(|(known, _)| known == name);
    place.ok_or_else(|| {
        Error::new(
            SqlState::UNDEFINED_COLUMN,
            format!(
                "column \"{name}\" of relation \"{}\" does not exist",
                table.name
            ),
        )
    })
}

fn drop_column(ctx: &mut Context<'_>, table: &ExternalTable, name: &str) -> Result<()> {
    let place = place_of(table, name, "drop")?;
    if table.columns.len() == 1 {
        return Err(Error::new(
            SqlState::INVALID_TABLE_DEFINITION,
            format!(
                "cannot drop the only column of external table \"{}\"",
                table.name
            ),
        ));
    }
    let mut after = table.clone();
    after.columns.remove(place);
    after.nested.remove(name);
    ctx.transaction.change_catalog(put_external_table(&after)?);
    Ok(())
}

fn rename_column(ctx: &mut Context<'_>, table: &ExternalTable, from: &str, to: &str) -> Result<()> {
    let place = place_of(table, from, "rename")?;
    ensure_free(table, to)?;
    let mut after = table.clone();
    if let Some((name, _)) = after.columns.get_mut(place) {
        to.clone_into(name);
    }
    if let Some(nested) = after.nested.remove(from) {
        after.nested.insert(to.to_owned(), nested);
    }
    ctx.transaction.change_catalog(put_external_table(&after)?);
    Ok(())
}
