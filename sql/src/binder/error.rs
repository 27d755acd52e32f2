//! Errors of the engine in Redshift's words, each with its SQLSTATE. No word of the engine gets out.

use super::refusal::{refusal, type_shown};
use crate::error::Error;
use crate::nearest::nearest;
use crate::sqlstate::SqlState;
use arrow_schema::ArrowError;
use datafusion_common::{Column, DataFusionError, SchemaError};

/// Turns an error of the engine, met while binding or running, into ours.
pub fn from_engine(error: &DataFusionError) -> Error {
    match error {
        DataFusionError::External(source) => match source.downcast_ref::<Error>() {
            Some(error) => error.clone(),
            None => match source.downcast_ref::<DataFusionError>() {
                Some(inner) => from_engine(inner),
                None => Error::new(SqlState::INTERNAL_ERROR, scrub(&source.to_string())),
            },
        },
        DataFusionError::Context(_, inner) => from_engine(inner),
        DataFusionError::Diagnostic(diagnostic, inner) => {
            let mut error = from_engine(inner);
            if let (None, Some(span)) = (error.position, diagnostic.span) {
                error.position = usize::try_from(span.start.column)
                    .ok()
                    .filter(|column| *column > 0);
            }
            error
        }
        DataFusionError::Collection(errors) => match errors.first() {
            Some(first) => from_engine(first),
            None => Error::new(SqlState::INTERNAL_ERROR, "the statement failed"),
        },
        DataFusionError::Shared(inner) => from_engine(inner),
        DataFusionError::SchemaError(schema, _) => from_schema(schema),
        DataFusionError::ArrowError(arrow, _) => from_arrow(arrow),
        DataFusionError::Plan(message) => from_plan(message),
        DataFusionError::NotImplemented(message) => refusal(message).unwrap_or_else(|| {
            // A tree of the parser says nothing to a user.
            let shown = message
                .split([':', '{'])
                .next()
                .filter(|_| message.contains(" { "));
            let shown = shown.unwrap_or(message).trim_end_matches(" in sqltorel");
            let text = format!("not supported: {}", scrub(shown));
            Error::new(SqlState::FEATURE_NOT_SUPPORTED, text)
                .with_hint("Write the query another way")
        }),
        DataFusionError::ResourcesExhausted(_) => {
            Error::new(SqlState::OUT_OF_MEMORY, "out of memory")
                .with_detail("The statement needs more memory than it may have.")
                .with_hint("Read fewer rows or columns at once")
        }
        DataFusionError::SQL(parser, _) => Error::syntax(scrub(&parser.to_string()), None),
        DataFusionError::Execution(message) => from_execution(message),
        DataFusionError::IoError(error) => Error::new(
            SqlState::IO_ERROR,
            format!("could not read or write: {error}"),
        ),
        other => Error::new(SqlState::INTERNAL_ERROR, scrub(&other.strip_backtrace())),
    }
}

fn from_schema(error: &SchemaError) -> Error {
    match error {
        SchemaError::AmbiguousReference { field } => Error::new(
            SqlState::AMBIGUOUS_COLUMN,
            format!("column reference \"{}\" is ambiguous", field.name),
        )
        .with_hint("Write the table's name or alias before the column"),
        SchemaError::DuplicateQualifiedField { qualifier, name } => Error::new(
            SqlState::DUPLICATE_COLUMN,
            format!(
                "column \"{name}\" of \"{}\" is there twice",
                qualifier.table()
            ),
        )
        .with_hint("Give each table its own alias"),
        SchemaError::DuplicateUnqualifiedField { name } => Error::new(
            SqlState::DUPLICATE_COLUMN,
            format!("column name \"{name}\" is there twice"),
        )
        .with_hint("Give each column its own alias"),
        SchemaError::FieldNotFound {
            field,
            valid_fields,
        } => column_missing(field, valid_fields),
    }
}

