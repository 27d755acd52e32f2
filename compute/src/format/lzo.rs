//! LZO1X, the compression of LZOP and of some ORC files. Source: the description of its stream in the Linux kernel,
//! "LZO stream format as understood by Linux's LZO decompressor".

use std::io::{Error, ErrorKind, Result};

/// Bytes of each step of a long length.
const LENGTH_STEP: usize = 255;
/// The distance that means the end.
const END_DISTANCE: usize = 16_384;

fn damaged(why: &str) -> Error {
    Error::new(ErrorKind::InvalidData, why.to_owned())
}

/// The compressed bytes that are left.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn byte(&mut self) -> Result<usize> {
        let (first, rest) = self.0.split_first().ok_or(ErrorKind::UnexpectedEof)?;
        self.0 = rest;
        Ok(usize::from(*first))
    }

    fn pair(&mut self) -> Result<usize> {
        Ok(self.byte()? | self.byte()? << 8)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self
            .0
            .split_at_checked(count)
            .ok_or(ErrorKind::UnexpectedEof)?;
        self.0 = rest;
        Ok(taken)
    }

    /// Takes a length that did not fit: steps of zeros, and what is left.
    fn long(&mut self, base: usize) -> Result<usize> {
        let mut length = base;
        loop {
            match self.byte()? {
                0 => length += LENGTH_STEP,
                last => return Ok(length + last),
            }
        }
    }
}

/// What was written, and how much may be.
struct Output<'a> {
    bytes: &'a mut Vec<u8>,
    start: usize,
    limit: usize,
}

impl Output<'_> {
    fn ensure_room(&self, count: usize) -> Result<()> {
        match self.bytes.len() + count <= self.limit {
            true => Ok(()),
            false => Err(damaged("a block of LZO is longer than it says")),
        }
    }

    fn literals(&mut self, literals: &[u8]) -> Result<()> {
        self.ensure_room(literals.len())?;
        self.bytes.extend_from_slice(literals);
        Ok(())
    }

    /// Copies bytes from before, which may overlap those that are written.
    fn again(&mut self, distance: usize, length: usize) -> Result<()> {
        self.ensure_room(length)?;
        let from = self.bytes.len().checked_sub(distance);
        let from = from.filter(|from| *from >= self.start);
        let mut from = from.ok_or_else(|| damaged("a block of LZO refers to before its begin"))?;
        let mut left = length;
        while left > 0 {
            let count = left.min(self.bytes.len() - from);
            self.bytes.extend_from_within(from..from + count);
            from += count;
            left -= count;
        }
        Ok(())
    }
}

/// Appends what a block becomes, `limit` bytes at most.
pub fn decompress(block: &[u8], limit: usize, out: &mut Vec<u8>) -> Result<()> {
    let mut input = Input(block);
    let start = out.len();
    let mut output = Output {
        limit: start + limit,
        start,
        bytes: out,
    };
    // Literals that the last instruction copied: up to 3, or 4 for any more.
    let mut literals = 0;
    if let Some(first @ 18..) = block.first() {
        input.byte()?;
        let count = usize::from(first - 17);
        output.literals(input.take(count)?)?;
        literals = count.min(4);
    }
    loop {
        let code = input.byte()?;
        let (distance, length, trailing) = match code {
            64.. => {
                let high = input.byte()?;
                ((high << 3) + (code >> 2 & 7) + 1, (code >> 5) + 1, code & 3)
            }
            32.. => {
                let length = match code & 31 {
                    0 => input.long(33)?,
                    short => short + 2,
                };
                let pair = input.pair()?;
                ((pair >> 2) + 1, length, pair & 3)
            }
            16.. => {
                let length = match code & 7 {
                    0 => input.long(9)?,
                    short => short + 2,
                };
                let pair = input.pair()?;
                let distance = END_DISTANCE + ((code & 8) << 11) + (pair >> 2);
                if distance == END_DISTANCE {
                    return Ok(());
                }
                (distance, length, pair & 3)
            }
            _ if literals == 0 => {
                let count = match code {
                    0 => input.long(18)?,
                    short => short + 3,
                };
                output.ensure_room(count)?;
                output.literals(input.take(count)?)?;
                literals = 4;
                continue;
            }
            _ if literals < 4 => ((input.byte()? << 2) + (code >> 2) + 1, 2, code & 3),
            _ => ((input.byte()? << 2) + (code >> 2) + 2_049, 3, code & 3),
        };
        output.again(distance, length)?;
        output.literals(input.take(trailing)?)?;
        literals = trailing;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn undone(block: &[u8], limit: usize) -> Result<Vec<u8>> {
        let mut out = b"before".to_vec();
        decompress(block, limit, &mut out)?;
        Ok(out.split_off(6))
    }

    #[test]
    fn blocks_become_what_they_were() {
        // "abc" as literals, then 60 bytes of it again, then the end.
        let block = [20, b'a', b'b', b'c', 0x20, 27, 8, 0, 0x11, 0, 0];
        assert_eq!(undone(&block, 63).expect("bytes"), b"abc".repeat(21));
        assert!(undone(&block, 62).is_err());
        assert!(undone(&block[..8], 63).is_err());
        // A distance to before the block.
        assert!(undone(&[20, b'a', b'b', b'c', 0x21, 12, 0, 0x11, 0, 0], 9).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_end(block in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mine = undone(&block, 1 << 20);
            // The other reader panics at what is damaged, and so is asked only about what is not.
            if let Ok(mine) = mine {
                let other = lzokay_native::decompress_all(&block, None);
                prop_assert!(other.is_err() || other.is_ok_and(|other| other == mine));
            }
        }
    }
}
