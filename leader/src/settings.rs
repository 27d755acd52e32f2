//! Every session parameter, one entry each: its default, what values it takes, and what they become.
//!
//! Names of the form `prefix.name` are session context variables: any text, readable by `current_setting`. A changed
//! parameter goes back to its old value when the transaction that changed it is rolled back; `SET LOCAL` goes back at
//! its end either way. The session keeps copies for that, so this type is cheap to clone.

use blueshift_sql::{Error, Result, SqlState};
use std::collections::BTreeMap;
use std::time::Duration;

/// What values a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `on`, `off`, `true`, `false`, `yes`, `no`, `1`, `0`; shown as `on` or `off`.
    Switch,
    /// The same, shown as `true` or `false`.
    Truth,
    /// A whole number between two bounds.
    Integer(i64, i64),
    /// Milliseconds; a unit `ms`, `s`, `min`, `h` may follow.
    Milliseconds,
    /// Any text.
    Text,
    /// A comma-separated list of names.
    Names,
    /// One of these words, compared without case.
    Word(&'static [&'static str]),
    /// A time zone of the IANA database or an offset.
    TimeZone,
    /// Output style `ISO` with an order of year, month and day.
    DateStyle,
    /// Shown and never changed.
    Fixed,
}

/// A parameter.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// Its name as SHOW prints it.
    pub name: &'static str,
    /// Its value in a new session.
    pub default: &'static str,
    /// What values it takes.
    pub kind: Kind,
    /// Whether clients are told of it at start and at each change (ParameterStatus).
    pub reported: bool,
    /// What it does, one line; SHOW ALL prints it.
    pub description: &'static str,
}

const fn parameter(
    name: &'static str,
    default: &'static str,
    kind: Kind,
    description: &'static str,
) -> Parameter {
    Parameter {
        name,
        default,
        kind,
        reported: false,
        description,
    }
}

const fn reported(
    name: &'static str,
    default: &'static str,
    kind: Kind,
    description: &'static str,
) -> Parameter {
    Parameter {
        name,
        default,
        kind,
        reported: true,
        description,
    }
}

