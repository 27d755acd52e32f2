//! Every error as the client sees it: one match per enum, so that a new variant does not compile without a code.
//!
//! Errors of the crates below travel through the engine in `External`, `Shared` and `Context`; they are found again
//! here and keep their code, detail, hint and position.

use crate::error::Error;
use arrow_schema::ArrowError;
use blueshift_sql::SqlState;
use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;

/// What the client is told: code, message, detail, hint, position.
pub(crate) type Report = blueshift_sql::Error;

/// Tells an error to the client.
pub(crate) fn report(error: &Error) -> Report {
    match error {
        Error::Sql(error) => error.clone(),
        Error::Compute(error) => compute(error),
        Error::Storage(error) => storage(error),
        Error::Engine(error) => engine(error),
    }
}

/// Tells an error, once and for all.
pub(crate) fn told(error: Error) -> Report {
    report(&error)
}

fn compute(error: &blueshift_compute::Error) -> Report {
    use blueshift_compute::Error as E;
    let new = |code| Report::new(code, error.to_string());
    match error {
        E::Storage(error) => storage(error),
        E::Sql(error) => error.clone(),
        E::Engine(error) => engine(error),
        E::Arrow(error) => arrow(error),
        E::Load {
            message,
            detail,
            hint,
        } => Report {
            detail: detail.clone(),
            hint: hint.clone(),
            ..Report::new(SqlState::BAD_COPY_FILE_FORMAT, message.clone())
        },
        E::Source { .. } => new(SqlState::IO_ERROR),
        E::NoSource { .. } => new(SqlState::UNDEFINED_FILE),
        E::SourceNotAllowed { hint, .. } => {
            new(SqlState::INSUFFICIENT_PRIVILEGE).with_hint(hint.clone())
        }
        E::SpillLimit { whose, .. } => new(SqlState::DISK_FULL).with_hint(match *whose {
            "query" => "Make the query smaller, give it more memory, or start the server with a larger --spill-limit-per-query.",
            _ => "Try again when fewer queries run, or start the server with a larger --spill-limit.",
        }),
        E::Canceled => canceled(),
        E::Internal(_) => new(SqlState::INTERNAL_ERROR),
    }
}

fn storage(error: &blueshift_storage::Error) -> Report {
    use blueshift_storage::Error as E;
    let new = |code| Report::new(code, error.to_string());
    match error {
        E::Io { source, .. } => new(SqlState::IO_ERROR).with_detail(format!("{source}.")),
        E::DiskFull { .. } => new(SqlState::DISK_FULL)
            .with_hint("Free space on the device and try again; nothing was committed."),
        E::Corrupt { .. } => new(SqlState::DATA_CORRUPTED).with_hint(
            "Other tables and columns stay readable; load this table again from its source.",
        ),
        E::Locked { .. } => new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE),
        E::Version { .. } => new(SqlState::FEATURE_NOT_SUPPORTED)
            .with_hint("Use the version that wrote the directory, or a later one."),
        E::UnfinishedRestore { .. } => new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE),
        E::NotEmpty { .. } => new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE),
        E::SnapshotName { .. } => new(SqlState::INVALID_NAME),
        E::NoSnapshot { .. } => new(SqlState::UNDEFINED_OBJECT),
        E::SnapshotExists { .. } => new(SqlState::DUPLICATE_OBJECT),
        E::Repository { .. } => new(SqlState::IO_ERROR),
        E::Conflict { .. } => Report::new(
            SqlState::SERIALIZATION_FAILURE,
            "serializable isolation violation on table",
        )
        .with_detail(format!("{error}."))
        .with_hint("Run the transaction again."),
        E::NoTable { .. } => new(SqlState::UNDEFINED_TABLE),
        E::NotNull { .. } => new(SqlState::NOT_NULL_VIOLATION),
        E::Arrow(error) => arrow(error),
        E::LogStopped => new(SqlState::IO_ERROR),
        E::Canceled => canceled(),
        E::Internal(_) => new(SqlState::INTERNAL_ERROR),
    }
}

