//! Statements that change tables of external schemas which are known elsewhere: a data catalog as AWS Glue is changed by
//! asking it, outside of any transaction; a Hive metastore and a live database are read only, as with Redshift.

use super::source::access;
use super::{partition, table};
use crate::access::check;
use crate::catalog::external::{
    ExternalFormat, ExternalSchema, ExternalSource, ExternalTable, partition_text,
};
use crate::catalog::foreign::{ForeignTable, Want, hive};
use crate::error::{Error, Result};
use crate::statement::answer::{Body, Notice};
use crate::statement::context::Context;
use blueshift_compute::external::metastore::{Glue, MetaPartition};
use blueshift_sql::SqlState;
use blueshift_sql::statement::alter_table::{AlterAction, AlterTable};
use blueshift_sql::statement::external::{CreateExternalTable, ExternalAction, PartitionSpec};
use std::sync::Arc;

/// Partitions that one statement may add. Source: Redshift's guide, ALTER TABLE.
const ADDED_MAX: usize = 100;

/// Gives the data catalog of a schema, or the refusal to change what is elsewhere.
fn changeable(ctx: &Context<'_>, external: &ExternalSchema) -> Result<Glue> {
    let (what, hint) = match &external.source {
        ExternalSource::Glue => return ctx.server.foreign.glue(external),
        ExternalSource::Own => return Err(Error::internal("a table of the server's own catalog")),
        ExternalSource::Hive { .. } => (
            "The schema shows a Hive metastore.",
            "Make and change the table with Hive.",
        ),
        ExternalSource::Postgres { .. } => (
            "The schema shows a live database, which is read only from here.",
            "Make and change the table there.",
        ),
    };
    Err(blueshift_sql::Error::new(
        SqlState::FEATURE_NOT_SUPPORTED,
        "Operation not supported on external tables or external schema",
    )
    .with_detail(what)
    .with_hint(hint)
    .into())
}

/// Makes a table.
pub(super) async fn create(
    ctx: &mut Context<'_>,
    external: &Arc<ExternalSchema>,
    create: &CreateExternalTable,
) -> Result<Body> {
    let glue = changeable(ctx, external)?;
    access(ctx.server, external).check(&create.location)?;
    let made = ExternalTable {
        oid: 0,
        database: 0,
        name: create.name.name.clone(),
        columns: create.columns.clone(),
        nested: create.nested.clone(),
        partitioned_by: create.partitioned_by.clone(),
        format: ExternalFormat::new(create.stored_as, &create.row_format),
        location: create.location.clone(),
        properties: create.properties.iter().cloned().collect(),
        created_us: 0,
    };
    table::check_properties(&made.format, &made.properties)?;
    table::check_log(ctx.server, external, &made)?;
    glue.create_table(&hive::described(&made)).await?;
    ctx.server.foreign.forget(external.oid);
    Ok(Body::done("CREATE EXTERNAL TABLE"))
}

/// Drops a table.
pub(super) async fn drop(
    ctx: &mut Context<'_>,
    external: &Arc<ExternalSchema>,
    name: &str,
) -> Result<()> {
    let glue = changeable(ctx, external)?;
    glue.drop_table(name).await?;
    ctx.server.foreign.forget(external.oid);
    Ok(())
}

