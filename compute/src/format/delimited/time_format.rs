//! Dates and times by a format: DATEFORMAT and TIMEFORMAT strings, and the forms that `'auto'` recognizes.

use super::time::{DAY_US, HOUR_US, MINUTE_US, SECOND_US, days, zone_offset_us};

/// One piece of a format.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Year4,
    Year2,
    Month,
    MonthName,
    Day,
    DayOfYear,
    Hour24,
    Hour12,
    Minute,
    Second,
    HalfDay,
    Zone,
    /// One character that must stand there; a blank stands for any number of blanks.
    Literal(u8),
}

/// The words of a format, longest first.
const WORDS: &[(&str, Piece)] = &[
    ("YYYY", Piece::Year4),
    ("YY", Piece::Year2),
    ("MONTH", Piece::MonthName),
    ("MON", Piece::MonthName),
    ("DDD", Piece::DayOfYear),
    ("DD", Piece::Day),
    ("HH24", Piece::Hour24),
    ("HH12", Piece::Hour12),
    ("HH", Piece::Hour24),
    ("MI", Piece::Minute),
    ("MM", Piece::Month),
    ("SS", Piece::Second),
    ("AM", Piece::HalfDay),
    ("PM", Piece::HalfDay),
    ("A.M.", Piece::HalfDay),
    ("P.M.", Piece::HalfDay),
    ("OF", Piece::Zone),
    ("TZ", Piece::Zone),
];

const MONTHS: [&str; 12] = [
    "JANUARY",
    "FEBRUARY",
    "MARCH",
    "APRIL",
    "MAY",
    "JUNE",
    "JULY",
    "AUGUST",
    "SEPTEMBER",
    "OCTOBER",
    "NOVEMBER",
    "DECEMBER",
];

/// What `'auto'` tries for the date, in this order.
const AUTO_DATES: &[&str] = &[
    "YYYY-MM-DD",
    "YYYY/MM/DD",
    "YYYYMMDD",
    "MM/DD/YYYY",
    "MM-DD-YYYY",
    "DD MON YYYY",
    "DD-MON-YYYY",
    "MON-DD-YYYY",
    "MON DD, YYYY",
    "MON DD YYYY",
    "YYYY-MON-DD",
    "YYYY.DDD",
    "YYYYDDD",
    "MM/DD/YY",
    "MM.DD.YYYY",
    "DD-MON-YY",
];

/// What `'auto'` tries for the time behind the date, in this order.
const AUTO_TIMES: &[&str] = &[
    "",
    " HH24:MI:SS OF",
    "THH24:MI:SSOF",
    " HH24:MI:SS",
    "THH24:MI:SS",
    " HH12:MI:SS AM",
    " HH12:MI AM",
    " HH24:MI",
    " HH24MISS",
];

/// A parsed format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeFormat {
    pieces: Vec<Piece>,
}

/// A date and a time of day, as a format found them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Days since 1970.
    pub days: i32,
    /// Microseconds since midnight.
    pub us: i64,
    /// Microseconds east of Greenwich, if a zone was there.
    pub offset_us: Option<i64>,
}

impl Found {
    /// Gives microseconds since 1970, as written.
    pub fn timestamp_us(self) -> i64 {
        i64::from(self.days) * DAY_US + self.us
    }
}

impl TimeFormat {
    /// Reads a format; `None` if it names no part of a date or time.
    pub fn new(format: &str) -> Option<TimeFormat> {
        let mut pieces = Vec::new();
        let upper = format.to_ascii_uppercase();
        let mut rest = upper.as_str();
        while let Some(first) = rest.bytes().next() {
            match WORDS.iter().find(|(word, _)| rest.starts_with(word)) {
                Some((word, piece)) => {
                    pieces.push(piece.clone());
                    rest = rest.get(word.len()..)?;
                }
                None => {
                    pieces.push(Piece::Literal(first));
                    rest = rest.get(1..)?;
                }
            }
        }
        pieces
            .iter()
            .any(|piece| !matches!(piece, Piece::Literal(_)))
            .then_some(TimeFormat { pieces })
    }

