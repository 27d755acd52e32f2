//! CREATE EXTERNAL TABLE AS, and INSERT into an external table: the rows of a query into files beside those that are
//! there.
//!
//! Files are seen as soon as they are at the store, partitions and numRows once they are committed. So the files are held
//! until then: what fails or is canceled takes them back.

use super::alter::{PARTITIONS_MAX, external_of, is_external};
use super::source::access;
use super::{ensure_alone, lock_table, partition, table};
use crate::catalog::cache::{put_external_partition, put_external_table};
use crate::catalog::external::{ExternalFormat, ExternalPartition, ExternalSchema, ExternalTable};
use crate::error::sqlstate::report;
use crate::error::{Error, Result};
use crate::history::now_us;
use crate::history::unload::UnloadStatement;
use crate::statement::answer::Body;
use crate::statement::context::Context;
use crate::statement::create_table_as;
use crate::statement::names::{Named, SessionNames};
use blueshift_compute::external::Access;
use blueshift_compute::unload::{
    self, CsvMarks, ExternalTarget, UnloadColumn, UnloadPlan, UnloadedFile, folder_of_values,
    folder_values,
};
use blueshift_sql::binder::{self, TargetColumn};
use blueshift_sql::statement::copy::CopyCompression;
use blueshift_sql::statement::dml::Insert;
use blueshift_sql::statement::external::{
    COLUMNS_MAX, CreateExternalTableAs, PSEUDO_COLUMNS, RowFormat, ensure_column_type, ensure_whole,
};
use blueshift_sql::statement::unload::{Encryption, UnloadFormat, UnloadOptions};
use blueshift_sql::statement::{ObjectName, Query};
use blueshift_sql::{SqlState, SqlType};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of a megabyte, as `write.maxfilesize.mb` counts.
const MB: u64 = 1 << 20;

/// Runs a CREATE EXTERNAL TABLE AS.
pub async fn create(ctx: &mut Context<'_>, create: &CreateExternalTableAs) -> Result<Body> {
    let (schema, database) = table::reserve(ctx, &create.name).await?;
    let names = ctx.names()?;
    let bound = binder::bind_query(&names, &create.query, &ctx.parameter_types())?;
    let columns = create_table_as::columns(&bound, &[])?;
    let columns = columns.into_iter().map(|column| (column.name, column.ty));
    let columns: Vec<(String, SqlType)> = columns.collect();
    let (kept, places) = divided(&columns, &create.partitioned_by)?;
    let of = |places: &[usize]| -> Vec<(String, SqlType)> {
        let found = places.iter().filter_map(|place| columns.get(*place));
        found.cloned().collect()
    };
    let properties: BTreeMap<String, String> = create.properties.iter().cloned().collect();
    let fields = RowFormat::Delimited {
        fields: create.delimiter,
    };
    let table = ExternalTable {
        oid: ctx.server.next_oid()?,
        database,
        name: create.name.name.clone(),
        columns: of(&kept),
        nested: BTreeMap::new(),
        partitioned_by: of(&places),
        format: ExternalFormat::new(create.stored_as, &fields),
        location: create.location.clone(),
        properties,
        created_us: now_us(),
    };
    table::check_properties(&table.format, &table.properties)?;
    if let Some(kind) = open_format(&table) {
        return Err(blueshift_sql::Error::unsupported(
            format!("CREATE EXTERNAL TABLE AS with 'table_type'='{kind}'"),
            "Leave the table property 'table_type' out.",
        )
        .into());
    }
    access(ctx.server, &schema).check(&table.location)?;
    let write = Write::new(ctx, &names, table, &schema)?;
    unload::ensure_empty(&ctx.server.node, &write.plan).await?;
    let rows = arranged(bound, &kept, &places, &write.table)?;
    write.run(ctx, &names, rows, true).await?;
    Ok(Body::done("CREATE EXTERNAL TABLE"))
}

/// Gives the marks of OpenCSVSerde.
fn marks(format: &ExternalFormat) -> Option<CsvMarks> {
    match format {
        ExternalFormat::Csv { quote, escape, .. } => Some(CsvMarks {
            quote: *quote,
            escape: escape.filter(|escape| escape != quote),
        }),
        _ => None,
    }
}