fn engine(error: &DataFusionError) -> Report {
    use DataFusionError as E;
    let internal = |text: String| Report::new(SqlState::INTERNAL_ERROR, text);
    if let E::Plan(text) | E::NotImplemented(text) | E::Internal(text) = error
        && let Some(refusal) = blueshift_sql::binder::refusal(text)
    {
        return refusal;
    }
    match error {
        E::ArrowError(error, _) => arrow(error),
        E::ParquetError(error) => internal(error.to_string()),
        E::IoError(error) => io(error),
        E::SQL(error, _) => Report::new(SqlState::SYNTAX_ERROR, first_line(&error.to_string())),
        E::NotImplemented(text) if text.contains("Conflicting ordering requirements") => {
            Report::new(
                SqlState::FEATURE_NOT_SUPPORTED,
                "within group ORDER BY clauses for aggregate functions must be the same",
            )
        }
        E::NotImplemented(text) => Report::new(SqlState::FEATURE_NOT_SUPPORTED, first_line(text)),
        E::Internal(text) => internal(format!("internal error: {}", first_line(text))),
        E::Plan(text) => by_text(text, SqlState::SYNTAX_ERROR),
        E::Configuration(text) => Report::new(SqlState::INVALID_PARAMETER_VALUE, first_line(text)),
        E::SchemaError(error, _) => schema(error),
        E::Execution(text) => by_text(text, SqlState::DATA_EXCEPTION),
        E::ExecutionJoin(error) if error.is_cancelled() => canceled(),
        E::ExecutionJoin(_) => panicked(),
        E::ResourcesExhausted(text) => Report::new(SqlState::OUT_OF_MEMORY, "out of memory")
            .with_detail(text.trim().to_string())
            .with_hint(
                "Make the query smaller, run fewer at once, or start the server with a larger --memory-limit.",
            ),
        E::External(inner) => external(inner.as_ref()),
        E::Context(_, inner) | E::Diagnostic(_, inner) => engine(inner),
        E::Substrait(text) | E::Ffi(text) => internal(text.clone()),
        E::Collection(errors) => match errors.first() {
            Some(first) => engine(first),
            None => internal("internal error: an empty collection of errors".to_string()),
        },
        E::Shared(inner) => engine(inner),
        other => internal(first_line(&other.to_string())),
    }
}

fn schema(error: &SchemaError) -> Report {
    match error {
        SchemaError::AmbiguousReference { field } => Report::new(
            SqlState::AMBIGUOUS_COLUMN,
            format!("column reference \"{}\" is ambiguous", field.name),
        ),
        SchemaError::DuplicateQualifiedField { name, .. }
        | SchemaError::DuplicateUnqualifiedField { name } => Report::new(
            SqlState::DUPLICATE_COLUMN,
            format!("column \"{name}\" specified more than once"),
        ),
        SchemaError::FieldNotFound { field, .. } => Report::new(
            SqlState::UNDEFINED_COLUMN,
            match &field.relation {
                Some(relation) => format!("column {relation}.{} does not exist", field.name),
                None => format!("column \"{}\" does not exist", field.name),
            },
        ),
    }
}

