//! Sets of row numbers as deletion vectors hold them: roaring bitmaps of 32 bits in their portable form, one for each value
//! of the upper 32 bits.
//!
//! Source: the specification of the roaring format, "Standard 32-bit Roaring Bitmap" and "Extension for 64-bit
//! Implementations"; Delta's protocol, "Deletion Vector Format".

/// Rows of one vector at most.
const ROWS_MAX: u64 = 50_000_000;
/// What a vector begins with.
const MAGIC: u32 = 1_681_511_377;
/// What a bitmap with containers of runs begins with.
const COOKIE_RUNS: u32 = 12_347;
/// What a bitmap without such begins with.
const COOKIE: u32 = 12_346;
/// From so many containers on a bitmap with runs tells where they are.
const OFFSETS_FROM: usize = 4;
/// Numbers of a container from which on it is a map of bits.
const ARRAY_MAX: usize = 4_096;
/// Bytes of a map of bits.
const BITS_BYTES: usize = 8_192;

/// Reads the numbers of a deletion vector, of which there are `count`, in order.
pub(super) fn read(bytes: &[u8], count: u64) -> Result<Vec<u64>, String> {
    if count > ROWS_MAX {
        return Err(format!("it deletes more than {ROWS_MAX} rows"));
    }
    let mut cursor = Cursor { bytes };
    if cursor.u32()? != MAGIC {
        return Err("a deletion vector does not begin as one".to_owned());
    }
    let mut rows = Rows {
        rows: Vec::new(),
        count,
    };
    let maps = cursor.u64()?;
    let mut last = None;
    for _ in 0..maps {
        let upper = cursor.u32()?;
        if last.is_some_and(|last| last >= upper) {
            return Err("the bitmaps of a deletion vector are not in order".to_owned());
        }
        last = Some(upper);
        bitmap(&mut cursor, u64::from(upper) << 32, &mut rows)?;
    }
    match rows.rows.len() as u64 == count {
        true => Ok(rows.rows),
        false => Err("a deletion vector has another count of rows than the log says".to_owned()),
    }
}

struct Cursor<'a> {
    bytes: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self
            .bytes
            .split_at_checked(count)
            .ok_or("a deletion vector ends early")?;
        self.bytes = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let taken = self.take(N)?;
        taken
            .try_into()
            .map_err(|_| "a deletion vector ends early".to_owned())
    }

    fn u16(&mut self) -> Result<u16, String> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, String> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, String> {
        self.array().map(u64::from_le_bytes)
    }
}

/// The rows so far, and how many there may be.
struct Rows {
    rows: Vec<u64>,
    count: u64,
}

impl Rows {
    /// Adds a row behind all others.
    fn push(&mut self, row: u64) -> Result<(), String> {
        if self.rows.last().is_some_and(|last| *last >= row) {
            return Err("the rows of a deletion vector are not in order".to_owned());
        }
        if self.rows.len() as u64 >= self.count {
            return Err("a deletion vector has more rows than the log says".to_owned());
        }
        self.rows.push(row);
        Ok(())
    }
}

fn bitmap(cursor: &mut Cursor<'_>, base: u64, rows: &mut Rows) -> Result<(), String> {
    let cookie = cursor.u32()?;
    let (count, runs): (usize, &[u8]) = match cookie & 0xffff {
        COOKIE_RUNS => {
            let count = (cookie >> 16) as usize + 1;
            (count, cursor.take(count.div_ceil(8))?)
        }
        _ if cookie == COOKIE => (cursor.u32()? as usize, &[]),
        _ => return Err("a bitmap does not begin as one".to_owned()),
    };
    if count > 1 << 16 {
        return Err("a bitmap has more containers than it can".to_owned());
    }
    let mut containers = Vec::with_capacity(count);
    for _ in 0..count {
        containers.push((cursor.u16()?, usize::from(cursor.u16()?) + 1));
    }
    if runs.is_empty() || count >= OFFSETS_FROM {
        // Where the containers begin: they follow each other.
        cursor.take(count * 4)?;
    }
    for (place, (upper, size)) in containers.into_iter().enumerate() {
        let base = base | u64::from(upper) << 16;
        let is_runs = runs
            .get(place / 8)
            .is_some_and(|byte| byte >> (place % 8) & 1 == 1);
        match is_runs {
            true => container_of_runs(cursor, base, rows)?,
            false if size <= ARRAY_MAX => {
                for _ in 0..size {
                    rows.push(base | u64::from(cursor.u16()?))?;
                }
            }
            false => container_of_bits(cursor.take(BITS_BYTES)?, base, rows)?,
        }
    }
    Ok(())
}

