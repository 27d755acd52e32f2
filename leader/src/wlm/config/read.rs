//! JSON to queues. Every refusal names its place.

use super::{
    AUTO_CLASS, BYTES_MAX, DEFAULT, MANUAL_CLASS, Mode, Names, PREDICATES_MAX, QUEUES_MAX,
    QueueConfig, RULES_MAX, SLOTS, SLOTS_MAX, ShortQueries, WlmConfig,
};
use crate::wlm::priority::{OF_QUEUES, Priority};
use crate::wlm::rule::metric::{METRICS, PRIORITY, QUEUE_TIME, find};
use crate::wlm::rule::{Action, Operator, Predicate, Rule};
use blueshift_sql::nearest::nearest;
use blueshift_sql::{Error, Result, SqlState};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::fmt::Display;
use std::sync::Arc;

/// Characters of a rule's name.
const RULE_NAME_MAX: usize = 32;
/// Characters of a queue's name.
const QUEUE_NAME_MAX: usize = 64;
/// The longest WLM timeout, in milliseconds: a day.
const EXECUTION_MS_MAX: u64 = 86_400_000;
/// The bounds of the short queue's longest statement, in milliseconds.
const SHORT_MS: (u64, u64) = (1_000, 20_000);

/// What a queue may say.
const QUEUE_KEYS: &[&str] = &[
    "user_group",
    "user_group_wild_card",
    "user_role",
    "user_role_wild_card",
    "query_group",
    "query_group_wild_card",
    "query_concurrency",
    "memory_percent_to_use",
    "max_execution_time",
    "timeout",
    "concurrency_scaling",
    "priority",
    "queue_type",
    "auto_wlm",
    "name",
    "rules",
    "short_query_queue",
];

fn wrong(place: &str, what: impl Display) -> Error {
    Error::new(
        SqlState::INVALID_PARAMETER_VALUE,
        format!("wlm_json_configuration at {place}: {what}"),
    )
}

/// An object and where it stands.
struct Fields<'a> {
    place: String,
    map: &'a Map<String, Value>,
}

impl<'a> Fields<'a> {
    fn of(place: String, value: &'a Value, keys: &[&'static str]) -> Result<Self> {
        let Some(map) = value.as_object() else {
            return Err(wrong(&place, "an object is expected"));
        };
        for key in map.keys() {
            if !keys.contains(&key.as_str()) {
                let error = wrong(&place, format!("there is no property \"{key}\""));
                return Err(match nearest(key, keys.iter().copied()) {
                    Some(near) => error.with_hint(format!("Perhaps you meant \"{near}\".")),
                    None => error,
                });
            }
        }
        Ok(Self { place, map })
    }

    fn at(&self, key: &str) -> String {
        format!("{}.{key}", self.place)
    }

    fn wrong(&self, key: &str, what: impl Display) -> Error {
        wrong(&self.at(key), what)
    }

    fn has(&self, key: &str) -> bool {
        self.map.contains_key(key)
    }

    fn text(&self, key: &str) -> Result<Option<&'a str>> {
        match self.map.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong(key, "text is expected")),
        }
    }

    fn needed(&self, key: &str) -> Result<&'a str> {
        self.text(key)?
            .ok_or_else(|| wrong(&self.place, format!("\"{key}\" is missing")))
    }

    /// A whole number between bounds; the console writes some as text.
    fn number(&self, key: &str, bounds: (u64, u64)) -> Result<Option<u64>> {
        let Some(value) = self.map.get(key) else {
            return Ok(None);
        };
        let number = match value {
            Value::String(text) => text.trim().parse().ok(),
            other => other.as_u64(),
        };
        let (least, most) = bounds;
        let fits = number.filter(|number| (least..=most).contains(number));
        fits.map(Some).ok_or_else(|| {
            self.wrong(
                key,
                format!("a whole number of {least} to {most} is expected"),
            )
        })
    }

    fn truth(&self, key: &str) -> Result<bool> {
        match self.map.get(key) {
            None => Ok(false),
            Some(Value::Bool(on)) => Ok(*on),
            Some(Value::Number(number)) if number.as_u64() == Some(0) => Ok(false),
            Some(Value::Number(number)) if number.as_u64() == Some(1) => Ok(true),
            Some(Value::String(text)) if ["0", "false"].contains(&text.as_str()) => Ok(false),
            Some(Value::String(text)) if ["1", "true"].contains(&text.as_str()) => Ok(true),
            Some(_) => Err(self.wrong(key, "true, false, 1 or 0 is expected")),
        }
    }

    fn names(&self, key: &str) -> Result<Names> {
        let names = match self.map.get(key) {
            None => Vec::new(),
            Some(Value::Array(values)) => {
                let one = |(index, value): (usize, &Value)| match value.as_str() {
                    Some(name) if !name.is_empty() => Ok(name.to_owned()),
                    _ => Err(self.wrong(&format!("{key}[{index}]"), "a name is expected")),
                };
                values.iter().enumerate().map(one).collect::<Result<_>>()?
            }
            Some(_) => return Err(self.wrong(key, "a list of names is expected")),
        };
        let wild_card = self.truth(&format!("{key}_wild_card"))?;
        Ok(Names { names, wild_card })
    }

    fn list(&self, key: &str) -> Result<&'a [Value]> {
        match self.map.get(key) {
            None => Ok(&[]),
            Some(Value::Array(values)) => Ok(values),
            Some(_) => Err(self.wrong(key, "a list is expected")),
        }
    }
}

