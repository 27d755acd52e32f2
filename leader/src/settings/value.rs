//! What values parameters take, and the one form SHOW prints each in.

use super::list::Parameter;
use super::style::{DateStyle, Zone};
use blueshift_sql::types::date_order::DateOrder;
use blueshift_sql::{Error, Result, SqlState};

/// What values a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// `on`, `off`, `true`, `false`, `yes`, `no`, `1`, `0`; shown as `on` or `off`.
    Switch,
    /// The same, shown as `true` or `false`.
    Truth,
    /// A whole number between two bounds.
    Integer(i64, i64),
    /// A number between two bounds.
    Number(f64, f64),
    /// Milliseconds; a unit `ms`, `s`, `min`, `h`, `d` may follow.
    Milliseconds,
    /// Any text.
    Text,
    /// A comma-separated list of names.
    Names,
    /// One of these words, compared without case.
    Word(&'static [&'static str]),
    /// A name of UTF-8.
    Encoding,
    /// A time zone of the IANA database or an offset.
    TimeZone,
    /// An output style with an order of year, month and day.
    DateStyle,
}

fn refusal(message: String) -> Error {
    Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
}

/// Checks a value and gives it as SHOW prints it.
pub(super) fn checked(parameter: &Parameter, values: &[String]) -> Result<String> {
    let name = parameter.name;
    if values.len() > 1 && !matches!(parameter.kind, Kind::Names | Kind::DateStyle) {
        return Err(refusal(format!("SET {name} takes only one argument")));
    }
    let joined = values.join(", ");
    let value = joined.trim();
    let invalid = || {
        refusal(format!(
            "invalid value for parameter \"{name}\": \"{value}\""
        ))
    };
    let outside = |least: &dyn std::fmt::Display, greatest: &dyn std::fmt::Display| {
        refusal(format!(
            "{value} is outside the valid range for parameter \"{name}\" ({least} .. {greatest})"
        ))
    };
    match parameter.kind {
        Kind::Switch | Kind::Truth => {
            let on = truth(value)
                .ok_or_else(|| refusal(format!("parameter \"{name}\" requires a Boolean value")))?;
            Ok(match (parameter.kind, on) {
                (Kind::Switch, false) => "off",
                (Kind::Switch, true) => "on",
                (_, false) => "false",
                (_, true) => "true",
            }
            .to_string())
        }
        Kind::Integer(least, greatest) => {
            let number: i64 = value.parse().map_err(|_| match value.parse::<f64>() {
                Ok(_) => refusal(format!("parameter \"{name}\" requires an integer value")),
                Err(_) => invalid(),
            })?;
            if !(least..=greatest).contains(&number) {
                return Err(outside(&least, &greatest));
            }
            Ok(number.to_string())
        }
        Kind::Number(least, greatest) => {
            let number: f64 = value
                .parse()
                .map_err(|_| refusal(format!("parameter \"{name}\" requires a numeric value")))?;
            if !(least..=greatest).contains(&number) {
                return Err(outside(&least, &greatest));
            }
            Ok(number.to_string())
        }
        Kind::Milliseconds => milliseconds(value)
            .map(|number| number.to_string())
            .ok_or_else(|| {
                invalid().with_hint("Write milliseconds, or a number with ms, s, min, h or d.")
            }),
        Kind::Text => Ok(value.to_string()),
        Kind::Names => Ok(names(values)),
        Kind::Word(words) => words
            .iter()
            .find(|word| word.eq_ignore_ascii_case(value))
            .map(|word| (*word).to_string())
            .ok_or_else(|| invalid().with_hint(format!("Available values: {}.", words.join(", ")))),
        Kind::Encoding => {
            let bare: String = value
                .chars()
                .filter(char::is_ascii_alphanumeric)
                .collect::<String>()
                .to_ascii_lowercase();
            match bare.as_str() {
                "utf8" | "unicode" => Ok("UTF8".to_string()),
                _ => Err(invalid().with_hint("Text is sent and read as UTF8.")),
            }
        }
        Kind::TimeZone => Zone::parse(value)
            .map(|(_, shown)| shown)
            .ok_or_else(|| refusal(format!("unrecognized time zone name: \"{value}\""))),
        Kind::DateStyle => date_style(value).ok_or_else(|| {
            invalid().with_hint("Name ISO, SQL, Postgres or German, and MDY, DMY or YMD.")
        }),
    }
}

/// Reads a switch as PostgreSQL does: any beginning of a word that no other shares.
fn truth(text: &str) -> Option<bool> {
    let word = text.to_ascii_lowercase();
    let begins = |whole: &str, least: usize| word.len() >= least && whole.starts_with(&word);
    if begins("true", 1) || begins("yes", 1) || word == "on" || word == "1" {
        return Some(true);
    }
    (begins("false", 1) || begins("no", 1) || begins("off", 2) || word == "0").then_some(false)
}

/// Reads a time; the longest is that of a 32-bit integer, as in PostgreSQL.
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
        "d" => 86_400_000,
        _ => return None,
    };
    let product = number.checked_mul(factor)?;
    (product <= i32::MAX as u64).then_some(product)
}

/// Prints names with quotes where they need them. A single text may hold several, as set_config and start-up
/// parameters give them.
fn names(values: &[String]) -> String {
    let one_text: Vec<String>;
    let values = match values {
        [one] if one.contains(',') => {
            one_text = one
                .split(',')
                .map(|name| name.trim().trim_matches('"').to_string())
                .collect();
            &one_text
        }
        several => several,
    };
    let printed = values.iter().map(|name| {
        let name = name.trim().trim_matches('"');
        let is_plain = name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
            && !name.starts_with(|first: char| first.is_ascii_digit());
        match is_plain && !name.is_empty() {
            true => name.to_string(),
            false => format!("\"{name}\""),
        }
    });
    printed.collect::<Vec<_>>().join(", ")
}

/// Reads a style, an order, or both. What is not named is ISO and MDY, but German days come first.
fn date_style(text: &str) -> Option<String> {
    let (mut style, mut order) = (None, None);
    for word in text.split([',', ' ']).filter(|word| !word.is_empty()) {
        match word.to_ascii_uppercase().as_str() {
            "ISO" => style = Some(DateStyle::Iso),
            "SQL" => style = Some(DateStyle::Sql),
            "POSTGRES" => style = Some(DateStyle::Postgres),
            "GERMAN" => style = Some(DateStyle::German),
            "MDY" | "US" | "NONEURO" | "NONEUROPEAN" => order = Some(DateOrder::Mdy),
            "DMY" | "EURO" | "EUROPEAN" => order = Some(DateOrder::Dmy),
            "YMD" => order = Some(DateOrder::Ymd),
            "DEFAULT" => {}
            _ => return None,
        }
    }
    let first = match style {
        Some(DateStyle::German) => DateOrder::Dmy,
        _ => DateOrder::Mdy,
    };
    Some(format!(
        "{}, {}",
        style.unwrap_or(DateStyle::Iso).name(),
        order.unwrap_or(first).name()
    ))
}