    /// Gives the formats that `'auto'` tries in turn.
    pub fn auto() -> Vec<TimeFormat> {
        let times = AUTO_TIMES.iter();
        times
            .flat_map(|time| {
                AUTO_DATES
                    .iter()
                    .filter_map(move |date| TimeFormat::new(&format!("{date}{time}")))
            })
            .collect()
    }

    /// Reads a text by this format. Fractions of a second are read though no format names them.
    pub fn read(&self, text: &[u8]) -> Option<Found> {
        let mut reader = Reader {
            text: text.trim_ascii(),
            ..Reader::default()
        };
        for (place, piece) in self.pieces.iter().enumerate() {
            let followed_by_digits =
                !matches!(self.pieces.get(place + 1), None | Some(Piece::Literal(_)));
            reader.piece(piece, followed_by_digits)?;
        }
        reader.found()
    }
}

/// Reads a text by the first of `formats` that fits.
pub fn read_any(formats: &[TimeFormat], text: &[u8]) -> Option<Found> {
    formats.iter().find_map(|format| format.read(text))
}

#[derive(Default)]
struct Reader<'a> {
    text: &'a [u8],
    year: Option<i32>,
    month: Option<u32>,
    day: Option<u32>,
    day_of_year: Option<i32>,
    hour: i64,
    half_day: Option<bool>,
    us: i64,
    offset_us: Option<i64>,
}

