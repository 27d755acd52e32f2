//! CREATE TABLE AS and SELECT INTO: a table of a query's names, types and rows.

use super::answer::Body;
use super::context::Context;
use super::create_table::{install, new_table, reserve_name, schema_for};
use super::insert::rows_expected;
use super::names::SessionNames;
use super::target;
use crate::catalog::{Column, Table, TableDistribution, TableSort};
use crate::error::{Error, Result};
use blueshift_compute::profile::Sink;
use blueshift_sql::statement::create_table::{CreateTableAs, SortClause, TableAttributes};
use blueshift_sql::types::is_case_insensitive;
use blueshift_sql::{SqlState, SqlType, binder};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use std::sync::Arc;

/// Runs a CREATE TABLE AS.
pub async fn run(ctx: &mut Context<'_>, create: &CreateTableAs) -> Result<Body> {
    let schema = schema_for(ctx, &create.name, create.temporary).await?;
    reserve_name(ctx, &schema, &create.name.name, false).await?;
    let names = ctx.names()?;
    let bound = binder::bind_query(&names, &create.query, &ctx.parameter_types())?;
    let mut columns = columns(&bound, &create.columns)?;
    if ctx.transaction.catalog()?.is_case_insensitive() {
        let is_text =
            |column: &&mut Column| matches!(column.ty, SqlType::Char(_) | SqlType::Varchar(_));
        let texts = columns.iter_mut().filter(is_text);
        texts.for_each(|column| column.case_insensitive = true);
    }
    let mut attributes = create.attributes.clone();
    name_keys(&mut attributes, &columns);
    let mut table = new_table(ctx, &schema, &create.name.name, columns, &mut attributes)?;
    inherit(&mut table, &names, &bound, create);
    let rows = cast_to(&table, bound)?;
    let mut plan = ctx.plan(&names.state, rows.clone()).await?;
    if table.distribution == TableDistribution::AutoAll
        && rows_expected(&plan).is_none_or(|rows| rows > target::AUTO_ALL_ROWS_MAX)
    {
        table.distribution = TableDistribution::AutoEven;
    }
    install(ctx, &table)?;
    let given = vec![true; table.columns.len()];
    let table = Arc::new(table);
    let target = target::write_target(ctx, &table, &given, None)?;
    let written = loop {
        let ticket = ctx.plans.ticket().filter(|ticket| ticket.may_restart());
        let ticket = ticket.cloned();
        let task = ctx.task(&names.state);
        let node = &ctx.server.node;
        let work = blueshift_compute::write::insert(node, &target, Arc::clone(&plan), task);
        let Some(ticket) = ticket else {
            break work.await?;
        };
        tokio::select! {
            biased;
            () = ticket.restarted() => {}
            written = work => {
                ticket.cannot_restart();
                break written?;
            }
        }
        // What was written is of no commit; it begins anew as soon as the other queue lets it in.
        ctx.plans.ended(&plan);
        ticket.wait_turn().await?;
        plan = ctx.plan(&names.state, rows.clone()).await?;
        ctx.plans.goes_to(Sink::Insert(target::step_table(&table)));
    };
    ctx.transaction.add_row_groups(written.row_groups);
    super::analyze::after_load(ctx, &table).await?;
    ctx.last.query_id = Some(ctx.query);
    Ok(Body::done("SELECT"))
}

/// Puts the names of columns in the place of their numbers: `SORTKEY (1, 3)`. A column that is called so goes first.
fn name_keys(attributes: &mut TableAttributes, columns: &[Column]) {
    let settle = |key: &mut String| {
        if columns.iter().any(|column| column.name == *key) {
            return;
        }
        let number = key.parse::<usize>().ok();
        let column = number.and_then(|number| columns.get(number.checked_sub(1)?));
        if let Some(column) = column {
            key.clone_from(&column.name);
        }
    };
    if let Some(key) = &mut attributes.dist_key {
        settle(key);
    }
    if let Some(SortClause::Compound(keys) | SortClause::Interleaved(keys)) = &mut attributes.sort {
        keys.iter_mut().for_each(settle);
    }
}

