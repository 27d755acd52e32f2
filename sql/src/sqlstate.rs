//! Every error code, one line each.

/// A five-character SQLSTATE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SqlState(pub &'static str);

macro_rules! codes {
    ($($name:ident = $code:literal, $text:literal;)*) => {
        impl SqlState {
            $(#[doc = $text] pub const $name: SqlState = SqlState($code);)*
            /// Every code with its meaning.
            pub const ALL: &'static [(SqlState, &'static str)] = &[$((SqlState($code), $text)),*];
        }
    };
}

codes! {
    SUCCESSFUL_COMPLETION = "00000", "Nothing went wrong.";
    WARNING = "01000", "Something is not as it may have been meant.";
    FEATURE_NOT_SUPPORTED = "0A000", "Not supported; the text says what to do instead.";
    INVALID_PASSWORD = "28P01", "Wrong user or password.";
    INVALID_AUTHORIZATION = "28000", "This login is not allowed.";
    CONNECTION_FAILURE = "08006", "The connection broke.";
    PROTOCOL_VIOLATION = "08P01", "The client sent something the protocol does not allow.";
    NUMERIC_VALUE_OUT_OF_RANGE = "22003", "A number does not fit its type.";
    DIVISION_BY_ZERO = "22012", "Division by zero.";
    STRING_DATA_RIGHT_TRUNCATION = "22001", "A string is too long for its type.";
    SUBSTRING_ERROR = "22011", "A part of a text has a negative length.";
    INVALID_REGULAR_EXPRESSION = "2201B", "A text is not a regular expression.";
    INVALID_DATETIME_FORMAT = "22007", "Text that is not a date or time.";
    DATETIME_FIELD_OVERFLOW = "22008", "A date or time out of range.";
    INVALID_TEXT_REPRESENTATION = "22P02", "Text that is not a value of the type.";
    INVALID_PARAMETER_VALUE = "22023", "An argument or setting has a value that is not allowed.";
    DATA_EXCEPTION = "22000", "A value is not allowed here.";
    CHARACTER_NOT_IN_REPERTOIRE = "22021", "Bytes are not a text in UTF-8.";
    NULL_VALUE_NOT_ALLOWED = "22004", "A null where a value is needed.";
    ERROR_IN_ASSIGNMENT = "22005", "A constant cannot be assigned to.";
    BAD_COPY_FILE_FORMAT = "22P04", "A loaded file is not in the format named.";
    CASE_NOT_FOUND = "20000", "No arm of a CASE statement fits.";
    CARDINALITY_VIOLATION = "21000", "More than one row where one is wanted: a subquery used as a value, a row of MERGE.";
    NOT_NULL_VIOLATION = "23502", "A null in a NOT NULL column.";
    INVALID_TRANSACTION_TERMINATION = "2D000", "A procedure may not end the transaction here.";
    RAISE_EXCEPTION = "P0001", "RAISE EXCEPTION of a procedure.";
    ACTIVE_SQL_TRANSACTION = "25001", "Not inside a transaction block.";
    NO_ACTIVE_SQL_TRANSACTION = "25P01", "There is no transaction.";
    IN_FAILED_SQL_TRANSACTION = "25P02", "The transaction failed earlier; roll it back.";
    IDLE_IN_TRANSACTION_SESSION_TIMEOUT = "25P03", "The session was idle in a transaction for too long.";
    READ_ONLY_SQL_TRANSACTION = "25006", "The transaction only reads.";
    INVALID_SQL_STATEMENT_NAME = "26000", "No prepared statement of this name.";
    INVALID_CURSOR_NAME = "34000", "No cursor of this name.";
    INVALID_CURSOR_DEFINITION = "42P11", "Not a query a cursor can have.";
    INVALID_CATALOG_NAME = "3D000", "No database of this name.";
    INVALID_SCHEMA_NAME = "3F000", "No schema of this name.";
    SERIALIZATION_FAILURE = "40001", "A concurrent transaction changed the same rows; try again.";
    DEADLOCK_DETECTED = "40P01", "Two transactions wait for each other.";
    OBJECT_IN_USE = "55006", "The object is being worked on.";
    SYNTAX_ERROR = "42601", "The text is not a statement.";
    INSUFFICIENT_PRIVILEGE = "42501", "Not allowed.";
    INVALID_GRANT_OPERATION = "0LP01", "Such a permission cannot be given.";
    CANNOT_COERCE = "42846", "No cast between these types.";
    GROUPING_ERROR = "42803", "A column is neither grouped nor aggregated.";
    WINDOWING_ERROR = "42P20", "A window function is not allowed here.";
    DATATYPE_MISMATCH = "42804", "An expression has the wrong type.";
    UNDEFINED_COLUMN = "42703", "No column of this name.";
    UNDEFINED_FUNCTION = "42883", "No function or operator of this name and arguments.";
    UNDEFINED_TABLE = "42P01", "No table of this name.";
    UNDEFINED_PARAMETER = "42P02", "No parameter of this number.";
    UNDEFINED_OBJECT = "42704", "No object of this name.";
    DUPLICATE_COLUMN = "42701", "A column of this name exists.";
    DUPLICATE_CURSOR = "42P03", "A cursor of this name exists.";
    DUPLICATE_DATABASE = "42P04", "A database of this name exists.";
    DUPLICATE_OBJECT = "42710", "An object of this name exists.";
    DUPLICATE_SCHEMA = "42P06", "A schema of this name exists.";
    DUPLICATE_TABLE = "42P07", "A table of this name exists.";
    DUPLICATE_PREPARED_STATEMENT = "42P05", "A prepared statement of this name exists.";
    DUPLICATE_ALIAS = "42712", "A name of a table stands for two of them.";
    AMBIGUOUS_COLUMN = "42702", "A column name fits more than one table.";
    AMBIGUOUS_FUNCTION = "42725", "More than one function fits.";
    DUPLICATE_FUNCTION = "42723", "A function of this name and arguments exists.";
    INVALID_FUNCTION_DEFINITION = "42P13", "A function is not declared as it must be.";
    INVALID_COLUMN_REFERENCE = "42P10", "A column may not be named here.";
    INVALID_TABLE_DEFINITION = "42P16", "Column or table attributes contradict each other.";
    INVALID_NAME = "42602", "Not a name.";
    NAME_TOO_LONG = "42622", "A name of more than 127 bytes.";
    WRONG_OBJECT_TYPE = "42809", "An object of another kind has this name.";
    DEPENDENT_OBJECTS_STILL_EXIST = "2BP01", "Other objects need it; use CASCADE.";
    OUT_OF_MEMORY = "53200", "The statement needs more memory than granted.";
    DISK_FULL = "53100", "No space left on a device.";
    TOO_MANY_CONNECTIONS = "53300", "No connection is free.";
    CONFIGURATION_LIMIT_EXCEEDED = "53400", "More than the configuration allows.";
    STATEMENT_TOO_COMPLEX = "54001", "Nested too deeply.";
    PROGRAM_LIMIT_EXCEEDED = "54000", "Over a documented limit.";
    TOO_MANY_ARGUMENTS = "54023", "More arguments than allowed.";
    TOO_MANY_COLUMNS = "54011", "More columns than allowed.";
    OBJECT_NOT_IN_PREREQUISITE_STATE = "55000", "Not possible in the present state.";
    CANT_CHANGE_RUNTIME_PARAM = "55P02", "A parameter that cannot be changed.";
    LOCK_NOT_AVAILABLE = "55P03", "A lock was not to be had in time.";
    QUERY_CANCELED = "57014", "Canceled, by the user or a timeout.";
    ADMIN_SHUTDOWN = "57P01", "The server is stopping.";
    CANNOT_CONNECT_NOW = "57P03", "The server is starting or stopping.";
    IDLE_SESSION_TIMEOUT = "57P05", "The session was idle for too long.";
    IO_ERROR = "58030", "A device failed.";
    UNDEFINED_FILE = "58P01", "A file is missing.";
    DATA_CORRUPTED = "XX001", "Stored bytes are not what was written.";
    INTERNAL_ERROR = "XX000", "A bug of ours.";
}
