//! Keys: every value of every type mapped to an `i128` in the order of SQL, for zone maps.
//!
//! Integers are themselves. Floats follow SQL: `-0 = 0`, and NaN equals itself and is the greatest.
//! Text maps to its first 14 bytes and the lesser of its length and 15, so the key of a text of up
//! to 14 bytes is exact, and that of a longer one is equal for all texts with the same beginning.

use crate::schema::{ColumnType, Value};

/// Bytes of a text that its key holds.
pub const TEXT_BYTES: usize = 14;

/// Gives the double that is kept for one: all NaN are one, and so are the zeros, so that no engine that
/// looks at bits or signs can tell apart what SQL holds to be equal.
#[inline]
pub fn canonical_f64(value: f64) -> f64 {
    match value.is_nan() {
        true => f64::NAN,
        false => value + 0.0,
    }
}

/// Gives the real that is kept for one, as [`canonical_f64`].
#[inline]
pub fn canonical_f32(value: f32) -> f32 {
    match value.is_nan() {
        true => f32::NAN,
        false => value + 0.0,
    }
}

/// Maps the bits of a double.
#[inline]
pub fn of_f64_bits(bits: i64) -> i64 {
    let value = f64::from_bits(bits as u64);
    if value.is_nan() {
        return i64::MAX;
    }
    let bits = (value + 0.0).to_bits() as i64;
    bits ^ (((bits >> 63) as u64) >> 1) as i64
}

/// Maps the bits of a float.
#[inline]
pub fn of_f32_bits(bits: i32) -> i32 {
    let value = f32::from_bits(bits as u32);
    if value.is_nan() {
        return i32::MAX;
    }
    let bits = (value + 0.0).to_bits() as i32;
    bits ^ (((bits >> 31) as u32) >> 1) as i32
}

/// The floats whose keys lie in a range, so that floats are compared as they are.
#[derive(Clone, Copy, Debug)]
pub struct FloatRange {
    /// Inclusive; above `high` if no number is meant.
    pub low: f64,
    /// Inclusive.
    pub high: f64,
    /// Whether NaN, the greatest, belongs to it.
    pub has_nan: bool,
}

impl FloatRange {
    /// Gives the floats whose keys are `low..=high`.
    pub fn of_keys(low: i128, high: i128) -> Self {
        let key_of = |value: f64| i128::from(of_f64_bits(value.to_bits() as i64));
        let (least, greatest) = (key_of(f64::NEG_INFINITY), key_of(f64::INFINITY));
        let nan = i128::from(i64::MAX);
        let has_nan = low <= nan && nan <= high && low <= high;
        // What would be -0 has no key of its own: it is 0.
        let (low, high) = match (low, high) {
            (-1, -1) => (0, -2),
            (-1, high) => (0, high),
            (low, -1) => (low, -2),
            other => other,
        };
        let (low, high) = (low.max(least), high.min(greatest));
        if low > high {
            return FloatRange {
                low: f64::INFINITY,
                high: f64::NEG_INFINITY,
                has_nan,
            };
        }
        let float_of = |key: i128| {
            let bits = key as i64;
            f64::from_bits((bits ^ (((bits >> 63) as u64) >> 1) as i64) as u64)
        };
        FloatRange {
            low: float_of(low),
            high: float_of(high),
            has_nan,
        }
    }

    /// Tells whether a value belongs to it.
    #[inline(always)]
    pub fn holds(&self, value: f64) -> bool {
        ((self.low <= value) & (value <= self.high)) | (self.has_nan & value.is_nan())
    }
}

/// Maps a text.
#[inline]
pub fn of_bytes(bytes: &[u8]) -> i128 {
    let mut raw = [0u8; 16];
    let kept = bytes.len().min(TEXT_BYTES);
    raw[1..=kept].copy_from_slice(&bytes[..kept]);
    raw[15] = bytes.len().min(TEXT_BYTES + 1) as u8;
    i128::from_be_bytes(raw)
}

/// Gives the greatest key of any text that begins with `prefix`.
pub fn after_prefix(prefix: &[u8]) -> i128 {
    let mut raw = [0xFFu8; 16];
    let kept = prefix.len().min(TEXT_BYTES);
    raw[0] = 0;
    raw[1..=kept].copy_from_slice(&prefix[..kept]);
    i128::from_be_bytes(raw)
}

/// Tells whether a text key stands for one text only.
pub fn is_exact(key: i128) -> bool {
    key & 0xFF <= TEXT_BYTES as i128
}