fn container_of_runs(cursor: &mut Cursor<'_>, base: u64, rows: &mut Rows) -> Result<(), String> {
    for _ in 0..cursor.u16()? {
        let (first, more) = (u64::from(cursor.u16()?), u64::from(cursor.u16()?));
        if first + more > u64::from(u16::MAX) {
            return Err("a run of a bitmap leaves its container".to_owned());
        }
        for row in first..=first + more {
            rows.push(base | row)?;
        }
    }
    Ok(())
}

fn container_of_bits(bytes: &[u8], base: u64, rows: &mut Rows) -> Result<(), String> {
    for (place, byte) in bytes.iter().enumerate() {
        for bit in 0..8 {
            if byte >> bit & 1 == 1 {
                rows.push(base | (place as u64 * 8 + bit))?;
            }
        }
    }
    Ok(())
}

/// The digits of base 85, as ZeroMQ has them.
const DIGITS: &[u8; 85] =
    b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

/// Reads bytes that were written in base 85: five digits are four bytes.
pub(super) fn read_base85(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks_exact(5);
    if !digits.remainder().is_empty() {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len() / 5 * 4);
    for group in digits {
        let mut value = 0_u32;
        for digit in group {
            let digit = DIGITS.iter().position(|known| known == digit)?;
            value = value.checked_mul(85)?.checked_add(digit as u32)?;
        }
        bytes.extend(value.to_be_bytes());
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector(maps: &[(u32, Vec<u8>)]) -> Vec<u8> {
        let mut bytes = MAGIC.to_le_bytes().to_vec();
        bytes.extend((maps.len() as u64).to_le_bytes());
        for (upper, map) in maps {
            bytes.extend(upper.to_le_bytes());
            bytes.extend(map);
        }
        bytes
    }

    fn words(values: &[u16]) -> Vec<u8> {
        values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect()
    }

    fn of_array(values: &[u16]) -> Vec<u8> {
        let mut bytes = COOKIE.to_le_bytes().to_vec();
        bytes.extend(1_u32.to_le_bytes());
        bytes.extend(words(&[0, values.len() as u16 - 1]));
        bytes.extend(16_u32.to_le_bytes());
        bytes.extend(words(values));
        bytes
    }

    #[test]
    fn containers_of_all_kinds() {
        let array = of_array(&[1, 5, 65_535]);
        assert_eq!(
            read(&vector(&[(0, array.clone())]), 3),
            Ok(vec![1, 5, 65_535])
        );
        let high = read(&vector(&[(0, array.clone()), (2, array.clone())]), 6).expect("rows");
        assert_eq!(high.get(3), Some(&(2 << 32 | 1)));
        // One container of runs, without offsets.
        let mut runs = COOKIE_RUNS.to_le_bytes().to_vec();
        runs.push(1);
        runs.extend(words(&[3, 4, 2, 10, 2, 20, 1]));
        let base = 3 << 16;
        let expected = [10, 11, 12, 20, 21].map(|row| base | row).to_vec();
        assert_eq!(read(&vector(&[(0, runs)]), 5), Ok(expected));
        let mut bits = COOKIE.to_le_bytes().to_vec();
        bits.extend(1_u32.to_le_bytes());
        bits.extend(words(&[0, 4_999]));
        bits.extend(16_u32.to_le_bytes());
        let mut map = vec![0_u8; BITS_BYTES];
        for row in 0..5_000_usize {
            map[row / 4] |= 1 << (row % 4 * 2);
        }
        bits.extend(map);
        let found = read(&vector(&[(0, bits)]), 5_000).expect("rows");
        assert_eq!((found.first(), found.last()), (Some(&0), Some(&9_998)));
    }

    #[test]
    fn damage_is_told() {
        let good = vector(&[(0, of_array(&[1, 5]))]);
        assert!(read(&good, 3).is_err());
        assert!(read(&good, 1).is_err());
        assert!(read(&good, u64::MAX).is_err());
        for end in 0..good.len() {
            assert!(read(&good[..end], 2).is_err(), "{end}");
        }
        assert!(read(&vector(&[(0, of_array(&[5, 1]))]), 2).is_err());
        let twice = vector(&[(1, of_array(&[1])), (1, of_array(&[2]))]);
        assert!(read(&twice, 2).is_err());
    }

    #[test]
    fn base_85_is_read() {
        // Source: ZeroMQ's RFC 32, "Test Case".
        let bytes = [0x86, 0x4f, 0xd2, 0x6f, 0xb5, 0x59, 0xf7, 0x5b];
        assert_eq!(read_base85("HelloWorld"), Some(bytes.to_vec()));
        assert_eq!(read_base85("Hello1"), None);
        assert_eq!(read_base85("#####"), None);
        assert_eq!(read_base85("abc\"d"), None);
    }
}