fn column_missing(field: &Column, valid: &[Column]) -> Error {
    if let Some(relation) = &field.relation {
        let known = |column: &Column| {
            column
                .relation
                .as_ref()
                .is_some_and(|other| other.table() == relation.table())
        };
        if !valid.is_empty() && !valid.iter().any(known) {
            return Error::new(
                SqlState::UNDEFINED_TABLE,
                format!(
                    "missing FROM-clause entry for table \"{}\"",
                    relation.table()
                ),
            );
        }
    }
    let error = Error::new(
        SqlState::UNDEFINED_COLUMN,
        format!("column \"{}\" does not exist", field.name),
    );
    match nearest(&field.name, valid.iter().map(|column| column.name.as_str())) {
        Some(near) => error.with_hint(format!("Did you mean \"{near}\"?")),
        None => error,
    }
}

fn from_arrow(error: &ArrowError) -> Error {
    match error {
        ArrowError::DivideByZero => Error::new(SqlState::DIVISION_BY_ZERO, "division by zero"),
        ArrowError::ArithmeticOverflow(_) => Error::new(
            SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
            "numeric value out of range",
        ),
        ArrowError::CastError(message)
        | ArrowError::ParseError(message)
        | ArrowError::InvalidArgumentError(message)
        | ArrowError::ComputeError(message) => from_execution(message),
        ArrowError::ExternalError(source) => match source.downcast_ref::<DataFusionError>() {
            Some(inner) => from_engine(inner),
            None => match source.downcast_ref::<Error>() {
                Some(error) => error.clone(),
                None => Error::new(SqlState::INTERNAL_ERROR, scrub(&source.to_string())),
            },
        },
        other => Error::new(SqlState::INTERNAL_ERROR, scrub(&other.to_string())),
    }
}

/// Text that is not a value of a type, or a number that a type cannot hold.
pub fn cast_failure(message: &str) -> Option<Error> {
    let text = between(message, "Cannot cast string '", "' to value of ")
        .or_else(|| between(message, "Cannot cast value '", "' to value of "))
        .or_else(|| between(message, "Error parsing timestamp from '", "'"));
    if let Some(text) = text {
        let ty = match between(message, "' to value of ", " type") {
            Some(arrow) => type_shown(arrow),
            None => "timestamp",
        };
        let whole = matches!(ty, "smallint" | "integer" | "bigint");
        let digits = text.trim().trim_start_matches(['-', '+']);
        if whole && !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Some(Error::new(
                SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
                format!("value \"{text}\" is out of range for type {ty}"),
            ));
        }
        let code = match ty {
            "date" | "time" | "timestamp" => SqlState::INVALID_DATETIME_FORMAT,
            _ => SqlState::INVALID_TEXT_REPRESENTATION,
        };
        let message = format!("invalid input syntax for type {ty}: \"{text}\"");
        return Some(Error::new(code, message));
    }
    if message.contains("too large to store in a Decimal") {
        let error = Error::new(
            SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
            "numeric field overflow",
        );
        return Some(error.with_hint("Cast to a DECIMAL of more digits"));
    }
    let ty = type_shown(
        message
            .split_once("Can't cast value ")?
            .1
            .split_once(" to type ")?
            .1,
    );
    Some(Error::new(
        SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
        format!("{ty} out of range"),
    ))
}

fn from_execution(message: &str) -> Error {
    if let Some(error) = cast_failure(message) {
        return error;
    }
    let lower = message.to_lowercase();
    let code = if lower.contains("divide by zero") {
        return Error::new(SqlState::DIVISION_BY_ZERO, "division by zero");
    } else if lower.contains("too large to store")
        || lower.contains("overflow")
        || lower.contains("out of range")
        || lower.contains("can't cast value")
    {
        SqlState::NUMERIC_VALUE_OUT_OF_RANGE
    } else if lower.contains("cannot cast string")
        || lower.contains("cannot parse")
        || lower.contains("error parsing")
    {
        SqlState::INVALID_TEXT_REPRESENTATION
    } else if lower.contains("more than one row") {
        return Error::new(
            SqlState::CARDINALITY_VIOLATION,
            "more than one row returned by a subquery used as an expression",
        );
    } else {
        SqlState::DATA_EXCEPTION
    };
    Error::new(code, scrub(message))
}