/// Every parameter there is, by name.
pub const PARAMETERS: &[Parameter] = &[
    parameter(
        "analyze_threshold_percent",
        "10",
        Kind::Integer(0, 100),
        "share of changed rows below which ANALYZE skips a table",
    ),
    reported(
        "application_name",
        "",
        Kind::Text,
        "name the client gives itself",
    ),
    reported(
        "client_encoding",
        "UTF8",
        Kind::Word(&["UTF8", "UTF-8", "UNICODE"]),
        "encoding of text on the wire",
    ),
    parameter(
        "client_min_messages",
        "notice",
        Kind::Word(&[
            "debug5", "debug4", "debug3", "debug2", "debug1", "log", "notice", "warning", "error",
        ]),
        "least severity of messages sent to the client",
    ),
    reported(
        "DateStyle",
        "ISO, MDY",
        Kind::DateStyle,
        "style of dates in text, and the order day and month are read in",
    ),
    parameter(
        "default_transaction_isolation",
        "snapshot",
        Kind::Word(&[
            "snapshot",
            "serializable",
            "repeatable read",
            "read committed",
            "read uncommitted",
        ]),
        "accepted for drivers; every level behaves as the database's",
    ),
    parameter(
        "describe_field_name_in_uppercase",
        "off",
        Kind::Switch,
        "column names of results in upper case",
    ),
    parameter(
        "enable_case_sensitive_identifier",
        "false",
        Kind::Truth,
        "quoted names keep their case",
    ),
    parameter(
        "enable_result_cache_for_session",
        "on",
        Kind::Switch,
        "results may come from the result cache",
    ),
    parameter(
        "error_on_nondeterministic_update",
        "false",
        Kind::Truth,
        "refuse an UPDATE that finds two values for one row",
    ),
    parameter(
        "extra_float_digits",
        "0",
        Kind::Integer(-15, 3),
        "digits of floating point numbers in text beyond the default",
    ),
    reported(
        "integer_datetimes",
        "on",
        Kind::Fixed,
        "times are whole microseconds",
    ),
    reported(
        "IntervalStyle",
        "postgres",
        Kind::Word(&["postgres", "iso_8601", "sql_standard", "postgres_verbose"]),
        "style of intervals in text",
    ),
    reported(
        "is_superuser",
        "off",
        Kind::Fixed,
        "whether the user is a superuser",
    ),
    reported(
        "padb_version",
        "1.0.0",
        Kind::Fixed,
        "version of this server",
    ),
    parameter(
        "query_group",
        "default",
        Kind::Text,
        "label of the session's queries, for queues",
    ),
    parameter(
        "search_path",
        "$user, public",
        Kind::Names,
        "schemas searched for a name without one",
    ),
    reported(
        "server_encoding",
        "UTF8",
        Kind::Fixed,
        "encoding of stored text",
    ),
    reported(
        "server_version",
        "8.0.2",
        Kind::Fixed,
        "version of the PostgreSQL protocol and catalogs spoken",
    ),
    parameter(
        "server_version_num",
        "80002",
        Kind::Fixed,
        "the same as a number",
    ),
    reported("session_authorization", "", Kind::Fixed, "the user"),
    reported(
        "standard_conforming_strings",
        "on",
        Kind::Fixed,
        "a backslash in a plain string is itself",
    ),
    parameter(
        "statement_timeout",
        "0",
        Kind::Milliseconds,
        "time after which a statement is canceled, 0 for never",
    ),
    reported(
        "TimeZone",
        "UTC",
        Kind::TimeZone,
        "zone that TIMESTAMPTZ is shown in",
    ),
    parameter(
        "transaction_isolation",
        "snapshot",
        Kind::Fixed,
        "isolation of transactions",
    ),
    parameter(
        "transaction_read_only",
        "off",
        Kind::Fixed,
        "whether the transaction may only read",
    ),
    parameter(
        "wlm_query_slot_count",
        "1",
        Kind::Integer(1, 50),
        "slots of a queue that a query takes",
    ),
];

/// The parameter's entry; names are compared without case.
pub fn find(name: &str) -> Option<&'static Parameter> {
    PARAMETERS
        .iter()
        .find(|parameter| parameter.name.eq_ignore_ascii_case(name))
}

fn unknown(name: &str) -> Error {
    Error::new(
        SqlState::UNDEFINED_OBJECT,
        format!("unrecognized configuration parameter \"{name}\""),
    )
}

/// The parameters of one session: only what differs from the defaults is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// By the name as [`PARAMETERS`] spells it; context variables in lower case.
    values: BTreeMap<String, String>,
    /// What RESET goes back to: given at login.
    login: BTreeMap<String, String>,
    /// What SET LOCAL covered up, to come back at the end of the transaction.
    covered: BTreeMap<String, Option<String>>,
    /// Values before the last `set`, for `mark_local`.
    before_last_set: Option<(String, Option<String>)>,
}

