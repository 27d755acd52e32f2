//! The words of a date and time format, cut once per batch.

/// A field of a date or time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// AD or BC, with or without points.
    Era {
        points: bool,
    },
    /// AM or PM, with or without points.
    Half {
        points: bool,
    },
    Century,
    /// Full day of the week.
    DayName,
    /// Three letters of the day of the week.
    DayShort,
    DayOfYear,
    IsoDayOfYear,
    Day,
    /// From 1 for Sunday.
    DayOfWeek,
    /// From 1 for Monday.
    IsoDayOfWeek,
    Hour24,
    Hour12,
    Minute,
    Second,
    SecondOfDay,
    Millisecond,
    Microsecond,
    IsoWeek,
    IsoYear {
        digits: usize,
    },
    Julian,
    Month,
    MonthName,
    MonthShort,
    MonthRoman,
    Quarter,
    WeekOfYear,
    WeekOfMonth,
    Year {
        digits: usize,
    },
    /// Thousands apart: `2,026`.
    YearComma,
    ZoneName,
    ZoneOffset,
}

impl Field {
    /// How many digits a number has at most when the next field follows at once; `None` if it is not a number.
    pub(super) fn digits(self) -> Option<usize> {
        Some(match self {
            Self::Century
            | Self::Day
            | Self::Hour24
            | Self::Hour12
            | Self::Minute
            | Self::Second
            | Self::IsoWeek
            | Self::Month
            | Self::WeekOfYear => 2,
            Self::DayOfYear | Self::IsoDayOfYear | Self::Millisecond => 3,
            Self::DayOfWeek | Self::IsoDayOfWeek | Self::Quarter | Self::WeekOfMonth => 1,
            Self::SecondOfDay => 5,
            Self::Microsecond => 6,
            Self::Julian => 7,
            Self::IsoYear { digits } | Self::Year { digits } => digits,
            Self::YearComma => 5,
            _ => return None,
        })
    }
}

/// How letters are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    Upper,
    Lower,
    /// The first letter upper.
    Title,
}

/// A piece of a format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// A field.
    Field {
        field: Field,
        /// As the word itself was written.
        case: Case,
        /// FM: no blanks, no zeros before.
        fill: bool,
        /// TH or th: `st`, `nd`, `rd`, `th` after a number.
        ordinal: Option<Case>,
        /// The word, for errors.
        word: &'static str,
    },
    /// Text between quotation marks.
    Quoted(String),
    /// Any other character.
    Other(char),
}

/// Every word, longer ones before their beginnings.
const WORDS: &[(&str, Field)] = &[
    ("Y,YYY", Field::YearComma),
    ("YYYY", Field::Year { digits: 4 }),
    ("YYY", Field::Year { digits: 3 }),
    ("YY", Field::Year { digits: 2 }),
    ("Y", Field::Year { digits: 1 }),
    ("IYYY", Field::IsoYear { digits: 4 }),
    ("IYY", Field::IsoYear { digits: 3 }),
    ("IY", Field::IsoYear { digits: 2 }),
    ("IDDD", Field::IsoDayOfYear),
    ("ID", Field::IsoDayOfWeek),
    ("IW", Field::IsoWeek),
    ("I", Field::IsoYear { digits: 1 }),
    ("A.D.", Field::Era { points: true }),
    ("B.C.", Field::Era { points: true }),
    ("A.M.", Field::Half { points: true }),
    ("P.M.", Field::Half { points: true }),
    ("AD", Field::Era { points: false }),
    ("BC", Field::Era { points: false }),
    ("AM", Field::Half { points: false }),
    ("PM", Field::Half { points: false }),
    ("CC", Field::Century),
    ("DAY", Field::DayName),
    ("DDD", Field::DayOfYear),
    ("DD", Field::Day),
    ("DY", Field::DayShort),
    ("D", Field::DayOfWeek),
    ("HH24", Field::Hour24),
    ("HH12", Field::Hour12),
    ("HH", Field::Hour12),
    ("J", Field::Julian),
    ("MI", Field::Minute),
    ("MM", Field::Month),
    ("MONTH", Field::MonthName),
    ("MON", Field::MonthShort),
    ("MS", Field::Millisecond),
    ("OF", Field::ZoneOffset),
    ("Q", Field::Quarter),
    ("RM", Field::MonthRoman),
    ("SSSSS", Field::SecondOfDay),
    ("SSSS", Field::SecondOfDay),
    ("SS", Field::Second),
    ("TZ", Field::ZoneName),
    ("US", Field::Microsecond),
    ("WW", Field::WeekOfYear),
    ("W", Field::WeekOfMonth),
];

