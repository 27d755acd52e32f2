//! Functions over the catalog's oids, as psql and drivers ask for them: types, sizes, definitions, `::regclass`.

use super::{Arg, Body, name_parts, refuse, relation_by_text, text};
use crate::catalog::name::Relation;
use crate::catalog::routine::Routine;
use crate::system::SystemContext;
use crate::system::function::FunctionFacts;
use crate::system::pg_catalog::pg_proc;
use crate::system::pg_catalog::pg_type::{ANY_OID, pseudo_oid};
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
    // Expressions of the catalogs are kept as text.
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
    add("regnamespace", &[1], string.clone(), with(regnamespace));
    add("regproc", &[1], string.clone(), with(regproc));
    add("regprocedure", &[1], string.clone(), with(regprocedure));
    // `::regclass::text` is a name, whatever the cast began with.
    add(
        "blueshift_regclass_name",
        &[1],
        string.clone(),
        with(|ctx, args| name_of(regclass, ctx, args)),
    );
    add(
        "blueshift_regtype_name",
        &[1],
        string.clone(),
        with(|ctx, args| name_of(regtype, ctx, args)),
    );
    add(
        "blueshift_regnamespace_name",
        &[1],
        string.clone(),
        with(|ctx, args| name_of(regnamespace, ctx, args)),
    );
    add(
        "blueshift_regproc_name",
        &[1],
        string.clone(),
        with(|ctx, args| name_of(regproc, ctx, args)),
    );
    add(
        "blueshift_regprocedure_name",
        &[1],
        string.clone(),
        with(|ctx, args| name_of(regprocedure, ctx, args)),
    );
    // What PostgreSQL writes and reads such names with; scripts of administrators call them.
    for name in ["regprocedureout", "regprocout", "regclassout", "textin"] {
        add(name, &[1], string.clone(), with(kept_text));
    }
    // All tables lie in the data directory.
    add(
        "pg_tablespace_location",
        &[1],
        string.clone(),
        with(|_, _| Ok(text(""))),
    );
    add(
        "getdatabaseencoding",
        &[],
        string.clone(),
        with(|_, _| Ok(text("UTF8"))),
    );
    add(
        "pg_char_to_encoding",
        &[1],
        DataType::Int32,
        with(encoding_number),
    );
    add(
        "pg_database_size",
        &[1],
        DataType::Int64,
        with(database_bytes),
    );
    add(
        "pg_tablespace_size",
        &[1],
        DataType::Int64,
        with(database_bytes),
    );
    add(
        "shobj_description",
        &[2],
        string.clone(),
        with(shared_description),
    );
    add(
        "pg_is_other_temp_schema",
        &[1],
        DataType::Boolean,
        with(is_other_temporary),
    );
    add(
        "pg_my_temp_schema",
        &[],
        DataType::Int64,
        with(own_temporary),
    );
    // Types, functions and their like are all in `pg_catalog`, which is always searched.
    for name in [
        "pg_type_is_visible",
        "pg_function_is_visible",
        "pg_operator_is_visible",
        "pg_opclass_is_visible",
        "pg_opfamily_is_visible",
        "pg_conversion_is_visible",
        "pg_collation_is_visible",
        "pg_ts_config_is_visible",
        "pg_ts_dict_is_visible",
        "pg_ts_parser_is_visible",
        "pg_ts_template_is_visible",
        "pg_statistics_obj_is_visible",
    ] {
        add(name, &[1], DataType::Boolean, with(is_in_catalog));
    }
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
        return Ok(text(match oid {
            0 => "-",
            ANY_OID => "\"any\"",
            _ => "???",
        }));
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
        Some(Relation::View(view)) => text(view.definition().to_owned()),
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

/// What a cast to a kind of names shows as a text: the name, also where it was given a name.
fn name_of(
    cast: fn(&SystemContext, &[Arg]) -> Result<ScalarValue>,
    ctx: &SystemContext,
    args: &[Arg],
) -> Result<ScalarValue> {
    match (args.first(), cast(ctx, args)?) {
        (Some(Arg::Text(_)), ScalarValue::Int64(Some(oid))) => cast(ctx, &[Arg::Int(oid)]),
        (_, shown) => Ok(shown),
    }
}

