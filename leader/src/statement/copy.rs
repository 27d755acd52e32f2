//! COPY: resolves table, columns and options into a `LoadPlan`; the slices do the rest.
//!
//! Refused rows are recorded in STL_LOAD_ERRORS whatever becomes of the transaction; files in STL_LOAD_COMMITS once it
//! has committed.

use super::answer::{Body, Notice};
use super::context::Context;
use super::names::{Right, SessionNames};
use super::target;
use crate::access::check;
use crate::catalog::cache::put_table;
use crate::catalog::layout::table_layout;
use crate::catalog::name::Relation;
use crate::catalog::{Oid, Table, TableDistribution, TableSort};
use crate::error::{Error, Result};
use crate::history::activity::LoadStatement;
use crate::history::load::LoadOutcome;
use crate::history::store::RequestGuard;
use crate::history::{RunningLoad, now_us};
use crate::transaction::lock::Mode;
use blueshift_compute::load::{self, FoundFile, LoadColumn, LoadPlan, LoadProgress, Loaded};
use blueshift_sql::statement::Copy;
use blueshift_sql::statement::copy::Compupdate;
use blueshift_sql::statement::grant::Privilege;
use blueshift_sql::{SqlState, SqlType};
use std::sync::Arc;

/// Files that a copy job has found, instead of all that the source has.
pub(super) struct JobFiles<'a> {
    /// The job.
    pub(super) job: Oid,
    /// The files.
    pub(super) files: Arc<[FoundFile]>,
    /// Gets the names of those that have refused rows.
    pub(super) refused: &'a mut Vec<String>,
}

/// Runs a COPY.
pub async fn run(ctx: &mut Context<'_>, copy: &Copy) -> Result<Body> {
    load(ctx, copy, None).await?;
    Ok(Body::done("COPY"))
}