fn starts_with(text: &str, word: &str) -> bool {
    text.get(..word.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(word))
}

/// Cuts a format into pieces.
pub(super) fn parse(format: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = format;
    let mut fill = false;
    while let Some(ch) = rest.chars().next() {
        if starts_with(rest, "FM") {
            fill = true;
            rest = rest.get(2..).unwrap_or_default();
            continue;
        }
        if starts_with(rest, "FX") || starts_with(rest, "TM") {
            rest = rest.get(2..).unwrap_or_default();
            continue;
        }
        if let Some((word, field)) = WORDS.iter().find(|(word, _)| starts_with(rest, word)) {
            let written = rest.get(..word.len()).unwrap_or_default();
            rest = rest.get(word.len()..).unwrap_or_default();
            let mut ordinal = None;
            if field.digits().is_some() && starts_with(rest, "TH") {
                ordinal = Some(case_of(rest.get(..2).unwrap_or_default()));
                rest = rest.get(2..).unwrap_or_default();
            }
            pieces.push(Piece::Field {
                field: *field,
                case: case_of(written),
                fill,
                ordinal,
                word,
            });
            fill = false;
            continue;
        }
        fill = false;
        rest = rest.get(ch.len_utf8()..).unwrap_or_default();
        if ch == '"' {
            pieces.push(Piece::Quoted(quoted(&mut rest)));
        } else if ch == '\\' && rest.starts_with('"') {
            rest = rest.get(1..).unwrap_or_default();
            pieces.push(Piece::Other('"'));
        } else {
            pieces.push(Piece::Other(ch));
        }
    }
    pieces
}

/// Takes the text up to the closing mark; a backslash keeps a mark in the text.
fn quoted(rest: &mut &str) -> String {
    let mut text = String::new();
    let mut chars = rest.chars();
    while let Some(ch) = chars.next() {
        match ch {
            '"' => break,
            '\\' => text.extend(chars.next()),
            ch => text.push(ch),
        }
    }
    *rest = chars.as_str();
    text
}

fn case_of(word: &str) -> Case {
    let mut letters = word.chars().filter(|ch| ch.is_ascii_alphabetic());
    match (letters.next(), letters.next()) {
        (Some(first), _) if first.is_ascii_lowercase() => Case::Lower,
        (Some(_), Some(second)) if second.is_ascii_lowercase() => Case::Title,
        _ => Case::Upper,
    }
}

/// Full names of the months.
pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// Full names of the days, from Sunday.
pub(super) const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

/// Months in Roman numbers.
pub(super) const ROMAN: [&str; 12] = [
    "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII",
];

/// What is written after a number to count with it.
pub(super) fn ordinal(number: &str, case: Case) -> &'static str {
    let mut digits = number.bytes().rev().filter(u8::is_ascii_digit);
    let (last, before) = (digits.next(), digits.next());
    let index = match (before, last) {
        (Some(b'1'), _) => 0,
        (_, Some(b'1')) => 1,
        (_, Some(b'2')) => 2,
        (_, Some(b'3')) => 3,
        _ => 0,
    };
    let words = match case {
        Case::Lower => ["th", "st", "nd", "rd"],
        _ => ["TH", "ST", "ND", "RD"],
    };
    words.get(index).copied().unwrap_or_default()
}
