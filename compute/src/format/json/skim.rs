//! Finds where the objects and arrays of a file end, without reading what is in them: what a file is cut by, and where
//! reading goes on behind one that is wrong.
//!
//! Only brackets outside of strings are counted. A line never ends inside a string: a string that its line does not close
//! is wrong, and so is all it is a part of; the next line begins anew. So no quote can be mistaken for long.

use super::scan::special;

/// Where the reading of a file stands; bytes come piece by piece.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skimmer {
    /// Brackets that are open.
    depth: u32,
    quoted: bool,
    /// Whether the byte before was a backslash within a string.
    escaped: bool,
}

impl Skimmer {
    /// Gives the place behind the next end at or behind `from`: a bracket that closes the last one open, a line that
    /// breaks a string, or a line's end outside of all brackets. `None` if the bytes end first; they are kept in mind.
    pub fn next_end(&mut self, bytes: &[u8], from: usize) -> Option<usize> {
        let mut at = from;
        loop {
            if self.quoted {
                at = self.string(bytes, at)?;
                if !self.quoted && self.depth == 0 {
                    return Some(at);
                }
            }
            let byte = *bytes.get(at)?;
            at += 1;
            match byte {
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' if self.depth > 0 => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return Some(at);
                    }
                }
                b'"' if self.depth > 0 => self.quoted = true,
                b'\n' if self.depth == 0 => return Some(at),
                _ => {}
            }
        }
    }

    /// Passes over the rest of a string; gives the place behind its end. A line that ends in it closes all brackets.
    fn string(&mut self, bytes: &[u8], from: usize) -> Option<usize> {
        let mut at = from;
        loop {
            if self.escaped {
                let byte = *bytes.get(at)?;
                self.escaped = false;
                if byte != b'\n' {
                    at += 1;
                    continue;
                }
            }
            at = special(bytes, at);
            let byte = *bytes.get(at)?;
            at += 1;
            match byte {
                b'\\' => self.escaped = true,
                b'"' => {
                    self.quoted = false;
                    return Some(at);
                }
                b'\n' => {
                    *self = Self::default();
                    return Some(at);
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ends(pieces: &[&[u8]]) -> Vec<usize> {
        let (mut skimmer, mut before, mut found) = (Skimmer::default(), 0, Vec::new());
        for piece in pieces {
            let mut at = 0;
            while let Some(end) = skimmer.next_end(piece, at) {
                found.push(before + end);
                at = end;
            }
            before += piece.len();
        }
        found
    }

    #[test]
    fn ends_are_found() {
        let check = |text: &str, expected: &[usize]| {
            assert_eq!(ends(&[text.as_bytes()]), expected, "{text:?}");
        };
        check("{}", &[2]);
        check("{\"a\":[1,{}]} [2]\n", &[12, 16, 17]);
        check("{\"}\":\"\\\"}\"}{}", &[11, 13]);
        check("{\"a\n{}", &[4, 6]);
        check("{\"a\\\n{}", &[5, 7]);
        check("x\"{\"y\n\"}\n", &[6, 9]);
        check("{\"a\":1\n{\"b\":2}\n", &[]);
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(text in "[{}\\[\\]\"\\\\a, \n]{0,80}", cut in 0_usize..80) {
            let bytes = text.as_bytes();
            let (left, right) = bytes.split_at(cut.min(bytes.len()));
            prop_assert_eq!(ends(&[left, right]), ends(&[bytes]));
        }
    }
}
