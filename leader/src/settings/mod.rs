//! Every session parameter: its default, what values it takes, and how changes follow the transaction.
//!
//! Names of the form `prefix.name` are session context variables: any text, readable by `current_setting`. A change
//! is undone when its transaction is rolled back, and one of `SET LOCAL` at the end of the transaction either way. So
//! there are two maps, what is seen now and what will be after COMMIT; the session keeps a copy for ROLLBACK, so this
//! type is cheap to clone: copies share their maps until one is changed.

pub mod list;
pub mod random;
pub mod style;
pub mod value;
#[cfg(test)]
mod tests;

use blueshift_sql::function::session::JsonReading;
use blueshift_sql::types::date_order::DateOrder;
use blueshift_sql::{Error, Result, SqlState};
use blueshift_storage::store::derived::Derived;
use list::{Effect, PARAMETERS, Parameter, find};
use random::Sequence;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use style::{DateStyle, IntervalStyle, TextStyle, Zone};

/// What `version()` answers: drivers look for the word Redshift and the version behind it.
pub const VERSION: &str = concat!(
    "PostgreSQL 8.0.2 on x86_64-pc-linux-gnu, Redshift 1.0.100000, Blueshift ",
    env!("CARGO_PKG_VERSION")
);

/// How long a change lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Until it is changed again.
    Session,
    /// Until the end of the transaction.
    Local,
}

/// A change that `set_config` asked for; made once its statement has succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The parameter.
    pub name: String,
    /// The value as it was given.
    pub value: String,
    /// How long it lasts.
    pub scope: Scope,
}

/// The parameter that begins a sequence of RANDOM().
const SEED: &str = "seed";

fn unknown(name: &str) -> Error {
    Error::new(
        SqlState::UNDEFINED_OBJECT,
        format!("unrecognized configuration parameter \"{name}\""),
    )
}

/// The parameters of one session: only what differs from the defaults is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// What is seen, by the name as [`PARAMETERS`] spells it; context variables in lower case.
    values: Arc<BTreeMap<String, String>>,
    /// What will be seen after COMMIT: the same but for what SET LOCAL covers up.
    lasting: Arc<BTreeMap<String, String>>,
    /// What RESET goes back to: given at login.
    login: Arc<BTreeMap<String, String>>,
    /// What SET SEED began.
    random: Option<Sequence>,
    /// The text style that `values` ask for, once somebody wanted to know: every statement does.
    style: Arc<Derived>,
}

