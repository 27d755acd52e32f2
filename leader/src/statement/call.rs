//! CALL: finds the procedure that fits the arguments, runs it, and answers its outputs as one row.
//!
//! A procedure works in the transaction of its CALL. `runner.rs` keeps the promises of the language's `Runner`: every
//! statement of a procedure goes the way of any other statement.

mod rows;
mod runner;

use super::answer::{Body, OutputColumn};
use super::context::Context;
use super::names::SessionNames;
use super::routine;
use super::target::evaluate;
use crate::access::check;
use crate::catalog::routine::Routine;
use crate::error::{Error, Result};
use crate::history::procedure::{CallEvent, CallRecord};
use crate::settings::Scope;
use arrow::array::RecordBatch;
use arrow_schema::{DataType, Schema};
use blueshift_sql::binder::{bind_assigned, bind_constant};
use blueshift_sql::procedural::{self, Value};
use blueshift_sql::statement::ObjectName;
use blueshift_sql::statement::query::Expression;
use blueshift_sql::statement::routine::{ArgumentMode, Call, RoutineKind};
use blueshift_sql::{SqlState, SqlType};
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::memory::MemoryStream;
use runner::CallRunner;
use std::sync::Arc;

/// Calls within calls.
const DEPTH_MAX: usize = 16;

/// What a call inherits from the calls around it.
#[derive(Clone, Debug)]
struct Chain {
    /// Calls around it.
    depth: usize,
    /// Whether the outermost call is inside a transaction block.
    in_block: bool,
    /// Whether a call around it has parameters of its own, which a commit would lose.
    has_settings: bool,
    /// Whether the call around it is NONATOMIC.
    is_nonatomic: Option<bool>,
    /// The query id of the call around it.
    from: Option<i64>,
}

/// A call that has ended well.
struct Called {
    routine: Arc<Routine>,
    outputs: Vec<Value>,
}

/// Runs a CALL.
pub async fn run(ctx: &mut Context<'_>, call: &Call) -> Result<Body> {
    let arguments = {
        let names = ctx.names()?;
        let values = call.arguments.iter();
        let values = values.map(|argument| argument_value(&names, argument, ctx.parameters));
        values.collect::<Result<Vec<_>>>()?
    };
    let chain = Chain {
        depth: 0,
        in_block: ctx.transaction.is_explicit,
        has_settings: false,
        is_nonatomic: None,
        from: None,
    };
    let called = invoke(ctx, &call.name, arguments, chain).await;
    if !ctx.transaction.is_explicit {
        // A cursor ends with its transaction.
        *ctx.cursor = None;
    }
    let called = called?;
    answer(&called.routine, &called.outputs)
}

/// Computes an argument of CALL, `$n` replaced.
fn argument_value(
    names: &SessionNames,
    argument: &Expression,
    parameters: &[ScalarValue],
) -> Result<Value> {
    let bound = bind_constant(names, argument)?;
    let filled = bound.transform(|expr| {
        let number = match &expr {
            Expr::Placeholder(place) => place.id.strip_prefix('$').map(str::parse::<usize>),
            _ => None,
        };
        let index = number.and_then(|number| number.ok()?.checked_sub(1));
        Ok(match index.and_then(|index| parameters.get(index)) {
            Some(value) => Transformed::yes(Expr::Literal(value.clone(), None)),
            None => Transformed::no(expr),
        })
    })?;
    value_of(names, filled.data, None)
}

/// Computes a bound expression.
fn value_of(names: &SessionNames, bound: Expr, ty: Option<SqlType>) -> Result<Value> {
    use datafusion::logical_expr::ExprSchemable;
    let (_, field) = bound.to_field(&datafusion::common::DFSchema::empty())?;
    let ty = match ty {
        Some(ty) => ty,
        None if field.data_type().is_null() => SqlType::Varchar(65_535),
        None => SqlType::from_field(&field),
    };
    let array = evaluate(&names.state, bound)?;
    let scalar = ScalarValue::try_from_array(&array, 0)?;
    value_as(scalar, ty)
}

/// Makes a value of a type from one whose arrow form may be another.
fn value_as(scalar: ScalarValue, ty: SqlType) -> Result<Value> {
    let arrow = ty.arrow();
    let scalar = match scalar.data_type() == arrow {
        true => scalar,
        false => scalar.cast_to(&arrow)?,
    };
    Ok(Value { ty, scalar })
}

