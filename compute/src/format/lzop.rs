//! LZOP: the files that the program of this name writes. A header, then blocks of LZO1X with checksums, each by itself.
//! Files may stand one behind the other.

use super::lzo;
use std::io::{BufRead, Error, ErrorKind, Read, Result};

/// What a file begins with.
const MAGIC: [u8; 9] = [0x89, b'L', b'Z', b'O', 0, 0x0d, 0x0a, 0x1a, 0x0a];
/// Bytes of a block at most, either way. Source: the program.
const BLOCK_BYTES_MAX: usize = 64 << 20;
/// Bytes of the extra field of a header at most.
const EXTRA_BYTES_MAX: usize = 1 << 20;
/// The first version with a level and long times.
const VERSION_LONG: u16 = 0x0940;

const ADLER_OF_PLAIN: u32 = 0x1;
const ADLER_OF_PACKED: u32 = 0x2;
const HAS_EXTRA: u32 = 0x40;
const CRC_OF_PLAIN: u32 = 0x100;
const CRC_OF_PACKED: u32 = 0x200;
const HAS_FILTER: u32 = 0x800;
const CRC_OF_HEADER: u32 = 0x1000;

/// Undoes LZOP.
pub struct Reader<R> {
    source: R,
    /// The flags of the file whose blocks are read, if one is.
    flags: Option<u32>,
    packed: Vec<u8>,
    plain: Vec<u8>,
    at: usize,
    has_begun: bool,
}

fn damaged(why: &str) -> Error {
    Error::new(ErrorKind::InvalidData, why.to_owned())
}

/// Computes Adler-32.
fn adler(bytes: &[u8]) -> u32 {
    const MODULUS: u32 = 65_521;
    // So many bytes can be added before a sum overflows.
    const STEP: usize = 5_552;
    let (mut low, mut high) = (1_u32, 0_u32);
    for step in bytes.chunks(STEP) {
        for byte in step {
            low += u32::from(*byte);
            high += low;
        }
        low %= MODULUS;
        high %= MODULUS;
    }
    high << 16 | low
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// The header of a file as far as it is read, for its checksum.
struct Header<'a, R> {
    source: &'a mut R,
    read: Vec<u8>,
}

impl<R: Read> Header<'_, R> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.source.read_exact(&mut bytes)?;
        self.read.extend_from_slice(&bytes);
        Ok(bytes)
    }

    /// Reads all behind the magic; gives the flags.
    fn flags(mut self) -> Result<u32> {
        let version = u16::from_be_bytes(self.take()?);
        self.take::<2>()?;
        let is_long = version >= VERSION_LONG;
        if is_long {
            self.take::<2>()?;
        }
        let [method] = self.take()?;
        if !(1..=3).contains(&method) {
            return Err(damaged("its method is not LZO1X"));
        }
        if is_long {
            self.take::<1>()?;
        }
        let flags = u32::from_be_bytes(self.take()?);
        if flags & HAS_FILTER != 0 {
            return Err(damaged("it was written with a filter"));
        }
        self.take::<8>()?;
        if is_long {
            self.take::<4>()?;
        }
        let [name_bytes] = self.take()?;
        for _ in 0..name_bytes {
            self.take::<1>()?;
        }
        let expected = match flags & CRC_OF_HEADER != 0 {
            true => crc(&self.read),
            false => adler(&self.read),
        };
        if u32::from_be_bytes(self.take()?) != expected {
            return Err(damaged("the checksum of its header differs"));
        }
        if flags & HAS_EXTRA != 0 {
            let bytes = u32::from_be_bytes(self.take()?) as usize;
            if bytes > EXTRA_BYTES_MAX {
                return Err(damaged("its header is too large"));
            }
            let mut extra = vec![0; bytes + 4];
            self.source.read_exact(&mut extra)?;
        }
        Ok(flags)
    }
}

impl<R: BufRead> Reader<R> {
    /// Begins before a header.
    pub fn new(source: R) -> Self {
        Self {
            source,
            flags: None,
            packed: Vec::new(),
            plain: Vec::new(),
            at: 0,
            has_begun: false,
        }
    }

    fn number(&mut self) -> Result<u32> {
        let mut bytes = [0; 4];
        self.source.read_exact(&mut bytes)?;
        Ok(u32::from_be_bytes(bytes))
    }

    /// Reads the next header; `None` at the end.
    fn header(&mut self) -> Result<Option<u32>> {
        if self.has_begun && self.source.fill_buf()?.is_empty() {
            return Ok(None);
        }
        self.has_begun = true;
        let mut magic = [0; MAGIC.len()];
        self.source.read_exact(&mut magic)?;
        if magic != MAGIC {
            return Err(damaged("it does not begin as an LZOP file"));
        }
        let header = Header {
            source: &mut self.source,
            read: Vec::new(),
        };
        header.flags().map(Some)
    }

