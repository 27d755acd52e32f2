//! Describes a statement of the extended protocol before it runs: parameter types and columns.

use super::PreparedStatement;
use crate::error::{Error, Result};
use crate::statement::answer::OutputColumn;
use crate::statement::context::Context;
use crate::statement::names::Right;
use crate::statement::{execute, external, show, target};
use arrow_schema::{DataType, IntervalUnit, TimeUnit};
use blueshift_sql::statement::show::ShowDefinition;
use blueshift_sql::statement::{Parsed, Statement};
use blueshift_sql::{SqlState, SqlType, binder};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::expr::Placeholder;
use datafusion::logical_expr::{Expr, LogicalPlan};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Parses a text that must hold at most one statement.
pub fn parse_one(text: &str) -> Result<Parsed> {
    let mut statements = blueshift_sql::statement::parse(text)?;
    statements.retain(|parsed| !matches!(parsed.statement, Statement::Empty));
    if statements.len() > 1 {
        return Err(Error::new(
            SqlState::SYNTAX_ERROR,
            "cannot insert multiple commands into a prepared statement",
        ));
    }
    Ok(statements.pop().unwrap_or_else(|| Parsed {
        statement: Statement::Empty,
        text: String::new(),
        offset: 0,
    }))
}

/// Binds a statement to learn its parameters and columns.
pub fn describe(ctx: &mut Context<'_>, parsed: Parsed, oids: &[u32]) -> Result<PreparedStatement> {
    let given: Vec<Option<SqlType>> = oids.iter().map(|oid| type_of_oid(*oid)).collect();
    let types: Vec<Option<DataType>> = given.iter().map(|ty| ty.map(SqlType::arrow)).collect();
    let (bound, columns) = match &parsed.statement {
        Statement::Select(query) => {
            let names = ctx.names_to_write()?;
            let bound = binder::bind_query(&names, query, &types)?;
            let columns = execute::output_columns(bound.schema().as_arrow());
            (Some(bound), Some(columns))
        }
        Statement::Insert(insert) => {
            let names = ctx.names_to_write()?;
            let columns = crate::statement::insert::columns(&names, insert)?;
            (
                Some(binder::bind_insert(&names, &columns, insert, &types)?.input),
                None,
            )
        }
        Statement::Update(update) => {
            let names = ctx.names_to_write()?;
            let table = names.table_to_change(&update.table, &Right::Update(update))?;
            let columns = target::columns(&names, &table)?;
            let defaults: Vec<_> = columns.into_iter().map(|column| column.default).collect();
            let source = names.target_source(&table)?.source;
            (
                Some(binder::bind_update(&names, source, update, &defaults)?.input),
                None,
            )
        }
        Statement::Delete(delete) => {
            let names = ctx.names_to_write()?;
            let table = names.table_to_change(&delete.table, &Right::Delete(delete))?;
            let source = names.target_source(&table)?.source;
            (Some(binder::bind_delete(&names, source, delete)?), None)
        }
        Statement::Explain(_) => (None, Some(vec![OutputColumn::text("QUERY PLAN")])),
        Statement::AnalyzeCompression(_) => {
            (None, Some(crate::statement::analyze_compression::columns()))
        }
        Statement::CopyJob(command) => (None, crate::statement::copy_job::columns(command)),
        Statement::Show(show) => (None, Some(show_columns(show.name.as_deref()))),
        Statement::ShowList(list) => {
            let query = show::query(ctx, list)?;
            let names = ctx.names()?;
            let bound = binder::bind_query(&names, &query, &[])?;
            let columns = execute::output_columns(bound.schema().as_arrow());
            (None, Some(columns))
        }
        Statement::ShowDefinition(ShowDefinition::Table(_)) => {
            (None, Some(vec![OutputColumn::text(show::TABLE_COLUMN)]))
        }
        Statement::ShowDefinition(ShowDefinition::External(..)) => {
            (None, Some(vec![OutputColumn::text(external::show::COLUMN)]))
        }
        Statement::ShowDefinition(ShowDefinition::View(_)) => {
            (None, Some(vec![OutputColumn::text(show::VIEW_COLUMN)]))
        }
        Statement::Call(call) => {
            let (types, columns) = crate::statement::call::describe(ctx, call)?;
            let count = types.len().max(given.len());
            let parameters = (0..count).map(|index| {
                let said = given.get(index).copied().flatten();
                said.or(types.get(index).copied().flatten())
                    .unwrap_or(UNKNOWN_PARAMETER)
            });
            return Ok(PreparedStatement {
                parameters: parameters.collect(),
                parsed: Arc::new(parsed),
                columns,
            });
        }
        Statement::ShowProcedure(_) => (
            None,
            Some(vec![OutputColumn::text(crate::statement::routine::SHOWN)]),
        ),
        Statement::Declare(declare) => {
            let inner = describe(ctx, declare.query.clone(), oids)?;
            return Ok(PreparedStatement {
                parsed: Arc::new(parsed),
                parameters: inner.parameters,
                columns: None,
            });
        }
        Statement::Fetch(fetch) => {
            let open = ctx.cursor.as_ref();
            let open = open.filter(|open| open.name == fetch.name);
            (None, open.map(|open| open.columns.clone()))
        }
        Statement::Execute(execute) => {
            let kept = ctx.prepared.get(&execute.name).cloned();
            let columns = match kept {
                Some(kept) => describe(ctx, kept.statement, &[])?.columns,
                None => None,
            };
            (None, columns)
        }
        _ => (None, None),
    };
    let parameters = match &bound {
        Some(plan) => parameters(plan, &given)?,
        None => given
            .iter()
            .map(|ty| ty.unwrap_or(UNKNOWN_PARAMETER))
            .collect(),
    };
    Ok(PreparedStatement {
        parsed: Arc::new(parsed),
        parameters,
        columns,
    })
}

