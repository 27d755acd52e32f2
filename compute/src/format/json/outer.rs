//! A file that is one array: its brackets and the commas between its elements become blanks, so that the elements stand
//! one behind the other as documents do.

use bytes::Bytes;

/// Where the reading of a file stands; bytes come piece by piece. A file that is no array stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OuterArray {
    is_open: bool,
    /// Brackets that are open within the array.
    depth: u32,
    quoted: bool,
    escaped: bool,
}

impl OuterArray {
    /// Blanks what is outside of the elements. Bytes stay where they are.
    pub fn strip(&mut self, bytes: &[u8]) -> Bytes {
        let stripped: Vec<u8> = bytes.iter().map(|byte| self.byte(*byte)).collect();
        stripped.into()
    }

    fn byte(&mut self, byte: u8) -> u8 {
        if self.quoted {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.quoted = false,
                _ => {}
            }
            return byte;
        }
        match byte {
            b'"' => self.quoted = true,
            b'[' if self.depth == 0 && !self.is_open => {
                self.is_open = true;
                return b' ';
            }
            b'{' | b'[' => self.depth += 1,
            b']' if self.depth == 0 && self.is_open => {
                self.is_open = false;
                return b' ';
            }
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            b',' if self.depth == 0 && self.is_open => return b' ',
            _ => {}
        }
        byte
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_become_documents() {
        let check = |text: &str, expected: &str| {
            for cut in 0..text.len() {
                let (left, right) = text.as_bytes().split_at(cut);
                let mut outer = OuterArray::default();
                let found = [outer.strip(left), outer.strip(right)].concat();
                assert_eq!(String::from_utf8_lossy(&found), expected);
            }
        };
        check(
            r#"[{"a":[1,2]},{"b":"],["}]"#,
            r#" {"a":[1,2]} {"b":"],["} "#,
        );
        check(r#"{"a":[1,2]} {"b":1}"#, r#"{"a":[1,2]} {"b":1}"#);
        check(r#"[ [1,2], "\",", 3 ]"#, r#"  [1,2]  "\","  3  "#);
    }
}