impl Settings {
    /// Gives a value as SHOW prints it; `None` if there is no such parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        let key = find(name).map_or(name, |parameter| parameter.name);
        self.values
            .get(key)
            .map(String::as_str)
            .or_else(|| find(name).map(|parameter| parameter.default))
    }

    /// Gives a value as SHOW prints it. Fails with 42704.
    pub fn show(&self, name: &str) -> Result<&str> {
        self.get(name).ok_or_else(|| unknown(name))
    }

    /// Changes a value by SET; no `values` is DEFAULT. Gives the spelling of the name and the new value.
    pub fn set(&mut self, name: &str, values: &[String]) -> Result<(String, String)> {
        let key = find(name)
            .map_or(name, |parameter| parameter.name)
            .to_string();
        self.before_last_set = Some((key.clone(), self.values.get(&key).cloned()));
        let Some(parameter) = find(name) else {
            if !name.contains('.') {
                return Err(unknown(name));
            }
            let value = values.join(", ");
            self.values.insert(name.to_string(), value.clone());
            return Ok((name.to_string(), value));
        };
        if parameter.kind == Kind::Fixed {
            return Err(Error::new(
                SqlState::INVALID_PARAMETER_VALUE,
                format!("parameter \"{}\" cannot be changed", parameter.name),
            ));
        }
        if values.is_empty() {
            return Ok(self.reset_one(parameter));
        }
        let value = checked(parameter, values)?;
        self.values
            .insert(parameter.name.to_string(), value.clone());
        Ok((parameter.name.to_string(), value))
    }

    /// Makes the last `set`, of `name`, one of SET LOCAL.
    pub fn mark_local(&mut self, name: &str) {
        if let Some((key, before)) = self.before_last_set.take()
            && key == name
        {
            self.covered.entry(key).or_insert(before);
        }
    }

    /// Takes back what SET LOCAL changed: the transaction has ended.
    pub fn end_local(&mut self) {
        for (key, before) in std::mem::take(&mut self.covered) {
            match before {
                Some(value) => self.values.insert(key, value),
                None => self.values.remove(&key),
            };
        }
    }

    /// Goes back to the value at login; gives the spelling of the name and the value.
    pub fn reset(&mut self, name: &str) -> Result<(String, String)> {
        match find(name) {
            Some(parameter) => Ok(self.reset_one(parameter)),
            None => match self.values.remove(name) {
                Some(_) => Ok((name.to_string(), String::new())),
                None => Err(unknown(name)),
            },
        }
    }

    /// RESET ALL; gives what changed and clients are told of.
    pub fn reset_all(&mut self) -> Vec<(String, String)> {
        let before = std::mem::replace(&mut self.values, self.login.clone());
        self.reported_changes(&before)
    }

    /// Makes the present values those that RESET goes back to. Called once, at login.
    pub fn keep_as_login(&mut self) {
        self.login = self.values.clone();
    }

    /// Sets what only the server may set, such as `is_superuser`.
    pub fn fix(&mut self, name: &'static str, value: &str) {
        self.values.insert(name.to_string(), value.to_string());
    }

    /// Gives the reported parameters that differ between `self` and `before`.
    pub fn changes_since(&self, before: &Settings) -> Vec<(String, String)> {
        self.reported_changes(&before.values)
    }

    /// Gives every parameter that clients are told of.
    pub fn reported(&self) -> Vec<(String, String)> {
        let reported = PARAMETERS.iter().filter(|parameter| parameter.reported);
        reported
            .map(|parameter| {
                (
                    parameter.name.to_string(),
                    self.value(parameter).to_string(),
                )
            })
            .collect()
    }

    /// Gives every parameter with its value and description, by name, for SHOW ALL and pg_settings.
    pub fn all(&self) -> Vec<(String, String, String)> {
        let mut all: Vec<_> = PARAMETERS
            .iter()
            .map(|parameter| {
                let value = self.value(parameter).to_string();
                (
                    parameter.name.to_string(),
                    value,
                    parameter.description.to_string(),
                )
            })
            .collect();
        all.extend(
            self.values
                .iter()
                .filter(|(name, _)| find(name).is_none())
                .map(|(name, value)| {
                    (
                        name.clone(),
                        value.clone(),
                        "session context variable".to_string(),
                    )
                }),
        );
        all.sort_by_key(|(name, _, _)| name.to_ascii_lowercase());
        all
    }

    /// Gives the schemas of `search_path`, `$user` replaced.
    pub fn search_path(&self, user: &str) -> Vec<String> {
        let path = self.get("search_path").unwrap_or_default();
        path.split(',')
            .map(|name| name.trim().trim_matches('"'))
            .filter(|name| !name.is_empty())
            .map(|name| {
                if name == "$user" {
                    user.to_string()
                } else {
                    name.to_string()
                }
            })
            .collect()
    }

    /// Gives `statement_timeout`; `None` if there is none.
    pub fn statement_timeout(&self) -> Option<Duration> {
        let milliseconds = self.get("statement_timeout")?.parse().ok()?;
        (milliseconds > 0).then(|| Duration::from_millis(milliseconds))
    }

    /// Tells whether a switch is on.
    pub fn is_on(&self, name: &str) -> bool {
        matches!(self.get(name), Some("on" | "true"))
    }

    fn value(&self, parameter: &Parameter) -> &str {
        self.values
            .get(parameter.name)
            .map_or(parameter.default, String::as_str)
    }

    fn reset_one(&mut self, parameter: &Parameter) -> (String, String) {
        match self.login.get(parameter.name) {
            Some(value) => self
                .values
                .insert(parameter.name.to_string(), value.clone()),
            None => self.values.remove(parameter.name),
        };
        (
            parameter.name.to_string(),
            self.value(parameter).to_string(),
        )
    }

    fn reported_changes(&self, before: &BTreeMap<String, String>) -> Vec<(String, String)> {
        PARAMETERS
            .iter()
            .filter(|parameter| parameter.reported)
            .filter(|parameter| {
                let old = before
                    .get(parameter.name)
                    .map_or(parameter.default, String::as_str);
                old != self.value(parameter)
            })
            .map(|parameter| {
                (
                    parameter.name.to_string(),
                    self.value(parameter).to_string(),
                )
            })
            .collect()
    }
}