    /// Reads the next block of a file; `false` at its end.
    fn block(&mut self, flags: u32) -> Result<bool> {
        let plain_bytes = self.number()? as usize;
        if plain_bytes == 0 {
            return Ok(false);
        }
        let packed_bytes = self.number()? as usize;
        if plain_bytes > BLOCK_BYTES_MAX || packed_bytes > plain_bytes {
            return Err(damaged("a block is too large"));
        }
        let is_packed = packed_bytes < plain_bytes;
        let mut sum = |flag: u32, is_there: bool| match flags & flag != 0 && is_there {
            true => self.number().map(Some),
            false => Ok(None),
        };
        let adler_of_plain = sum(ADLER_OF_PLAIN, true)?;
        let crc_of_plain = sum(CRC_OF_PLAIN, true)?;
        let adler_of_packed = sum(ADLER_OF_PACKED, is_packed)?;
        let crc_of_packed = sum(CRC_OF_PACKED, is_packed)?;
        self.packed.clear();
        let read = self.source.by_ref().take(packed_bytes as u64);
        if { read }.read_to_end(&mut self.packed)? < packed_bytes {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.plain.clear();
        self.at = 0;
        match is_packed {
            true => lzo::decompress(&self.packed, plain_bytes, &mut self.plain)?,
            false => self.plain.extend_from_slice(&self.packed),
        }
        let differs = |expected: Option<u32>, found: fn(&[u8]) -> u32, bytes: &[u8]| {
            expected.is_some_and(|expected| expected != found(bytes))
        };
        if self.plain.len() != plain_bytes
            || differs(adler_of_plain, adler, &self.plain)
            || differs(crc_of_plain, crc, &self.plain)
            || differs(adler_of_packed, adler, &self.packed)
            || differs(crc_of_packed, crc, &self.packed)
        {
            return Err(damaged("the checksum of a block differs"));
        }
        Ok(true)
    }
}

impl<R: BufRead> Read for Reader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        while self.at >= self.plain.len() {
            self.flags = match self.flags {
                Some(flags) => self.block(flags)?.then_some(flags),
                None => match self.header()? {
                    Some(flags) => Some(flags),
                    None => return Ok(0),
                },
            };
        }
        let rest = self.plain.get(self.at..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        let (from, to) = (rest.get(..count), buffer.get_mut(..count));
        if let (Some(from), Some(to)) = (from, to) {
            to.copy_from_slice(from);
        }
        self.at += count;
        Ok(count)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Writes a file of one block, stored as it is, or as the literals of LZO if `is_packed`.
    pub(in crate::format) fn write(text: &[u8], is_packed: bool) -> Vec<u8> {
        let flags = ADLER_OF_PLAIN | CRC_OF_PLAIN | ADLER_OF_PACKED | CRC_OF_PACKED;
        let mut header = vec![0x10, 0x30, 0x20, 0xa0, 0x09, 0x40, 1, 5];
        header.extend(flags.to_be_bytes());
        header.extend([0; 12]);
        header.extend([3, b'a', b'.', b'b']);
        let mut file = MAGIC.to_vec();
        file.extend(&header);
        file.extend(adler(&header).to_be_bytes());
        // All literals but the last ones, which are the first again.
        let packed = match is_packed {
            true => {
                assert!(text.len() > 60 && text.len() < 300 && text.ends_with(&text[..30]));
                let count = text.len() - 30;
                let (length, distance) = (30 - 2, count - 1);
                let mut packed = vec![0, (count - 18) as u8];
                packed.extend(&text[..count]);
                packed.extend([
                    0x20 | length as u8,
                    (distance << 2) as u8,
                    (distance >> 6) as u8,
                ]);
                packed.extend([0x11, 0, 0]);
                packed
            }
            false => text.to_vec(),
        };
        file.extend((text.len() as u32).to_be_bytes());
        file.extend((packed.len() as u32).to_be_bytes());
        file.extend(adler(text).to_be_bytes());
        file.extend(crc(text).to_be_bytes());
        if is_packed {
            file.extend(adler(&packed).to_be_bytes());
            file.extend(crc(&packed).to_be_bytes());
        }
        file.extend(packed);
        file.extend([0; 4]);
        file
    }

    fn undone(file: &[u8]) -> Result<Vec<u8>> {
        let mut text = Vec::new();
        Reader::new(file).read_to_end(&mut text)?;
        Ok(text)
    }

    #[test]
    fn files_follow_each_other_and_damage_is_told() {
        let begin = b"1|one|first\n2|two|second\n3|three|third\n4|four|fourth\n";
        let text = [&begin[..], &begin[..30]].concat();
        for is_packed in [false, true] {
            let file = write(&text, is_packed);
            assert_eq!(undone(&file).expect("text"), text, "{is_packed}");
            let both = [file.clone(), write(b"end\n", false)].concat();
            assert_eq!(undone(&both).expect("text"), [&text[..], b"end\n"].concat());
            for place in 0..file.len() {
                let mut wrong = file.clone();
                wrong[place] ^= 0x40;
                assert!(undone(&wrong).is_err(), "{is_packed} {place}");
                assert!(undone(&file[..place]).is_err(), "{is_packed} {place}");
            }
        }
        assert_eq!(adler(b"Wikipedia"), 0x11e6_0398);
    }
}
