//! Functions whose value the session knows: `version()`, `current_user`, `pg_last_copy_count()`, privileges.
//!
//! They are made anew for each statement with their values inside, so a plan that holds one needs no session.

mod array;
mod backend;
mod catalog;
mod definition;
pub(super) mod late_view;
mod mask;
mod priority;
mod privilege;
mod random;
pub(super) mod series;
pub(super) mod timezone;

use super::context::LastStatements;
use crate::catalog::Oid;
use crate::catalog::name::Relation;
use crate::settings::{Change, Scope};
use crate::statement::names::into_sql;
use crate::system::SystemContext;
use arrow::array::{Array, ArrayRef, BooleanArray, Int64Array, StringViewArray};
use arrow_schema::DataType;
use blueshift_sql::{Error, SqlState};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// What `slice_num()` gives on the leader node.
const LEADER_SLICE: i32 = 10_000;

type Body = Arc<dyn Fn(&[Arg]) -> Result<ScalarValue> + Send + Sync>;

/// An argument of one row.
#[derive(Clone, Debug, PartialEq)]
enum Arg {
    Null,
    Text(String),
    Int(i64),
    Bool(bool),
}

/// A function of the session.
struct SessionFunction {
    name: &'static str,
    signature: Signature,
    returns: DataType,
    body: Body,
}

