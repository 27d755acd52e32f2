//! Numbers and dates from their usual texts, eight digits at a step. Whatever is not in the usual form gives `None`, and
//! the caller reads it the long way.
//!
//! `ahead` is the field and what stands behind it, so that a whole word can be loaded; the field is its first `len` bytes.

const ZEROS: u64 = 0x3030_3030_3030_3030;
const LOW_BITS: u64 = 0x7f7f_7f7f_7f7f_7f7f;
const HIGH_BITS: u64 = !LOW_BITS;

/// A point, as [`digits`] leaves it.
const POINTS: u64 = 0x1e1e_1e1e_1e1e_1e1e;

const POWERS: [i64; 19] = {
    let mut powers = [1_i64; 19];
    let mut place = 1;
    while place < 19 {
        powers[place] = powers[place - 1] * 10;
        place += 1;
    }
    powers
};

/// Sets the high bit of every byte of `word` that equals the byte repeated in `pattern`; exact.
#[inline(always)]
pub(super) fn equal_bytes(word: u64, pattern: u64) -> u64 {
    let apart = word ^ pattern;
    !(((apart & LOW_BITS) + LOW_BITS) | apart | LOW_BITS)
}

/// Loads the first `len` bytes, 1 to 8, as digits: the last in the top byte, zeros below the first.
#[inline(always)]
fn digits(ahead: &[u8], len: usize) -> Option<u64> {
    let word = u64::from_le_bytes(*ahead.first_chunk()?) ^ ZEROS;
    word.checked_shl(64 - 8 * len as u32)
}

#[inline(always)]
fn are_digits(word: u64) -> bool {
    (word.wrapping_add(0x7676_7676_7676_7676) | word) & HIGH_BITS == 0
}

/// Puts eight digits together, the most significant in the lowest byte.
#[inline(always)]
fn value(digits: u64) -> i64 {
    const PAIR: u64 = 0x0000_00ff_0000_00ff;
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
    let high = (pairs & PAIR).wrapping_mul(100 + (1_000_000 << 32));
    let low = ((pairs >> 16) & PAIR).wrapping_mul(1 + (10_000 << 32));
    (high.wrapping_add(low) >> 32) as i64
}

/// Splits the sign off: whether it is a minus, and what follows.
#[inline(always)]
fn signed(ahead: &[u8], len: usize) -> Option<(bool, &[u8], usize)> {
    let negative = ahead.first() == Some(&b'-');
    let skipped = usize::from(negative);
    Some((negative, ahead.get(skipped..)?, len.checked_sub(skipped)?))
}

#[inline(always)]
fn with_sign(value: i64, negative: bool) -> i64 {
    if negative { -value } else { value }
}

/// Reads `-?D{1,16}`.
#[inline(always)]
pub(super) fn integer(ahead: &[u8], len: usize) -> Option<i64> {
    let (negative, ahead, len) = signed(ahead, len)?;
    let found = match len {
        1..=8 => {
            let only = digits(ahead, len)?;
            are_digits(only).then(|| value(only))?
        }
        9..=16 => {
            let first = digits(ahead, len - 8)?;
            let last = digits(ahead.get(len - 8..)?, 8)?;
            (are_digits(first) && are_digits(last))
                .then(|| value(first) * 100_000_000 + value(last))?
        }
        _ => return None,
    };
    Some(with_sign(found, negative))
}

/// Takes the byte at the lowest set bit of `point` (one of [`equal_bytes`]) out of `word`, moving those below it up.
#[inline(always)]
fn without(word: u64, point: u64) -> u64 {
    // The bits of the point's byte and of those below it; the point's own is the top one.
    let up_to = point ^ point.wrapping_sub(1);
    let below = up_to >> 8;
    (word & !up_to) | (word & below) << 8
}

/// Counts the bytes above the lowest one set in `point`.
#[inline(always)]
fn behind(point: u64) -> usize {
    7 - (point.trailing_zeros() / 8) as usize
}