fn from_plan(message: &str) -> Error {
    if let Some(name) = between(message, "Invalid function '", "'") {
        let error = Error::new(
            SqlState::UNDEFINED_FUNCTION,
            format!("function {name}(...) does not exist"),
        );
        return match between(message, "Did you mean '", "'") {
            Some(near) => error.with_hint(format!("Did you mean \"{near}\"?")),
            None => error.with_hint("Look for the function in the manual"),
        };
    }
    if let Some(parts) = between(message, "could not parse compound identifier from [", "]") {
        let parts: Vec<_> = parts
            .split(", ")
            .map(|part| part.trim_matches('"'))
            .collect();
        return Error::new(
            SqlState::UNDEFINED_COLUMN,
            format!("column {} does not exist", parts.join(".")),
        )
        .with_hint("Only a SUPER has parts");
    }
    if let Some(error) = refusal(message) {
        return error;
    }
    if message.contains("GROUP BY clause")
        || message.contains("could not be resolved from available columns")
    {
        let column = between(message, "Column in SELECT must be in GROUP BY or an aggregate function: While expanding wildcard, column \"", "\"")
            .or_else(|| between(message, "column \"", "\""))
            .or_else(|| between(message, "clause references: ", " must appear"))
            .or_else(|| between(message, "Expression ", " "))
            .unwrap_or("?");
        let column = column.rsplit('.').next().unwrap_or(column);
        if column.contains(['(', ' ']) {
            return Error::new(
                SqlState::GROUPING_ERROR,
                "what a query with HAVING shows must appear in the GROUP BY clause or be used in an aggregate function",
            );
        }
        return Error::new(
            SqlState::GROUPING_ERROR,
            format!(
                "column \"{column}\" must appear in the GROUP BY clause or be used in an aggregate function"
            ),
        );
    }
    if message.contains("No function matches")
        || message.contains("Failed to coerce arguments")
        || message.contains("does not support")
    {
        return Error::new(SqlState::UNDEFINED_FUNCTION, scrub(message))
            .with_hint("Add explicit casts to the arguments");
    }
    if message.contains("coerce") || message.contains("Cannot infer common argument type") {
        return Error::new(
            SqlState::UNDEFINED_FUNCTION,
            format!("operator does not exist: {}", scrub(message)),
        )
        .with_hint("Add explicit casts");
    }
    if message.contains("unique expression names") {
        return Error::new(
            SqlState::DUPLICATE_COLUMN,
            "two columns of the query have the same name",
        )
        .with_hint("Give each column its own alias");
    }
    if message.contains("placeholder") || message.contains("Placeholder") {
        return Error::new(SqlState::UNDEFINED_PARAMETER, scrub(message));
    }
    if message.contains("UNION") || message.contains("EXCEPT") || message.contains("INTERSECT") {
        return Error::syntax(scrub(message), None);
    }
    Error::new(SqlState::SYNTAX_ERROR, scrub(message))
}

/// Takes the engine's words out of a message: its name, its types, its layers.
fn scrub(message: &str) -> String {
    let first = message.split("\n\nbacktrace").next().unwrap_or(message);
    let mut text = first
        .split('\n')
        .map(str::trim)
        .collect::<Vec<_>>()
        .join(" ");
    for (from, to) in [
        ("Error during planning: ", ""),
        ("This feature is not implemented: ", ""),
        ("Schema error: ", ""),
        ("Arrow error: ", ""),
        ("Cast error: ", ""),
        ("Parser error: ", ""),
        ("Execution error: ", ""),
        ("Optimizer rule ", "rule "),
        ("External error: ", ""),
        ("sql parser error: ", ""),
        ("DataFusion", "the planner"),
        ("datafusion", "the planner"),
        ("Utf8View", "character varying"),
        ("LargeUtf8", "character varying"),
        ("Utf8", "character varying"),
        ("Int64", "bigint"),
        ("Int32", "integer"),
        ("Int16", "smallint"),
        ("Float64", "double precision"),
        ("Float32", "real"),
        ("Date32", "date"),
        ("Decimal128", "numeric"),
        ("Timestamp(µs)", "timestamp"),
        ("Timestamp(ns)", "timestamp"),
    ] {
        if text.contains(from) {
            text = text.replace(from, to);
        }
    }
    let mut chars = text.trim_end_matches('.').chars();
    match chars.next() {
        Some(first) if chars.clone().next().is_some_and(char::is_lowercase) => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => text.trim_end_matches('.').to_owned(),
    }
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let rest = text.split_once(before)?.1;
    Some(rest.split_once(after).map_or(rest, |(found, _)| found))
}