fn invalid(parameter: &Parameter, value: &str) -> Error {
    Error::new(
        SqlState::INVALID_PARAMETER_VALUE,
        format!(
            "invalid value for parameter \"{}\": \"{value}\"",
            parameter.name
        ),
    )
}

/// Checks a value and gives it as SHOW prints it.
fn checked(parameter: &Parameter, values: &[String]) -> Result<String> {
    let joined = values.join(", ");
    if values.len() > 1 && !matches!(parameter.kind, Kind::Names | Kind::DateStyle) {
        return Err(Error::new(
            SqlState::INVALID_PARAMETER_VALUE,
            format!("SET {} takes only one argument", parameter.name),
        ));
    }
    let value = joined.trim();
    let refused = || invalid(parameter, value);
    match parameter.kind {
        Kind::Switch | Kind::Truth => {
            let on = match value.to_ascii_lowercase().as_str() {
                "on" | "true" | "yes" | "1" | "t" | "y" => true,
                "off" | "false" | "no" | "0" | "f" | "n" => false,
                _ => {
                    return Err(Error::new(
                        SqlState::INVALID_PARAMETER_VALUE,
                        format!("parameter \"{}\" requires a Boolean value", parameter.name),
                    ));
                }
            };
            let words = if parameter.kind == Kind::Switch {
                ["off", "on"]
            } else {
                ["false", "true"]
            };
            Ok(words[usize::from(on)].to_string())
        }
        Kind::Integer(least, greatest) => {
            let number: i64 = value.parse().map_err(|_| refused())?;
            if !(least..=greatest).contains(&number) {
                return Err(Error::new(
                    SqlState::INVALID_PARAMETER_VALUE,
                    format!(
                        "{number} is outside the valid range for parameter \"{}\" ({least} .. {greatest})",
                        parameter.name
                    ),
                ));
            }
            Ok(number.to_string())
        }
        Kind::Milliseconds => milliseconds(value)
            .map(|number| number.to_string())
            .ok_or_else(refused),
        Kind::Text | Kind::Names | Kind::Fixed => Ok(value.to_string()),
        Kind::Word(words) => {
            let word = words
                .iter()
                .find(|word| word.eq_ignore_ascii_case(value))
                .ok_or_else(refused)?;
            let is_encoding = parameter.name == "client_encoding";
            Ok(if is_encoding {
                "UTF8".to_string()
            } else {
                (*word).to_string()
            })
        }
        Kind::TimeZone => time_zone(value).ok_or_else(refused),
        Kind::DateStyle => date_style(value).ok_or_else(refused),
    }
}

