//! Functions over the catalogs' arrays, which are kept as text: `{1,2}`, or `1 2` for the vectors of `pg_index`.

use super::catalog::Add;
use super::{Arg, Body, text};
use crate::system::SystemContext;
use arrow_schema::DataType;
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use std::sync::Arc;

/// Adds all of this file.
pub(super) fn add_all(ctx: &Arc<SystemContext>, add: &mut Add<'_>) {
    let string = DataType::Utf8View;
    let pure = |body: fn(&[Arg]) -> Result<ScalarValue>| -> Body { Arc::new(body) };
    add("array_to_string", &[2, 3], string.clone(), pure(joined));
    add("array_upper", &[2], DataType::Int32, pure(upper));
    add("array_lower", &[2], DataType::Int32, pure(lower));
    add("blueshift_array_item", &[1], string.clone(), pure(item));
    add(
        "blueshift_array_prefixed",
        &[2],
        string.clone(),
        pure(prefixed),
    );
    add("blueshift_array_has", &[2], DataType::Boolean, pure(has));
    add(
        "blueshift_array_element",
        &[2],
        string.clone(),
        pure(element),
    );
    add(
        "blueshift_array_number",
        &[2],
        DataType::Int64,
        pure(number),
    );
    add("blueshift_array_place", &[2], DataType::Int64, pure(place));
    let shared = ctx.clone();
    let schemas: Body = Arc::new(move |args| Ok(current_schemas(&shared, args)));
    add("current_schemas", &[1], string, schemas);
}

/// An array or a vector.
struct Array {
    items: Vec<String>,
    /// The subscript of the first: 1, and 0 in vectors.
    first: i64,
}

fn array(arg: Option<&Arg>) -> Option<Array> {
    let Some(Arg::Text(kept)) = arg else {
        return None;
    };
    let kept = kept.trim();
    let Some(inner) = kept
        .strip_prefix('{')
        .and_then(|kept| kept.strip_suffix('}'))
    else {
        let items = kept.split_whitespace().map(str::to_string).collect();
        return Some(Array { items, first: 0 });
    };
    Some(Array {
        items: items(inner),
        first: 1,
    })
}

/// Splits at commas outside quotes, and takes quotes and backslashes away.
fn items(inner: &str) -> Vec<String> {
    let mut items = Vec::new();
    if inner.is_empty() {
        return items;
    }
    let mut item = String::new();
    let mut is_quoted = false;
    let mut letters = inner.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => item.extend(letters.next()),
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => items.push(std::mem::take(&mut item)),
            letter => item.push(letter),
        }
    }
    items.push(item);
    items
}

fn quoted(item: &str) -> String {
    let is_special = |letter: char| letter.is_whitespace() || "{},\"\\".contains(letter);
    if !item.is_empty() && !item.contains(is_special) && !item.eq_ignore_ascii_case("null") {
        return item.to_string();
    }
    format!("\"{}\"", item.replace('\\', "\\\\").replace('"', "\\\""))
}

fn written(items: &[String]) -> String {
    let items: Vec<_> = items.iter().map(|item| quoted(item)).collect();
    format!("{{{}}}", items.join(","))
}

fn shown(arg: &Arg) -> Option<String> {
    match arg {
        Arg::Null => None,
        Arg::Text(text) => Some(text.clone()),
        Arg::Int(number) => Some(number.to_string()),
        Arg::Bool(truth) => Some(if *truth { "t" } else { "f" }.to_string()),
    }
}

fn joined(args: &[Arg]) -> Result<ScalarValue> {
    let joined = match (array(args.first()), args.get(1)) {
        (Some(array), Some(Arg::Text(between))) => Some(array.items.join(between)),
        _ => None,
    };
    Ok(ScalarValue::Utf8View(joined))
}

fn upper(args: &[Arg]) -> Result<ScalarValue> {
    let array = array(args.first()).filter(|array| !array.items.is_empty());
    let last = array.and_then(|array| {
        let count = i64::try_from(array.items.len()).ok()?;
        i32::try_from(array.first + count - 1).ok()
    });
    Ok(ScalarValue::Int32(last))
}