impl Reader<'_> {
    fn number(&mut self, digits_max: usize, exact: bool) -> Option<u32> {
        let count = self
            .text
            .iter()
            .take(digits_max)
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        if count == 0 || (exact && count < digits_max) {
            return None;
        }
        let (digits, rest) = self.text.split_at(count);
        self.text = rest;
        std::str::from_utf8(digits).ok()?.parse().ok()
    }

    fn piece(&mut self, piece: &Piece, exact: bool) -> Option<()> {
        match piece {
            Piece::Year4 => self.year = Some(self.number(4, true)? as i32),
            Piece::Year2 => {
                let year = self.number(2, true)? as i32;
                self.year = Some(if year < 70 { 2000 + year } else { 1900 + year });
            }
            Piece::Month => self.month = Some(self.number(2, exact)?),
            Piece::MonthName => self.month = Some(self.month_name()?),
            Piece::Day => self.day = Some(self.number(2, exact)?),
            Piece::DayOfYear => self.day_of_year = Some(self.number(3, true)? as i32),
            Piece::Hour24 => {
                self.hour = i64::from(self.number(2, exact)?);
                (self.hour < 24).then_some(())?;
            }
            Piece::Hour12 => {
                self.hour = i64::from(self.number(2, exact)?);
                (1..=12).contains(&self.hour).then_some(())?;
            }
            Piece::Minute => self.us += self.below_sixty(exact)? * MINUTE_US,
            Piece::Second => {
                self.us += self.below_sixty(exact)? * SECOND_US;
                self.fraction();
            }
            Piece::HalfDay => {
                let marks: [(&[u8], bool); 4] = [
                    (b"AM", false),
                    (b"PM", true),
                    (b"A.M.", false),
                    (b"P.M.", true),
                ];
                let upper = self.text.to_ascii_uppercase();
                let (mark, afternoon) = marks.iter().find(|(mark, _)| upper.starts_with(mark))?;
                self.text = self.text.get(mark.len()..)?;
                self.half_day = Some(*afternoon);
            }
            Piece::Zone => {
                self.offset_us = Some(zone_offset_us(self.text.trim_ascii())?);
                self.text = &[];
            }
            Piece::Literal(b' ') => {
                let blanks = self.text.iter().take_while(|byte| **byte == b' ').count();
                self.text = self.text.get(blanks..)?;
            }
            Piece::Literal(literal) => {
                let (first, rest) = self.text.split_first()?;
                (first.to_ascii_uppercase() == *literal).then_some(())?;
                self.text = rest;
            }
        }
        Some(())
    }

    fn below_sixty(&mut self, exact: bool) -> Option<i64> {
        self.number(2, exact)
            .filter(|number| *number < 60)
            .map(i64::from)
    }

    fn fraction(&mut self) {
        if let [b'.', rest @ ..] = self.text {
            let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let mut unit = SECOND_US / 10;
            for byte in rest.iter().take(count.min(6)) {
                self.us += i64::from(byte - b'0') * unit;
                unit /= 10;
            }
            self.text = rest.get(count..).unwrap_or_default();
        }
    }

    fn month_name(&mut self) -> Option<u32> {
        let count = self
            .text
            .iter()
            .take_while(|byte| byte.is_ascii_alphabetic())
            .count();
        let (name, rest) = self.text.split_at(count);
        let name = String::from_utf8_lossy(name).to_ascii_uppercase();
        let place = MONTHS
            .iter()
            .position(|month| name.len() >= 3 && month.starts_with(&name))?;
        self.text = rest;
        Some(place as u32 + 1)
    }

    fn found(self) -> Option<Found> {
        if !self.text.trim_ascii().is_empty() {
            return None;
        }
        let hour = match self.half_day {
            None => self.hour,
            Some(afternoon) => {
                (1..=12).contains(&self.hour).then_some(())?;
                self.hour % 12 + if afternoon { 12 } else { 0 }
            }
        };
        let year = self.year?;
        let date = match self.day_of_year {
            Some(day) => {
                let first = days(year, 1, 1)?;
                let last = days(year + 1, 1, 1)?;
                (day >= 1 && first + day - 1 < last).then_some(first + day - 1)?
            }
            None => days(year, self.month.unwrap_or(1), self.day.unwrap_or(1))?,
        };
        Some(Found {
            days: date,
            us: hour * HOUR_US + self.us,
            offset_us: self.offset_us,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats() {
        let check = |format: &str, text: &str, expected: Option<(&str, i64)>| {
            let found = TimeFormat::new(format)
                .expect("a format")
                .read(text.as_bytes());
            let expected = expected.map(|(date, us)| {
                (
                    super::super::time::iso_date(date.as_bytes()).expect("date"),
                    us,
                )
            });
            assert_eq!(
                found.map(|found| (found.days, found.us)),
                expected,
                "{format} {text}"
            );
        };
        check("MM/DD/YYYY", "11/21/2026", Some(("2026-11-21", 0)));
        check("MM/DD/YYYY", "1/2/2026", Some(("2026-01-02", 0)));
        check("DD-MON-YY", "07-Jan-99", Some(("1999-01-07", 0)));
        check(
            "YYYYMMDDHH24MISS",
            "20261121044701",
            Some(("2026-11-21", 17_221 * SECOND_US)),
        );
        check(
            "YYYY-MM-DD HH12:MI:SS AM",
            "2026-11-21 12:00:00 AM",
            Some(("2026-11-21", 0)),
        );
        check(
            "YYYY-MM-DD HH12:MI:SS AM",
            "2026-11-21 12:30:00 pm",
            Some(("2026-11-21", 45_000 * SECOND_US)),
        );
        check("YYYY-MM-DD", "2026-02-30", None);
        check("YYYY-MM-DD", "2026-02-03x", None);
        assert_eq!(TimeFormat::new("--"), None);
    }

    #[test]
    fn auto() {
        let formats = TimeFormat::auto();
        for text in [
            "2026-11-21",
            "11/21/2026",
            "20261121",
            "21 Nov 2026",
            "November 21, 2026",
            "2026.325",
            "11/21/26",
        ] {
            let found = read_any(&formats, text.as_bytes()).unwrap_or_default();
            assert_eq!(found.days, 20_778, "{text}");
        }
        let found = read_any(&formats, b"21 Nov 2026 07:37:16 PST").unwrap_or_default();
        assert_eq!(
            (found.days, found.us, found.offset_us),
            (20_778, 27_436 * SECOND_US, Some(-8 * HOUR_US))
        );
        assert_eq!(read_any(&formats, b"yesterday"), None);
    }
}
