//! Functions over the catalog's oids, as psql and drivers ask for them: types, sizes, definitions, `::regclass`.

use super::{Arg, Body, refuse, relation_by_text, text};
use crate::catalog::name::Relation;
use crate::system::SystemContext;
use arrow_schema::DataType;
use blueshift_sql::{Error, SqlState, SqlType};
use blueshift_storage::TableId;
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use std::sync::Arc;

/// What PostgreSQL adds to a length to make a type modifier.
const MODIFIER_BASE: i64 = 4;
/// Units of `pg_size_pretty`, each 1 024 of the one before.
const SIZE_UNITS: [&str; 5] = ["bytes", "KB", "MB", "GB", "TB"];
/// A size stays in its unit up to this many of them.
const SIZE_UNIT_MAX: i64 = 10 * 1024;

/// Adds a function: name, counts of arguments, type, body.
pub(super) type Add<'a> = dyn FnMut(&'static str, &[usize], DataType, Body) + 'a;

/// Adds all of this file.
pub(super) fn add_all(ctx: &Arc<SystemContext>, add: &mut Add<'_>) {
    let string = DataType::Utf8View;
    let with = |body: fn(&SystemContext, &[Arg]) -> Result<ScalarValue>| -> Body {
        let shared = ctx.clone();
        Arc::new(move |args| body(&shared, args))
    };
    add("format_type", &[2], string.clone(), with(format_type));
    add(
        "pg_encoding_to_char",
        &[1],
        string.clone(),
        with(encoding_name),
    );
    // Arrays and expressions of the catalogs are kept as text.
    add("array_to_string", &[2, 3], string.clone(), with(kept_text));
    add("pg_get_expr", &[2, 3], string.clone(), with(kept_text));
    add("pg_get_viewdef", &[1, 2], string.clone(), with(view_text));
    add("pg_size_pretty", &[1], string.clone(), with(size_pretty));
    for name in [
        "pg_table_size",
        "pg_relation_size",
        "pg_total_relation_size",
    ] {
        add(name, &[1], DataType::Int64, with(table_bytes));
    }
    add("regclass", &[1], string.clone(), with(regclass));
    add("regtype", &[1], string.clone(), with(regtype));
    add("regnamespace", &[1], string, with(regnamespace));
}

fn oid(arg: Option<&Arg>) -> Option<u32> {
    match arg {
        Some(Arg::Int(oid)) => u32::try_from(*oid).ok(),
        _ => None,
    }
}

fn null() -> ScalarValue {
    ScalarValue::Null
}

fn format_type(_: &SystemContext, args: &[Arg]) -> Result<ScalarValue> {
    let Some(oid) = oid(args.first()) else {
        return Ok(null());
    };
    let modifier = match args.get(1) {
        Some(Arg::Int(modifier)) if *modifier >= MODIFIER_BASE => Some(modifier - MODIFIER_BASE),
        _ => None,
    };
    let Some(ty) = SqlType::from_oid(oid) else {
        return Ok(text(if oid == 0 { "-" } else { "???" }));
    };
    let length = modifier.and_then(|modifier| u32::try_from(modifier).ok());
    let ty = match (ty, length) {
        (SqlType::Char(_), Some(length)) => SqlType::Char(length),
        (SqlType::Varchar(_), Some(length)) => SqlType::Varchar(length),
        (SqlType::Varbyte(_), Some(length)) => SqlType::Varbyte(length),
        (SqlType::Decimal { .. }, Some(packed)) => SqlType::Decimal {
            precision: u8::try_from(packed >> 16).unwrap_or(u8::MAX),
            scale: i8::try_from(packed & 0xffff).unwrap_or(i8::MAX),
        },
        (ty, _) => ty,
    };
    let shown = ty.display();
    let shown = match length {
        Some(_) => shown,
        // Without a modifier the type has no length.
        None => shown.split('(').next().unwrap_or_default().to_string(),
    };
    Ok(text(shown))
}

/// PostgreSQL's number of the one encoding.
const UTF8: i64 = 6;

fn encoding_name(_: &SystemContext, args: &[Arg]) -> Result<ScalarValue> {
    Ok(match args.first() {
        Some(Arg::Int(UTF8)) => text("UTF8"),
        Some(Arg::Int(_)) => text(""),
        _ => null(),
    })
}

fn kept_text(_: &SystemContext, args: &[Arg]) -> Result<ScalarValue> {
    Ok(match args.first() {
        Some(Arg::Text(kept)) => text(kept.clone()),
        _ => null(),
    })
}

