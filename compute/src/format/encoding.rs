//! Turns text in UTF-16 or ISO 8859-1 into UTF-8, piece by piece.
//!
//! A file that begins with the mark of another encoding than it should have is refused whole. What is no character becomes
//! bytes that are not UTF-8, which are found with the field they are in.

use super::json::scan::push_code;
use bytes::Bytes;

/// How text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8
    Utf8,
    /// UTF-16, in the order that the mark at the beginning tells.
    Utf16,
    /// UTF-16, low byte first.
    Utf16Le,
    /// UTF-16, high byte first.
    Utf16Be,
    /// ISO 8859-1: every byte is the code of its character.
    Iso88591,
}

/// A file that is not in the encoding it should be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongEncoding;

/// The mark at the beginning of a file, in the order of its bytes.
const MARK_LE: [u8; 2] = [0xff, 0xfe];
const MARK_BE: [u8; 2] = [0xfe, 0xff];
/// What a byte that is half of a unit becomes.
const BROKEN: u8 = 0xff;

/// Decodes one file.
#[derive(Debug)]
pub struct Decoder {
    encoding: Encoding,
    /// Bytes at the beginning that are too few to tell a mark, then half of a unit.
    waiting: Vec<u8>,
    /// The first half of a pair, until the second comes.
    high: Option<u32>,
    is_begun: bool,
}

impl Decoder {
    /// Begins a file.
    pub fn new(encoding: Encoding) -> Self {
        Self {
            encoding,
            waiting: Vec::new(),
            high: None,
            is_begun: false,
        }
    }

    /// Takes the next bytes of the file and gives what they say in UTF-8; UTF-8 is given on as it is.
    pub fn decode(&mut self, bytes: Bytes) -> Result<Bytes, WrongEncoding> {
        let bytes = match self.waiting.is_empty() {
            true => bytes,
            false => {
                let mut all = std::mem::take(&mut self.waiting);
                all.extend_from_slice(&bytes);
                Bytes::from(all)
            }
        };
        if self.is_begun {
            return Ok(self.text(bytes));
        }
        if bytes.len() < 2 {
            self.waiting = bytes.to_vec();
            return Ok(Bytes::new());
        }
        self.is_begun = true;
        self.begin(bytes)
    }

    /// Gives what is left at the end of the file.
    pub fn finish(&mut self) -> Bytes {
        let mut out = Vec::new();
        if let Some(high) = self.high.take() {
            push_code(high, &mut out);
        }
        let waiting = std::mem::take(&mut self.waiting);
        match self.encoding {
            Encoding::Utf8 => out.extend_from_slice(&waiting),
            Encoding::Iso88591 => latin(&waiting, &mut out),
            _ if !waiting.is_empty() => out.push(BROKEN),
            _ => {}
        }
        out.into()
    }

    fn begin(&mut self, bytes: Bytes) -> Result<Bytes, WrongEncoding> {
        let is_le = bytes.starts_with(&MARK_LE);
        let is_be = bytes.starts_with(&MARK_BE);
        self.encoding = match self.encoding {
            Encoding::Utf8 if is_le || is_be => return Err(WrongEncoding),
            Encoding::Utf16Le if is_be => return Err(WrongEncoding),
            Encoding::Utf16Be if is_le => return Err(WrongEncoding),
            Encoding::Utf16 if is_le => Encoding::Utf16Le,
            Encoding::Utf16 if is_be => Encoding::Utf16Be,
            Encoding::Utf16 => return Err(WrongEncoding),
            other => other,
        };
        let is_marked =
            matches!(self.encoding, Encoding::Utf16Le | Encoding::Utf16Be) && (is_le || is_be);
        Ok(match is_marked {
            true => self.text(bytes.slice(2..)),
            false => self.text(bytes),
        })
    }

