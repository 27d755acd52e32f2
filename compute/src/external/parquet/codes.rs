//! Numbers of few bits as Parquet packs them, runs and packed groups in turn: codes of a dictionary, levels, booleans.
//!
//! Source: "Parquet encodings", RLE/bit-packing hybrid.

use super::page::damaged;
use datafusion::parquet::errors::Result;

/// Numbers that stand together in a packed run.
const GROUP: usize = 8;

/// What comes next.
#[derive(Clone, Copy, Debug)]
enum Run {
    /// The same number again.
    Same { value: u32, left: usize },
    /// Numbers of their own, the next at a bit of the bytes.
    Packed { bit: usize, left: usize },
}

/// Reads such numbers, of bytes that are handed in each time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Codes {
    /// Bits of a number.
    width: usize,
    /// The byte where the next run begins.
    at: usize,
    run: Run,
}

impl Codes {
    /// Begins at a byte. Numbers have at most 32 bits.
    pub(super) fn new(width: u8, at: usize) -> Result<Self> {
        match width {
            0..=32 => Ok(Self {
                width: usize::from(width),
                at,
                run: Run::Same {
                    value: 0,
                    // Numbers of no bits need no runs.
                    left: if width == 0 { usize::MAX } else { 0 },
                },
            }),
            _ => Err(damaged("its codes have more than 32 bits")),
        }
    }

    /// Reads the head of the next run.
    fn next_run(&mut self, bytes: &[u8]) -> Result<()> {
        let mut head = 0_u64;
        let mut shift = 0;
        loop {
            let byte = *bytes
                .get(self.at)
                .ok_or_else(|| damaged("its codes end too early"))?;
            self.at += 1;
            head |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
            if shift > 35 {
                return Err(damaged("the head of a run of codes is too long"));
            }
        }
        let count = usize::try_from(head >> 1).unwrap_or(usize::MAX);
        self.run = if head & 1 == 1 {
            let begin = self.at;
            let packed = count.saturating_mul(self.width);
            // The last groups may be cut short.
            let packed = packed.min(bytes.len().saturating_sub(begin));
            self.at = begin + packed;
            let left = match self.width {
                0 => count.saturating_mul(GROUP),
                width => count.saturating_mul(GROUP).min(packed * 8 / width),
            };
            Run::Packed {
                bit: begin * 8,
                left,
            }
        } else {
            let size = self.width.div_ceil(8);
            let value = bytes.get(self.at..self.at + size);
            let value = value.ok_or_else(|| damaged("its codes end too early"))?;
            self.at += size;
            let value = value.iter().rev();
            let value = value.fold(0_u32, |value, byte| value << 8 | u32::from(*byte));
            Run::Same { value, left: count }
        };
        match self.run {
            Run::Same { left: 0, .. } | Run::Packed { left: 0, .. } if self.at >= bytes.len() => {
                Err(damaged("its codes end too early"))
            }
            _ => Ok(()),
        }
    }

    /// Reads the next numbers, as many as there is room for.
    pub(super) fn read(&mut self, bytes: &[u8], mut room: &mut [u32]) -> Result<()> {
        while !room.is_empty() {
            match &mut self.run {
                Run::Same { left: 0, .. } | Run::Packed { left: 0, .. } => self.next_run(bytes)?,
                Run::Same { value, left } => {
                    let count = room.len().min(*left);
                    let (now, later) = room.split_at_mut(count);
                    now.fill(*value);
                    *left -= count;
                    room = later;
                }
                Run::Packed { bit, left } => {
                    let count = room.len().min(*left);
                    let (now, later) = room.split_at_mut(count);
                    unpack(bytes, *bit, self.width, now);
                    *bit += count * self.width;
                    *left -= count;
                    room = later;
                }
            }
        }
        Ok(())
    }

    /// Passes over the next numbers.
    pub(super) fn skip(&mut self, bytes: &[u8], mut count: usize) -> Result<()> {
        while count > 0 {
            match &mut self.run {
                Run::Same { left: 0, .. } | Run::Packed { left: 0, .. } => self.next_run(bytes)?,
                Run::Same { left, .. } => {
                    let here = count.min(*left);
                    *left -= here;
                    count -= here;
                }
                Run::Packed { bit, left } => {
                    let here = count.min(*left);
                    *bit += here * self.width;
                    *left -= here;
                    count -= here;
                }
            }
        }
        Ok(())
    }

    /// Passes over the next numbers if it is known at a glance that all of them are this one.
    pub(super) fn skip_same(&mut self, bytes: &[u8], wanted: u32, count: usize) -> Result<bool> {
        if matches!(
            self.run,
            Run::Same { left: 0, .. } | Run::Packed { left: 0, .. }
        ) {
            self.next_run(bytes)?;
        }
        match &mut self.run {
            Run::Same { value, left } if *value == wanted && *left >= count => {
                *left -= count;
                Ok(true)
            }
            _ => Ok(false),
        }
    }
}

/// Unpacks numbers of a width, the first at a bit. The caller knows that so many bits are there.
fn unpack(bytes: &[u8], bit: usize, width: usize, room: &mut [u32]) {
    if width == 0 {
        room.fill(0);
        return;
    }
    // Up to a whole byte one by one, then in groups.
    let lead = match bit % 8 {
        0 => 0,
        _ => (0..GROUP)
            .find(|count| (bit + count * width).is_multiple_of(8))
            .unwrap_or(GROUP),
    };
    let (first, rest) = room.split_at_mut(lead.min(room.len()));
    one_by_one(bytes, bit, width, first);
    let bit = bit + first.len() * width;
    let done = match bit % 8 {
        0 => groups(bytes.get(bit / 8..).unwrap_or_default(), width, rest),
        _ => 0,
    };
    let last = rest.get_mut(done..).unwrap_or_default();
    one_by_one(bytes, bit + done * width, width, last);
}

