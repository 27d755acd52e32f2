//! Time zones as Redshift reads them: abbreviations, names, and POSIX offsets, which count to the west.

use super::scalar::{HOUR, MINUTE, SECOND, out_of_range};
use crate::error::{Error, Result};
use crate::sqlstate::SqlState;
use chrono::{DateTime, MappedLocalTime, Offset, TimeZone};
use chrono_tz::{OffsetComponents, OffsetName, TZ_VARIANTS, Tz};
use std::collections::HashMap;
use std::sync::LazyLock;

/// A time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Zone {
    /// The same all year: microseconds ahead of UTC.
    Fixed(i64),
    /// With the rules of a place.
    Place(Tz),
}

/// Abbreviations and their minutes ahead of UTC.
const ABBREVIATIONS: &[(&str, i64)] = &[
    ("utc", 0),
    ("gmt", 0),
    ("z", 0),
    ("zulu", 0),
    ("ut", 0),
    ("uct", 0),
    ("wet", 0),
    ("west", 60),
    ("bst", 60),
    ("cet", 60),
    ("met", 60),
    ("cest", 120),
    ("mest", 120),
    ("eet", 120),
    ("sast", 120),
    ("ist", 120),
    ("eest", 180),
    ("msk", 180),
    ("msd", 240),
    ("eat", 180),
    ("pkt", 300),
    ("npt", 345),
    ("ict", 420),
    ("cct", 480),
    ("hkt", 480),
    ("sgt", 480),
    ("awst", 480),
    ("jst", 540),
    ("kst", 540),
    ("acst", 570),
    ("aest", 600),
    ("acdt", 630),
    ("aedt", 660),
    ("nzst", 720),
    ("nzdt", 780),
    ("nst", -210),
    ("ndt", -150),
    ("ast", -240),
    ("adt", -180),
    ("brt", -180),
    ("brst", -120),
    ("art", -180),
    ("clt", -240),
    ("est", -300),
    ("edt", -240),
    ("cst", -360),
    ("cdt", -300),
    ("mst", -420),
    ("mdt", -360),
    ("pst", -480),
    ("pdt", -420),
    ("akst", -540),
    ("akdt", -480),
    ("hst", -600),
];

static PLACES: LazyLock<HashMap<String, Tz>> = LazyLock::new(|| {
    let places = TZ_VARIANTS.iter();
    places
        .map(|zone| (zone.name().to_ascii_lowercase(), *zone))
        .collect()
});

/// A time zone as the catalogs show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneFacts {
    /// Its name; an abbreviation has none.
    pub name: Option<String>,
    /// What clocks there call their time.
    pub abbreviation: String,
    /// Microseconds ahead of UTC.
    pub offset_us: i64,
    /// Whether clocks are set to summer.
    pub is_dst: bool,
}

/// Gives every zone with a name, as its clocks are at an instant, by name.
pub fn names(instant: i64) -> Vec<ZoneFacts> {
    let at = DateTime::from_timestamp_micros(instant).unwrap_or_default();
    let mut zones: Vec<_> = TZ_VARIANTS
        .iter()
        .map(|zone| {
            let offset = zone.offset_from_utc_datetime(&at.naive_utc());
            ZoneFacts {
                name: Some(zone.name().to_owned()),
                abbreviation: offset.abbreviation().unwrap_or_default().to_owned(),
                offset_us: i64::from(offset.fix().local_minus_utc()) * SECOND,
                is_dst: !offset.dst_offset().is_zero(),
            }
        })
        .collect();
    zones.sort_by(|left, right| left.name.cmp(&right.name));
    zones
}

/// Abbreviations of summer times.
const SUMMER: &[&str] = &[
    "west", "bst", "cest", "mest", "eest", "msd", "acdt", "aedt", "nzdt", "ndt", "adt", "brst",
    "edt", "cdt", "mdt", "pdt", "akdt",
];

/// Gives every abbreviation, in order.
pub fn abbreviations() -> Vec<ZoneFacts> {
    let mut zones: Vec<_> = ABBREVIATIONS
        .iter()
        .map(|(name, minutes)| ZoneFacts {
            name: None,
            abbreviation: name.to_ascii_uppercase(),
            offset_us: minutes * MINUTE,
            is_dst: SUMMER.contains(name),
        })
        .collect();
    zones.sort_by(|left, right| left.abbreviation.cmp(&right.abbreviation));
    zones
}