/// Reads `-?D*(.D*)?` of 1 to 16 bytes behind the sign, at most `scale` of them behind the point, as units of the
/// scale. A point alone is no number.
#[inline(always)]
pub(super) fn decimal(ahead: &[u8], len: usize, scale: usize) -> Option<i64> {
    let (negative, ahead, len) = signed(ahead, len)?;
    if len + scale > 18 || len == 0 {
        return None;
    }
    let (found, places) = if len <= 8 {
        let mut only = digits(ahead, len)?;
        let point = equal_bytes(only, POINTS);
        let mut places = 0;
        if point != 0 {
            if len == 1 {
                return None;
            }
            places = behind(point);
            only = without(only, point);
        }
        (are_digits(only).then(|| value(only))?, places)
    } else if len <= 16 {
        let mut first = digits(ahead, len - 8)?;
        let mut last = digits(ahead.get(len - 8..)?, 8)?;
        let mut places = 0;
        let point = equal_bytes(last, POINTS);
        if point != 0 {
            places = behind(point);
            last = without(last, point) | first >> 56;
            first <<= 8;
        } else {
            let point = equal_bytes(first, POINTS);
            if point != 0 {
                places = 8 + behind(point);
                first = without(first, point);
            }
        }
        let found = (are_digits(first) && are_digits(last))
            .then(|| value(first) * 100_000_000 + value(last))?;
        (found, places)
    } else {
        return None;
    };
    let unit = POWERS.get(scale.checked_sub(places)?)?;
    Some(with_sign(found * unit, negative))
}

/// Days before each month of a year that is no leap year and of one that is, and the days of the month.
const MONTHS: [[(u16, u8); 12]; 2] = {
    let lengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut months = [[(0, 0); 12]; 2];
    let mut leap = 0;
    while leap < 2 {
        let (mut month, mut before) = (0, 0);
        while month < 12 {
            let length = lengths[month] + if month == 1 { leap as u8 } else { 0 };
            months[leap][month] = (before, length);
            before += length as u16;
            month += 1;
        }
        leap += 1;
    }
    months
};

/// Days from the first of January of the year -400 to 1970-01-01.
const EPOCH: i32 = 146_097 + 719_528;

/// The first of the years whose months are looked up, and how many years those are: hardly a date of a table is of
/// another, and the months of one table lie in a few lines of the cache.
const FIRST_YEAR: i32 = 1900;
const YEARS: usize = 200;

/// For each month of those years: the day before its first, since 1970-01-01, and its days.
static STARTS: [(i32, i32); YEARS * 12] = {
    let mut starts = [(0, 0); YEARS * 12];
    let (mut index, mut year) = (0, FIRST_YEAR);
    // 1900-01-01 is 25 567 days before 1970-01-01.
    let mut before = -25_568;
    while index < YEARS * 12 {
        let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let length = MONTHS[is_leap as usize][index % 12].1 as i32;
        starts[index] = (before, length);
        before += length;
        index += 1;
        if index % 12 == 0 {
            year += 1;
        }
    }
    starts
};

/// Reads `YYYY-MM-DD` as days since 1970-01-01.
#[inline(always)]
pub(super) fn date(text: &[u8; 10]) -> Option<i32> {
    // `YYYY-MM-`, and `YY-MM-DD` two bytes on.
    let first = u64::from_le_bytes(*text.first_chunk()?);
    let last = u64::from_le_bytes(*text.last_chunk()?);
    if first & 0xff00_00ff_0000_0000 != 0x2d00_002d_0000_0000 {
        return None;
    }
    let year_bytes = first & 0xffff_ffff;
    let month_bytes = (first >> 8) & 0xffff_0000_0000;
    let day_bytes = last & 0xffff_0000_0000_0000;
    let digits = (year_bytes | month_bytes | day_bytes) ^ ZEROS;
    if !are_digits(digits) {
        return None;
    }
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
    let pair = |place: u32| (pairs >> (16 * place) & 0xff) as i32;
    let (year, month, day) = (pair(0) * 100 + pair(1), pair(2), pair(3));
    let years = year - FIRST_YEAR;
    if (0..YEARS as i32).contains(&years) && (1..=12).contains(&month) {
        let &(before, length) = STARTS.get((years * 12 + month - 1) as usize)?;
        return (1..=length).contains(&day).then_some(before + day);
    }
    far_date(year, month, day)
}

