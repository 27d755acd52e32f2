//! What the engine says of a query it does not plan, in Redshift's words.

use crate::error::Error;
use crate::sqlstate::SqlState;

/// What the engine says of forms that it does not plan: what they are, and what to write.
const UNPLANNED: &[(&str, &str, &str)] = &[
    (
        "mpty tuple not supported",
        "GROUP BY ()",
        "Leave GROUP BY out: the aggregates are then of all rows",
    ),
    ("FETCH clause is not supported", "FETCH FIRST", "Use LIMIT"),
    (
        "nsupported ast node in sqltorel: Collate",
        "COLLATE as an operator",
        "Write COLLATE(text, 'case_insensitive')",
    ),
    (
        "ot access not supported",
        "a key behind this value",
        "Compute the value in a subquery and name its column before the key",
    ),
];

/// Gives our error for a message of the engine's planner, if it is one that a user can do something about.
pub fn refusal(message: &str) -> Option<Error> {
    if is_correlated(message) {
        return Some(correlated());
    }
    if message.contains("Physical plan does not support logical expression WindowFunction") {
        return Some(
            Error::new(
                SqlState::WINDOWING_ERROR,
                "window functions are not allowed in WHERE",
            )
            .with_hint("Ask for it with QUALIFY, or compute it in a subquery"),
        );
    }
    if let Some(place) = between(message, "Cannot find column with position ", " in SELECT") {
        return Some(position(format!(
            "GROUP BY position {place} is not in select list"
        )));
    }
    if let Some(place) = between(message, "Order by column out of bounds, specified: ", ",") {
        return Some(position(format!(
            "ORDER BY position {place} is not in select list"
        )));
    }
    if message.contains("For SELECT DISTINCT, ORDER BY expressions") {
        let text = "for SELECT DISTINCT, ORDER BY expressions must appear in select list";
        return Some(position(text.to_owned()));
    }
    if let Some(count) = between(message, "Source table contains ", " columns but only ")
        && let Some(given) = between(message, " columns but only ", " names given")
    {
        return Some(position(format!(
            "table has {count} columns available but {given} columns specified"
        )));
    }
    if let Some((operator, _)) = message.split_once(" queries have different number of columns") {
        let operator = operator.rsplit(' ').next().unwrap_or(operator);
        let text = format!("each {operator} query must have the same number of columns");
        return Some(Error::syntax(text, None));
    }
    for (words, what, hint) in UNPLANNED {
        if message.contains(words) {
            return Some(Error::unsupported(*what, *hint));
        }
    }
    if message.contains("The subquery should only return one column") {
        return Some(Error::syntax("subquery must return only one column", None));
    }
    if let Some(name) = between(message, "WITH query name ", " specified more than once") {
        let text = format!("WITH query name {name} specified more than once");
        return Some(Error::new(SqlState::DUPLICATE_ALIAS, text));
    }
    grouping(message)
        .or_else(|| wrong_type(message))
        .or_else(|| operator(message))
}

fn grouping(message: &str) -> Option<Error> {
    let (text, hint) = if message.contains("to grouping function is not in grouping columns") {
        (
            "arguments to GROUPING must be grouping expressions of the associated query level",
            "Name columns of GROUP BY",
        )
    } else if message.contains("ggregate functions are not allowed in the WHERE clause") {
        (
            "aggregate functions are not allowed in WHERE",
            "Ask for it with HAVING",
        )
    } else if message.contains("ggregate function calls cannot be nested") {
        (
            "aggregate function calls cannot be nested",
            "Compute the inner one in a subquery",
        )
    } else {
        return None;
    };
    Some(Error::new(SqlState::GROUPING_ERROR, text).with_hint(hint))
}

fn wrong_type(message: &str) -> Option<Error> {
    let wrong = |clause: &str, wanted: &str, found: &str| {
        let found = type_shown(found);
        let text = format!("argument of {clause} must be type {wanted}, not type {found}");
        Some(Error::new(SqlState::DATATYPE_MISMATCH, text))
    };
    if message.contains("Cannot create filter with non-boolean predicate") {
        let found = message.rsplit(" returning ").next().unwrap_or_default();
        return wrong("WHERE", "boolean", found);
    }
    for clause in ["LIMIT", "OFFSET"] {
        if message.contains(&format!("{clause} must be >= 0")) {
            let text = format!("{clause} must not be negative");
            return Some(Error::new(SqlState::INVALID_PARAMETER_VALUE, text));
        }
        let start = format!("Expected {clause} to be an integer or null, but got ");
        if let Some(found) = message.split(&start).nth(1) {
            return wrong(clause, "bigint", found);
        }
    }
    None
}

