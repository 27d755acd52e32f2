//! The list of parameters: Redshift's, those of PostgreSQL that its drivers ask for, and what the server tells.
//!
//! A parameter whose feature is not built keeps its default and refuses any other value: it is never accepted and
//! then ignored. One that asks for what is so anyway is accepted, and a notice says so.

use super::value::Kind;
use std::sync::LazyLock;

/// A parameter.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// Its name as SHOW prints it.
    pub name: &'static str,
    /// Its value in a new session.
    pub default: &'static str,
    /// What values it takes.
    pub kind: Kind,
    /// What a change of it does.
    pub effect: Effect,
    /// Whether clients are told of it at start and at each change (ParameterStatus).
    pub reported: bool,
    /// What it does, one line; SHOW ALL prints it.
    pub description: &'static str,
}

/// What a change of a parameter does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// What its description says.
    Real,
    /// Nothing, and the server does well without: the notice says why.
    Moot(&'static str),
    /// Only the default is there; any other value is refused with this hint.
    DefaultOnly(&'static str),
    /// Shown and never changed.
    Fixed,
}

const fn parameter(
    name: &'static str,
    default: &'static str,
    kind: Kind,
    effect: Effect,
    description: &'static str,
) -> Parameter {
    Parameter {
        name,
        default,
        kind,
        effect,
        reported: false,
        description,
    }
}

/// Makes a parameter that clients are told of.
const fn reported(parameter: Parameter) -> Parameter {
    Parameter {
        reported: true,
        ..parameter
    }
}

/// Makes a parameter that is shown and never changed.
const fn fixed(name: &'static str, default: &'static str, description: &'static str) -> Parameter {
    parameter(name, default, Kind::Text, Effect::Fixed, description)
}

const NO_SUPER: Effect = Effect::DefaultOnly(
    "Set enable_case_sensitive_identifier to true and write the attributes in double quotes.",
);
const NO_NESTED: Effect =
    Effect::DefaultOnly("Nested columns of external tables are SUPER, which is shown as JSON.");
const NO_SPECTRUM_OID: Effect =
    Effect::Moot("external tables have the pseudocolumns $path and $size alone");
const NO_SCAN_ERRORS: Effect =
    Effect::DefaultOnly("The first error of a scan of external tables ends the query.");
const ISOLATION_LEVELS: Kind = Kind::Word(&[
    "snapshot",
    "serializable",
    "repeatable read",
    "read committed",
    "read uncommitted",
]);
const MESSAGE_LEVELS: Kind = Kind::Word(&[
    "debug5", "debug4", "debug3", "debug2", "debug1", "debug", "log", "info", "notice", "warning",
    "error",
]);

/// Every parameter there is, by name.
pub const PARAMETERS: &[Parameter] = &[
    parameter(
        "analyze_threshold_percent",
        "10",
        Kind::Number(0.0, 100.0),
        Effect::Real,
        "share of changed rows below which ANALYZE skips a table",
    ),
    reported(parameter(
        "application_name",
        "",
        Kind::Text,
        Effect::Real,
        "name the client gives itself",
    )),
    fixed(
        "auto_analyze",
        "true",
        "statistics are kept without ANALYZE",
    ),
    fixed(
        "auto_mv",
        "false",
        "materialized views are made without being asked for",
    ),
    parameter(
        "blueshift.comfort",
        "off",
        Kind::Switch,
        Effect::Real,
        "lifts limits of Redshift: functions of the leader with tables, STRING_AGG, long results of LISTAGG",
    ),
    parameter(
        "cast_super_null_on_error",
        "on",
        Kind::Switch,
        NO_SUPER,
        "a cast of a SUPER value that fails gives null",
    ),
    reported(parameter(
        "client_encoding",
        "UTF8",
        Kind::Encoding,
        Effect::Real,
        "encoding of text on the wire",
    )),
    parameter(
        "client_min_messages",
        "notice",
        MESSAGE_LEVELS,
        Effect::Real,
        "least severity of messages sent to the client",
    ),
    parameter(
        "datashare_break_glass_session_var",
        "",
        Kind::Text,
        Effect::DefaultOnly("There are no datashares to drop."),
        "permits dropping a datashare of AWS Data Exchange",
    ),
    reported(parameter(
        "DateStyle",
        "ISO, MDY",
        Kind::DateStyle,
        Effect::Real,
        "style of dates in text, and the order of day and month",
    )),
    parameter(
        "default_geometry_encoding",
        "1",
        Kind::Integer(1, 2),
        Effect::DefaultOnly("GEOMETRY is not available."),
        "whether geometries are stored with a bounding box",
    ),
    parameter(
        "default_transaction_isolation",
        "snapshot",
        ISOLATION_LEVELS,
        Effect::Moot("the level is that of the database: ALTER DATABASE ... ISOLATION LEVEL"),
        "isolation of transactions to come",
    ),
    parameter(
        "default_transaction_read_only",
        "off",
        Kind::Switch,
        Effect::Real,
        "whether transactions to come may only read",
    ),
    parameter(
        "describe_field_name_in_uppercase",
        "off",
        Kind::Switch,
        Effect::Real,
        "column names of results in upper case",
    ),
    parameter(
        "downcase_delimited_identifier",
        "on",
        Kind::Switch,
        Effect::DefaultOnly("Use enable_case_sensitive_identifier instead."),
        "retired; quoted names are turned to lower case",
    ),
    parameter(
        "enable_case_sensitive_identifier",
        "false",
        Kind::Truth,
        Effect::Real,
        "quoted names keep their case",
    ),
    parameter(
        "enable_case_sensitive_super_attribute",
        "false",
        Kind::Truth,
        NO_SUPER,
        "attributes of SUPER values are told apart by case",
    ),
    parameter(
        "enable_numeric_rounding",
        "on",
        Kind::Switch,
        Effect::DefaultOnly("Cut digits off with TRUNC before the cast."),
        "casts of NUMERIC round; off, they truncate",
    ),
    parameter(
        "enable_result_cache_for_session",
        "on",
        Kind::Switch,
        Effect::Real,
        "queries whose tables did not change may be answered by an earlier result",
    ),
    parameter(
        "enable_spectrum_oid",
        "true",
        Kind::Truth,
        NO_SPECTRUM_OID,
        "external tables have the column $spectrum_oid; not here",
    ),
    fixed(
        "enable_user_activity_logging",
        "false",
        "statements are written to audit logs",
    ),
    parameter(
        "enable_vacuum_boost",
        "false",
        Kind::Truth,
        Effect::Real,
        "VACUUM runs with the BOOST option",
    ),
    parameter(
        "error_on_nondeterministic_update",
        "false",
        Kind::Truth,
        Effect::Real,
        "refuse an UPDATE that finds two values for one row",
    ),
    parameter(
        "external_scan_bytes_per_day",
        "0",
        Kind::Integer(0, i64::MAX),
        Effect::Real,
        "bytes of external tables the user may scan on one day, 0 for no limit of the session's own",
    ),
    parameter(
        "external_scan_bytes_per_query",
        "0",
        Kind::Integer(0, i64::MAX),
        Effect::Real,
        "bytes of external tables a query may scan, 0 for no limit of the session's own",
    ),
    parameter(
        "extra_float_digits",
        "0",
        Kind::Integer(-15, 2),
        Effect::Real,
        "digits of floating point numbers in text beyond 6 and 15",
    ),
    parameter(
        "idle_in_transaction_session_timeout",
        "0",
        Kind::Milliseconds,
        Effect::Real,
        "time after which a session idle in a transaction is ended, 0 for never",
    ),
    parameter(
        "idle_session_timeout",
        "0",
        Kind::Milliseconds,
        Effect::Real,
        "time after which an idle session is ended, 0 for never",
    ),
    reported(fixed(
        "integer_datetimes",
        "on",
        "times are whole microseconds",
    )),
    parameter(
        "interval_forbid_composite_literals",
        "off",
        Kind::Switch,
        Effect::DefaultOnly("Write years and months in one literal, days and times in another."),
        "refuse an interval literal of both months and days",
    ),
    reported(parameter(
        "IntervalStyle",
        "postgres",
        Kind::Word(&["postgres", "postgres_verbose", "sql_standard", "iso_8601"]),
        Effect::Real,
        "style of intervals in text",
    )),
    reported(fixed(
        "is_superuser",
        "off",
        "whether the user is a superuser",
    )),
    parameter(
        "json_parse_dedup_attributes",
        "off",
        Kind::Switch,
        Effect::Real,
        "JSON_PARSE keeps the last of equal attributes of an object",
    ),
    parameter(
        "json_parse_truncate_strings",
        "off",
        Kind::Switch,
        Effect::DefaultOnly("Cut the strings before JSON_PARSE reads them."),
        "JSON_PARSE cuts strings that are too long for a SUPER",
    ),
    parameter(
        "json_serialization_enable",
        "false",
        Kind::Truth,
        NO_NESTED,
        "collections in external files are returned as JSON",
    ),
    parameter(
        "json_serialization_parse_nested_strings",
        "false",
        Kind::Truth,
        NO_NESTED,
        "JSON within strings of such collections is parsed",
    ),
    fixed("lc_collate", "C", "order of text: by its bytes"),
    fixed("lc_ctype", "C.UTF-8", "classes of characters"),
    parameter(
        "lock_timeout",
        "0",
        Kind::Milliseconds,
        Effect::Real,
        "time after which a statement that waits for one lock fails, 0 for never",
    ),
    parameter(
        "max_concurrency_scaling_clusters",
        "1",
        Kind::Integer(0, 10),
        Effect::Moot("there are no clusters to scale to"),
        "clusters that may be added for concurrency",
    ),
    parameter(
        "max_cursor_result_set_size",
        "0",
        Kind::Integer(0, 14_400_000),
        Effect::Moot(
            "it is deprecated: the rows of a cursor stay in the cluster until they are fetched",
        ),
        "deprecated; the largest result of a cursor in megabytes",
    ),
    fixed("max_identifier_length", "127", "bytes a name may have"),
    fixed("max_index_keys", "32", "columns a key may have"),
    parameter(
        "mv_enable_aqmv_for_session",
        "true",
        Kind::Truth,
        Effect::Real,
        "whether queries are answered from materialized views that are up to date",
    ),
    parameter(
        "navigate_super_null_on_error",
        "on",
        Kind::Switch,
        NO_SUPER,
        "a member of a SUPER value that is not there gives null",
    ),
    // By this one asyncpg tells Redshift from PostgreSQL.
    reported(fixed("padb_revision", "100000", "revision of this server")),
    reported(fixed("padb_version", "1.0.0", "version of this server")),
    parameter(
        "parse_super_null_on_error",
        "off",
        Kind::Switch,
        Effect::Real,
        "text that is no JSON is parsed to null",
    ),
    parameter(
        "pg_federation_repeatable_read",
        "true",
        Kind::Truth,
        Effect::Real,
        "all scans of a statement see a live PostgreSQL database as of one moment",
    ),
    parameter(
        "query_group",
        "unset",
        Kind::Text,
        Effect::Real,
        "label of the session's queries in STL_QUERY",
    ),
    fixed(
        "require_ssl",
        "false",
        "connections must be encrypted; those from beyond this machine must anyway",
    ),
    parameter(
        "search_path",
        "$user, public",
        Kind::Names,
        Effect::Real,
        "schemas searched for a name without one",
    ),
    parameter(
        "seed",
        "",
        Kind::Number(-1.0, 1.0),
        Effect::Real,
        "seed of RANDOM(), whose numbers then repeat",
    ),
    reported(fixed("server_encoding", "UTF8", "encoding of stored text")),
    reported(fixed(
        "server_version",
        "8.0.2",
        "version of the PostgreSQL protocol and catalogs spoken",
    )),
    fixed("server_version_num", "80002", "the same as a number"),
    reported(fixed("session_authorization", "", "the user")),
    parameter(
        "spectrum_enable_pseudo_columns",
        "true",
        Kind::Truth,
        Effect::Real,
        "external tables have the pseudocolumns $path and $size",
    ),
    parameter(
        "spectrum_query_maxerror",
        "-1",
        Kind::Integer(-2_147_483_648, 2_147_483_647),
        NO_SCAN_ERRORS,
        "errors a query of external tables may meet",
    ),
    // Not reported: clients that are told nothing escape backslashes, as they must.
    fixed(
        "standard_conforming_strings",
        "off",
        "a backslash in a plain string begins an escape",
    ),
    parameter(
        "statement_timeout",
        "0",
        Kind::Milliseconds,
        Effect::Real,
        "time after which a statement is canceled, 0 for never",
    ),
    parameter(
        "stored_proc_log_min_messages",
        "LOG",
        Kind::Word(&["LOG", "INFO", "NOTICE", "WARNING", "EXCEPTION"]),
        Effect::Real,
        "least severity of messages of procedures that are kept",
    ),
    reported(parameter(
        "TimeZone",
        "UTC",
        Kind::TimeZone,
        Effect::Real,
        "zone that TIMESTAMPTZ is shown in",
    )),
    fixed(
        "transaction_isolation",
        "snapshot",
        "isolation of transactions",
    ),
    parameter(
        "transaction_read_only",
        "off",
        Kind::Switch,
        Effect::Real,
        "whether the transaction may only read",
    ),
    fixed(
        "use_fips_ssl",
        "false",
        "encryption is limited to FIPS algorithms",
    ),
    fixed(
        "wlm_json_configuration",
        r#"[{"auto_wlm":true}]"#,
        "queues of the workload manager",
    ),
    parameter(
        "wlm_query_slot_count",
        "1",
        Kind::Integer(1, 50),
        Effect::Real,
        "slots of a queue that a query takes",
    ),
];

/// The parameters by the hash of their names, in order of the hashes: every statement asks for some twenty.
static BY_HASH: LazyLock<Vec<(u64, &'static Parameter)>> = LazyLock::new(|| {
    let entries = PARAMETERS.iter();
    let mut hashed: Vec<_> = entries.map(|entry| (hash(entry.name), entry)).collect();
    hashed.sort_unstable_by_key(|(hash, _)| *hash);
    hashed
});

