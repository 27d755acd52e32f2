//! The table a statement writes to: its lock, its defaults, its identities, and where its rows go.

use super::context::Context;
use super::names::{Right, SessionNames};
use crate::catalog::cache::put_table;
use crate::catalog::layout::{distribution, table_layout};
use crate::catalog::{Column, Identity, Table, TableDistribution};
use crate::error::Result;
use crate::transaction::lock::Mode;
use blueshift_compute::profile::{Sink, StepTable};
use blueshift_compute::write::{IdentityCounter, WriteTarget};
use blueshift_sql::SqlState;
use blueshift_sql::binder::{TargetColumn, bind_assigned, bind_constant};
use blueshift_sql::statement::ObjectName;
use blueshift_sql::statement::grant::Privilege;
use blueshift_sql::statement::query::Expression;
use blueshift_storage::table::predicate::Value;
use datafusion::common::ScalarValue;
use datafusion::execution::SessionState;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

/// A DISTSTYLE AUTO table stays in one copy on slice 0 up to this many rows; then new rows are spread.
pub const AUTO_ALL_ROWS_MAX: u64 = 1_000_000;

/// The bytes of a row a COPY reckons with, as it knows only the size of its files.
pub const AUTO_ROW_BYTES: u64 = 64;

/// Finds and locks a table to do with it what `right` says, and resolves names anew as of after the lock.
pub async fn lock(
    ctx: &mut Context<'_>,
    name: &ObjectName,
    right: Right<'_>,
    mode: Mode,
) -> Result<(SessionNames, Arc<Table>)> {
    let before = ctx.names()?.table_to_change(name, &right)?;
    ctx.transaction.lock_table(before.oid, mode).await?;
    let names = ctx.names()?;
    let table = names.table_to_change(name, &right)?;
    match table.oid == before.oid {
        true => Ok((names, table)),
        // Another table took the name while we waited for the lock of the first.
        false => Err(ctx.transaction.conflict(before.oid)),
    }
}

/// Finds and locks a table to append constants to: as [`lock`], for a statement that reads no table.
pub async fn lock_to_append(ctx: &mut Context<'_>, name: &ObjectName) -> Result<Arc<Table>> {
    let right = Right::To(Privilege::Insert);
    let before = ctx.names_to_write()?.table_to_change(name, &right)?;
    ctx.transaction.lock_table(before.oid, Mode::Append).await?;
    let table = ctx.names_to_write()?.table_to_change(name, &right)?;
    match table.oid == before.oid {
        true => Ok(table),
        // Another table took the name while we waited for the lock of the first.
        false => Err(ctx.transaction.conflict(before.oid)),
    }
}

/// Gives the columns with their bound defaults, for the binder.
pub fn columns(names: &SessionNames, table: &Table) -> Result<Vec<TargetColumn>> {
    let column = |column: &Column| -> Result<TargetColumn> {
        Ok(TargetColumn {
            name: column.name.clone(),
            ty: column.ty,
            default: bound_default(names, column)?,
        })
    };
    table.columns.iter().map(column).collect()
}

/// Binds a column's DEFAULT; a null of its type if it has none.
pub fn bound_default(names: &SessionNames, column: &Column) -> Result<Expr> {
    match &column.default {
        // The engine's cast knows no interval, no TIMETZ, and dates of ISO 8601 alone.
        Some(text) if column.ty.arrow().is_temporal() => {
            Ok(bind_assigned(names, &Expression::parse(text)?, column.ty)?)
        }
        Some(text) => Ok(bind_constant(names, &Expression::parse(text)?)?),
        None => Ok(Expr::Literal(
            ScalarValue::try_from(&column.ty.arrow())?,
            None,
        )),
    }
}

/// Computes a column's DEFAULT to an array of one row; `None` is null.
pub fn default_value(
    names: &SessionNames,
    column: &Column,
) -> Result<Option<arrow::array::ArrayRef>> {
    if column.default.is_none() {
        return Ok(None);
    }
    let expr = bound_default(names, column)?;
    let cast = datafusion::logical_expr::cast(expr, column.ty.arrow());
    evaluate(&names.state, cast).map(Some)
}

/// Computes an expression without columns to an array of one row.
pub fn evaluate(state: &SessionState, expr: Expr) -> Result<arrow::array::ArrayRef> {
    let schema = Arc::new(datafusion::common::DFSchema::empty());
    // Some functions, as COALESCE, are only rewritten and never run.
    let simplifying = SimplifyContext::builder()
        .with_schema(Arc::clone(&schema))
        .with_config_options(Arc::clone(state.config_options()))
        .with_query_execution_start_time(state.execution_props().query_execution_start_time)
        .build();
    let simplifier = ExprSimplifier::new(simplifying);
    let expr = simplifier.simplify(simplifier.coerce(expr, &schema)?)?;
    let expr = state.create_physical_expr(expr, &schema)?;
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(1));
    let batch = arrow::array::RecordBatch::try_new_with_options(
        Arc::new(arrow_schema::Schema::empty()),
        Vec::new(),
        &options,
    )
    .map_err(datafusion::error::DataFusionError::from)?;
    Ok(expr.evaluate(&batch)?.into_array(1)?)
}