/// Names the open format of a table whose log names its files.
fn open_format(table: &ExternalTable) -> Option<&'static str> {
    match (table.is_delta(), table.is_iceberg()) {
        (true, _) => Some("Delta"),
        (_, true) => Some("Iceberg"),
        _ => None,
    }
}

/// Runs an INSERT if it is one of a query into an external table.
pub async fn insert(ctx: &mut Context<'_>, insert: &Insert, query: &Query) -> Result<Option<Body>> {
    if insert.table.schema.is_none() || !is_external(ctx, &insert.table)? {
        return Ok(None);
    }
    ensure_alone(ctx, "INSERT into an external table")?;
    if !insert.columns.is_empty() {
        return Err(blueshift_sql::Error::unsupported(
            "a list of columns in INSERT into an external table",
            "Select a value for every column, those of the partition last.",
        )
        .into());
    }
    ensure_whole(query)?;
    let schema = external_of(ctx, &insert.table)?;
    if !schema.source.is_own() {
        return Err(blueshift_sql::Error::unsupported(
            "INSERT into a table of a data catalog elsewhere",
            "Write the files with UNLOAD, and add the partitions they belong to.",
        )
        .into());
    }
    let table = lock_table(ctx, &insert.table).await?;
    let names = ctx.names()?;
    let target = targets(&table)?;
    let bound = binder::bind_insert(&names, &target, insert, &ctx.parameter_types())?;
    if bound.given.contains(&false) {
        return Err(blueshift_sql::Error::new(
            SqlState::SYNTAX_ERROR,
            format!(
                "INSERT into external table \"{}\" has fewer expressions than the table has columns",
                table.name
            ),
        )
        .with_hint("Select a value for every column, those of the partition last.")
        .into());
    }
    if let Some(kind) = open_format(&table) {
        return Err(blueshift_sql::Error::unsupported(
            format!("INSERT into {kind} table \"{}\"", table.name),
            "Write it with a program that writes its log, or insert into another external table.",
        )
        .into());
    }
    if let Some((name, ty)) = table.nested.first_key_value() {
        return Err(blueshift_sql::Error::unsupported(
            format!("INSERT into column \"{name}\" of type {ty}"),
            "Write such files with another program, or keep the values as texts in a VARCHAR column.",
        )
        .into());
    }
    ensure_no_manifest(access(ctx.server, &schema), &table).await?;
    let write = Write::new(ctx, &names, table.as_ref().clone(), &schema)?;
    let rows = write.run(ctx, &names, bound.input, false).await?;
    Ok(Some(Body::done(format!("INSERT 0 {rows}"))))
}

/// Gives the columns that an INSERT has values for, if its table is an external one.
pub fn columns(names: &SessionNames, name: &ObjectName) -> Result<Option<Vec<TargetColumn>>> {
    if name.schema.is_none() {
        return Ok(None);
    }
    match names.find(name)? {
        Named::External(_, table) => targets(&table).map(Some),
        _ => Ok(None),
    }
}

fn targets(table: &ExternalTable) -> Result<Vec<TargetColumn>> {
    let columns = table.all_columns().map(|(name, ty)| {
        let null = ScalarValue::try_from(&ty.arrow())?;
        Ok(TargetColumn {
            name: name.clone(),
            ty: *ty,
            default: Expr::Literal(null, None),
        })
    });
    columns.collect()
}