impl Settings {
    /// Gives a value as SHOW prints it; `None` if there is no such parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        match find(name) {
            Some(parameter) => Some(self.value(parameter)),
            None => self.values.get(&name.to_lowercase()).map(String::as_str),
        }
    }

    /// Gives a value as SHOW prints it. Fails with 42704.
    pub fn show(&self, name: &str) -> Result<&str> {
        self.get(name).ok_or_else(|| unknown(name))
    }

    /// Changes a value; no `values` is DEFAULT. Gives a notice if the change does nothing.
    pub fn set(
        &mut self,
        name: &str,
        values: &[String],
        scope: Scope,
    ) -> Result<Option<&'static str>> {
        let Some(parameter) = find(name) else {
            ensure_context_variable(name)?;
            let value = (!values.is_empty()).then(|| values.join(", "));
            self.put(&name.to_lowercase(), value, scope);
            return Ok(None);
        };
        let value = match values {
            [] => None,
            given => Some(value::checked(parameter, given)?),
        };
        let after = value.as_deref().unwrap_or_else(|| self.at_login(parameter));
        let notice = match parameter.effect {
            Effect::Real => None,
            Effect::Moot(_) if after == parameter.default => None,
            Effect::Moot(why) => Some(why),
            Effect::DefaultOnly(hint) if after != parameter.default => {
                return Err(Error::unsupported(
                    format!("{} = {after}", parameter.name),
                    hint,
                ));
            }
            Effect::Fixed if !after.eq_ignore_ascii_case(self.value(parameter)) => {
                return Err(cannot_change(parameter));
            }
            Effect::DefaultOnly(_) | Effect::Fixed => return Ok(None),
        };
        let value = value.or_else(|| self.login.get(parameter.name).cloned());
        if parameter.name == SEED {
            let seed = value.as_deref().and_then(|seed| seed.parse().ok());
            self.random = seed.map(Sequence::new);
        }
        self.put(parameter.name, value, scope);
        Ok(notice)
    }

    /// Gives what RANDOM() draws from since SET SEED; `None` if its numbers come by chance.
    pub fn random(&self) -> Option<&Sequence> {
        self.random.as_ref()
    }

    fn put(&mut self, key: &str, value: Option<String>, scope: Scope) {
        self.style = Arc::default();
        let maps = match scope {
            Scope::Session => [Some(&mut self.values), Some(&mut self.lasting)],
            Scope::Local => [Some(&mut self.values), None],
        };
        for map in maps.into_iter().flatten().map(Arc::make_mut) {
            match &value {
                Some(value) => map.insert(key.to_string(), value.clone()),
                None => map.remove(key),
            };
        }
    }

    /// Takes back what SET LOCAL changed: the transaction was committed.
    pub fn end_local(&mut self) {
        if self.values != self.lasting {
            self.style = Arc::default();
            self.values = self.lasting.clone();
        }
    }

    /// Goes back to the value at login; a context variable goes away.
    pub fn reset(&mut self, name: &str) -> Result<()> {
        self.set(name, &[], Scope::Session).map(|_| ())
    }

    /// Gives the value a parameter had at login.
    pub fn value_at_login(&self, name: &str) -> &str {
        find(name).map_or("", |parameter| self.at_login(parameter))
    }

    /// RESET ALL: everything goes back to the values at login.
    pub fn reset_all(&mut self) {
        self.style = Arc::default();
        self.values = self.login.clone();
        self.lasting = self.login.clone();
        self.random = None;
    }

    /// Makes the present values those that RESET goes back to. Called once, at login.
    pub fn keep_as_login(&mut self) {
        self.login = self.values.clone();
        self.lasting = self.values.clone();
    }

    /// Sets what only the server may set, such as `is_superuser`.
    pub fn fix(&mut self, name: &'static str, value: &str, scope: Scope) {
        self.put(name, Some(value.to_string()), scope);
    }

    /// Gives the parameters that clients are told of, and that differ between `self` and `before`.
    pub fn changes_since(&self, before: &Settings) -> Vec<(String, String)> {
        let reported = PARAMETERS.iter().filter(|parameter| parameter.reported);
        reported
            .filter(|parameter| before.value(parameter) != self.value(parameter))
            .map(|parameter| self.entry(parameter))
            .collect()
    }

    /// Gives every parameter that clients are told of.
    pub fn reported(&self) -> Vec<(String, String)> {
        let reported = PARAMETERS.iter().filter(|parameter| parameter.reported);
        reported.map(|parameter| self.entry(parameter)).collect()
    }

    fn entry(&self, parameter: &Parameter) -> (String, String) {
        let value = self.value(parameter).to_string();
        (parameter.name.to_string(), value)
    }

    /// Gives every parameter with its value and description, by name, for SHOW ALL and pg_settings.
    pub fn all(&self) -> Vec<(String, String, String)> {
        let known = PARAMETERS.iter().map(|parameter| {
            let (name, value) = self.entry(parameter);
            (name, value, parameter.description.to_string())
        });
        let variables = self.values.iter().filter(|(name, _)| find(name).is_none());
        let variables = variables.map(|(name, value)| {
            let description = "session context variable".to_string();
            (name.clone(), value.clone(), description)
        });
        let mut all: Vec<_> = known.chain(variables).collect();
        all.sort_by_key(|(name, _, _)| name.to_ascii_lowercase());
        all
    }

    /// Gives every parameter that is not at its default, by name, with its value; also context variables.
    pub fn changed(&self) -> impl Iterator<Item = (&str, &str)> {
        let values = self.values.iter();
        let values = values.map(|(name, value)| (name.as_str(), value.as_str()));
        values.filter(|(name, value)| find(name).is_none_or(|known| known.default != *value))
    }

    /// Gives the schemas of `search_path`, `$user` replaced.
    pub fn search_path(&self, user: &str) -> Vec<String> {
        let path = self.get("search_path").unwrap_or_default();
        path.split(',')
            .map(|name| name.trim().trim_matches('"'))
            .filter(|name| !name.is_empty())
            .map(|name| match name {
                "$user" => user.to_string(),
                name => name.to_string(),
            })
            .collect()
    }

    /// Gives a parameter that is a time; `None` if it is 0.
    pub fn timeout(&self, name: &str) -> Option<Duration> {
        let milliseconds = self.get(name)?.parse().ok()?;
        (milliseconds > 0).then(|| Duration::from_millis(milliseconds))
    }

    /// Tells whether a switch is on.
    pub fn is_on(&self, name: &str) -> bool {
        matches!(self.get(name), Some("on" | "true"))
    }

    /// Gives a statement's text as it is meant: quoted names are in lower case unless their case is to be kept.
    pub fn folded<'t>(&self, text: &'t str) -> Cow<'t, str> {
        match self.is_on("enable_case_sensitive_identifier") {
            true => Cow::Borrowed(text),
            false => blueshift_sql::parser::fold::fold_quoted_names(text),
        }
    }

    /// Gives the session's time zone.
    pub fn zone(&self) -> Zone {
        self.text_style().zone
    }

    /// Gives how dates of numbers alone are read.
    pub fn date_order(&self) -> DateOrder {
        self.text_style().order
    }

    /// Gives how JSON is parsed.
    pub fn json_reading(&self) -> JsonReading {
        JsonReading {
            null_on_error: self.is_on("parse_super_null_on_error"),
            dedup: self.is_on("json_parse_dedup_attributes"),
        }
    }

    /// Gives how values are written as text.
    pub fn text_style(&self) -> TextStyle {
        let known = self.style.get_or_init(|| self.read_style());
        known.copied().unwrap_or_else(|| self.read_style())
    }

    fn read_style(&self) -> TextStyle {
        let date = self.get("DateStyle").unwrap_or_default();
        let (style, order) = date.split_once(", ").unwrap_or((date, ""));
        let zone = self.get("TimeZone").and_then(Zone::parse);
        TextStyle {
            zone: zone.map_or(Zone::Named(chrono_tz::Tz::UTC), |(zone, _)| zone),
            date: match style {
                "SQL" => DateStyle::Sql,
                "Postgres" => DateStyle::Postgres,
                "German" => DateStyle::German,
                _ => DateStyle::Iso,
            },
            order: DateOrder::of_name(order),
            interval: match self.get("IntervalStyle") {
                Some("postgres_verbose") => IntervalStyle::Verbose,
                Some("sql_standard") => IntervalStyle::Sql,
                Some("iso_8601") => IntervalStyle::Iso,
                _ => IntervalStyle::Postgres,
            },
            extra_float_digits: self
                .get("extra_float_digits")
                .and_then(|digits| digits.parse().ok())
                .unwrap_or(0),
            uppercase_names: self.is_on("describe_field_name_in_uppercase"),
        }
    }

    /// Tells whether `client_min_messages` lets a message of this severity through.
    pub fn tells(&self, severity: &str) -> bool {
        let rank = |level: &str| match level.to_ascii_lowercase().as_str() {
            "error" => 5,
            "warning" => 4,
            "notice" => 3,
            "info" => 2,
            "log" => 1,
            _ => 0,
        };
        // INFO is always told, as in PostgreSQL.
        severity == "INFO"
            || rank(severity) >= rank(self.get("client_min_messages").unwrap_or("notice"))
    }

    fn value(&self, parameter: &Parameter) -> &str {
        self.values
            .get(parameter.name)
            .map_or(parameter.default, String::as_str)
    }

    fn at_login(&self, parameter: &Parameter) -> &str {
        self.login
            .get(parameter.name)
            .map_or(parameter.default, String::as_str)
    }
}

fn cannot_change(parameter: &Parameter) -> Error {
    Error::new(
        SqlState::CANT_CHANGE_RUNTIME_PARAM,
        format!("parameter \"{}\" cannot be changed", parameter.name),
    )
}

/// Refuses a name that is neither a parameter nor of the form `prefix.name`.
fn ensure_context_variable(name: &str) -> Result<()> {
    let is_identifier =
        |part: &str| !part.is_empty() && !part.starts_with(|first: char| first.is_ascii_digit());
    match name.split_once('.') {
        Some((prefix, rest)) if is_identifier(prefix) && is_identifier(rest) => {
            match rest.contains('.') {
                false => Ok(()),
                true => Err(Error::new(
                    SqlState::INVALID_PARAMETER_VALUE,
                    format!("session context variable \"{name}\" has more than one dot"),
                )
                .with_hint("Name it with two parts: prefix.name.")),
            }
        }
        _ => Err(unknown(name)),
    }
}