/// Tells where rows go. A DISTSTYLE AUTO table that grows past the threshold with `rows_expected` becomes EVEN in
/// the same transaction. `given` tells which columns the statement gives values for; other identity columns are
/// filled by the writer.
pub fn write_target(
    ctx: &mut Context<'_>,
    table: &Arc<Table>,
    given: &[bool],
    rows_expected: Option<u64>,
) -> Result<WriteTarget> {
    let mut table = table.clone();
    if table.distribution == TableDistribution::AutoAll {
        let rows = ctx.transaction.committed_rows(table.id());
        if rows.saturating_add(rows_expected.unwrap_or(0)) > AUTO_ALL_ROWS_MAX {
            table = spread(ctx, &table)?;
        }
    }
    let store = &ctx.server.node.store;
    let slice_count = store.slice_count();
    let mut identities = Vec::new();
    for (index, column) in table.columns.iter().enumerate() {
        if let Some(identity) = column.identity
            && !given.get(index).copied().unwrap_or(false)
        {
            identities.push((index, identity_counter(ctx, &table, index, identity)?));
        }
    }
    ctx.plans.goes_to(Sink::Insert(step_table(&table)));
    // Statements begin at different slices, so that small inserts spread.
    let first_slice = u32::try_from(ctx.query.rem_euclid(i64::from(slice_count.max(1))));
    Ok(WriteTarget {
        table: table.id(),
        layout: Arc::new(table_layout(&table)?),
        distribution: distribution(table.distribution),
        slice_count,
        first_slice: first_slice.unwrap_or_default(),
        identities,
        keeps_small: false,
    })
}

/// Makes an automatic table EVEN. Statements that append run at the same time, and each of them may do this: they all
/// write the same, so none has to wait or fail. A definition changed since the read view was taken is a conflict, as
/// what is written here would take that change back.
fn spread(ctx: &mut Context<'_>, table: &Table) -> Result<Arc<Table>> {
    let mut spread = table.clone();
    spread.distribution = TableDistribution::AutoEven;
    let change = put_table(&spread)?;
    let spread = Arc::new(spread);
    let committed = ctx.transaction.committed_catalog()?;
    let committed = committed.tables.get(&table.oid);
    match committed.filter(|_| !ctx.transaction.changes(table.oid)) {
        Some(committed) if *committed == spread => Ok(spread),
        Some(committed) if **committed != *table => Err(ctx.transaction.conflict(table.oid)),
        _ => {
            ctx.transaction.change_catalog(change);
            Ok(spread)
        }
    }
}

/// Gives the counter of an identity column. After a start it goes on behind the greatest value stored, known from
/// the statistics of the row groups, deleted rows included.
fn identity_counter(
    ctx: &mut Context<'_>,
    table: &Table,
    column_index: usize,
    identity: Identity,
) -> Result<Arc<IdentityCounter>> {
    let store = ctx.server.node.store.clone();
    let transactions = ctx.server.transactions.clone();
    transactions.identity(table.id(), column_index, || {
        let view = store.read_view();
        let mut next = identity.seed;
        if let Some(version) = view.tables.get(&table.id()) {
            let statistics = version.column_statistics(&store, column_index)?;
            let last = if identity.step < 0 {
                statistics.min
            } else {
                statistics.max
            };
            if let Some(Value::Int(last)) = last {
                let after = i64::try_from(last)
                    .unwrap_or(i64::MAX)
                    .saturating_add(identity.step);
                next = if identity.step < 0 {
                    next.min(after)
                } else {
                    next.max(after)
                };
            }
        }
        Ok(IdentityCounter {
            next: AtomicI64::new(next),
            step: identity.step,
        })
    })
}

/// Refuses values for an identity column that is not GENERATED BY DEFAULT.
pub fn check_identities(table: &Table, given: &[bool]) -> Result<()> {
    let columns = table.columns.iter().zip(given);
    for (column, _) in columns.filter(|(_, given)| **given) {
        if column.identity.is_some_and(|identity| !identity.by_default) {
            return Err(blueshift_sql::Error::new(
                SqlState::INVALID_COLUMN_REFERENCE,
                format!(
                    "cannot set an identity column to a value: column \"{}\"",
                    column.name
                ),
            )
            .with_hint("Leave the column out, or name the other columns.")
            .into());
        }
    }
    Ok(())
}

/// Gives a table as the steps of queries name it.
pub fn step_table(table: &Table) -> StepTable {
    StepTable::Stored {
        id: table.oid,
        name: table.name.as_str().into(),
    }
}