fn arrow(error: &ArrowError) -> Report {
    use ArrowError as E;
    let internal = || Report::new(SqlState::INTERNAL_ERROR, first_line(&error.to_string()));
    match error {
        E::ExternalError(inner) => external(inner.as_ref()),
        E::DivideByZero => Report::new(SqlState::DIVISION_BY_ZERO, "division by zero"),
        E::ArithmeticOverflow(text) => Report::new(
            SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
            "numeric value out of range",
        )
        .with_detail(format!("{}.", first_line(text))),
        E::CastError(text) | E::ParseError(text) => {
            by_text(text, SqlState::INVALID_TEXT_REPRESENTATION)
        }
        E::ComputeError(text) | E::InvalidArgumentError(text) => {
            by_text(text, SqlState::DATA_EXCEPTION)
        }
        E::NotYetImplemented(text) => {
            Report::new(SqlState::FEATURE_NOT_SUPPORTED, first_line(text))
        }
        E::MemoryError(text) => {
            Report::new(SqlState::OUT_OF_MEMORY, "out of memory").with_detail(text.clone())
        }
        E::OffsetOverflowError(_) | E::DictionaryKeyOverflowError | E::RunEndIndexOverflowError => {
            Report::new(
                SqlState::PROGRAM_LIMIT_EXCEEDED,
                "a batch of rows is too large",
            )
        }
        E::IoError(_, error) => io(error),
        E::CsvError(text) | E::JsonError(text) | E::AvroError(text) => {
            Report::new(SqlState::BAD_COPY_FILE_FORMAT, first_line(text))
        }
        E::SchemaError(_) | E::IpcError(_) | E::ParquetError(_) | E::CDataInterface(_) => {
            internal()
        }
    }
}

fn io(error: &std::io::Error) -> Report {
    let inner = error.get_ref();
    if let Some(error) = inner.and_then(|error| error.downcast_ref::<blueshift_compute::Error>()) {
        return compute(error);
    }
    match error.kind() {
        std::io::ErrorKind::StorageFull => {
            Report::new(SqlState::DISK_FULL, "no space left on device")
                .with_hint("Free space on the device; queries spill to the data directory.")
        }
        _ => Report::new(
            SqlState::IO_ERROR,
            format!("input or output failed: {error}"),
        ),
    }
}

