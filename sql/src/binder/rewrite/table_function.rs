//! Functions in FROM: `SELECT * FROM current_database()`, `PG_GET_COLS('t') cols(a name, ...)`.

use crate::error::{Error, Result};
use crate::statement::query::Query as Parsed;
use sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Select, SelectItem, SetExpr,
    TableAlias, TableFactor, Value,
};

/// Functions that give one value, which drivers and tools ask for as a table.
const SCALARS: &[&str] = &[
    "current_catalog",
    "current_database",
    "current_schema",
    "current_setting",
    "current_user_id",
    "getdate",
    "now",
    "pg_backend_pid",
    "version",
];

/// The columns of late-binding views, as a table of five columns.
const LATE_COLUMNS: &str = "pg_get_late_binding_view_cols";

/// Functions of rows that may stand in a select list, with what they give as one text.
const LISTED: &[(&str, &str)] = &[
    (LATE_COLUMNS, COLUMN),
    ("pg_get_cols", COLUMN),
    (
        "pg_timezone_abbrevs",
        "abbrev || ',' || CAST(utc_offset AS varchar) || ',' || \
         CASE WHEN is_dst THEN 't' ELSE 'f' END",
    ),
    (
        "pg_timezone_names",
        "name || ',' || abbrev || ',' || CAST(utc_offset AS varchar) || ',' || \
         CASE WHEN is_dst THEN 't' ELSE 'f' END",
    ),
];

/// A column of a view as one text.
const COLUMN: &str = "view_schema || ',' || view_name || ',' || col_name || ',' || \
     CASE WHEN col_type ~ '[ ,()]' THEN '\"' || col_type || '\"' ELSE col_type END || ',' || \
     CAST(col_num AS varchar)";

/// `SELECT pg_get_late_binding_view_cols()` gives its rows as texts.
pub(super) fn rewrite_list(select: &mut Select) -> Result<()> {
    let [SelectItem::UnnamedExpr(Expr::Function(call))] = &select.projection[..] else {
        return Ok(());
    };
    let name = call.name.to_string().to_lowercase();
    let name = name.strip_prefix("pg_catalog.").unwrap_or(&name);
    let known = LISTED.iter().find(|(function, _)| *function == name);
    let (Some((name, row)), true) = (known, select.from.is_empty()) else {
        return Ok(());
    };
    let source = match (*name, &call.args) {
        ("pg_get_cols", FunctionArguments::List(list)) => {
            format!("({}) AS {name}", columns_of(&list.args)?)
        }
        (name, _) => format!("{name}()"),
    };
    let text = format!("SELECT '(' || {row} || ')' AS {name} FROM {source}");
    let query = Parsed::parse(&text)?;
    if let SetExpr::Select(made) = *query.tree.body {
        *select = *made;
    }
    Ok(())
}

/// The function of a set of numbers.
const SERIES: &str = "generate_series";

fn is_series(expr: &Expr) -> bool {
    matches!(expr, Expr::Function(call) if call.over.is_none()
        && call.name.to_string().eq_ignore_ascii_case(SERIES))
}

/// `SELECT generate_series(1, 3)` is called as the function is.
pub(super) fn name_series(select: &mut Select) {
    for item in &mut select.projection {
        if let SelectItem::UnnamedExpr(expr) = item
            && is_series(expr)
        {
            *item = SelectItem::ExprWithAlias {
                expr: expr.clone(),
                alias: Ident::new(SERIES),
            };
        }
    }
}

/// `generate_series(1, 3)` within an expression gives a row for each number.
pub(super) fn rewrite_series(expr: &mut Expr) {
    if is_series(expr) {
        *expr = super::call("unnest", vec![expr.clone()]);
    }
}

pub(super) fn rewrite(factor: &mut TableFactor) -> Result<()> {
    let TableFactor::Table {
        name,
        args: Some(args),
        alias,
        ..
    } = factor
    else {
        return Ok(());
    };
    let function = name.to_string().to_lowercase();
    let function = function.strip_prefix("pg_catalog.").unwrap_or(&function);
    let text = match function {
        name if SCALARS.contains(&name) => format!("SELECT {name}() AS {name}"),
        "pg_get_cols" => columns_of(&args.args)?,
        LATE_COLUMNS
            if alias
                .as_ref()
                .is_some_and(|alias| !alias.columns.is_empty()) =>
        {
            format!(
                "SELECT view_schema, view_name, col_name, col_type, col_num FROM {LATE_COLUMNS}()"
            )
        }
        _ => {
            // The engine takes the first part of a name for the whole.
            if name.0.len() > 1 && name.to_string().to_lowercase().starts_with("pg_catalog.") {
                name.0.remove(0);
            }
            return Ok(());
        }
    };
    let mut query = Parsed::parse(&text)?;
    if SCALARS.contains(&function)
        && let SetExpr::Select(select) = query.tree.body.as_mut()
        && let Some(SelectItem::ExprWithAlias {
            expr: Expr::Function(call),
            ..
        }) = select.projection.first_mut()
        && let FunctionArguments::List(list) = &mut call.args
    {
        list.args.clone_from(&args.args);
    }
    let mut alias = alias.take().unwrap_or_else(|| TableAlias {
        explicit: true,
        name: Ident::with_quote('"', function),
        columns: Vec::new(),
        at: None,
    });
    // The types are those the function gives.
    for column in &mut alias.columns {
        column.data_type = None;
    }
    *factor = TableFactor::Derived {
        lateral: false,
        subquery: Box::new(query.tree.as_ref().clone()),
        alias: Some(alias),
        sample: None,
    };
    Ok(())
}

/// The columns of one table or view; its name may have a schema before it.
fn columns_of(args: &[FunctionArg]) -> Result<String> {
    let name = match args {
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(value)))] => match &value.value {
            Value::SingleQuotedString(name) => Some(name.to_lowercase()),
            _ => None,
        },
        _ => None,
    };
    let Some(name) = name else {
        return Err(Error::unsupported(
            "PG_GET_COLS of this",
            "Write PG_GET_COLS('name') with the name of a table or view as a constant",
        ));
    };
    let (schema, relation) = match name.rsplit_once('.') {
        Some((schema, relation)) => (Some(schema), relation),
        None => (None, name.as_str()),
    };
    let literal = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"));
    let of_schema = match schema {
        Some(schema) => format!("n.nspname = {}", literal(schema)),
        None => "pg_table_is_visible(c.oid)".to_owned(),
    };
    Ok(format!(
        "SELECT n.nspname AS view_schema, c.relname AS view_name, a.attname AS col_name, \
         format_type(a.atttypid, a.atttypmod) AS col_type, a.attnum AS col_num \
         FROM pg_catalog.pg_class c \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid \
         WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'v') AND {of_schema} AND c.relname = {}",
        literal(relation)
    ))
}