fn milliseconds(text: &str) -> Option<u64> {
    let digits = text
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(text.len());
    let number: u64 = text.get(..digits)?.parse().ok()?;
    let factor = match text.get(digits..)?.trim() {
        "" | "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    let product = number.checked_mul(factor)?;
    (product <= i32::MAX as u64).then_some(product)
}

fn time_zone(text: &str) -> Option<String> {
    let matches = |zone: &&chrono_tz::Tz| zone.name().eq_ignore_ascii_case(text);
    if let Some(zone) = chrono_tz::TZ_VARIANTS.iter().find(matches) {
        return Some(zone.name().to_string());
    }
    let (sign, rest) = match text.as_bytes().first()? {
        b'-' => ('-', text.get(1..)?),
        b'+' => ('+', text.get(1..)?),
        _ => ('+', text),
    };
    let (hours, minutes) = rest.split_once(':').unwrap_or((rest, "0"));
    let hours: u32 = hours.parse().ok()?;
    let minutes: u32 = minutes.parse().ok()?;
    (hours <= 15 && minutes < 60).then(|| format!("{sign}{hours:02}:{minutes:02}"))
}

fn date_style(text: &str) -> Option<String> {
    let mut order = "MDY";
    for word in text.split(',').map(str::trim) {
        match word.to_ascii_uppercase().as_str() {
            "ISO" => {}
            "MDY" | "US" | "NONEURO" | "NONEUROPEAN" => order = "MDY",
            "DMY" | "EURO" | "EUROPEAN" => order = "DMY",
            "YMD" => order = "YMD",
            _ => return None,
        }
    }
    Some(format!("ISO, {order}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, value: &str, shown: Option<&str>) {
        let mut settings = Settings::default();
        let answer = settings.set(name, &[value.to_string()]);
        assert_eq!(
            answer.ok().map(|(_, value)| value).as_deref(),
            shown,
            "{name} = {value}"
        );
    }

    #[test]
    fn values_are_checked_and_printed_in_one_form() {
        check("statement_timeout", "2s", Some("2000"));
        check("statement_timeout", "soon", None);
        check("TIMEZONE", "europe/berlin", Some("Europe/Berlin"));
        check("timezone", "-8", Some("-08:00"));
        check("timezone", "Mars/Base", None);
        check("datestyle", "ISO, DMY", Some("ISO, DMY"));
        check("datestyle", "German", None);
        check("enable_result_cache_for_session", "FALSE", Some("off"));
        check("extra_float_digits", "4", None);
        check("client_encoding", "unicode", Some("UTF8"));
        check("app.tenant", "7", Some("7"));
        check("no_such", "1", None);
        check("server_version", "9", None);
    }

    #[test]
    fn reset_goes_back_to_the_login() {
        let mut settings = Settings::default();
        settings
            .set("search_path", &["a".into(), "b".into()])
            .unwrap();
        settings.keep_as_login();
        settings.set("search_path", &["c".into()]).unwrap();
        assert_eq!(settings.search_path("u"), ["c"]);
        settings.reset("search_path").unwrap();
        assert_eq!(settings.search_path("u"), ["a", "b"]);
        settings
            .set("search_path", &["$user".into(), "public".into()])
            .unwrap();
        assert_eq!(settings.search_path("u"), ["u", "public"]);
    }

    #[test]
    fn names_are_unique() {
        for (index, parameter) in PARAMETERS.iter().enumerate() {
            assert!(
                PARAMETERS[..index]
                    .iter()
                    .all(|other| !other.name.eq_ignore_ascii_case(parameter.name))
            );
        }
    }
}