/// Changes a table.
pub(super) async fn alter(
    ctx: &mut Context<'_>,
    external: &Arc<ExternalSchema>,
    alter: &AlterTable,
) -> Result<Body> {
    let schema = super::schema_of(ctx, &alter.name)?;
    let catalog = ctx.transaction.catalog()?;
    check::schema_owner(&catalog, ctx.user, &schema)?;
    let glue = changeable(ctx, external)?;
    let want = Want::Table(alter.name.name.clone());
    // As it is now, not as it was some seconds ago.
    let told = ctx.server.foreign.ask(external, &want).await?;
    let Some(known) = told.first() else {
        return Err(Error::new(
            SqlState::UNDEFINED_TABLE,
            format!(
                "relation \"{}.{}\" does not exist",
                schema.name, alter.name.name
            ),
        ));
    };
    let mut after = ExternalTable::clone(&known.table);
    match &alter.action {
        AlterAction::External(ExternalAction::AddPartitions {
            if_not_exists,
            partitions,
        }) => {
            for (_, location) in partitions {
                access(ctx.server, external).check(location)?;
            }
            add_partitions(ctx, &glue, known, *if_not_exists, partitions).await?;
        }
        AlterAction::External(ExternalAction::DropPartition(spec)) => {
            drop_partition(&glue, known, spec).await?;
        }
        AlterAction::External(ExternalAction::Location(location)) => {
            access(ctx.server, external).check(location)?;
            after.location.clone_from(location);
            glue.update_table(&hive::described(&after)).await?;
        }
        AlterAction::External(ExternalAction::Properties(given)) => {
            after.properties.extend(given.iter().cloned());
            table::check_properties(&after.format, &after.properties)?;
            table::check_log(ctx.server, external, &after)?;
            glue.update_table(&hive::described(&after)).await?;
        }
        _ => {
            return Err(blueshift_sql::Error::unsupported(
                "this ALTER TABLE of a table of a data catalog elsewhere",
                "Drop the table and make it anew: its files stay. Partitions, location and properties can be changed",
            )
            .into());
        }
    }
    ctx.server.foreign.forget(external.oid);
    Ok(Body::done("ALTER EXTERNAL TABLE"))
}

fn ensure_partitioned(table: &ExternalTable) -> Result<()> {
    match table.partitioned_by.is_empty() {
        false => Ok(()),
        true => Err(Error::new(
            SqlState::WRONG_OBJECT_TYPE,
            format!("external table \"{}\" is not partitioned", table.name),
        )),
    }
}

async fn add_partitions(
    ctx: &mut Context<'_>,
    glue: &Glue,
    known: &ForeignTable,
    if_not_exists: bool,
    added: &[(PartitionSpec, String)],
) -> Result<()> {
    let table = &known.table;
    ensure_partitioned(table)?;
    if added.len() > ADDED_MAX {
        return Err(Error::new(
            SqlState::PROGRAM_LIMIT_EXCEEDED,
            format!("one ALTER TABLE can add at most {ADDED_MAX} partitions"),
        ));
    }
    let mut new: Vec<MetaPartition> = Vec::new();
    let exists = |values: &[String]| {
        let text = partition_text(&table.partitioned_by, values);
        format!(
            "partition ({text}) of external table \"{}\" already exists",
            table.name
        )
    };
    for (spec, location) in added {
        let values = partition::values(&table.name, &table.partitioned_by, spec)?;
        let is_there = known.partitions.values().any(|one| one.values == values)
            || new.iter().any(|one| one.values == values);
        match (is_there, if_not_exists) {
            (true, false) => return Err(Error::new(SqlState::DUPLICATE_OBJECT, exists(&values))),
            (true, true) => {
                let text = format!("{}, skipping", exists(&values));
                ctx.notices.push(Notice::skipped(text));
            }
            (false, _) => new.push(MetaPartition {
                values,
                location: location.clone(),
            }),
        }
    }
    let there = glue.add_partitions(&hive::described(table), &new).await?;
    // Somebody else was faster.
    for place in there {
        let Some(partition) = new.get(place) else {
            continue;
        };
        let text = exists(&partition.values);
        if !if_not_exists {
            return Err(Error::new(SqlState::DUPLICATE_OBJECT, text));
        }
        ctx.notices
            .push(Notice::skipped(format!("{text}, skipping")));
    }
    Ok(())
}

async fn drop_partition(glue: &Glue, known: &ForeignTable, spec: &PartitionSpec) -> Result<()> {
    let table = &known.table;
    ensure_partitioned(table)?;
    let values = partition::values(&table.name, &table.partitioned_by, spec)?;
    // As they are written there, which may not be the way that is canonical here.
    let found = known.partitions.values().find(|one| {
        let pairs = table.partitioned_by.iter().zip(&one.values);
        let spec = pairs.map(|((name, _), value)| (name.clone(), value.clone()));
        let written = partition::values(&table.name, &table.partitioned_by, &spec.collect());
        written.is_ok_and(|written| written == values)
    });
    let Some(found) = found else {
        let text = partition_text(&table.partitioned_by, &values);
        return Err(Error::new(
            SqlState::UNDEFINED_OBJECT,
            format!(
                "partition ({text}) of external table \"{}\" does not exist",
                table.name
            ),
        ));
    };
    let gone = [found.values.clone()];
    Ok(glue.drop_partitions(&table.name, &gone).await?)
}