    fn text(&mut self, bytes: Bytes) -> Bytes {
        let unit: fn([u8; 2]) -> u16 = match self.encoding {
            Encoding::Utf8 => return bytes,
            Encoding::Iso88591 => {
                let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 8);
                latin(&bytes, &mut out);
                return out.into();
            }
            Encoding::Utf16Be => u16::from_be_bytes,
            Encoding::Utf16 | Encoding::Utf16Le => u16::from_le_bytes,
        };
        let mut out = Vec::with_capacity(bytes.len());
        let (units, rest) = bytes.as_chunks::<2>();
        for pair in units {
            self.unit(u32::from(unit(*pair)), &mut out);
        }
        self.waiting = rest.to_vec();
        out.into()
    }

    #[inline]
    fn unit(&mut self, unit: u32, out: &mut Vec<u8>) {
        match (self.high.take(), unit) {
            (None, 0..0x80) => out.push(unit as u8),
            (Some(high), 0xdc00..0xe000) => {
                push_code(0x10000 + ((high - 0xd800) << 10) + (unit - 0xdc00), out);
            }
            (high, _) => {
                if let Some(high) = high {
                    push_code(high, out);
                }
                match unit {
                    0xd800..0xdc00 => self.high = Some(unit),
                    _ => push_code(unit, out),
                }
            }
        }
    }
}

fn latin(bytes: &[u8], out: &mut Vec<u8>) {
    for byte in bytes {
        push_code(u32::from(*byte), out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode(bytes: &[u8], encoding: Encoding, step: usize) -> Result<Vec<u8>, WrongEncoding> {
        let mut decoder = Decoder::new(encoding);
        let mut out = Vec::new();
        for piece in bytes.chunks(step.max(1)) {
            out.extend_from_slice(&decoder.decode(Bytes::copy_from_slice(piece))?);
        }
        out.extend_from_slice(&decoder.finish());
        Ok(out)
    }

    fn utf16(text: &str, is_le: bool, is_marked: bool) -> Vec<u8> {
        let mark = is_marked.then_some(0xfeff);
        let units = mark.into_iter().chain(text.encode_utf16());
        let bytes = units.map(|unit| match is_le {
            true => unit.to_le_bytes(),
            false => unit.to_be_bytes(),
        });
        bytes.flatten().collect()
    }

    proptest! {
        #[test]
        fn texts_come_back(text in "[a-z\u{1}-\u{2ff}\u{1d11e}]{1,30}", step in 1_usize..7, is_le in any::<bool>()) {
            let whole = text.clone().into_bytes();
            let own = if is_le { Encoding::Utf16Le } else { Encoding::Utf16Be };
            let other = if is_le { Encoding::Utf16Be } else { Encoding::Utf16Le };
            let marked = utf16(&text, is_le, true);
            prop_assert_eq!(decode(&marked, Encoding::Utf16, step), Ok(whole.clone()));
            prop_assert_eq!(decode(&marked, own, step), Ok(whole.clone()));
            prop_assert_eq!(decode(&utf16(&text, is_le, false), own, step), Ok(whole.clone()));
            prop_assert_eq!(decode(&marked, other, step), Err(WrongEncoding));
            prop_assert_eq!(decode(&marked, Encoding::Utf8, step), Err(WrongEncoding));
            prop_assert_eq!(decode(&whole, Encoding::Utf8, step), Ok(whole));
        }

        #[test]
        fn latin_is_its_codes(bytes in prop::collection::vec(any::<u8>(), 0..20), step in 1_usize..7) {
            let expected: String = bytes.iter().map(|byte| char::from(*byte)).collect();
            prop_assert_eq!(decode(&bytes, Encoding::Iso88591, step), Ok(expected.into_bytes()));
        }
    }

    #[test]
    fn what_is_no_character_is_no_utf8() {
        let mut bytes = utf16("ab", true, true);
        bytes.extend([0x00, 0xd8, b'c', 0, 7]);
        let found = decode(&bytes, Encoding::Utf16, 3).expect("UTF-16");
        assert_eq!(found, b"ab\xed\xa0\x80c\xff");
        assert_eq!(decode(b"ab", Encoding::Utf16, 1), Err(WrongEncoding));
    }
}