/// Divides the columns of a query, by place, into those of the files and those of the partition.
fn divided(
    columns: &[(String, SqlType)],
    partitioned_by: &[String],
) -> Result<(Vec<usize>, Vec<usize>)> {
    if columns.len() > COLUMNS_MAX {
        return Err(Error::new(
            SqlState::TOO_MANY_COLUMNS,
            format!("external tables can have at most {COLUMNS_MAX} columns"),
        ));
    }
    let mut named = BTreeSet::new();
    for (name, ty) in columns {
        if PSEUDO_COLUMNS.contains(&name.as_str()) {
            return Err(Error::new(
                SqlState::INVALID_TABLE_DEFINITION,
                format!("column name \"{name}\" is reserved for a pseudocolumn"),
            ));
        }
        if !named.insert(name) {
            return Err(Error::new(
                SqlState::DUPLICATE_COLUMN,
                format!("column \"{name}\" specified more than once"),
            ));
        }
        ensure_column_type(*ty, partitioned_by.contains(name))?;
    }
    let places = partitioned_by.iter().map(|name| {
        let place = columns.iter().position(|(column, _)| column == name);
        place.ok_or_else(|| {
            Error::from(
                blueshift_sql::Error::new(
                    SqlState::UNDEFINED_COLUMN,
                    format!("column \"{name}\" of PARTITIONED BY is not in the query"),
                )
                .with_hint("Select the column: its values name the folders of the partitions."),
            )
        })
    });
    let places: Vec<usize> = places.collect::<Result<_>>()?;
    let kept = (0..columns.len()).filter(|place| !places.contains(place));
    let kept: Vec<usize> = kept.collect();
    match kept.is_empty() {
        false => Ok((kept, places)),
        true => Err(Error::new(
            SqlState::INVALID_TABLE_DEFINITION,
            "an external table needs a column that is not in PARTITIONED BY",
        )),
    }
}

/// Puts the columns of a query in the order and the types of the table.
fn arranged(
    bound: LogicalPlan,
    kept: &[usize],
    places: &[usize],
    table: &ExternalTable,
) -> Result<LogicalPlan> {
    let (columns, fields) = (bound.schema().columns(), bound.schema().fields().clone());
    let order = kept.iter().chain(places).zip(table.all_columns());
    let casts = order.filter_map(|(place, (name, ty))| {
        let (column, field) = (columns.get(*place)?, fields.get(*place)?);
        let (column, stored) = (Expr::Column(column.clone()), ty.arrow());
        let value = match *field.data_type() == stored {
            true => column,
            false => datafusion::logical_expr::cast(column, stored),
        };
        Some(value.alias(name))
    });
    let casts: Vec<Expr> = casts.collect();
    Ok(LogicalPlanBuilder::from(bound).project(casts)?.build()?)
}

/// Refuses a table whose files a manifest names: a new one would not be among them.
async fn ensure_no_manifest(access: Access, table: &ExternalTable) -> Result<()> {
    match access.is_manifest(&table.location).await? {
        false => Ok(()),
        true => Err(blueshift_sql::Error::unsupported(
            format!(
                "INSERT into external table \"{}\" at a manifest",
                table.name
            ),
            "Use ALTER TABLE ... SET LOCATION to a folder, or write the files with UNLOAD and name them in the manifest.",
        )
        .into()),
    }
}

/// The rows of a query on their way into files of a table.
struct Write {
    table: ExternalTable,
    plan: UnloadPlan,
    statement: UnloadStatement,
}

impl Write {
    fn new(
        ctx: &Context<'_>,
        names: &SessionNames,
        table: ExternalTable,
        schema: &ExternalSchema,
    ) -> Result<Self> {
        let options = options(&table, schema)?;
        let access = access(ctx.server, schema);
        let columns = table.all_columns().map(|(name, ty)| UnloadColumn {
            name: name.clone(),
            ty: *ty,
        });
        let mut destination = table.location.clone();
        if !destination.ends_with('/') {
            destination.push('/');
        }
        let now = now_us();
        let time = chrono::DateTime::from_timestamp_micros(now).unwrap_or_default();
        let target = ExternalTarget {
            name_start: format!("{}_{}_", time.format("%Y%m%d_%H%M%S_%6f"), ctx.query),
            folders: elsewhere(names, &table, &destination),
            is_uncompressed: table.property("compression_type").as_deref() == Some("none"),
            marks: marks(&table.format),
        };
        let statement = UnloadStatement {
            userid: ctx.user.oid,
            query: ctx.query,
            xid: ctx.transaction.xid,
            pid: ctx.pid,
            database: ctx.connected.name.to_string(),
            starttime_us: now,
            destination: destination.clone(),
            format: options.format.name().to_owned(),
            compression: match (options.format, options.compression) {
                (UnloadFormat::Parquet, _) if !target.is_uncompressed => "SNAPPY",
                (_, CopyCompression::Gzip) => "GZIP",
                (_, CopyCompression::Bzip2) => "BZIP2",
                (_, CopyCompression::Zstd) => "ZSTD",
                _ => "NONE",
            }
            .to_owned(),
        };
        let plan = UnloadPlan {
            columns: columns.collect(),
            destination,
            authorization: access.authorization,
            options,
            slice_count: ctx.server.node.store.slice_count(),
            requests: Arc::default(),
            external: Some(target),
        };
        Ok(Self {
            table,
            plan,
            statement,
        })
    }