/// Loads what a COPY names, or the files of a job; gives the rows that were loaded.
pub(super) async fn load(
    ctx: &mut Context<'_>,
    copy: &Copy,
    job: Option<JobFiles<'_>>,
) -> Result<u64> {
    let chooses = copy
        .options
        .compupdate
        .filter(|choice| *choice != Compupdate::Off);
    // New encodings are for a table that stays empty until they are there.
    let mode = match chooses {
        Some(_) => Mode::Exclusive,
        None => Mode::Append,
    };
    let right = Right::To(Privilege::Insert);
    let (mut names, mut table) = target::lock(ctx, &copy.table, right, mode).await?;
    if copy.options.statupdate.is_some() || chooses.is_some() {
        check::owner(names.catalog(), ctx.user, &Relation::Table(table.clone()))?;
    }
    let was_empty = ctx.transaction.view()?.table(table.id())?.row_count() == 0;
    if let Some(choice) = chooses.filter(|_| was_empty && !copy.options.no_load) {
        let encoded = encoded(&table, choice);
        ctx.transaction
            .change_layout(encoded.id(), table_layout(&encoded)?);
        ctx.transaction.change_catalog(put_table(&encoded)?);
        names = ctx.names()?;
        table = Arc::new(encoded);
    }
    let mut plan = plan(ctx, &names, &table, copy)?;
    plan.files = job.as_ref().map(|job| Arc::clone(&job.files));
    let node = ctx.server.node.clone();
    load::check(&node, &plan)?;
    let history = ctx.server.history.clone();
    let progress = Arc::new(LoadProgress::default());
    let noted = RequestGuard {
        history: &history,
        requests: progress.requests.clone(),
        userid: ctx.user.oid,
        query: ctx.query,
        pid: ctx.pid,
    };
    if table.distribution == TableDistribution::AutoAll {
        // A large first load must not land on one slice.
        let bytes = load::source_bytes(&node, &plan, &progress).await?;
        let given: Vec<bool> = plan
            .columns
            .iter()
            .map(|column| column.field.is_some())
            .collect();
        plan.target =
            target::write_target(ctx, &table, &given, Some(bytes / target::AUTO_ROW_BYTES))?;
    }
    let statement = LoadStatement {
        userid: ctx.user.oid,
        query: ctx.query,
        pid: ctx.pid,
        table: table.oid,
        starttime_us: now_us(),
        copy_job: job.as_ref().map(|job| job.job),
    };
    ctx.last.query_id = Some(ctx.query);
    ctx.plans.admit_work().await?;
    let outcome = LoadOutcome {
        table_name: table.name.clone(),
        source: copy.source.clone(),
        format: format!("{:?}", copy.options.format).to_lowercase(),
        ..LoadOutcome::default()
    };
    let loaded = {
        let _shown = history.begin_load(RunningLoad {
            userid: ctx.user.oid,
            query: ctx.query,
            pid: ctx.pid,
            starttime_us: statement.starttime_us,
            copy_job: statement.copy_job,
            progress: progress.clone(),
        });
        load::load(&node, plan, progress).await
    };
    drop(noted);
    let loaded = match loaded {
        Ok(loaded) => loaded,
        Err(failure) => {
            let failed = LoadOutcome {
                errors: failure.rejects.len() as u64,
                is_failed: true,
                ..outcome
            };
            history.ended_load(&statement, failed);
            if let Some(job) = job {
                let names = failure.rejects.iter().map(|reject| reject.filename.clone());
                job.refused.extend(names);
            }
            history.load_errors(&statement, failure.rejects);
            if matches!(failure.error, blueshift_compute::Error::Load { .. }) {
                ctx.last.copy_id = Some(ctx.query);
                ctx.last.copy_count = 0;
                ctx.last.is_copy_failed = true;
            }
            return Err(failure.error.into());
        }
    };
    let Loaded {
        row_groups,
        rows,
        rejects,
        rejected,
        replaced,
        files,
    } = loaded;
    let outcome = LoadOutcome {
        rows: if copy.options.no_load { 0 } else { rows },
        bytes: files.iter().map(|file| file.bytes).sum(),
        files: files.len(),
        errors: rejected,
        ..outcome
    };
    history.ended_load(&statement, outcome);
    history.load_errors(&statement, rejects);
    history.replacements(&statement, replaced);
    let files = history.file_scans(&statement, files);
    if copy.options.no_load {
        ctx.notices.push(Notice::info(format!(
            "Load into table '{}' completed, {rows} record(s) would be loaded successfully.",
            table.name
        )));
    } else {
        ctx.transaction.add_row_groups(row_groups);
        ctx.transaction
            .after_commit(move || history.load_commits(files));
        let is_wanted = copy.options.statupdate.unwrap_or(was_empty);
        if is_wanted {
            super::analyze::after_load(ctx, &table).await?;
        }
        ctx.last.copy_count = i64::try_from(rows).unwrap_or(i64::MAX);
        ctx.last.copy_id = Some(ctx.query);
        ctx.last.is_copy_failed = false;
        ctx.notices.push(Notice::info(format!(
            "Load into table '{}' completed, {rows} record(s) loaded successfully.",
            table.name
        )));
    }
    if rejected > 0 {
        ctx.notices.push(Notice::info(format!(
            "Load into table '{}' completed, {rejected} record(s) could not be loaded.  Check 'stl_load_errors' \
             system table for details.",
            table.name
        )));
    }
    Ok(rows)
}

/// Checks a COPY before it is kept: its table, its columns and its options, but not the files.
pub(super) fn check(
    ctx: &mut Context<'_>,
    names: &SessionNames,
    table: &Arc<Table>,
    copy: &Copy,
) -> Result<()> {
    let plan = plan(ctx, names, table, copy)?;
    Ok(load::check(&ctx.server.node, &plan)?)
}

