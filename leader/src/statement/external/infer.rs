//! CREATE EXTERNAL TABLE ... INFER FROM: a table of the columns that files have, and its partitions; a notice tells the
//! statement that would make it.

use super::alter::PARTITIONS_MAX;
use super::source::access;
use super::{partition, schema_of, show, table};
use crate::catalog::cache::{put_external_partition, put_external_table};
use crate::catalog::external::{ExternalFormat, ExternalPartition, ExternalTable};
use crate::error::{Error, Result};
use crate::history::now_us;
use crate::statement::answer::{Body, Notice};
use crate::statement::context::Context;
use blueshift_compute::external::infer::{FileKind, Inferred, InferredFormat, Wanted, infer};
use blueshift_sql::SqlState;
use blueshift_sql::statement::external::{COLUMNS_MAX, InferExternalTable, JsonSerde, StoredAs};
use std::collections::{BTreeMap, BTreeSet};

/// The class that reads objects.
const JSON_CLASS: &str = "org.openx.data.jsonserde.JsonSerDe";

/// Runs a CREATE EXTERNAL TABLE ... INFER FROM.
pub async fn create(ctx: &mut Context<'_>, create: &InferExternalTable) -> Result<Body> {
    let wanted = Wanted {
        kind: match create.stored_as {
            None if create.delimiter.is_none() => None,
            None | Some(StoredAs::TextFile) => Some(FileKind::Text),
            Some(StoredAs::Parquet) => Some(FileKind::Parquet),
            Some(StoredAs::Orc) => Some(FileKind::Orc),
            Some(StoredAs::Avro) => Some(FileKind::Avro),
        },
        delimiter: create.delimiter,
    };
    let mut told = create.properties.iter();
    if let Some((_, kind)) = told.find(|(name, value)| {
        let is_open = ["iceberg", "delta"].contains(&value.to_lowercase().as_str());
        name == "table_type" && is_open
    }) {
        return Err(blueshift_sql::Error::unsupported(
            format!("INFER FROM with the table property 'table_type'='{kind}'"),
            "Name the columns in CREATE EXTERNAL TABLE",
        )
        .into());
    }
    let (external, database) = table::reserve(ctx, &create.name).await?;
    let access = access(ctx.server, &external);
    let lists = ctx.names()?.file_lists();
    let found = infer(&access, &lists, &create.location, wanted).await?;
    let table = ExternalTable {
        oid: ctx.server.next_oid()?,
        database,
        name: create.name.name.clone(),
        columns: found
            .columns
            .iter()
            .map(|column| (column.name.clone(), column.ty))
            .collect(),
        nested: found
            .columns
            .iter()
            .filter_map(|column| Some((column.name.clone(), column.nested.clone()?)))
            .collect(),
        partitioned_by: found.partition_columns.clone(),
        format: match found.format {
            InferredFormat::Parquet => ExternalFormat::Parquet,
            InferredFormat::Orc => ExternalFormat::Orc,
            InferredFormat::Avro => ExternalFormat::Avro,
            InferredFormat::Json => ExternalFormat::Json(JsonSerde {
                class: JSON_CLASS.to_owned(),
                ..JsonSerde::default()
            }),
            InferredFormat::Delimited { delimiter } => ExternalFormat::Delimited { delimiter },
            InferredFormat::Csv { separator } => ExternalFormat::Csv {
                separator,
                quote: b'"',
                escape: None,
            },
        },
        location: create.location.clone(),
        properties: properties(create, &found),
        created_us: now_us(),
    };
    if table.all_columns().count() > COLUMNS_MAX {
        return Err(Error::new(
            SqlState::TOO_MANY_COLUMNS,
            format!("external tables can have at most {COLUMNS_MAX} columns"),
        ));
    }
    table::check_properties(&table.format, &table.properties)?;
    ctx.transaction.change_catalog(put_external_table(&table)?);
    add_partitions(ctx, &table, &found)?;
    let schema = schema_of(ctx, &create.name)?;
    ctx.notices
        .push(Notice::info(show::definition(&schema, &table)));
    tell(ctx, &found);
    Ok(Body::done("CREATE EXTERNAL TABLE"))
}

fn properties(create: &InferExternalTable, found: &Inferred) -> BTreeMap<String, String> {
    let mut properties: BTreeMap<String, String> = create.properties.iter().cloned().collect();
    if found.header_lines > 0 {
        properties
            .entry("skip.header.line.count".to_owned())
            .or_insert_with(|| found.header_lines.to_string());
    }
    properties
}

fn add_partitions(ctx: &mut Context<'_>, table: &ExternalTable, found: &Inferred) -> Result<()> {
    if found.partitions.len() > PARTITIONS_MAX {
        return Err(Error::new(
            SqlState::PROGRAM_LIMIT_EXCEEDED,
            format!("an external table can have at most {PARTITIONS_MAX} partitions"),
        ));
    }
    let mut known = BTreeSet::new();
    for (number, (values, location)) in (0..).zip(&found.partitions) {
        let named = table.partitioned_by.iter().zip(values);
        let named = named.map(|((name, _), value)| {
            let value = value.as_deref().unwrap_or(partition::NULL);
            (name.clone(), value.to_owned())
        });
        let values = partition::values(&table.name, &table.partitioned_by, &named.collect())?;
        if !known.insert(values.clone()) {
            return Err(Error::new(
                SqlState::DUPLICATE_OBJECT,
                format!("\"{location}\" is the same partition as another folder"),
            ));
        }
        let partition = ExternalPartition {
            values,
            location: location.clone(),
        };
        let change = put_external_partition(table.oid, number, &partition)?;
        ctx.transaction.change_catalog(change);
    }
    Ok(())
}

/// Tells what was added and what was left out.
fn tell(ctx: &mut Context<'_>, found: &Inferred) {
    if !found.partitions.is_empty() {
        let text = format!("{} partition(s) added", found.partitions.len());
        ctx.notices.push(Notice::info(text));
    }
    if !found.left_out.is_empty() {
        let text = format!(
            "columns that no external table can have are left out: {}",
            found.left_out.join(", ")
        );
        ctx.notices.push(Notice::warning(SqlState::WARNING, text));
    }
}