/// Finds the procedure of a name whose inputs fit best.
fn find(names: &SessionNames, name: &ObjectName, given: &[DataType]) -> Result<Arc<Routine>> {
    let all = routine::named(names, name, RoutineKind::Procedure)?;
    let mut fitting: Vec<(u32, Arc<Routine>)> = all
        .iter()
        .filter_map(|one| Some((one.call_cost(given)?, one.clone())))
        .collect();
    fitting.sort_by_key(|(cost, routine)| (*cost, routine.oid));
    let mut best = fitting.into_iter();
    let types = || -> String {
        let shown = given.iter().map(|ty| match ty.is_null() {
            true => "\"unknown\"".to_string(),
            false => {
                let shown = SqlType::from_arrow(ty).display();
                shown.split('(').next().unwrap_or_default().to_string()
            }
        });
        shown.collect::<Vec<_>>().join(", ")
    };
    match (best.next(), best.next()) {
        (None, _) => Err(routine::missing(
            names,
            RoutineKind::Procedure,
            &name.name,
            Some(&types()),
        )),
        (Some((cost, _)), Some((other, _))) if cost == other => Err(blueshift_sql::Error::new(
            SqlState::AMBIGUOUS_FUNCTION,
            format!("procedure {}({}) is not unique", name.name, types()),
        )
        .with_hint("Add explicit casts to the arguments.")
        .into()),
        (Some((_, found)), _) => Ok(found),
    }
}

/// Runs a procedure with values that may have other types than its inputs.
async fn invoke(
    ctx: &mut Context<'_>,
    name: &ObjectName,
    arguments: Vec<Value>,
    chain: Chain,
) -> Result<Called> {
    let (routine, inputs) = {
        let names = ctx.names()?;
        let given: Vec<_> = arguments.iter().map(|one| one.scalar.data_type()).collect();
        let routine = find(&names, name, &given)?;
        check::call(&*ctx.transaction.catalog()?, ctx.user, &routine)?;
        let inputs = arguments.into_iter().zip(routine.inputs());
        let inputs = inputs.map(|(value, ty)| {
            let ty = ty.sql();
            if value.ty == ty || value.scalar.data_type() == ty.arrow() {
                return value_as(value.scalar, ty);
            }
            let literal = Expression::parse(&value.literal()?)?;
            value_of(&names, bind_assigned(&names, &literal, ty)?, Some(ty))
        });
        let inputs = inputs.collect::<Result<Vec<_>>>()?;
        (routine, inputs)
    };
    ensure_fits(&routine, &chain)?;
    let procedure = procedural::parse(&routine.body, &routine.arguments)?;
    let owner = match routine.security_definer {
        true => {
            let catalog = ctx.transaction.catalog()?;
            let owner = catalog.users.get(&routine.owner).cloned();
            Some(owner.ok_or_else(|| {
                Error::new(
                    SqlState::UNDEFINED_OBJECT,
                    format!("the owner of procedure \"{}\" does not exist", routine.name),
                )
            })?)
        }
        false => None,
    };
    let query = match chain.from {
        None => ctx.query,
        Some(_) => ctx.server.history.next_query(),
    };
    let mut record = CallRecord::begin(
        ctx.server.history.clone(),
        CallEvent::new(
            ctx.user.oid,
            query,
            ctx.transaction.xid,
            ctx.pid,
            CallEvent::text_of(&routine.name, &inputs),
            chain.from,
        ),
    );
    let settings_before = (!routine.settings.is_empty()).then(|| ctx.settings.clone());
    for (setting, values) in &routine.settings {
        ctx.settings.set(setting, values, Scope::Session)?;
    }
    let inside = Chain {
        depth: chain.depth + 1,
        has_settings: chain.has_settings || !routine.settings.is_empty(),
        is_nonatomic: Some(routine.nonatomic),
        from: Some(query),
        ..chain
    };
    let user = ctx.user;
    let mut inner = Context {
        server: ctx.server,
        user: owner.as_ref().unwrap_or(user),
        pid: ctx.pid,
        connected: ctx.connected,
        used: &mut *ctx.used,
        query,
        transaction: &mut *ctx.transaction,
        settings: &mut *ctx.settings,
        reads: ctx.reads.clone(),
        plans: ctx.plans.clone(),
        asked: ctx.asked.clone(),
        prepared: &mut *ctx.prepared,
        cursor: &mut *ctx.cursor,
        last: &mut *ctx.last,
        temp_schema: &mut *ctx.temp_schema,
        parameters: &[],
        notices: Vec::new(),
    };
    let outcome = {
        let mut runner = CallRunner::new(&mut inner, inside, &mut record);
        procedural::run(&mut runner, &routine.name, &procedure, inputs).await
    };
    let (notices, reads) = (std::mem::take(&mut inner.notices), inner.reads.clone());
    ctx.notices.extend(notices);
    ctx.reads = reads;
    if let Some(before) = settings_before {
        *ctx.settings = before;
    }
    let outputs = outcome?;
    record.succeed();
    Ok(Called { routine, outputs })
}