impl std::fmt::Debug for SessionFunction {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("SessionFunction")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl PartialEq for SessionFunction {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for SessionFunction {}

impl Hash for SessionFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for SessionFunction {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        // `::regclass` and its like give the oid of a name, and the name of an oid.
        let is_text = arguments.first().is_some_and(DataType::is_string);
        let is_cast = self.name.starts_with("reg") && !self.name.ends_with("out");
        Ok(match is_cast && is_text {
            true => DataType::Int64,
            false => self.returns.clone(),
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_constant = args
            .args
            .iter()
            .all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if is_constant { 1 } else { args.number_rows };
        let arrays = args
            .args
            .iter()
            .map(|arg| arg.to_array(rows))
            .collect::<Result<Vec<ArrayRef>>>()?;
        let mut values = Vec::with_capacity(rows);
        for row in 0..rows {
            let cells = arrays
                .iter()
                .map(|array| cell(array, row))
                .collect::<Result<Vec<_>>>()?;
            let value = (self.body)(&cells)?;
            values.push(match value.is_null() {
                true => ScalarValue::try_new_null(args.return_field.data_type())?,
                false => value,
            });
        }
        match (is_constant, values.pop()) {
            (true, Some(value)) => Ok(ColumnarValue::Scalar(value)),
            (_, last) => {
                values.extend(last);
                let array = match values.is_empty() {
                    true => arrow::array::new_empty_array(args.return_field.data_type()),
                    false => ScalarValue::iter_to_array(values)?,
                };
                Ok(ColumnarValue::Array(array))
            }
        }
    }
}

fn cell(array: &ArrayRef, row: usize) -> Result<Arg> {
    if array.is_null(row) || array.data_type().is_null() {
        return Ok(Arg::Null);
    }
    let cast = |to: &DataType| arrow::compute::cast(array, to);
    Ok(match array.data_type() {
        DataType::Boolean => {
            let values = array.as_any().downcast_ref::<BooleanArray>();
            values.map_or(Arg::Null, |values| Arg::Bool(values.value(row)))
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            let text = cast(&DataType::Utf8View)?;
            let values = text.as_any().downcast_ref::<StringViewArray>();
            values.map_or(Arg::Null, |values| Arg::Text(values.value(row).to_string()))
        }
        _ => {
            let numbers = cast(&DataType::Int64)?;
            let values = numbers.as_any().downcast_ref::<Int64Array>();
            values.map_or(Arg::Null, |values| Arg::Int(values.value(row)))
        }
    })
}

fn text(value: impl Into<String>) -> ScalarValue {
    ScalarValue::Utf8View(Some(value.into()))
}

fn refuse(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// The function that a session has only after SET SEED.
pub(super) const SOMETIMES: &str = random::NAME;

/// Makes every function of a session.
pub fn session_functions(
    ctx: &Arc<SystemContext>,
    last: LastStatements,
) -> HashMap<String, Arc<ScalarUDF>> {
    let mut functions = HashMap::new();
    let mut add = |name: &'static str, counts: &[usize], returns: DataType, body: Body| {
        let signature = match counts {
            [] => Signature::nullary(Volatility::Stable),
            counts => {
                let any = counts.iter().map(|count| match count {
                    0 => datafusion::logical_expr::TypeSignature::Nullary,
                    count => datafusion::logical_expr::TypeSignature::Any(*count),
                });
                Signature::one_of(any.collect(), Volatility::Stable)
            }
        };
        let function = SessionFunction {
            name,
            signature,
            returns,
            body,
        };
        functions.insert(
            name.to_string(),
            Arc::new(ScalarUDF::new_from_impl(function)),
        );
    };
    let constant = |value: ScalarValue| -> Body { Arc::new(move |_| Ok(value.clone())) };
    let schema_name = |oid: &Oid| {
        ctx.catalog
            .schemas
            .get(oid)
            .map(|schema| schema.name.clone())
    };
    let is_temporary = |name: &String| name.starts_with(crate::server::TEMP_SCHEMA_PREFIX);
    let current_schema = ctx
        .search_path
        .iter()
        .filter_map(schema_name)
        .find(|name| !is_temporary(name));
    let string = DataType::Utf8View;

    add(
        "version",
        &[],
        string.clone(),
        constant(text(crate::settings::VERSION)),
    );
    for name in ["current_user", "user", "session_user", "current_user_name"] {
        add(
            name,
            &[],
            string.clone(),
            constant(text(ctx.user.name.clone())),
        );
    }
    add(
        "current_user_id",
        &[],
        DataType::Int32,
        constant(ScalarValue::Int32(i32::try_from(ctx.user.oid).ok())),
    );
    let shared = ctx.clone();
    add(
        "current_namespace",
        &[],
        string.clone(),
        Arc::new(move |_| {
            let namespace = shared.server.namespace();
            Ok(text(namespace.map_err(|error| refuse(into_sql(error)))?))
        }),
    );
    // What has no table runs on the leader node, whose number this is.
    add(
        "slice_num",
        &[],
        DataType::Int32,
        constant(ScalarValue::Int32(Some(LEADER_SLICE))),
    );
    add(
        "current_schema",
        &[],
        string.clone(),
        constant(ScalarValue::Utf8View(current_schema)),
    );
    let collation = match ctx.connected.case_insensitive {
        true => "case_insensitive",
        false => "case_sensitive",
    };
    add(
        "db_collation",
        &[],
        string.clone(),
        constant(text(collation.to_owned())),
    );
    for name in ["current_database", "current_catalog"] {
        add(
            name,
            &[],
            string.clone(),
            constant(text(ctx.connected.name.clone())),
        );
    }
    add(
        "pg_backend_pid",
        &[],
        DataType::Int32,
        constant(ScalarValue::Int32(Some(ctx.pid))),
    );
    let started =
        ScalarValue::TimestampMicrosecond(Some(ctx.server.started_us), Some("UTC".into()));
    add(
        "pg_postmaster_start_time",
        &[],
        started.data_type(),
        constant(started),
    );
    let began = ScalarValue::TimestampMicrosecond(
        Some(ctx.transaction_us),
        Some(ctx.settings.zone().engine_name().into()),
    );
    add(
        "blueshift_transaction_time",
        &[],
        began.data_type(),
        constant(began),
    );
    let count = |value: i64| constant(ScalarValue::Int64(Some(value)));
    add(
        "pg_last_copy_count",
        &[],
        DataType::Int64,
        count(last.copy_count),
    );
    add(
        "pg_last_copy_id",
        &[],
        DataType::Int64,
        count(last.copy_id.unwrap_or(-1)),
    );
    add(
        "pg_last_query_id",
        &[],
        DataType::Int64,
        count(last.query_id.unwrap_or(-1)),
    );
    add(
        "last_user_query_id",
        &[],
        DataType::Int64,
        count(last.query_id.unwrap_or(-1)),
    );
    add(
        "pg_last_unload_id",
        &[],
        DataType::Int64,
        count(last.unload_id.unwrap_or(-1)),
    );
    add(
        "pg_last_unload_count",
        &[],
        DataType::Int64,
        count(last.unload_count),
    );

    let shared = ctx.clone();
    add(
        "current_setting",
        &[1, 2],
        string.clone(),
        Arc::new(move |args| current_setting(&shared, args)),
    );
    let shared = ctx.clone();
    add(
        "set_config",
        &[3],
        string.clone(),
        Arc::new(move |args| set_config(&shared, args)),
    );
    let shared = ctx.clone();
    add(
        "pg_get_userbyid",
        &[1],
        string.clone(),
        Arc::new(move |args| Ok(user_by_id(&shared, args))),
    );
    let shared = ctx.clone();
    add(
        "pg_table_is_visible",
        &[1],
        DataType::Boolean,
        Arc::new(move |args| Ok(is_visible(&shared, args))),
    );
    let shared = ctx.clone();
    add(
        "obj_description",
        &[1, 2],
        string.clone(),
        Arc::new(move |args| Ok(description(&shared, args, 0))),
    );
    let shared = ctx.clone();
    add(
        "col_description",
        &[2],
        string,
        Arc::new(move |args| {
            let column = match args.get(1) {
                Some(Arg::Int(column)) => u32::try_from(*column).unwrap_or(u32::MAX),
                _ => u32::MAX,
            };
            Ok(description(&shared, args, column))
        }),
    );
    array::add_all(ctx, &mut add);
    definition::add_all(ctx, &mut add);
    privilege::add_all(ctx, &mut add);
    mask::add_all(ctx, &mut add);
    catalog::add_all(ctx, &mut add);
    backend::add_all(ctx, &mut functions);
    priority::add_all(ctx, &mut functions);
    random::add(ctx, &mut functions);
    crate::system::function::tell(&functions);
    functions
}

fn current_setting(ctx: &SystemContext, args: &[Arg]) -> Result<ScalarValue> {
    let Some(Arg::Text(name)) = args.first() else {
        return Ok(ScalarValue::Utf8View(None));
    };
    let missing_ok = args.get(1) == Some(&Arg::Bool(true));
    if name.eq_ignore_ascii_case(crate::wlm::config::PARAMETER) {
        return Ok(text(&*ctx.server.wlm.config().text));
    }
    match ctx.settings.show(name) {
        Ok(value) => Ok(text(value)),
        Err(_) if missing_ok => Ok(ScalarValue::Utf8View(None)),
        Err(error) => Err(refuse(error)),
    }
}

/// Notes the change, which the session makes when the statement has succeeded, and gives the value as SHOW will.
fn set_config(ctx: &SystemContext, args: &[Arg]) -> Result<ScalarValue> {
    let [Arg::Text(name), value, local] = args else {
        return Err(refuse(Error::new(
            SqlState::INVALID_PARAMETER_VALUE,
            "set_config() needs the name of a parameter",
        )));
    };
    let value = match value {
        Arg::Text(text) => text.clone(),
        Arg::Int(number) => number.to_string(),
        Arg::Bool(on) => on.to_string(),
        Arg::Null => ctx.settings.get(name).unwrap_or_default().to_string(),
    };
    let scope = match local {
        Arg::Bool(true) | Arg::Int(1) => Scope::Local,
        Arg::Text(text) if ["true", "1", "t"].contains(&text.as_str()) => Scope::Local,
        _ => Scope::Session,
    };
    let mut after = ctx.settings.clone();
    after
        .set(name, std::slice::from_ref(&value), scope)
        .map_err(refuse)?;
    let change = Change {
        name: name.clone(),
        value,
        scope,
    };
    crate::history::lock(&ctx.asked).push(change);
    Ok(text(after.get(name).unwrap_or_default()))
}

fn user_by_id(ctx: &SystemContext, args: &[Arg]) -> ScalarValue {
    let Some(Arg::Int(id)) = args.first() else {
        return ScalarValue::Utf8View(None);
    };
    let user = u32::try_from(*id)
        .ok()
        .and_then(|oid| ctx.catalog.users.get(&oid));
    text(user.map_or_else(|| format!("unknown (OID={id})"), |user| user.name.clone()))
}

fn is_visible(ctx: &SystemContext, args: &[Arg]) -> ScalarValue {
    let Some(Arg::Int(oid)) = args.first() else {
        return ScalarValue::Boolean(None);
    };
    let oid = u32::try_from(*oid).unwrap_or_default();
    let visible = match ctx.catalog.relation(oid) {
        // Visible if the first relation of this name on the path is this one.
        Some(relation) => {
            let path = ctx.search_path.iter();
            let mut found =
                path.filter_map(|schema| ctx.catalog.relation_named(*schema, relation.name()));
            found.next().is_some_and(|first| first.oid() == oid)
        }
        None => match ctx.catalog.table_of_derived(oid) {
            // A key's index is seen where its table is.
            Some(table) => return is_visible(ctx, &[Arg::Int(i64::from(table.oid))]),
            None => {
                crate::system::find_oid(oid).is_some_and(|table| table.schema() == "pg_catalog")
            }
        },
    };
    ScalarValue::Boolean(Some(visible))
}

fn description(ctx: &SystemContext, args: &[Arg], column: u32) -> ScalarValue {
    let oid = match args.first() {
        Some(Arg::Int(oid)) => u32::try_from(*oid).unwrap_or_default(),
        _ => return ScalarValue::Utf8View(None),
    };
    ScalarValue::Utf8View(ctx.catalog.comment(oid, column).cloned())
}

/// Splits a name as SQL writes it: parts in quotes lose them, and names are folded as the session has it.
fn name_parts(ctx: &SystemContext, name: &str) -> Vec<String> {
    let keeps_case = ctx.settings.is_on("enable_case_sensitive_identifier");
    let (mut parts, mut is_quoted) = (vec![String::new()], false);
    let mut letters = name.chars().peekable();
    while let Some(letter) = letters.next() {
        let Some(part) = parts.last_mut() else {
            break;
        };
        match letter {
            '"' if is_quoted && letters.peek() == Some(&'"') => part.extend(letters.next()),
            '"' => is_quoted = !is_quoted,
            '.' if !is_quoted => parts.push(String::new()),
            letter if is_quoted && keeps_case => part.push(letter),
            letter => part.extend(letter.to_lowercase()),
        }
    }
    parts
}

fn relation_by_text(ctx: &SystemContext, name: &str) -> Result<Relation> {
    let parts = name_parts(ctx, name);
    let found = match parts.as_slice() {
        [.., schema, name] => {
            let schema = ctx.catalog.schema_named(schema);
            schema.and_then(|schema| ctx.catalog.relation_named(schema.oid, name))
        }
        [name] => {
            let mut path = ctx.search_path.iter();
            path.find_map(|schema| ctx.catalog.relation_named(*schema, name))
        }
        [] => None,
    };
    found.ok_or_else(|| {
        refuse(Error::new(
            SqlState::UNDEFINED_TABLE,
            format!("relation \"{name}\" does not exist"),
        ))
    })
}
