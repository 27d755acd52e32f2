//! PREPARE, EXECUTE, DEALLOCATE, DISCARD: statements kept by name in the session.

use super::answer::Body;
use super::context::Context;
use super::names::SessionNames;
use crate::error::{Error, Result};
use blueshift_sql::SqlState;
use blueshift_sql::binder::bind_constant;
use blueshift_sql::function::read_scalar;
use blueshift_sql::function::session::Session;
use blueshift_sql::statement::Statement;
use blueshift_sql::statement::query::Expression;
use blueshift_sql::statement::session::{Deallocate, Discard, Execute, Prepare};
use datafusion::common::ScalarValue;

/// Statements a session may keep.
const PREPARED_MAX: usize = 10_000;

/// Runs a PREPARE.
pub fn prepare(ctx: &mut Context<'_>, prepare: &Prepare) -> Result<Body> {
    let statement = &prepare.statement.statement;
    let is_allowed = matches!(
        statement,
        Statement::Select(_) | Statement::Insert(_) | Statement::Update(_) | Statement::Delete(_)
    );
    if !is_allowed {
        return Err(blueshift_sql::Error::unsupported(
            format!("PREPARE of {}", super::tag(statement)),
            "Prepare a SELECT, INSERT, UPDATE or DELETE.",
        )
        .into());
    }
    if ctx.prepared.contains_key(&prepare.name) {
        return Err(Error::new(
            SqlState::DUPLICATE_PREPARED_STATEMENT,
            format!("prepared statement \"{}\" already exists", prepare.name),
        ));
    }
    if ctx.prepared.len() >= PREPARED_MAX {
        return Err(Error::new(
            SqlState::PROGRAM_LIMIT_EXCEEDED,
            format!("a session can keep at most {PREPARED_MAX} prepared statements"),
        ));
    }
    ctx.prepared.insert(prepare.name.clone(), prepare.clone());
    Ok(Body::done("PREPARE"))
}

/// Runs an EXECUTE: the kept statement with the values in place of `$n`.
pub async fn execute(ctx: &mut Context<'_>, execute: &Execute) -> Result<Body> {
    let Some(kept) = ctx.prepared.get(&execute.name).cloned() else {
        return Err(no_statement(&execute.name));
    };
    let names = ctx.names()?;
    let given = execute.arguments.len();
    if !kept.types.is_empty() && kept.types.len() != given {
        let text = format!(
            "wrong number of parameters for prepared statement \"{}\"",
            execute.name
        );
        return Err(blueshift_sql::Error::new(SqlState::SYNTAX_ERROR, text)
            .with_detail(format!(
                "Expected {} parameters but got {given}.",
                kept.types.len()
            ))
            .into());
    }
    let mut values = execute
        .arguments
        .iter()
        .map(|argument| value(&names, argument))
        .collect::<Result<Vec<_>>>()?;
    let zone = ctx.settings.zone().engine_name();
    let session = Session {
        zone: &zone,
        order: ctx.settings.date_order(),
        json: ctx.settings.json_reading(),
    };
    for (value, ty) in values.iter_mut().zip(&kept.types) {
        *value = match value.try_as_str().flatten() {
            // The engine's cast knows ISO 8601 alone, and no interval.
            Some(text) if ty.arrow().is_temporal() => read_scalar(text, *ty, session)?,
            _ => value.cast_to(&ty.arrow())?,
        };
    }
    drop(names);
    let mut inner = Context {
        server: ctx.server,
        user: ctx.user,
        pid: ctx.pid,
        connected: ctx.connected,
        used: &mut *ctx.used,
        query: ctx.query,
        transaction: &mut *ctx.transaction,
        settings: &mut *ctx.settings,
        reads: ctx.reads.clone(),
        plans: ctx.plans.clone(),
        asked: ctx.asked.clone(),
        prepared: &mut *ctx.prepared,
        cursor: &mut *ctx.cursor,
        last: &mut *ctx.last,
        temp_schema: &mut *ctx.temp_schema,
        parameters: &values,
        notices: Vec::new(),
    };
    let answer = Box::pin(super::run(&mut inner, &kept.statement.statement)).await;
    let notices = std::mem::take(&mut inner.notices);
    ctx.notices.extend(notices);
    answer
}

/// Computes an argument.
fn value(names: &SessionNames, argument: &Expression) -> Result<ScalarValue> {
    let bound = bind_constant(names, argument)?;
    let array = super::target::evaluate(&names.state, bound)?;
    Ok(ScalarValue::try_from_array(&array, 0)?)
}

fn no_statement(name: &str) -> Error {
    Error::new(
        SqlState::INVALID_SQL_STATEMENT_NAME,
        format!("prepared statement \"{name}\" does not exist"),
    )
}

/// Runs a DEALLOCATE.
pub fn deallocate(ctx: &mut Context<'_>, deallocate: &Deallocate) -> Result<Body> {
    match &deallocate.name {
        None => ctx.prepared.clear(),
        Some(name) => {
            ctx.prepared
                .remove(name)
                .ok_or_else(|| no_statement(name))?;
        }
    }
    Ok(Body::done("DEALLOCATE"))
}

/// Runs a DISCARD.
pub async fn discard(ctx: &mut Context<'_>, discard: &Discard) -> Result<Body> {
    match discard.what.as_str() {
        "plans" => Ok(Body::done("DISCARD PLANS")),
        "temp" | "temporary" => {
            super::drop::temporary(ctx).await?;
            Ok(Body::done("DISCARD TEMP"))
        }
        "all" => {
            if ctx.transaction.is_explicit {
                return Err(Error::new(
                    SqlState::ACTIVE_SQL_TRANSACTION,
                    "DISCARD ALL cannot run inside a transaction block",
                ));
            }
            super::drop::temporary(ctx).await?;
            ctx.prepared.clear();
            ctx.settings.reset_all();
            Ok(Body::done("DISCARD ALL"))
        }
        what => Err(blueshift_sql::Error::unsupported(
            format!("DISCARD {}", what.to_uppercase()),
            "Use DISCARD ALL, DISCARD TEMP or DISCARD PLANS.",
        )
        .into()),
    }
}