fn one_by_one(bytes: &[u8], bit: usize, width: usize, room: &mut [u32]) {
    let mask = (1_u64 << width) - 1;
    for (index, number) in room.iter_mut().enumerate() {
        let bit = bit + index * width;
        let word = word_at(bytes.get(bit / 8..).unwrap_or_default());
        *number = (word >> (bit % 8) & mask) as u32;
    }
}

/// Gives the first eight bytes, or zeros for those that are not there.
#[inline]
fn word_at(bytes: &[u8]) -> u64 {
    match bytes.first_chunk() {
        Some(word) => u64::from_le_bytes(*word),
        None => {
            let mut word = [0; 8];
            for (to, from) in word.iter_mut().zip(bytes) {
                *to = *from;
            }
            u64::from_le_bytes(word)
        }
    }
}

/// Unpacks whole groups that begin at a byte, and tells how many numbers that were. What is too near to the end of the
/// bytes to be read by words is left.
fn groups(bytes: &[u8], width: usize, room: &mut [u32]) -> usize {
    macro_rules! by_width {
        ($($width:literal)*) => {
            match width {
                $($width => groups_of::<$width>(bytes, room),)*
                _ => 0,
            }
        };
    }
    by_width!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32)
}

/// A loop of constants: the compiler unrolls it. Benchmark: `external`, q06.
fn groups_of<const WIDTH: usize>(bytes: &[u8], room: &mut [u32]) -> usize {
    let mask = (1_u64 << WIDTH) - 1;
    let (groups, _) = room.as_chunks_mut::<GROUP>();
    let mut done = 0;
    for (index, group) in groups.iter_mut().enumerate() {
        // The last number of a group begins less than 32 bytes behind the first; a word is eight more.
        let begin = index * WIDTH;
        let Some(bytes) = bytes.get(begin..begin + 40) else {
            break;
        };
        for (number, place) in group.iter_mut().zip(0..GROUP) {
            let bit = place * WIDTH;
            let word = word_at(&bytes[bit / 8..bit / 8 + 8]);
            *number = (word >> (bit % 8) & mask) as u32;
        }
        done += GROUP;
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn varint(mut value: usize, out: &mut Vec<u8>) {
        while value >= 0x80 {
            out.push(value as u8 | 0x80);
            value >>= 7;
        }
        out.push(value as u8);
    }

    /// Writes runs and packed groups by turns.
    fn write(numbers: &[u32], width: usize, packed: bool) -> Vec<u8> {
        let mut out = Vec::new();
        let mut is_packed = packed;
        for chunk in numbers.chunks(24) {
            if is_packed {
                let groups = chunk.len().div_ceil(GROUP);
                varint(groups << 1 | 1, &mut out);
                let mut bits = vec![0_u8; groups * width];
                for (index, number) in chunk.iter().enumerate() {
                    for bit in 0..width {
                        let place = index * width + bit;
                        bits[place / 8] |= ((number >> bit & 1) as u8) << (place % 8);
                    }
                }
                out.extend(bits);
            } else {
                for number in chunk {
                    varint(1 << 1, &mut out);
                    out.extend(&number.to_le_bytes()[..width.div_ceil(8)]);
                }
            }
            is_packed = !is_packed;
        }
        out
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(
            width in 1_usize..=32,
            numbers in prop::collection::vec(any::<u32>(), 1..200),
            steps in prop::collection::vec((any::<bool>(), 1_usize..40), 1..40),
            packed: bool,
        ) {
            let mask = if width == 32 { u32::MAX } else { (1 << width) - 1 };
            let numbers: Vec<u32> = numbers.iter().map(|number| number & mask).collect();
            let bytes = write(&numbers, width, packed);
            let mut codes = Codes::new(width as u8, 0).unwrap();
            let mut at = 0;
            for (is_read, count) in steps {
                let count = count.min(numbers.len() - at);
                if is_read {
                    let mut room = vec![0; count];
                    codes.read(&bytes, &mut room).unwrap();
                    prop_assert_eq!(&room, &numbers[at..at + count]);
                } else {
                    codes.skip(&bytes, count).unwrap();
                }
                at += count;
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(
            width in 0_u8..=32,
            bytes in prop::collection::vec(any::<u8>(), 0..100),
        ) {
            let mut codes = Codes::new(width, 0).unwrap();
            let _read_or_refused = codes.read(&bytes, &mut [0; 100]);
        }
    }

    #[test]
    fn a_long_packed_run_is_read_by_groups() {
        for width in 1..=32 {
            let mask = if width == 32 {
                u32::MAX
            } else {
                (1 << width) - 1
            };
            let numbers: Vec<u32> = (0..1_000_u32)
                .map(|one| one.wrapping_mul(2_654_435_761) & mask)
                .collect();
            let mut bytes = Vec::new();
            varint(125 << 1 | 1, &mut bytes);
            let mut bits = vec![0_u8; 125 * width];
            for (index, number) in numbers.iter().enumerate() {
                for bit in 0..width {
                    let place = index * width + bit;
                    bits[place / 8] |= ((number >> bit & 1) as u8) << (place % 8);
                }
            }
            bytes.extend(bits);
            let mut codes = Codes::new(width as u8, 0).unwrap();
            codes.skip(&bytes, 3).unwrap();
            let mut room = vec![0; 997];
            codes.read(&bytes, &mut room).unwrap();
            assert_eq!(room, numbers[3..]);
        }
    }
}