    /// Writes the files, and notes in the transaction what is new of the table; gives the rows.
    async fn run(
        mut self,
        ctx: &mut Context<'_>,
        names: &SessionNames,
        bound: LogicalPlan,
        is_new: bool,
    ) -> Result<u64> {
        let query = ctx.plan(&names.state, bound).await?;
        ctx.server.history.filtered(&query);
        ctx.last.query_id = Some(ctx.query);
        let rows = Arc::new(AtomicU64::new(0));
        let history = &ctx.server.history;
        let shown = history.begin_unload(self.statement.clone(), Arc::clone(&rows));
        let (task, node) = (ctx.task(&names.state), ctx.server.node.clone());
        let written = unload::write_external(&node, &self.plan, query, task, &rows).await;
        let (files, held) = match written {
            Ok(written) => written,
            Err(error) => {
                let error = error.into();
                shown.failed(report(&error).message);
                return Err(error);
            }
        };
        let rows = rows.load(Ordering::Relaxed);
        if let Err(error) = self.note(ctx, &files, rows, is_new) {
            shown.failed(report(&error).message);
            return Err(error);
        }
        shown.succeeded(files);
        ctx.transaction.after_commit(move || held.release());
        Ok(rows)
    }

    /// Changes the catalog: the table, its count of rows, its new partitions.
    fn note(
        &mut self,
        ctx: &mut Context<'_>,
        files: &[UnloadedFile],
        rows: u64,
        is_new: bool,
    ) -> Result<()> {
        let before = match is_new {
            true => Some(0),
            false => self.table.number("numRows"),
        };
        if let Some(before) = before {
            let rows = before.saturating_add(rows).to_string();
            self.table.properties.insert("numRows".to_owned(), rows);
        }
        if is_new || before.is_some() {
            let change = put_external_table(&self.table)?;
            ctx.transaction.change_catalog(change);
        }
        self.note_partitions(ctx, files)
    }

    fn note_partitions(&self, ctx: &mut Context<'_>, files: &[UnloadedFile]) -> Result<()> {
        let table = &self.table;
        if table.partitioned_by.is_empty() {
            return Ok(());
        }
        let known = ctx.transaction.catalog()?.partitions_of(table.oid);
        let there: BTreeSet<&Vec<String>> = known.values().map(|one| &one.values).collect();
        let mut new: BTreeMap<Vec<String>, &str> = BTreeMap::new();
        let folders = files.iter().filter_map(|file| {
            let name = file.url.strip_prefix(&self.plan.destination)?;
            name.rsplit_once('/').map(|(folder, _)| folder)
        });
        let folders: BTreeSet<&str> = folders.collect();
        for folder in folders {
            let spec = folder_values(folder).into_iter();
            let spec = spec
                .map(|(name, value)| (name, value.unwrap_or_else(|| partition::NULL.to_owned())));
            let values = partition::values(&table.name, &table.partitioned_by, &spec.collect())?;
            if there.contains(&values) {
                continue;
            }
            if let Some(other) = new.insert(values, folder) {
                return Err(Error::new(
                    SqlState::DUPLICATE_OBJECT,
                    format!("folders \"{other}\" and \"{folder}\" are the same partition"),
                ));
            }
        }
        if known.len() + new.len() > PARTITIONS_MAX {
            return Err(Error::new(
                SqlState::PROGRAM_LIMIT_EXCEEDED,
                format!("an external table can have at most {PARTITIONS_MAX} partitions"),
            ));
        }
        let first = known.keys().next_back().map_or(0, |last| last + 1);
        for (number, (values, folder)) in (first..).zip(new) {
            let partition = ExternalPartition {
                values,
                location: format!("{}{folder}/", self.plan.destination),
            };
            let change = put_external_partition(table.oid, number, &partition)?;
            ctx.transaction.change_catalog(change);
        }
        Ok(())
    }
}