fn ensure_fits(routine: &Routine, chain: &Chain) -> Result<()> {
    if chain.depth >= DEPTH_MAX {
        return Err(blueshift_sql::Error::new(
            SqlState::STATEMENT_TOO_COMPLEX,
            format!("stored procedure calls may nest at most {DEPTH_MAX} levels"),
        )
        .with_hint("Look for a procedure that calls itself without an end.")
        .into());
    }
    match chain.is_nonatomic {
        Some(outer) if outer != routine.nonatomic => Err(blueshift_sql::Error::unsupported(
            format!(
                "calling procedure \"{}\" from one of the other transaction mode",
                routine.name
            ),
            "Make all procedures that call each other NONATOMIC, or none.",
        )
        .into()),
        _ => Ok(()),
    }
}

/// Gives the columns a procedure answers with; `None` if it has no outputs.
fn columns(routine: &Routine) -> Option<Vec<OutputColumn>> {
    let columns: Vec<_> = (1..)
        .zip(routine.outputs())
        .map(|(number, argument)| OutputColumn {
            name: argument
                .name
                .clone()
                .unwrap_or_else(|| format!("column{number}")),
            ty: argument.ty.sql(),
            arrow: argument.ty.sql().arrow(),
        })
        .collect();
    (!columns.is_empty()).then_some(columns)
}

fn answer(routine: &Routine, outputs: &[Value]) -> Result<Body> {
    let Some(columns) = columns(routine) else {
        return Ok(Body::done("CALL"));
    };
    let fields: Vec<_> = columns
        .iter()
        .map(|column| column.ty.field(column.name.as_str(), true))
        .collect();
    let arrays = outputs
        .iter()
        .map(|value| value.scalar.to_array())
        .collect::<Result<Vec<_>, _>>()?;
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(schema.clone(), arrays).map_err(DataFusionError::from)?;
    Ok(Body::Rows {
        columns,
        stream: Box::pin(MemoryStream::try_new(vec![batch], schema, None)?),
        tag: "CALL",
    })
}

/// Tells what a CALL takes and gives, without running it: the types of `$1`... and the columns.
pub fn describe(
    ctx: &mut Context<'_>,
    call: &Call,
) -> Result<(Vec<Option<SqlType>>, Option<Vec<OutputColumn>>)> {
    let names = ctx.names()?;
    let all = routine::named(&names, &call.name, RoutineKind::Procedure)?;
    let count = call.arguments.len();
    let mut fitting = all.iter().filter(|one| one.inputs().count() == count);
    let Some(found) = fitting.next() else {
        return Err(routine::missing(
            &names,
            RoutineKind::Procedure,
            &call.name.name,
            None,
        ));
    };
    // Overloads are told apart once the values are known; until then only what they share is told.
    let is_only = fitting.next().is_none();
    let mut types = Vec::new();
    for (argument, ty) in call.arguments.iter().zip(found.inputs()) {
        let number = argument.text.trim().strip_prefix('$');
        let Some(Ok(number)) = number.map(str::parse::<usize>) else {
            continue;
        };
        if (1..=usize::from(u16::MAX)).contains(&number) {
            if types.len() < number {
                types.resize(number, None);
            }
            if let Some(place) = types.get_mut(number - 1) {
                *place = is_only.then(|| ty.sql());
            }
        }
    }
    Ok((types, columns(found)))
}

/// Gives the results of a nested call with the index of the argument each belongs to.
fn results(called: Called) -> Result<Vec<(usize, Value)>> {
    let arguments = &called.routine.arguments;
    if arguments.iter().any(|one| one.mode == ArgumentMode::Out) {
        return Err(blueshift_sql::Error::unsupported(
            format!(
                "calling procedure \"{}\", which has OUT arguments, from a procedure",
                called.routine.name
            ),
            "Declare the arguments INOUT and pass variables.",
        )
        .into());
    }
    let inputs = arguments.iter().filter(|one| one.mode.is_input());
    let outputs = inputs
        .enumerate()
        .filter(|(_, argument)| argument.mode.is_output())
        .map(|(index, _)| index);
    Ok(outputs.zip(called.outputs).collect())
}