/// Finds an error of ours inside a boxed one.
fn external(error: &(dyn std::error::Error + Send + Sync + 'static)) -> Report {
    if let Some(error) = error.downcast_ref::<blueshift_sql::Error>() {
        error.clone()
    } else if let Some(error) = error.downcast_ref::<Error>() {
        report(error)
    } else if let Some(error) = error.downcast_ref::<blueshift_compute::Error>() {
        compute(error)
    } else if let Some(error) = error.downcast_ref::<blueshift_storage::Error>() {
        storage(error)
    } else if let Some(error) = error.downcast_ref::<DataFusionError>() {
        engine(error)
    } else if let Some(error) = error.downcast_ref::<ArrowError>() {
        arrow(error)
    } else if let Some(error) = error.downcast_ref::<std::io::Error>() {
        io(error)
    } else {
        let text = error.to_string();
        expression(&text)
            .unwrap_or_else(|| Report::new(SqlState::INTERNAL_ERROR, first_line(&text)))
    }
}

/// Reads what the engine says of a regular expression: several lines, the last of which tells what is wrong.
fn expression(text: &str) -> Option<Report> {
    let why = text
        .contains("regex parse error")
        .then(|| text.trim().lines().last())??;
    let report = Report::new(
        SqlState::INVALID_REGULAR_EXPRESSION,
        "invalid regular expression",
    );
    Some(report.with_detail(why.trim_start_matches("error: ")))
}

/// Finds the code of an engine error that has only its text, else `otherwise`.
fn by_text(text: &str, otherwise: SqlState) -> Report {
    if let Some(report) = expression(text) {
        return report;
    }
    let line = first_line(text);
    if let Some(error) = blueshift_sql::binder::cast_failure(&line) {
        return Report::new(error.code, error.message);
    }
    let lower = line.to_lowercase();
    let has = |part: &str| lower.contains(part);
    if has("divide by zero") || has("division by zero") {
        return Report::new(SqlState::DIVISION_BY_ZERO, "division by zero");
    }
    let code = if has("overflow")
        || has("out of range")
        || has("can't cast value")
        || has("too large to store")
    {
        SqlState::NUMERIC_VALUE_OUT_OF_RANGE
    } else if has("more than one row") {
        SqlState::CARDINALITY_VIOLATION
    } else if has("cannot cast string") || has("error parsing") || has("parser error") {
        SqlState::INVALID_TEXT_REPRESENTATION
    } else if has("invalid function")
        || has("no function matches")
        || has("failed to coerce arguments")
    {
        SqlState::UNDEFINED_FUNCTION
    } else if has("must appear in the group by")
        || has("must be part of group by")
        || has("in the group by clause")
    {
        SqlState::GROUPING_ERROR
    } else if has("cannot coerce") || has("cannot infer common") || has("incompatible types") {
        SqlState::DATATYPE_MISMATCH
    } else {
        otherwise
    };
    Report::new(code, line)
}

/// What a canceled statement answers.
pub(crate) fn canceled() -> Report {
    Report::new(
        SqlState::QUERY_CANCELED,
        "Query cancelled on user's request",
    )
}

/// What a statement answers whose task panicked; the panic itself is in the log.
pub(crate) fn panicked() -> Report {
    Report::new(
        SqlState::INTERNAL_ERROR,
        "internal error: the statement stopped unexpectedly",
    )
    .with_hint(
        "The connection and the server go on; the server's log has the place. Please report it.",
    )
}

/// Cuts a backtrace off, and the engine's prefixes.
fn first_line(text: &str) -> String {
    let line = text.trim().lines().next().unwrap_or_default();
    let prefixes = [
        "Error during planning: ",
        "Execution error: ",
        "Arrow error: ",
        "Parser error: ",
    ];
    prefixes
        .iter()
        .fold(line, |line, prefix| {
            line.strip_prefix(prefix).unwrap_or(line)
        })
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn check(error: impl Into<Error>, code: SqlState, message: &str) {
        let report = report(&error.into());
        assert_eq!((report.code, report.message.as_str()), (code, message));
    }

    #[test]
    fn our_errors_cross_the_engine_whole() {
        let own = || blueshift_sql::Error::syntax("no", Some(3)).with_hint("Say yes.");
        let wrapped = DataFusionError::Context(
            "while".into(),
            Box::new(DataFusionError::Shared(Arc::new(
                DataFusionError::External(Box::new(own())),
            ))),
        );
        assert_eq!(report(&wrapped.into()), own());
        let deep = ArrowError::ExternalError(Box::new(DataFusionError::External(Box::new(
            blueshift_compute::Error::Storage(blueshift_storage::Error::NotNull {
                column: "c".into(),
            }),
        ))));
        check(
            DataFusionError::ArrowError(Box::new(deep), None),
            SqlState::NOT_NULL_VIOLATION,
            "null value in column \"c\" violates not-null constraint",
        );
    }

    #[test]
    fn the_engine_s_errors_have_postgresql_s_codes() {
        let arrow = |error| DataFusionError::ArrowError(Box::new(error), None);
        check(
            arrow(ArrowError::DivideByZero),
            SqlState::DIVISION_BY_ZERO,
            "division by zero",
        );
        check(
            arrow(ArrowError::ArithmeticOverflow(
                "Overflow happened on: 1 + 2".into(),
            )),
            SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
            "numeric value out of range",
        );
        check(
            arrow(ArrowError::CastError(
                "Cannot cast string 'x' to value of Int32 type".into(),
            )),
            SqlState::INVALID_TEXT_REPRESENTATION,
            "invalid input syntax for type integer: \"x\"",
        );
        check(
            DataFusionError::ResourcesExhausted("pool".into()),
            SqlState::OUT_OF_MEMORY,
            "out of memory",
        );
        check(
            DataFusionError::NotImplemented("such a join".into()),
            SqlState::FEATURE_NOT_SUPPORTED,
            "such a join",
        );
        check(
            blueshift_compute::Error::Canceled,
            SqlState::QUERY_CANCELED,
            "Query cancelled on user's request",
        );
        check(
            blueshift_storage::Error::DiskFull { path: "f".into() },
            SqlState::DISK_FULL,
            "could not extend \"f\": no space left on device",
        );
    }
}
