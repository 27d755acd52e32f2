//! INSERT: rows of VALUES or of a query to the slices of a table.
//!
//! Constants take a short way: no plan is made, and few rows ride in the commit record. Whatever is unusual about
//! them, or wrong, takes the general way, which so decides every error.

use super::answer::Body;
use super::context::Context;
use super::external;
use super::names::{Right, SessionNames};
use super::target;
use crate::catalog::Table;
use crate::error::{Error, Result};
use crate::transaction::append::{Append, Appended};
use crate::transaction::lock::Mode;
use arrow::array::{RecordBatch, RecordBatchOptions};
use blueshift_compute::write::{WriteTarget, Written};
use blueshift_sql::binder::{
    self, ConstantRows, ConstantTarget, LITERAL, LiteralColumn, LiteralTarget, TargetColumn,
};
use blueshift_sql::statement::dml::{Insert, InsertSource};
use blueshift_sql::statement::grant::Privilege;
use blueshift_storage::{TableId, TableLayout};
use datafusion::common::DFSchema;
use datafusion::logical_expr::execution_props::ExecutionProps;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::physical_expr::create_physical_expr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use std::sync::Arc;

/// Runs an INSERT.
pub async fn run(ctx: &mut Context<'_>, insert: &Insert) -> Result<Body> {
    if let InsertSource::Query(query) = &insert.source
        && let Some(body) = Box::pin(external::write::insert(ctx, insert, query)).await?
    {
        return Ok(body);
    }
    if let Some(rows) = append(ctx, insert).await? {
        return Ok(inserted(rows as u64));
    }
    let (written, target) = match write_constants(ctx, insert).await? {
        Some(written) => written,
        None => write(ctx, insert).await?,
    };
    let (table, layout) = (target.table, target.layout);
    ctx.transaction.add_rows(&layout, written.row_groups)?;
    write_out_full(ctx, table, &layout).await?;
    Ok(inserted(written.rows))
}

/// Gives the columns of the table that rows are for, with their bound defaults.
pub fn columns(names: &SessionNames, insert: &Insert) -> Result<Vec<TargetColumn>> {
    if let Some(columns) = external::write::columns(names, &insert.table)? {
        return Ok(columns);
    }
    let table = names.table_to_change(&insert.table, &Right::To(Privilege::Insert))?;
    target::columns(names, &table)
}

fn inserted(rows: u64) -> Body {
    Body::done(format!("INSERT 0 {rows}"))
}

/// Gathers the rows of plain constants in the transaction, and gives their count; `None` if they are not, or many.
async fn append(ctx: &mut Context<'_>, insert: &Insert) -> Result<Option<usize>> {
    let mut appended = ctx.transaction.append(ctx.user, insert, ctx.parameters);
    if let Appended::Full = appended {
        if let Some((table, layout)) = ctx.transaction.gather_of(&insert.table)? {
            write_out_full(ctx, table, &layout).await?;
        }
        appended = ctx.transaction.append(ctx.user, insert, ctx.parameters);
    }
    let rows = match appended {
        Appended::Rows(rows) => rows,
        Appended::New => match begin_append(ctx, insert).await? {
            Some(rows) => rows,
            None => return Ok(None),
        },
        Appended::Full | Appended::Other => return Ok(None),
    };
    ctx.last.query_id = Some(ctx.query);
    Ok(Some(rows))
}

async fn begin_append(ctx: &mut Context<'_>, insert: &Insert) -> Result<Option<usize>> {
    if !ConstantRows::may_take(insert) {
        return Ok(None);
    }
    let table = target::lock_to_append(ctx, &insert.table).await?;
    let targets = table.columns.iter().map(|column| ConstantTarget {
        name: &column.name,
        ty: column.ty,
        default: column.default.as_deref(),
        is_nullable: !column.not_null,
        is_numbered: column.identity.is_some(),
    });
    let Some(mut rows) = ConstantRows::new(targets) else {
        return Ok(None);
    };
    let Some(count) = rows.push(insert, ctx.parameters) else {
        return Ok(None);
    };
    let given = vec![false; table.columns.len()];
    let mut target = target::write_target(ctx, &table, &given, u64::try_from(count).ok())?;
    target.keeps_small = true;
    write_out_full(ctx, target.table, &target.layout).await?;
    ctx.transaction.begin_append(Append {
        name: insert.table.clone(),
        user: ctx.user.clone(),
        node: ctx.server.node.clone(),
        target,
        rows,
    })?;
    Ok(Some(count))
}