/// Maps a constant of column type `ty`; `None` if it is of another family.
pub fn of_value(ty: ColumnType, value: &Value) -> Option<i128> {
    Some(match (ty, value) {
        (ColumnType::Text | ColumnType::Bytes, Value::Bytes(bytes)) => of_bytes(bytes),
        (ColumnType::Bool, Value::Bool(value)) => i128::from(*value),
        // Widening a float keeps its order, so both float types compare as doubles.
        (ColumnType::Float32 | ColumnType::Float64, Value::Float(value)) => {
            i128::from(of_f64_bits(value.to_bits() as i64))
        }
        (ColumnType::Text | ColumnType::Bytes, _) => return None,
        (ColumnType::Bool | ColumnType::Float32 | ColumnType::Float64, _) => return None,
        (_, Value::Int(value)) => *value,
        _ => return None,
    })
}

/// Maps a key back: to the value, or for a long text to a bound.
pub fn to_value(ty: ColumnType, key: i128, upper: bool) -> Value {
    match ty {
        ColumnType::Bool => Value::Bool(key != 0),
        ColumnType::Float32 | ColumnType::Float64 => {
            let bits = key as i64;
            let bits = bits ^ (((bits >> 63) as u64) >> 1) as i64;
            Value::Float(f64::from_bits(bits as u64))
        }
        ColumnType::Text | ColumnType::Bytes => {
            let raw = key.to_be_bytes();
            let length = usize::from(raw[15]).min(TEXT_BYTES);
            let mut bytes = raw[1..=length].to_vec();
            if upper && !is_exact(key) {
                // The least text greater than all that begin so: drop 0xFF, count up the last.
                while bytes.last() == Some(&0xFF) {
                    bytes.pop();
                }
                match bytes.last_mut() {
                    Some(last) => *last += 1,
                    None => bytes = vec![0xFF; 2 * TEXT_BYTES],
                }
            }
            Value::Bytes(bytes.into())
        }
        _ => Value::Int(key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_floats_are_ranges_of_keys() {
        let floats = [
            f64::NEG_INFINITY,
            -2.5,
            -f64::from_bits(1),
            -0.0,
            0.0,
            f64::from_bits(1),
            7.0,
            f64::MAX,
            f64::INFINITY,
            f64::NAN,
        ];
        let key_of = |value: f64| i128::from(of_f64_bits(value.to_bits() as i64));
        let mut bounds: Vec<i128> = floats.iter().map(|value| key_of(*value)).collect();
        bounds.extend(bounds.clone().iter().flat_map(|key| [key - 1, key + 1]));
        bounds.extend([i128::MIN, i128::MAX]);
        for low in &bounds {
            for high in &bounds {
                let range = FloatRange::of_keys(*low, *high);
                for value in floats {
                    let key = key_of(value);
                    let wanted = *low <= key && key <= *high;
                    assert_eq!(range.holds(value), wanted, "{value} in {low}..={high}");
                }
            }
        }
    }

    #[test]
    fn one_nan_and_one_zero_are_kept() {
        let (nan, zero) = (f64::NAN.to_bits(), 0.0_f64.to_bits());
        for value in [f64::NAN, -f64::NAN, f64::from_bits(u64::MAX)] {
            assert_eq!(canonical_f64(value).to_bits(), nan);
            assert_eq!(canonical_f32(value as f32).to_bits(), f32::NAN.to_bits());
        }
        assert_eq!(canonical_f64(-0.0).to_bits(), zero);
        assert_eq!(canonical_f32(-0.0).to_bits(), 0);
        assert_eq!(canonical_f64(-0.5), -0.5);
    }

    #[test]
    fn keys_keep_the_order() {
        let floats = [
            f64::NEG_INFINITY,
            -2.5,
            -f64::MIN_POSITIVE,
            0.0,
            1e-300,
            7.0,
            f64::INFINITY,
            f64::NAN,
        ];
        for pair in floats.windows(2) {
            assert!(of_f64_bits(pair[0].to_bits() as i64) < of_f64_bits(pair[1].to_bits() as i64));
        }
        assert_eq!(of_f64_bits((-0.0f64).to_bits() as i64), of_f64_bits(0));
        assert_eq!(of_f32_bits((-0.0f32).to_bits() as i32), of_f32_bits(0));
        let texts: [&[u8]; 8] = [
            b"",
            b"\0",
            b"a",
            b"a\0",
            b"ab",
            b"abcdefghijklmn",
            b"abcdefghijklmno",
            b"\xFF\xFF",
        ];
        for pair in texts.windows(2) {
            assert!(of_bytes(pair[0]) < of_bytes(pair[1]), "{pair:?}");
        }
        assert!(after_prefix(b"ab") > of_bytes(b"abzzzzzzzzzzzzzzzzzzzzzzzz"));
        assert_eq!(
            to_value(ColumnType::Text, of_bytes(b"abc"), true),
            Value::Bytes((*b"abc").into())
        );
        let long = of_bytes(b"abcdefghijklmnopq");
        assert_eq!(
            to_value(ColumnType::Text, long, true),
            Value::Bytes((*b"abcdefghijklmo").into())
        );
    }
}