fn view_text(ctx: &SystemContext, args: &[Arg]) -> Result<ScalarValue> {
    let relation = match args.first() {
        Some(Arg::Text(name)) => Some(relation_by_text(ctx, name)?),
        other => oid(other).and_then(|oid| ctx.catalog.relation(oid)),
    };
    Ok(match relation {
        Some(Relation::View(view)) => text(view.text.clone()),
        _ => null(),
    })
}

fn size_pretty(_: &SystemContext, args: &[Arg]) -> Result<ScalarValue> {
    let Some(Arg::Int(bytes)) = args.first() else {
        return Ok(null());
    };
    let mut size = *bytes;
    let mut shown = "bytes";
    for unit in SIZE_UNITS {
        shown = unit;
        if size.abs() < SIZE_UNIT_MAX {
            break;
        }
        if unit != "TB" {
            size = (size + 512) / 1024;
        }
    }
    Ok(text(format!("{size} {shown}")))
}

fn table_bytes(ctx: &SystemContext, args: &[Arg]) -> Result<ScalarValue> {
    let relation = match args.first() {
        Some(Arg::Text(name)) => relation_by_text(ctx, name)?.oid(),
        other => match oid(other) {
            Some(oid) => oid,
            None => return Ok(null()),
        },
    };
    // Views and system tables keep nothing.
    let table = ctx.view.tables.get(&TableId(u64::from(relation)));
    let bytes: u64 = table.map_or(0, |table| {
        let groups = table.row_groups.iter();
        groups.map(|group| group.record.file_bytes).sum()
    });
    Ok(ScalarValue::Int64(i64::try_from(bytes).ok()))
}

/// The oid of a name, or the name of an oid with its schema where the search path does not lead there.
fn regclass(ctx: &SystemContext, args: &[Arg]) -> Result<ScalarValue> {
    if let Some(Arg::Text(name)) = args.first() {
        if let Ok(oid) = name.parse::<u32>() {
            return Ok(ScalarValue::Int64(Some(i64::from(oid))));
        }
        let system = name.strip_prefix("pg_catalog.").unwrap_or(name);
        let oid = match crate::system::find("pg_catalog", system) {
            Some(table) => crate::system::oid(table),
            None => relation_by_text(ctx, name)?.oid(),
        };
        return Ok(ScalarValue::Int64(Some(i64::from(oid))));
    }
    let Some(oid) = oid(args.first()) else {
        return Ok(null());
    };
    if let Some(relation) = ctx.catalog.relation(oid) {
        let mut path = ctx.search_path.iter();
        let first = path.find_map(|schema| ctx.catalog.relation_named(*schema, relation.name()));
        let is_visible = first.is_some_and(|first| first.oid() == oid);
        let schema = ctx.catalog.schemas.get(&relation.schema());
        return Ok(text(match (is_visible, schema) {
            (false, Some(schema)) => format!("{}.{}", schema.name, relation.name()),
            _ => relation.name().to_string(),
        }));
    }
    let mut tables = crate::system::TABLES.iter();
    let system = tables.find(|table| crate::system::oid(**table) == oid);
    Ok(text(system.map_or_else(
        || oid.to_string(),
        |table| table.name().to_string(),
    )))
}

fn regtype(ctx: &SystemContext, args: &[Arg]) -> Result<ScalarValue> {
    match args.first() {
        Some(Arg::Text(name)) => {
            let name = name.strip_prefix("pg_catalog.").unwrap_or(name);
            let ty = SqlType::parse(&name.to_lowercase()).map_err(refuse)?;
            Ok(ScalarValue::Int64(Some(i64::from(ty.oid()))))
        }
        Some(number @ Arg::Int(_)) => format_type(ctx, std::slice::from_ref(number)),
        _ => Ok(null()),
    }
}

fn regnamespace(ctx: &SystemContext, args: &[Arg]) -> Result<ScalarValue> {
    if let Some(Arg::Text(name)) = args.first() {
        let schema = ctx.catalog.schema_named(name).ok_or_else(|| {
            refuse(Error::new(
                SqlState::INVALID_SCHEMA_NAME,
                format!("schema \"{name}\" does not exist"),
            ))
        })?;
        return Ok(ScalarValue::Int64(Some(i64::from(schema.oid))));
    }
    let Some(oid) = oid(args.first()) else {
        return Ok(null());
    };
    let schema = ctx.catalog.schemas.get(&oid);
    Ok(text(schema.map_or_else(
        || oid.to_string(),
        |schema| schema.name.clone(),
    )))
}