/// Gives the partitions that do not lie where their values say, by the folder that these say.
fn elsewhere(
    names: &SessionNames,
    table: &ExternalTable,
    destination: &str,
) -> HashMap<String, String> {
    let known = names.catalog().partitions_of(table.oid);
    let moved = known.values().filter_map(|one| {
        let values = table.partitioned_by.iter().zip(&one.values);
        let values = values.map(|((name, _), value)| {
            let value = (value != partition::NULL).then_some(value.as_str());
            (name.as_str(), value)
        });
        let folder = folder_of_values(values);
        let usual = format!("{destination}{folder}");
        let is_usual = usual.trim_end_matches('/') == one.location.trim_end_matches('/');
        (!is_usual).then(|| (folder, one.location.clone()))
    });
    moved.collect()
}

/// Reads from the properties how files are written.
fn options(table: &ExternalTable, schema: &ExternalSchema) -> Result<UnloadOptions> {
    let null_as = table.properties.get("serialization.null.format");
    let null_as = Some(null_as.map_or("\\N", String::as_str).to_owned());
    let mut options = UnloadOptions {
        partition_by: table
            .partitioned_by
            .iter()
            .map(|(name, _)| name.clone())
            .collect(),
        region: schema.region.clone(),
        parallel: parallel(table)?,
        encryption: match table.properties.get("write.kms.key.id").map(String::as_str) {
            None => Encryption::Store,
            Some("auto") => Encryption::BucketKey,
            Some(key) => Encryption::Kms(key.to_owned()),
        },
        ..UnloadOptions::default()
    };
    if let Some(largest) = largest(table)? {
        options.file_bytes_max = largest * MB;
    }
    match &table.format {
        ExternalFormat::Parquet => {
            options.format = UnloadFormat::Parquet;
            return match table.property("compression_type").as_deref() {
                None | Some("snappy" | "none") => Ok(options),
                Some(other) => Err(blueshift_sql::Error::unsupported(
                    format!("writing Parquet with 'compression_type'='{other}'"),
                    "Set the table property to snappy or none.",
                )
                .into()),
            };
        }
        ExternalFormat::Delimited { delimiter } => options.delimiter = Some(*delimiter),
        ExternalFormat::Csv { separator, .. } => {
            options.format = UnloadFormat::Csv;
            options.delimiter = Some(*separator);
        }
        ExternalFormat::Orc
        | ExternalFormat::Avro
        | ExternalFormat::Json(_)
        | ExternalFormat::Remote => {
            return Err(blueshift_sql::Error::unsupported(
                "INSERT into an external table that is not Parquet or text",
                "Make the external table STORED AS PARQUET or TEXTFILE.",
            )
            .into());
        }
    }
    options.null_as = null_as;
    options.compression = match table.property("compression_type").as_deref() {
        Some("gzip") => CopyCompression::Gzip,
        Some("bzip2") => CopyCompression::Bzip2,
        Some("zstd") => CopyCompression::Zstd,
        _ => CopyCompression::None,
    };
    options.header = match table.number("skip.header.line.count") {
        None | Some(0) => false,
        Some(1) => true,
        Some(_) => {
            return Err(blueshift_sql::Error::unsupported(
                "INSERT into an external table with a 'skip.header.line.count' of more than 1",
                "Set the table property to 0 or 1: files that are written have the names of the columns in one line.",
            )
            .into());
        }
    };
    Ok(options)
}

fn parallel(table: &ExternalTable) -> Result<bool> {
    match table.property("write.parallel").as_deref() {
        None | Some("on" | "true") => Ok(true),
        Some("off" | "false") => Ok(false),
        Some(other) => Err(table::wrong_property(
            "write.parallel",
            other,
            "Use on or off.",
        )),
    }
}

/// The largest file in megabytes.
fn largest(table: &ExternalTable) -> Result<Option<u64>> {
    let Some(text) = table.property("write.maxfilesize.mb") else {
        return Ok(None);
    };
    match text.trim().parse::<u64>() {
        Ok(size @ 5..=6_200) => Ok(Some(size)),
        _ => Err(table::wrong_property(
            "write.maxfilesize.mb",
            &text,
            "It must be a whole number from 5 to 6200.",
        )),
    }
}