/// Hashes a name without regard to case (FNV-1a).
fn hash(name: &str) -> u64 {
    let fold = |hash: u64, byte: u8| {
        (hash ^ u64::from(byte.to_ascii_lowercase())).wrapping_mul(0x0000_0100_0000_01b3)
    };
    name.bytes().fold(0xcbf2_9ce4_8422_2325, fold)
}

/// Gives the parameter's entry; names are compared without case.
pub fn find(name: &str) -> Option<&'static Parameter> {
    let wanted = hash(name);
    let first = BY_HASH.partition_point(|(hash, _)| *hash < wanted);
    let same = BY_HASH.get(first..)?.iter();
    let mut same = same.take_while(|(hash, _)| *hash == wanted);
    let found = same.find(|(_, entry)| entry.name.eq_ignore_ascii_case(name));
    found.map(|(_, entry)| *entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_in_order() {
        let names: Vec<String> = PARAMETERS
            .iter()
            .map(|parameter| parameter.name.to_ascii_lowercase())
            .collect();
        assert!(names.is_sorted_by(|left, right| left < right), "{names:?}");
    }

    #[test]
    fn a_default_is_a_value() {
        for parameter in PARAMETERS {
            // The documented default of search_path is printed without quotes.
            let is_printed_so = parameter.kind == Kind::Names;
            if parameter.default.is_empty() || parameter.effect == Effect::Fixed || is_printed_so {
                continue;
            }
            let value = super::super::value::checked(parameter, &[parameter.default.to_string()]);
            assert_eq!(
                value.as_deref(),
                Ok(parameter.default),
                "{}",
                parameter.name
            );
        }
    }
}
