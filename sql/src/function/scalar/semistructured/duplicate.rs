//! Attributes that an object has more than once, which JSON allows and a SUPER does not.

use std::collections::HashMap;
use std::ops::Range;

/// Members of an object up to which they are looked through one by one.
const FEW: usize = 16;

/// An open object; of an array there is none.
#[derive(Default)]
struct Object<'a> {
    /// The keys in quotes, and where each member begins.
    members: Vec<(&'a str, usize)>,
    /// The last member of each key, once there are many.
    last: HashMap<&'a str, usize>,
}

impl<'a> Object<'a> {
    /// Adds a member; gives the one before it that has the same key.
    fn add(&mut self, key: &'a str, start: usize) -> Option<usize> {
        let place = self.members.len();
        let known = match place < FEW {
            true => self.members.iter().rposition(|(known, _)| *known == key),
            false => {
                if self.last.is_empty() {
                    let members = self.members.iter().enumerate();
                    self.last = members.map(|(place, (key, _))| (*key, place)).collect();
                }
                self.last.get(key).copied()
            }
        };
        self.members.push((key, start));
        if !self.last.is_empty() {
            self.last.insert(key, place);
        }
        known
    }
}

/// Finds the members that a later one of the same object has the key of, with the comma behind each: `text` is JSON
/// without blanks between its parts. In order, and none within another.
pub(super) fn repeated(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let mut open: Vec<Option<Object<'_>>> = Vec::new();
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let mut key = None;
        match byte {
            b'{' => {
                open.push(Some(Object::default()));
                key = (bytes.get(at + 1) == Some(&b'"')).then_some(at + 1);
                at += 1;
            }
            b'[' => {
                open.push(None);
                at += 1;
            }
            b'}' | b']' => {
                open.pop();
                at += 1;
            }
            b',' => {
                key = matches!(open.last(), Some(Some(_))).then_some(at + 1);
                at += 1;
            }
            b'"' => at = string(bytes, at),
            _ => at += 1,
        }
        if let (Some(start), Some(Some(object))) = (key, open.last_mut()) {
            at = string(bytes, start);
            let name = text.get(start..at).unwrap_or_default();
            if let Some(before) = object.add(name, start) {
                let members = object
                    .members
                    .get(before)
                    .zip(object.members.get(before + 1));
                found.extend(members.map(|((_, begin), (_, end))| *begin..*end));
            }
        }
    }
    found.sort_unstable_by_key(|range| (range.start, std::cmp::Reverse(range.end)));
    let mut end = 0;
    found.retain(|range| {
        let outside = range.start >= end;
        end = end.max(range.end);
        outside
    });
    found
}

/// The end of a string that begins at a place.
fn string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    loop {
        match bytes.get(at) {
            Some(b'"') => return at + 1,
            Some(b'\\') => at += 2,
            Some(_) => at += 1,
            None => return bytes.len(),
        }
    }
}

/// Leaves those members out of a text.
pub(super) fn without(text: &str, ranges: &[Range<usize>], out: &mut String) {
    let mut at = 0;
    for range in ranges {
        out.push_str(text.get(at..range.start).unwrap_or_default());
        at = range.end;
    }
    out.push_str(text.get(at..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, wanted: &str) {
        let mut out = String::new();
        without(text, &repeated(text), &mut out);
        assert_eq!(out, wanted, "{text}");
    }

    #[test]
    fn the_last_of_equal_attributes_stays() {
        check(r#"{"a":1,"b":2}"#, r#"{"a":1,"b":2}"#);
        check(r#"{"a":1,"b":{"a":3},"a":[2]}"#, r#"{"b":{"a":3},"a":[2]}"#);
        check(
            r#"[{"a":{"x":1,"x":2},"a":3,"a":4},{"a":5}]"#,
            r#"[{"a":4},{"a":5}]"#,
        );
        check(r#"{"a,\"":1,"a,\"":{}}"#, r#"{"a,\"":{}}"#);
        check(r#"["a","a"]"#, r#"["a","a"]"#);
        check("{}", "{}");
        let keys: Vec<String> = (0..40)
            .map(|key| format!("\"k{}\":{key}", key % 30))
            .collect();
        let text = format!("{{{}}}", keys.join(","));
        assert_eq!(repeated(&text).len(), 10);
    }
}