/// Gives the columns of a table for the rows of a query; `names` are for the first of them.
pub(super) fn columns(bound: &LogicalPlan, names: &[String]) -> Result<Vec<Column>> {
    let fields = bound.schema().fields();
    if names.len() > fields.len() {
        return Err(Error::new(
            SqlState::SYNTAX_ERROR,
            "CREATE TABLE AS specifies too many column names",
        ));
    }
    let columns = fields.iter().enumerate().map(|(index, field)| Column {
        name: match names.get(index) {
            Some(name) => name.clone(),
            None => binder::shown_name(field.name()).to_string(),
        },
        id: 0,
        ty: kept_type(SqlType::from_field(field), field.data_type()),
        encoding: None,
        default: None,
        identity: None,
        not_null: false,
        case_insensitive: is_case_insensitive(field),
    });
    Ok(columns.collect())
}

/// The type a table keeps for an expression's: text of unknown length gets the length Redshift gives.
pub(super) fn kept_type(ty: SqlType, arrow: &arrow_schema::DataType) -> SqlType {
    match ty {
        SqlType::Unknown if arrow.is_null() => SqlType::Varchar(1),
        SqlType::Name => SqlType::Varchar(128),
        SqlType::Oid => SqlType::BigInt,
        other => other,
    }
}

/// Casts the query's columns to what the table stores, under the table's names.
fn cast_to(table: &Table, bound: LogicalPlan) -> Result<LogicalPlan> {
    let from = bound
        .schema()
        .columns()
        .into_iter()
        .zip(bound.schema().fields());
    let casts = from.zip(&table.columns).map(|((from, field), to)| {
        let stored = to.ty.arrow();
        let is_same = *field.data_type() == stored;
        let column = Expr::Column(from);
        let cast = if is_same {
            column
        } else {
            datafusion::logical_expr::cast(column, stored)
        };
        cast.alias(&to.name)
    });
    let casts: Vec<_> = casts.collect();
    Ok(LogicalPlanBuilder::from(bound).project(casts)?.build()?)
}

/// A plain query of one table hands its distribution and sort key on, where the columns are kept.
fn inherit(table: &mut Table, names: &SessionNames, bound: &LogicalPlan, create: &CreateTableAs) {
    let Some((source, outputs)) = plain_source(names, bound) else {
        return;
    };
    let place = |wanted: usize| {
        let name = &source.columns.get(wanted)?.name;
        outputs
            .iter()
            .position(|output| output.as_ref() == Some(name))
    };
    let given = &create.attributes;
    if given.dist_style.is_none() && given.dist_key.is_none() {
        table.distribution = match source.distribution {
            TableDistribution::Key(key) => {
                place(key).map_or(TableDistribution::AutoAll, TableDistribution::Key)
            }
            TableDistribution::AutoEven => TableDistribution::AutoAll,
            other => other,
        };
    }
    if given.sort.is_none() {
        let places = |keys: &[usize]| {
            keys.iter()
                .map(|key| place(*key))
                .collect::<Option<Vec<_>>>()
        };
        table.sort = match &source.sort {
            TableSort::Compound(keys) => places(keys).map_or(TableSort::None, TableSort::Compound),
            TableSort::Interleaved(keys) => {
                places(keys).map_or(TableSort::None, TableSort::Interleaved)
            }
            TableSort::None => TableSort::None,
            TableSort::Auto | TableSort::AutoCompound(_) => TableSort::Auto,
        };
    }
}

/// Gives the one table of a query of projections and filters, and per output the column it shows unchanged.
fn plain_source(
    names: &SessionNames,
    bound: &LogicalPlan,
) -> Option<(Arc<Table>, Vec<Option<String>>)> {
    let [only] = names.used()[..] else {
        return None;
    };
    let source = names.catalog().tables.get(&only)?.clone();
    let mut outputs = None;
    let mut plan = bound;
    loop {
        plan = match plan {
            LogicalPlan::Projection(projection) if outputs.is_none() => {
                outputs = Some(projection.expr.iter().map(plain_column).collect());
                &projection.input
            }
            LogicalPlan::Filter(filter) => &filter.input,
            LogicalPlan::SubqueryAlias(alias) => &alias.input,
            LogicalPlan::TableScan(_) => break,
            _ => return None,
        };
    }
    Some((source, outputs?))
}

fn plain_column(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Column(column) => Some(column.name.clone()),
        Expr::Alias(alias) => plain_column(&alias.expr),
        _ => None,
    }
}