/// Reads a configuration.
pub(super) fn config(text: &str) -> Result<WlmConfig> {
    if text.len() > BYTES_MAX {
        return Err(Error::new(
            SqlState::INVALID_PARAMETER_VALUE,
            format!("wlm_json_configuration is longer than {BYTES_MAX} bytes"),
        ));
    }
    let value: Value = serde_json::from_str(text).map_err(|error| {
        Error::new(
            SqlState::INVALID_PARAMETER_VALUE,
            format!("wlm_json_configuration is not JSON: {error}"),
        )
    })?;
    let Some(objects) = value.as_array() else {
        return Err(wrong("the top", "a list of queues is expected"));
    };
    if objects.is_empty() {
        return config(DEFAULT);
    }
    let mut notes = Vec::new();
    let (mut queues, mut short) = (Vec::new(), None);
    for (index, value) in objects.iter().enumerate() {
        let fields = Fields::of(format!("[{index}]"), value, QUEUE_KEYS)?;
        let own = ["short_query_queue", "max_execution_time"];
        if fields.has("short_query_queue") {
            short = Some(fields.truth("short_query_queue")?);
            if fields.map.keys().all(|key| own.contains(&key.as_str())) {
                let most = fields.number("max_execution_time", (0, SHORT_MS.1))?;
                let most = most.filter(|most| *most > 0);
                if most.is_some_and(|most| most < SHORT_MS.0) {
                    return Err(fields.wrong(
                        "max_execution_time",
                        "0, or 1000 to 20000 milliseconds are expected",
                    ));
                }
                queues.push(Entry::Short(most));
                continue;
            }
        }
        queues.push(Entry::Queue(fields));
    }
    let most = queues.iter().find_map(|entry| match entry {
        Entry::Short(most) => *most,
        Entry::Queue(_) => None,
    });
    let objects: Vec<Fields<'_>> = queues
        .into_iter()
        .filter_map(|entry| match entry {
            Entry::Queue(fields) => Some(fields),
            Entry::Short(_) => None,
        })
        .collect();
    let mode = mode(&objects)?;
    let queues = queues_of(&objects, mode, &mut notes)?;
    // Automatic queues always have it, unless it is said to be off.
    let is_short = short.unwrap_or(mode == Mode::Automatic);
    Ok(WlmConfig {
        text: text.into(),
        mode,
        queues,
        short: is_short.then_some(ShortQueries {
            max_execution_ms: most,
        }),
        notes,
    })
}

/// What stands in the list.
enum Entry<'a> {
    Queue(Fields<'a>),
    /// Short query acceleration, with its longest statement.
    Short(Option<u64>),
}

