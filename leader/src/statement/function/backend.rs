//! `pg_cancel_backend`, `pg_terminate_backend`: what CANCEL does, as functions; 1 if there was such a session.

use super::{Arg, SessionFunction, refuse};
use crate::statement::cancel::find;
use crate::statement::names::into_sql;
use crate::system::SystemContext;
use arrow_schema::DataType;
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::{ScalarUDF, Signature, Volatility};
use std::collections::HashMap;
use std::sync::Arc;

/// Adds all of this file. They are volatile: planning a query must not run them.
pub(super) fn add_all(ctx: &Arc<SystemContext>, functions: &mut HashMap<String, Arc<ScalarUDF>>) {
    for (name, is_end) in [("pg_cancel_backend", false), ("pg_terminate_backend", true)] {
        let shared = ctx.clone();
        let function = SessionFunction {
            name,
            signature: Signature::any(1, Volatility::Volatile),
            returns: DataType::Int32,
            body: Arc::new(move |args| stop(&shared, args, is_end)),
        };
        functions.insert(
            name.to_string(),
            Arc::new(ScalarUDF::new_from_impl(function)),
        );
    }
}

fn stop(ctx: &SystemContext, args: &[Arg], is_end: bool) -> Result<ScalarValue> {
    let Some(Arg::Int(pid)) = args.first() else {
        return Ok(ScalarValue::Int32(None));
    };
    let found = find(&ctx.server.history, &ctx.catalog, &ctx.user, *pid)
        .map_err(|error| refuse(into_sql(error)))?;
    if let Some(control) = &found {
        match is_end {
            true => control.terminate(),
            false => control.cancel(None),
        }
        let history = &ctx.server.history;
        history.stopped(*pid, ctx.user.oid, is_end);
    }
    Ok(ScalarValue::Int32(Some(i32::from(found.is_some()))))
}