/// An operator whose sides do not go together.
fn operator(message: &str) -> Option<Error> {
    let sides = between(
        message,
        "Cannot coerce arithmetic expression ",
        " to valid types",
    )
    .or_else(|| message.split("for string concat operation ").nth(1))
    .or_else(|| {
        message
            .split("common argument type for comparison operation ")
            .nth(1)
    })?;
    let words: Vec<&str> = sides.split_whitespace().collect();
    let middle = words
        .iter()
        .position(|word| word.chars().all(|letter| "+-*/%=<>!|&^~".contains(letter)))?;
    let side = |words: &[&str]| type_shown(&words.join(" ")).to_owned();
    let text = format!(
        "operator does not exist: {} {} {}",
        side(words.get(..middle)?),
        words.get(middle)?,
        side(words.get(middle + 1..)?)
    );
    Some(
        Error::new(SqlState::UNDEFINED_FUNCTION, text)
            .with_hint("No operator matches the given name and argument types. Cast one of them"),
    )
}

/// Redshift's name of an arrow type in a message.
pub(super) fn type_shown(arrow: &str) -> &str {
    match arrow.split(['(', ' ']).next().unwrap_or(arrow) {
        "Int16" => "smallint",
        "Int32" => "integer",
        "Int64" | "UInt64" => "bigint",
        "Float32" => "real",
        "Float64" => "double precision",
        "Decimal128" | "Decimal256" => "numeric",
        "Date32" => "date",
        "Timestamp" => "timestamp",
        "Time64" => "time",
        "Boolean" => "boolean",
        "Utf8" | "Utf8View" | "LargeUtf8" => "character varying",
        "Interval" => "interval",
        "Binary" | "BinaryView" | "LargeBinary" => "varbyte",
        other => other,
    }
}

/// Tells whether the engine says that it cannot make a join of a subquery.
fn is_correlated(message: &str) -> bool {
    let unplanned = message.contains("Physical plan does not support logical expression")
        && ["Subquery", "Exists(", "OuterReferenceColumn"]
            .iter()
            .any(|kind| message.contains(kind));
    unplanned
        || message.contains("orrelated scalar subquery")
        || message.contains("scalar correlated subquery")
        || message.contains("null_aware anti join")
        || message.contains("orrelated column is not allowed")
}

/// The refusal of a correlated subquery that cannot be made a join.
pub(super) fn correlated() -> Error {
    Error::new(
        SqlState::FEATURE_NOT_SUPPORTED,
        "This type of correlated subquery pattern is not supported yet",
    )
    .with_hint("Write the subquery as a table of FROM, and join it")
}

fn position(message: String) -> Error {
    Error::new(SqlState::INVALID_COLUMN_REFERENCE, message)
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let rest = text.split_once(before)?.1;
    Some(rest.split_once(after)?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_s_words_become_redshift_s() {
        let check = |message: &str, wanted: &str| {
            let error = refusal(message).unwrap();
            assert_eq!(format!("{}: {}", error.code.0, error.message), wanted);
        };
        check(
            "Cannot coerce arithmetic expression Int64 + Utf8View to valid types",
            "42883: operator does not exist: bigint + character varying",
        );
        check(
            "Cannot infer common argument type for comparison operation Timestamp(Microsecond, None) >= Int64",
            "42883: operator does not exist: timestamp >= bigint",
        );
        check(
            "Cannot create filter with non-boolean predicate 'li.listid' returning Int32",
            "42804: argument of WHERE must be type boolean, not type integer",
        );
        check(
            "Order by column out of bounds, specified: 3, max: 1",
            "42P10: ORDER BY position 3 is not in select list",
        );
        assert!(refusal("something else").is_none());
    }
}