/// Tells who decides; all queues must agree.
fn mode(queues: &[Fields<'_>]) -> Result<Mode> {
    let mut found: Option<Mode> = None;
    for fields in queues {
        let own = match (fields.text("queue_type")?, fields.has("auto_wlm")) {
            (Some("auto"), _) => Some(Mode::Automatic),
            (Some("manual"), _) => Some(Mode::Manual),
            (Some(_), _) => {
                return Err(fields.wrong("queue_type", "\"auto\" or \"manual\" is expected"));
            }
            (None, true) => Some(match fields.truth("auto_wlm")? {
                true => Mode::Automatic,
                false => Mode::Manual,
            }),
            (None, false) => None,
        };
        if let (Some(own), Some(found)) = (own, found)
            && own != found
        {
            let what = "automatic and manual queues cannot stand beside each other";
            return Err(wrong(&fields.place, what));
        }
        found = found.or(own);
    }
    // A list of nothing but short query acceleration has the default queue.
    let nothing_said = match queues.is_empty() {
        true => Mode::Automatic,
        false => Mode::Manual,
    };
    Ok(found.unwrap_or(nothing_said))
}

fn queues_of(
    objects: &[Fields<'_>],
    mode: Mode,
    notes: &mut Vec<String>,
) -> Result<Vec<Arc<QueueConfig>>> {
    let mut queues = Vec::new();
    for (index, fields) in objects.iter().enumerate() {
        let is_last = index + 1 == objects.len();
        let queue = queue(fields, index, mode, notes)?;
        if !is_last && !queue.is_for_some() {
            let what =
                "a queue that is for nobody in particular must be the last: the default queue";
            return Err(wrong(&fields.place, what));
        }
        queues.push(queue);
    }
    if queues.last().is_none_or(QueueConfig::is_for_some) {
        queues.push(default_queue(queues.len(), mode));
    }
    if let Some(last) = queues.last_mut()
        && objects.last().is_none_or(|fields| !fields.has("name"))
    {
        last.name = "Default queue".into();
    }
    if queues.len() > QUEUES_MAX {
        let what = format!("there are {} queues, {QUEUES_MAX} at most", queues.len());
        return Err(wrong("the top", what));
    }
    if mode == Mode::Manual {
        share_memory(&mut queues)?;
    }
    ensure_bounds(&queues)?;
    Ok(queues.into_iter().map(Arc::new).collect())
}

fn default_queue(index: usize, mode: Mode) -> QueueConfig {
    let slots = if mode == Mode::Manual { SLOTS } else { 0 };
    QueueConfig {
        class: class(index, mode),
        name: "Default queue".into(),
        concurrency: slots,
        priority: Priority::Normal,
        ..QueueConfig::of_superusers()
    }
}

fn class(index: usize, mode: Mode) -> i32 {
    let first = match mode {
        Mode::Automatic => AUTO_CLASS,
        Mode::Manual => MANUAL_CLASS,
    };
    first.saturating_add(i32::try_from(index).unwrap_or(i32::MAX))
}

fn queue(
    fields: &Fields<'_>,
    index: usize,
    mode: Mode,
    notes: &mut Vec<String>,
) -> Result<QueueConfig> {
    let is_manual = mode == Mode::Manual;
    for key in ["query_concurrency", "memory_percent_to_use"] {
        if !is_manual && fields.has(key) {
            notes.push(format!(
                "{}: changes nothing, as automatic queues share slots and memory",
                fields.at(key)
            ));
        }
    }
    match fields.text("concurrency_scaling")? {
        None | Some("off") => {}
        Some("auto") => {
            let place = fields.at("concurrency_scaling");
            return Err(Error::unsupported(
                format!("wlm_json_configuration at {place}: concurrency scaling"),
                "Write \"off\", or leave it out.",
            ));
        }
        Some(_) => {
            let what = "\"auto\" or \"off\" is expected";
            return Err(fields.wrong("concurrency_scaling", what));
        }
    }
    let concurrency = fields.number("query_concurrency", (1, SLOTS_MAX.into()))?;
    let concurrency = concurrency.and_then(|slots| u32::try_from(slots).ok());
    let memory = fields.number("memory_percent_to_use", (0, 100))?;
    let memory = memory.and_then(|percent| u32::try_from(percent).ok());
    let name = match fields.text("name")? {
        Some(name) if name.is_empty() || name.chars().count() > QUEUE_NAME_MAX => {
            return Err(fields.wrong("name", "1 to 64 characters are expected"));
        }
        Some(name) => name.into(),
        None => format!("Queue {}", index + 1).into(),
    };
    Ok(QueueConfig {
        class: class(index, mode),
        name,
        user_groups: fields.names("user_group")?,
        user_roles: fields.names("user_role")?,
        query_groups: fields.names("query_group")?,
        concurrency: if is_manual {
            concurrency.unwrap_or(SLOTS)
        } else {
            0
        },
        memory_percent: memory.filter(|_| is_manual).unwrap_or(0),
        max_execution_ms: execution_ms(fields, mode, notes)?,
        priority: priority(fields, mode)?,
        rules: rules(fields, mode)?,
    })
}

fn execution_ms(fields: &Fields<'_>, mode: Mode, notes: &mut Vec<String>) -> Result<u64> {
    let mut most = 0;
    for key in ["timeout", "max_execution_time"] {
        let Some(own) = fields.number(key, (0, EXECUTION_MS_MAX))? else {
            continue;
        };
        match mode {
            Mode::Manual => most = own,
            Mode::Automatic if own > 0 => notes.push(format!(
                "{}: changes nothing in an automatic queue; a rule on query_execution_time does the same",
                fields.at(key)
            )),
            Mode::Automatic => {}
        }
    }
    Ok(most)
}

fn priority(fields: &Fields<'_>, mode: Mode) -> Result<Priority> {
    let Some(word) = fields.text("priority")? else {
        return Ok(Priority::Normal);
    };
    if mode == Mode::Manual {
        return Err(fields.wrong("priority", "only automatic queues have a priority"));
    }
    queue_priority(word).ok_or_else(|| {
        fields.wrong(
            "priority",
            "highest, high, normal, low or lowest is expected",
        )
    })
}

fn queue_priority(word: &str) -> Option<Priority> {
    Priority::parse(word).filter(|priority| OF_QUEUES.contains(priority))
}

/// Queues without a share of the memory share the rest alike.
fn share_memory(queues: &mut [QueueConfig]) -> Result<()> {
    let given: u32 = queues.iter().map(|queue| queue.memory_percent).sum();
    if given > 100 {
        let what = format!("memory_percent_to_use of all queues is {given}, 100 at most");
        return Err(wrong("the top", what));
    }
    let without = queues.iter().filter(|queue| queue.memory_percent == 0);
    let without = u32::try_from(without.count()).unwrap_or(u32::MAX);
    let share = (100 - given).checked_div(without).unwrap_or(0);
    for queue in queues.iter_mut().filter(|queue| queue.memory_percent == 0) {
        queue.memory_percent = share;
    }
    Ok(())
}

fn ensure_bounds(queues: &[QueueConfig]) -> Result<()> {
    let slots: u32 = queues.iter().map(|queue| queue.concurrency).sum();
    if slots > SLOTS_MAX {
        let what = format!("query_concurrency of all queues is {slots}, {SLOTS_MAX} at most");
        return Err(wrong("the top", what));
    }
    let rules = queues.iter().flat_map(|queue| &queue.rules);
    let mut names = BTreeSet::new();
    for rule in rules {
        if !names.insert(rule.name.to_lowercase()) {
            let what = format!("two rules are called \"{}\"", rule.name);
            return Err(wrong("the top", what));
        }
    }
    if names.len() > RULES_MAX {
        let what = format!("there are {} rules, {RULES_MAX} at most", names.len());
        return Err(wrong("the top", what));
    }
    Ok(())
}

fn rules(fields: &Fields<'_>, mode: Mode) -> Result<Vec<Rule>> {
    let rules = fields.list("rules")?.iter().enumerate();
    let one = |(index, value)| rule(fields.at(&format!("rules[{index}]")), value, mode);
    rules.map(one).collect()
}

fn rule(place: String, value: &Value, mode: Mode) -> Result<Rule> {
    let keys = ["rule_name", "predicate", "action", "value"];
    let fields = Fields::of(place, value, &keys)?;
    let name = fields.needed("rule_name")?;
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    if name.is_empty() || name.len() > RULE_NAME_MAX || !name.chars().all(is_letter) {
        let what = "1 to 32 letters, digits and underscores are expected";
        return Err(fields.wrong("rule_name", what));
    }
    let listed = fields.list("predicate")?;
    if listed.is_empty() || listed.len() > PREDICATES_MAX {
        let what = format!("1 to {PREDICATES_MAX} predicates are expected");
        return Err(fields.wrong("predicate", what));
    }
    let one = |(index, value)| {
        let place = fields.at(&format!("predicate[{index}]"));
        predicate(place, value, mode)
    };
    let predicates = listed.iter().enumerate().map(one);
    let predicates: Vec<Predicate> = predicates.collect::<Result<_>>()?;
    let action = action(&fields, mode)?;
    let waits = |predicate: &Predicate| predicate.metric() == QUEUE_TIME;
    if action == Action::Hop && predicates.iter().any(waits) {
        let what = "a rule on query_queue_time cannot hop";
        return Err(fields.wrong("action", what));
    }
    Ok(Rule {
        name: name.into(),
        predicates,
        action,
    })
}

fn action(fields: &Fields<'_>, mode: Mode) -> Result<Action> {
    let word = fields.needed("action")?;
    let action = match word.to_ascii_lowercase().as_str() {
        "log" => Action::Log,
        "abort" => Action::Abort,
        "hop" if mode == Mode::Manual => Action::Hop,
        "hop" => return Err(fields.wrong("action", "only manual queues can hop")),
        "change_query_priority" if mode == Mode::Automatic => {
            let word = fields.needed("value")?;
            let priority = queue_priority(word).ok_or_else(|| {
                fields.wrong("value", "highest, high, normal, low or lowest is expected")
            })?;
            return Ok(Action::ChangePriority(priority));
        }
        "change_query_priority" => {
            return Err(fields.wrong("action", "only automatic queues have priorities"));
        }
        _ => {
            let what = "log, hop, abort or change_query_priority is expected";
            return Err(fields.wrong("action", what));
        }
    };
    match fields.has("value") {
        false => Ok(action),
        true => Err(fields.wrong("value", "only change_query_priority has a value")),
    }
}

fn predicate(place: String, value: &Value, mode: Mode) -> Result<Predicate> {
    let fields = Fields::of(place, value, &["metric_name", "operator", "value"])?;
    let name = fields.needed("metric_name")?;
    let operator = match fields.needed("operator")? {
        "<" => Operator::Less,
        "=" => Operator::Equal,
        ">" => Operator::Greater,
        _ => return Err(fields.wrong("operator", "<, = or > is expected")),
    };
    if name == PRIORITY {
        if mode == Mode::Manual {
            return Err(fields.wrong("metric_name", "only automatic queues have priorities"));
        }
        let priority = Priority::parse(fields.needed("value")?);
        let priority = priority.ok_or_else(|| fields.wrong("value", "a priority is expected"))?;
        return Ok(Predicate::Priority(operator, priority));
    }
    let Some(metric) = find(name) else {
        let error = fields.wrong("metric_name", format!("there is no metric \"{name}\""));
        let names = METRICS.iter().map(|metric| metric.name).chain([PRIORITY]);
        return Err(match nearest(name, names) {
            Some(near) => error.with_hint(format!("Perhaps you meant \"{near}\".")),
            None => error,
        });
    };
    let number = match fields.map.get("value") {
        Some(Value::Number(number)) => number.as_f64(),
        Some(Value::String(text)) => text.trim().parse().ok(),
        _ => None,
    };
    let number = number.filter(|number| (0.0..=metric.max).contains(number));
    let number = number.ok_or_else(|| {
        fields.wrong(
            "value",
            format!("a number of 0 to {} is expected", metric.max),
        )
    })?;
    Ok(Predicate::Number(metric, operator, number))
}