impl Zone {
    /// Reads a name, an abbreviation or an offset.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let lower = text.trim().to_ascii_lowercase();
        if let Some((_, minutes)) = ABBREVIATIONS.iter().find(|(name, _)| *name == lower) {
            return Ok(Self::Fixed(minutes * MINUTE));
        }
        if let Some(zone) = PLACES.get(&lower) {
            return Ok(Self::Place(*zone));
        }
        posix(&lower).map(Self::Fixed).ok_or_else(|| {
            Error::new(
                SqlState::INVALID_PARAMETER_VALUE,
                format!("time zone \"{text}\" not recognized"),
            )
            .with_hint(
                "Use a name as America/New_York, an abbreviation as EST, or an offset as EST5",
            )
        })
    }

    /// What clocks show at an instant.
    pub(crate) fn local(self, instant: i64) -> Result<i64> {
        let offset = match self {
            Self::Fixed(offset) => offset,
            Self::Place(zone) => {
                let at = DateTime::from_timestamp_micros(instant).ok_or_else(out_of_range)?;
                let offset = zone.offset_from_utc_datetime(&at.naive_utc());
                i64::from(offset.fix().local_minus_utc()) * SECOND
            }
        };
        instant.checked_add(offset).ok_or_else(out_of_range)
    }

    /// The abbreviation of the zone at an instant.
    pub(crate) fn abbreviation(self, instant: i64) -> Result<String> {
        match self {
            Self::Fixed(offset) => {
                let known = ABBREVIATIONS.iter();
                let mut known = known.filter(|(_, minutes)| minutes * MINUTE == offset);
                Ok(match known.next() {
                    Some((name, _)) => name.to_ascii_uppercase(),
                    None => String::new(),
                })
            }
            Self::Place(zone) => {
                let at = DateTime::from_timestamp_micros(instant).ok_or_else(out_of_range)?;
                let offset = zone.offset_from_utc_datetime(&at.naive_utc());
                Ok(offset.abbreviation().unwrap_or_default().to_owned())
            }
        }
    }

    /// When clocks show a time. A time that never comes is taken before the clocks change, one that comes twice after.
    pub(crate) fn instant(self, local: i64) -> Result<i64> {
        let offset = match self {
            Self::Fixed(offset) => offset,
            Self::Place(zone) => {
                let naive = |time: i64| {
                    let at = DateTime::from_timestamp_micros(time).ok_or_else(out_of_range)?;
                    Ok::<_, Error>(at.naive_utc())
                };
                let offset = match zone.offset_from_local_datetime(&naive(local)?) {
                    MappedLocalTime::Single(offset) | MappedLocalTime::Ambiguous(_, offset) => {
                        offset
                    }
                    MappedLocalTime::None => {
                        let before = naive(local - 24 * HOUR)?;
                        zone.offset_from_utc_datetime(&before)
                    }
                };
                i64::from(offset.fix().local_minus_utc()) * SECOND
            }
        };
        local.checked_sub(offset).ok_or_else(out_of_range)
    }
}

/// An offset after a name, which says nothing: `EST5`, `NEWZONE +2`, `+05:30`. Positive is west of Greenwich.
fn posix(text: &str) -> Option<i64> {
    let start = text.find(|ch: char| ch.is_ascii_digit() || ch == '+' || ch == '-')?;
    let (_, offset) = text.split_at(start);
    let (sign, digits) = match offset.strip_prefix('-') {
        Some(rest) => (1, rest),
        None => (-1, offset.strip_prefix('+').unwrap_or(offset)),
    };
    let mut units = [HOUR, MINUTE, SECOND].into_iter();
    let mut total = 0;
    for part in digits.split(':') {
        let unit = units.next()?;
        if part.is_empty() || part.len() > 2 {
            return None;
        }
        total += part.parse::<i64>().ok()? * unit;
    }
    Some(sign * total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_read_as_redshift_reads_them() {
        let summer = 1_371_196_800 * SECOND;
        for (name, hours) in [
            ("UTC", 0.0),
            ("PST", -8.0),
            ("us/pacific", -7.0),
            ("America/New_York", -4.0),
            ("EST5EDT", -4.0),
            ("EST5", -5.0),
            ("NEWZONE +2", -2.0),
            ("NEWZONE-2:15", 2.25),
            ("America/Los_Angeles+2", -2.0),
            ("-05:30", 5.5),
        ] {
            let zone = Zone::parse(name).expect(name);
            let local = zone.local(summer).expect(name);
            #[expect(clippy::cast_precision_loss, reason = "hours of a day")]
            let ahead = (local - summer) as f64 / HOUR as f64;
            assert!((ahead - hours).abs() < 1e-9, "{name}: {ahead}");
            assert_eq!(zone.instant(local).expect(name), summer);
        }
        for name in ["", "nowhere", "EST5x", "+1:2:3:4"] {
            assert!(Zone::parse(name).is_err(), "{name}");
        }
    }
}