/// Gives the days since 1970-01-01 of a date of any year.
#[cold]
fn far_date(year: i32, month: i32, day: i32) -> Option<i32> {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let months = MONTHS.get(usize::from(is_leap))?;
    let &(before, length) = months.get((month as usize).wrapping_sub(1))?;
    if day < 1 || day > i32::from(length) {
        return None;
    }
    // Whole years since the year -400, and the leap days in them.
    let years = year + 400;
    let leaps = (years + 3) / 4 - (years + 99) / 100 + (years + 399) / 400;
    Some(years * 365 + leaps + i32::from(before) + day - 1 - EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The field with something behind it.
    fn ahead(text: &str) -> Vec<u8> {
        format!("{text}|1.9|-345678901234567").into_bytes()
    }

    fn naive_decimal(text: &str, scale: usize) -> Option<i64> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let (whole, rest) = digits.split_once('.').unwrap_or((digits, ""));
        if rest.len() > scale || (whole.is_empty() && rest.is_empty()) || digits.len() > 16 {
            return None;
        }
        let all = format!("{whole}{rest}{}", "0".repeat(scale - rest.len()));
        let value: i64 = all
            .bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| all.parse().ok())??;
        (digits.len() + scale <= 18).then_some(if text.starts_with('-') { -value } else { value })
    }

    proptest! {
        #[test]
        fn integers_agree(text in "-?[0-9]{0,17}") {
            let digits = text.strip_prefix('-').unwrap_or(&text).len();
            let expected = text.parse::<i64>().ok().filter(|_| digits <= 16);
            prop_assert_eq!(integer(&ahead(&text), text.len()), expected);
        }

        #[test]
        fn what_is_no_integer_is_none(text in "[-0-9./:a\u{e4}\u{0}+ ]{0,18}") {
            let plain = text.strip_prefix('-').unwrap_or(&text);
            let is_plain = (1..=16).contains(&plain.len()) && plain.bytes().all(|byte| byte.is_ascii_digit());
            prop_assert_eq!(integer(&ahead(&text), text.len()).is_some(), is_plain);
        }

        #[test]
        fn decimals_agree(text in "-?[0-9]{0,12}(\\.[0-9]{0,6})?", scale in 0_usize..10) {
            prop_assert_eq!(decimal(&ahead(&text), text.len(), scale), naive_decimal(&text, scale));
        }

        #[test]
        fn odd_decimals_agree(text in "[-.0-9/a ]{0,12}", scale in 0_usize..10) {
            prop_assert_eq!(decimal(&ahead(&text), text.len(), scale), naive_decimal(&text, scale));
        }

        #[test]
        fn odd_dates_agree(text in "[0-9./:\u{0}-]{10}") {
            let bytes: &[u8; 10] = text.as_bytes().try_into().expect("ten bytes");
            let digits = |from: usize, to: usize| text[from..to].parse::<u32>().ok();
            let is_date = text.bytes().enumerate().all(|(at, byte)| match at {
                4 | 7 => byte == b'-',
                _ => byte.is_ascii_digit(),
            });
            let expected = is_date
                .then(|| super::super::time::days(digits(0, 4)? as i32, digits(5, 7)?, digits(8, 10)?))
                .flatten();
            prop_assert_eq!(date(bytes), expected);
        }
    }

    #[test]
    fn every_date_agrees_with_the_long_way() {
        for year in 0..=9_999 {
            for month in 0..=13 {
                for day in 0..=32 {
                    let text = format!("{year:04}-{month:02}-{day:02}");
                    let bytes: &[u8; 10] = text.as_bytes().try_into().expect("ten bytes");
                    assert_eq!(
                        date(bytes),
                        super::super::time::days(year, month, day),
                        "{text}"
                    );
                }
            }
        }
    }

    #[test]
    fn equal_bytes_is_exact() {
        for byte in 0..=255_u8 {
            let word = u64::from_le_bytes([byte, 10, byte, 124, 0, 255, 11, byte]);
            for needle in [10_u8, 124, byte] {
                let expected = word
                    .to_le_bytes()
                    .map(|each| if each == needle { 0x80 } else { 0 });
                let pattern = u64::from_ne_bytes([needle; 8]);
                assert_eq!(equal_bytes(word, pattern), u64::from_le_bytes(expected));
            }
        }
    }
}