/// Writes files of the rows that are too many to ride in the commit record.
async fn write_out_full(
    ctx: &mut Context<'_>,
    table: TableId,
    layout: &Arc<TableLayout>,
) -> Result<()> {
    while let Some(full) = ctx.transaction.full_rows(table) {
        let store = ctx.server.node.store.clone();
        let layout = Arc::clone(layout);
        let (answer, written) = tokio::sync::oneshot::channel();
        tokio::task::spawn_blocking(move || {
            let written = store.write_out(&full, &layout);
            if let Err(Ok(record)) = answer.send(written) {
                // The statement was canceled: nobody will name the file.
                store.discard(&[record], &[]);
            }
        });
        let written = written.await.map_err(Error::internal)?;
        ctx.transaction.replace_rows(written?);
    }
    Ok(())
}

/// Makes the rows durable, or ready to ride in the commit record, to be added to the transaction.
pub(super) async fn write(
    ctx: &mut Context<'_>,
    insert: &Insert,
) -> Result<(Written, WriteTarget)> {
    let (names, table) = target::lock(
        ctx,
        &insert.table,
        Right::To(Privilege::Insert),
        Mode::Append,
    )
    .await?;
    let columns = target::columns(&names, &table)?;
    let bound = binder::bind_insert(&names, &columns, insert, &ctx.parameter_types())?;
    target::check_identities(&table, &bound.given)?;
    let plan = ctx.plan(&names.state, bound.input).await?;
    let mut target = target::write_target(ctx, &table, &bound.given, rows_expected(&plan))?;
    target.keeps_small = true;
    let task = ctx.task(&names.state);
    let written = blueshift_compute::write::insert(&ctx.server.node, &target, plan, task).await?;
    ctx.last.query_id = Some(ctx.query);
    Ok((written, target))
}

/// Writes rows of constants without a plan; `None` if the general way has to do it, or to tell what is wrong.
async fn write_constants(
    ctx: &mut Context<'_>,
    insert: &Insert,
) -> Result<Option<(Written, WriteTarget)>> {
    let InsertSource::Values(rows) = &insert.source else {
        return Ok(None);
    };
    let row_count = rows.len();
    let table = target::lock_to_append(ctx, &insert.table).await?;
    let targets = table.columns.iter().map(|column| LiteralTarget {
        name: &column.name,
        ty: column.ty,
        default: column.default.as_deref(),
    });
    let targets: Vec<LiteralTarget<'_>> = targets.collect();
    let Some(columns) = binder::literal_columns(&targets, insert, ctx.parameters) else {
        return Ok(None);
    };
    let given: Vec<bool> = columns.iter().map(|column| column.is_given).collect();
    target::check_identities(&table, &given)?;
    let Ok(batch) = batch(&table, columns, row_count) else {
        return Ok(None);
    };
    let mut target = target::write_target(ctx, &table, &given, u64::try_from(row_count).ok())?;
    target.keeps_small = true;
    let written = blueshift_compute::write::insert_small(&ctx.server.node, &target, &batch)?;
    ctx.last.query_id = Some(ctx.query);
    Ok(written.map(|written| (written, target)))
}

/// Computes whole rows in table order.
fn batch(
    table: &Table,
    columns: Vec<LiteralColumn>,
    rows: usize,
) -> datafusion::common::Result<RecordBatch> {
    let mut arrays = Vec::with_capacity(columns.len());
    let mut fields = Vec::with_capacity(columns.len());
    let props = ExecutionProps::new();
    let planning = PhysicalPlanningContext::default();
    for (column, own) in columns.into_iter().zip(&table.columns) {
        let array = match column.assigned {
            None => column.values,
            Some(assigned) => {
                let ty = column.values.data_type().clone();
                let field = arrow_schema::Field::new(LITERAL, ty, true);
                let schema = Arc::new(arrow_schema::Schema::new(vec![field]));
                let values = RecordBatch::try_new(schema.clone(), vec![column.values])?;
                let schema = DFSchema::try_from(schema)?;
                let assigned = create_physical_expr(&assigned, &schema, &props, &planning)?;
                assigned.evaluate(&values)?.into_array(rows)?
            }
        };
        fields.push(arrow_schema::Field::new(
            &own.name,
            array.data_type().clone(),
            true,
        ));
        arrays.push(array);
    }
    let schema = Arc::new(arrow_schema::Schema::new(fields));
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(schema, arrays, &options)?)
}

/// Estimates the rows of a plan.
pub fn rows_expected(plan: &Arc<dyn ExecutionPlan>) -> Option<u64> {
    let statistics = StatisticsContext::new()
        .compute(plan.as_ref(), &StatisticsArgs::new())
        .ok()?;
    statistics.num_rows.get_value().map(|rows| *rows as u64)
}