/// The oid of a name, or the name of an oid with its schema where the search path does not lead there.
fn regclass(ctx: &SystemContext, args: &[Arg]) -> Result<ScalarValue> {
    if let Some(Arg::Text(name)) = args.first() {
        if let Ok(oid) = name.parse::<u32>() {
            return Ok(ScalarValue::Int64(Some(i64::from(oid))));
        }
        let parts = name_parts(ctx, name);
        let system = match parts.as_slice() {
            [bare] => crate::system::find("pg_catalog", bare),
            [.., schema, bare] => crate::system::find(schema, bare),
            [] => None,
        };
        let oid = match system {
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
    if let Some(table) = crate::system::find_oid(oid) {
        return Ok(text(match table.schema() {
            "pg_catalog" => table.name().to_string(),
            schema => format!("{schema}.{}", table.name()),
        }));
    }
    let key = ctx.catalog.table_of_derived(oid).and_then(|table| {
        let mut named = table.named_constraints().into_iter();
        named.find(|key| key.index == Some(oid)).map(|key| key.name)
    });
    Ok(text(key.unwrap_or_else(|| oid.to_string())))
}

fn regtype(ctx: &SystemContext, args: &[Arg]) -> Result<ScalarValue> {
    match args.first() {
        Some(Arg::Text(name)) => {
            let name = name.strip_prefix("pg_catalog.").unwrap_or(name);
            if let Some(oid) = pseudo_oid(name.trim_matches('"')) {
                return Ok(ScalarValue::Int64(Some(i64::from(oid))));
            }
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

/// The oid of a function's name, or the name of a function's oid.
fn regproc(ctx: &SystemContext, args: &[Arg]) -> Result<ScalarValue> {
    routine(
        ctx,
        args,
        |facts| facts.name.clone(),
        |own| own.name.clone(),
    )
}

/// The oid of a function's name, or the name of a function's oid with the types of its arguments.
fn regprocedure(ctx: &SystemContext, args: &[Arg]) -> Result<ScalarValue> {
    let shown = |facts: &FunctionFacts| format!("{}({})", facts.name, facts.arguments_shown());
    routine(ctx, args, shown, Routine::signature)
}

fn routine(
    ctx: &SystemContext,
    args: &[Arg],
    shown: impl Fn(&FunctionFacts) -> String,
    own_shown: impl Fn(&Routine) -> String,
) -> Result<ScalarValue> {
    if let Some(Arg::Text(name)) = args.first() {
        let bare = name.split('(').next().unwrap_or_default().trim();
        let bare = bare.strip_prefix("pg_catalog.").unwrap_or(bare);
        let oid = pg_proc::oid_named(ctx, bare).ok_or_else(|| {
            refuse(Error::new(
                SqlState::UNDEFINED_FUNCTION,
                format!("function \"{name}\" does not exist"),
            ))
        })?;
        return Ok(ScalarValue::Int64(Some(i64::from(oid))));
    }
    let Some(oid) = oid(args.first()) else {
        return Ok(null());
    };
    if let Some(own) = ctx.catalog.routines.get(&oid) {
        return Ok(text(own_shown(own)));
    }
    let mut all = crate::system::function::all(ctx).iter();
    let found = all.find(|facts| facts.oid == oid);
    Ok(text(match (found, oid) {
        (Some(facts), _) => shown(facts),
        (None, 0) => "-".to_string(),
        (None, oid) => oid.to_string(),
    }))
}

fn encoding_number(_: &SystemContext, args: &[Arg]) -> Result<ScalarValue> {
    let Some(Arg::Text(name)) = args.first() else {
        return Ok(null());
    };
    let is_utf8 = ["utf8", "utf-8", "unicode"].contains(&name.to_lowercase().as_str());
    let number = if is_utf8 { UTF8 } else { -1 };
    Ok(ScalarValue::Int32(i32::try_from(number).ok()))
}

fn database_bytes(ctx: &SystemContext, args: &[Arg]) -> Result<ScalarValue> {
    if matches!(args.first(), None | Some(Arg::Null)) {
        return Ok(null());
    }
    let groups = ctx.view.tables.values();
    let groups = groups.flat_map(|table| table.row_groups.iter());
    let bytes: u64 = groups.map(|group| group.record.file_bytes).sum();
    Ok(ScalarValue::Int64(i64::try_from(bytes).ok()))
}

/// Comments on databases: oids are unique across kinds here.
fn shared_description(ctx: &SystemContext, args: &[Arg]) -> Result<ScalarValue> {
    let comment = oid(args.first()).and_then(|oid| ctx.catalog.comments.get(&(oid, 0)));
    Ok(ScalarValue::Utf8View(comment.cloned()))
}

fn is_temporary(schema: &str) -> bool {
    schema.starts_with(crate::server::TEMP_SCHEMA_PREFIX)
}

fn is_other_temporary(ctx: &SystemContext, args: &[Arg]) -> Result<ScalarValue> {
    let Some(oid) = oid(args.first()) else {
        return Ok(null());
    };
    let schema = ctx.catalog.schemas.get(&oid);
    let is_other =
        schema.is_some_and(|schema| is_temporary(&schema.name)) && !ctx.search_path.contains(&oid);
    Ok(ScalarValue::Boolean(Some(is_other)))
}

fn own_temporary(ctx: &SystemContext, _: &[Arg]) -> Result<ScalarValue> {
    let mut path = ctx.search_path.iter();
    let own = path.find(|oid| {
        let schema = ctx.catalog.schemas.get(oid);
        schema.is_some_and(|schema| is_temporary(&schema.name))
    });
    Ok(ScalarValue::Int64(Some(
        own.map_or(0, |oid| i64::from(*oid)),
    )))
}

fn is_in_catalog(_: &SystemContext, args: &[Arg]) -> Result<ScalarValue> {
    Ok(match oid(args.first()) {
        Some(oid) => ScalarValue::Boolean(Some(oid != 0)),
        None => null(),
    })
}