/// The type of a parameter nobody knows.
const UNKNOWN_PARAMETER: SqlType = SqlType::Varchar(65_535);

fn show_columns(name: Option<&str>) -> Vec<OutputColumn> {
    match name {
        Some(name) => vec![OutputColumn::text(name)],
        None => ["name", "setting", "description"]
            .map(OutputColumn::text)
            .to_vec(),
    }
}

/// Finds the type of each `$n` in a plan: what it is compared with, or assigned or cast to. Where it comes several
/// times the first that says a type counts, as the engine casts the others.
fn inferred(plan: &LogicalPlan) -> Result<BTreeMap<usize, Option<DataType>>> {
    let mut found: BTreeMap<usize, Option<DataType>> = BTreeMap::new();
    let mut note = |placeholder: &Placeholder, ty: Option<&DataType>| {
        if let Ok(number) = placeholder.id.trim_start_matches('$').parse() {
            let known = found.entry(number).or_default();
            *known = known.take().or_else(|| ty.cloned());
        }
    };
    plan.apply_with_subqueries(|plan| {
        if let LogicalPlan::Limit(limit) = plan {
            for count in [&limit.skip, &limit.fetch].into_iter().flatten() {
                if let Expr::Placeholder(placeholder) = count.as_ref() {
                    note(placeholder, Some(&DataType::Int64));
                }
            }
        }
        plan.apply_expressions(|expr| {
            expr.apply(|expr| {
                match expr {
                    Expr::Placeholder(placeholder) => {
                        let ty = placeholder.field.as_ref().map(|field| field.data_type());
                        note(placeholder, ty);
                    }
                    Expr::Cast(cast) => {
                        if let Expr::Placeholder(placeholder) = cast.expr.as_ref()
                            && placeholder.field.is_none()
                        {
                            note(placeholder, Some(cast.field.data_type()));
                        }
                    }
                    _ => {}
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(found)
}

/// Gives the type of each `$n`: as the client said, else as the plan needs it.
fn parameters(plan: &LogicalPlan, given: &[Option<SqlType>]) -> Result<Vec<SqlType>> {
    let inferred = inferred(plan)?;
    let count = inferred.keys().max().copied().unwrap_or(0).max(given.len());
    let types = (0..count).map(|index| {
        let named = inferred.get(&(index + 1)).cloned().flatten();
        let said = given.get(index).copied().flatten();
        said.or_else(|| named.as_ref().and_then(type_of_arrow))
            .unwrap_or(UNKNOWN_PARAMETER)
    });
    Ok(types.collect())
}

fn type_of_arrow(arrow: &DataType) -> Option<SqlType> {
    Some(match arrow {
        DataType::Boolean => SqlType::Boolean,
        DataType::Int8 | DataType::Int16 => SqlType::SmallInt,
        DataType::Int32 => SqlType::Integer,
        DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32
        | DataType::UInt64 => SqlType::BigInt,
        DataType::Float32 => SqlType::Real,
        DataType::Float64 => SqlType::Double,
        DataType::Decimal128(precision, scale) => SqlType::Decimal {
            precision: *precision,
            scale: *scale,
        },
        DataType::Date32 => SqlType::Date,
        DataType::Time64(TimeUnit::Nanosecond)
        | DataType::Interval(IntervalUnit::YearMonth)
        | DataType::Duration(TimeUnit::Microsecond) => SqlType::from_arrow(arrow),
        DataType::Time64(_) => SqlType::Time,
        DataType::Timestamp(_, None) => SqlType::Timestamp,
        DataType::Timestamp(_, Some(_)) => SqlType::TimestampTz,
        DataType::Binary | DataType::BinaryView => SqlType::Varbyte(1_024_000),
        DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 => UNKNOWN_PARAMETER,
        _ => return None,
    })
}

/// The types drivers name by OID; 0 and unknown ones are inferred.
fn type_of_oid(oid: u32) -> Option<SqlType> {
    Some(match oid {
        16 => SqlType::Boolean,
        21 => SqlType::SmallInt,
        23 => SqlType::Integer,
        20 => SqlType::BigInt,
        26 => SqlType::Oid,
        700 => SqlType::Real,
        701 => SqlType::Double,
        1700 => SqlType::Decimal {
            precision: 38,
            scale: 10,
        },
        25 | 1043 | 1042 | 19 => UNKNOWN_PARAMETER,
        1082 => SqlType::Date,
        1083 => SqlType::Time,
        1186 | 1188 | 1190 | 1266 => return SqlType::from_oid(oid),
        1114 => SqlType::Timestamp,
        1184 => SqlType::TimestampTz,
        17 | 6551 => SqlType::Varbyte(1_024_000),
        4000 => SqlType::Super,
        2935 => SqlType::HllSketch,
        _ => return None,
    })
}