/// Gives the table with the encodings that COMPUPDATE chooses. Those that suit the data are chosen for each block as it
/// is written, from all of its rows; sort keys stay as they are, and are not compressed by their type.
fn encoded(table: &Table, choice: Compupdate) -> Table {
    let mut encoded = table.clone();
    let key = match &table.sort {
        TableSort::Compound(key) | TableSort::Interleaved(key) | TableSort::AutoCompound(key) => {
            key.as_slice()
        }
        TableSort::None | TableSort::Auto => &[],
    };
    for (index, column) in encoded.columns.iter_mut().enumerate() {
        let word = match (choice, column.ty) {
            (Compupdate::Off, _) => continue,
            (Compupdate::On, _) if key.contains(&index) => continue,
            (Compupdate::On, _) => None,
            (Compupdate::Preset, _) if key.contains(&index) => Some("raw"),
            (Compupdate::Preset, SqlType::Boolean | SqlType::Real | SqlType::Double) => Some("raw"),
            (Compupdate::Preset, SqlType::Char(_) | SqlType::Varchar(_)) => Some("lzo"),
            (
                Compupdate::Preset,
                SqlType::SmallInt
                | SqlType::Integer
                | SqlType::BigInt
                | SqlType::Decimal { .. }
                | SqlType::Date
                | SqlType::Timestamp
                | SqlType::TimestampTz,
            ) => Some("az64"),
            (Compupdate::Preset, _) => continue,
        };
        column.encoding = word.map(str::to_owned);
    }
    encoded
}

/// Resolves the column list, the defaults and where rows go.
fn plan(
    ctx: &mut Context<'_>,
    names: &SessionNames,
    table: &Arc<Table>,
    copy: &Copy,
) -> Result<LoadPlan> {
    let fields = fields(table, copy)?;
    let mut columns = Vec::with_capacity(table.columns.len());
    let mut given = Vec::with_capacity(table.columns.len());
    for (column, field) in table.columns.iter().zip(&fields) {
        let default = match field {
            Some(_) => None,
            None => target::default_value(names, column)?,
        };
        columns.push(LoadColumn {
            name: column.name.clone(),
            ty: column.ty,
            not_null: column.not_null,
            field: *field,
            default,
        });
        given.push(field.is_some());
    }
    Ok(LoadPlan {
        table_name: table.name.clone(),
        target: target::write_target(ctx, table, &given, None)?,
        columns,
        field_count: fields.iter().flatten().count(),
        source: copy.source.clone(),
        files: None,
        authorization: copy.authorization.clone(),
        options: copy.options.clone(),
    })
}

/// Gives for each table column its place among the fields of a line. Without a column list every column has a field
/// but identity columns, unless EXPLICIT_IDS says the file has their values.
fn fields(table: &Table, copy: &Copy) -> Result<Vec<Option<usize>>> {
    if copy.columns.is_empty() {
        let mut next = 0;
        let fields = table.columns.iter().map(|column| {
            if column.identity.is_some() && !copy.options.explicit_ids {
                return None;
            }
            next += 1;
            Some(next - 1)
        });
        return Ok(fields.collect());
    }
    let mut fields = vec![None; table.columns.len()];
    for (place, name) in copy.columns.iter().enumerate() {
        let index = table.columns.iter().position(|column| column.name == *name);
        let found =
            index.and_then(|index| Some((table.columns.get(index)?, fields.get_mut(index)?)));
        let Some((column, field)) = found else {
            return Err(Error::new(
                SqlState::UNDEFINED_COLUMN,
                format!(
                    "column \"{name}\" of relation \"{}\" does not exist",
                    table.name
                ),
            ));
        };
        if field.replace(place).is_some() {
            return Err(Error::new(
                SqlState::DUPLICATE_COLUMN,
                format!("column \"{name}\" specified more than once"),
            ));
        }
        let is_always = column.identity.is_some_and(|identity| !identity.by_default);
        if is_always && !copy.options.explicit_ids {
            return Err(blueshift_sql::Error::new(
                SqlState::INVALID_COLUMN_REFERENCE,
                format!("cannot load identity column \"{name}\""),
            )
            .with_hint("Leave the column out, or use EXPLICIT_IDS.")
            .into());
        }
    }
    for (column, field) in table.columns.iter().zip(&fields) {
        let is_filled = column.default.is_some() || column.identity.is_some();
        if field.is_none() && column.not_null && !is_filled {
            return Err(blueshift_sql::Error::new(
                SqlState::NOT_NULL_VIOLATION,
                format!("column \"{}\" is NOT NULL and has no default", column.name),
            )
            .with_hint("Add the column to the column list of COPY.")
            .into());
        }
    }
    Ok(fields)
}