fn lower(args: &[Arg]) -> Result<ScalarValue> {
    let array = array(args.first()).filter(|array| !array.items.is_empty());
    let first = array.and_then(|array| i32::try_from(array.first).ok());
    Ok(ScalarValue::Int32(first))
}

fn item(args: &[Arg]) -> Result<ScalarValue> {
    let item = args.first().and_then(shown);
    Ok(ScalarValue::Utf8View(item.map(|item| quoted(&item))))
}

fn prefixed(args: &[Arg]) -> Result<ScalarValue> {
    // `unnest` of null has no rows.
    let items = array(args.first()).map_or_else(Vec::new, |array| array.items);
    let Some(Arg::Text(prefix)) = args.get(1) else {
        return Ok(text("{}"));
    };
    let items: Vec<_> = items.iter().map(|item| format!("{prefix}{item}")).collect();
    Ok(text(written(&items)))
}

fn has(args: &[Arg]) -> Result<ScalarValue> {
    let wanted = args.get(1).and_then(shown);
    let found = match (array(args.first()), wanted) {
        (Some(array), Some(wanted)) => Some(array.items.contains(&wanted)),
        _ => None,
    };
    Ok(ScalarValue::Boolean(found))
}

fn at(args: &[Arg]) -> Option<String> {
    let array = array(args.first())?;
    let Some(Arg::Int(subscript)) = args.get(1) else {
        return None;
    };
    let place = usize::try_from(subscript.checked_sub(array.first)?).ok()?;
    array.items.into_iter().nth(place)
}

fn element(args: &[Arg]) -> Result<ScalarValue> {
    Ok(ScalarValue::Utf8View(at(args)))
}

fn number(args: &[Arg]) -> Result<ScalarValue> {
    let number = at(args).and_then(|item| item.parse().ok());
    Ok(ScalarValue::Int64(number))
}

/// Gives the place of an item, from 1.
fn place(args: &[Arg]) -> Result<ScalarValue> {
    let wanted = args.get(1).and_then(shown);
    let found = match (array(args.first()), wanted) {
        (Some(array), Some(wanted)) => array.items.iter().position(|item| *item == wanted),
        _ => None,
    };
    let place = found.and_then(|place| i64::try_from(place + 1).ok());
    Ok(ScalarValue::Int64(place))
}

/// The search path; with `true` also what is searched without being named.
fn current_schemas(ctx: &SystemContext, args: &[Arg]) -> ScalarValue {
    let Some(Arg::Bool(with_implicit)) = args.first() else {
        return ScalarValue::Utf8View(None);
    };
    let path = ctx.search_path.iter();
    let names = path.filter_map(|oid| ctx.catalog.schemas.get(oid));
    let names = names.map(|schema| schema.name.clone());
    let is_temporary = |name: &String| name.starts_with(crate::server::TEMP_SCHEMA_PREFIX);
    let (temporary, named): (Vec<_>, Vec<_>) = names.partition(is_temporary);
    let mut all = Vec::new();
    if *with_implicit {
        all.extend(temporary);
        if !named.iter().any(|name| name == "pg_catalog") {
            all.push("pg_catalog".to_string());
        }
    }
    all.extend(named);
    text(written(&all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_read_back_what_they_were_written_from() {
        let items = ["a", "", "b,c", "d\"e\\f", "null", "g h"].map(str::to_string);
        let kept = Arg::Text(written(&items));
        assert_eq!(array(Some(&kept)).unwrap().items, items);
        assert_eq!(array(Some(&Arg::Text("{}".into()))).unwrap().items.len(), 0);
    }

    #[test]
    fn vectors_count_from_0_and_arrays_from_1() {
        let text = |kept: &str| Arg::Text(kept.to_string());
        assert_eq!(at(&[text("7 8"), Arg::Int(1)]).as_deref(), Some("8"));
        assert_eq!(at(&[text("{7,8}"), Arg::Int(1)]).as_deref(), Some("7"));
        assert_eq!(at(&[text("{7,8}"), Arg::Int(3)]), None);
    }
}
