//! JSON: objects and arrays one behind the other, each a row. The values that columns want are found in one pass over each
//! document and written behind each other as fields, which are converted as those of delimited text are.
//!
//! A field that is null stands as `\N` and is not quoted; every other is, and so is never taken for null.

pub mod outer;
pub mod path;
pub(in crate::format) mod scan;
pub mod skim;

use super::delimited::problem::Problem;
use super::delimited::{Fields, Line};
use path::{Path, Step};
use scan::Shape;
use skim::Skimmer;
use std::collections::HashMap;

/// What null fields are written as.
pub const NULL_MARK: &[u8] = b"\\N";
/// Bytes of an object or array at most. Source: the guide, "JSON data file".
pub const DOCUMENT_BYTES_MAX: usize = 4 << 20;
/// Bytes of the fields of one row at most: paths may name the same part many times.
const ROW_BYTES_MAX: usize = 64 << 20;
/// A block ends when its fields have this many bytes.
const BLOCK_BYTES: usize = 32 << 20;
/// Keys of a document whose order is remembered, and the longest that is.
const ORDER_MAX: usize = 4_096;
const ORDER_KEY_BYTES_MAX: usize = 256;

/// Which part of a document each field is.
#[derive(Clone, Debug)]
pub struct Json {
    /// The first is the root.
    pub(in crate::format) nodes: Vec<Node>,
    /// Whether a field is wanted as JSON, for SUPER.
    is_raw: Vec<bool>,
    /// Whether keys match in any case.
    pub(in crate::format) ignores_case: bool,
    /// Whether a dot of a key is an underscore of its name.
    dots_are_underscores: bool,
}

/// A part of a document that is a field, or has one in it.
#[derive(Clone, Debug, Default)]
pub(in crate::format) struct Node {
    pub(in crate::format) fields: Vec<usize>,
    pub(in crate::format) members: HashMap<Box<[u8]>, usize>,
    pub(in crate::format) elements: Vec<(usize, usize)>,
}

impl Json {
    /// Makes each field the value of its name, in lower case if case is ignored.
    pub fn by_names<'a>(
        names: impl IntoIterator<Item = &'a str>,
        is_raw: Vec<bool>,
        ignores_case: bool,
    ) -> Self {
        let paths = names.into_iter().map(|name| match ignores_case {
            true => vec![Step::Member(name.to_lowercase())],
            false => vec![Step::Member(name.to_owned())],
        });
        Self {
            ignores_case,
            ..Self::by_paths(paths, is_raw)
        }
    }

    /// Makes each field what its path leads to.
    pub fn by_paths(paths: impl IntoIterator<Item = Path>, is_raw: Vec<bool>) -> Self {
        let mut nodes = vec![Node::default()];
        for (field, path) in paths.into_iter().enumerate() {
            let mut at = 0;
            for step in path {
                let next = nodes.len();
                let Some(node) = nodes.get_mut(at) else {
                    break;
                };
                at = match step {
                    Step::Member(name) => {
                        *node.members.entry(name.into_bytes().into()).or_insert(next)
                    }
                    Step::Element(place) => {
                        let known = node.elements.iter().find(|(known, _)| *known == place);
                        match known {
                            Some((_, known)) => *known,
                            None => {
                                node.elements.push((place, next));
                                next
                            }
                        }
                    }
                };
                if at == next {
                    nodes.push(Node::default());
                }
            }
            if let Some(node) = nodes.get_mut(at) {
                node.fields.push(field);
            }
        }
        Self {
            nodes,
            is_raw,
            ignores_case: false,
            dots_are_underscores: false,
        }
    }

    /// Takes a dot of a key for an underscore.
    #[must_use]
    pub fn with_dots_as_underscores(self, dots_are_underscores: bool) -> Self {
        Self {
            dots_are_underscores,
            ..self
        }
    }

    /// Counts the fields.
    pub fn field_count(&self) -> usize {
        self.is_raw.len()
    }
}

/// A value that was found, by its place.
#[derive(Clone, Copy, Debug)]
struct Slot {
    start: u32,
    end: u32,
    shape: Shape,
}

const NOTHING: Slot = Slot {
    start: 0,
    end: 0,
    shape: Shape::Null,
};

/// Reads documents; what it remembers from one helps with the next.
#[derive(Debug, Default)]
pub struct Reader {
    slots: Vec<Slot>,
    /// The keys of the last document in their order, and the nodes they lead to.
    order: Vec<(Vec<u8>, Option<usize>)>,
}

impl Reader {
    /// Reads rows of `bytes` until `rows_max` of them, good or bad, are found or the bytes end; appends the fields' bytes to
    /// `rewritten`. Gives where to go on.
    pub fn read(
        &mut self,
        bytes: &[u8],
        json: &Json,
        rows_max: usize,
        rewritten: &mut Vec<u8>,
        fields: &mut Fields,
    ) -> usize {
        fields.stride = json.field_count();
        fields.cuts.clear();
        fields.cuts.push((rewritten.len() as u32).wrapping_sub(1));
        let mut at = 0;
        while fields.found() < rows_max && rewritten.len() < BLOCK_BYTES {
            at = scan::blanks(bytes, at);
            let Some(first) = bytes.get(at) else {
                break;
            };
            let read = match first {
                b'{' | b'[' => self.document(bytes, at, json),
                _ => Err(Problem::NotJson),
            };
            let end = match read {
                Ok(end) => end,
                Err(_) => document_end(bytes, at),
            };
            let line = Line {
                start: at as u32,
                end: (at
                    + bytes
                        .get(at..end)
                        .unwrap_or_default()
                        .trim_ascii_end()
                        .len()) as u32,
            };
            let problem = match read {
                _ if end - at > DOCUMENT_BYTES_MAX => Some(Problem::TooLargeJson),
                Ok(_) if self.write(bytes, json, rewritten, fields) => None,
                Ok(_) => Some(Problem::TooLong),
                Err(problem) => Some(problem),
            };
            match problem {
                Some(problem) => fields.bad.push((line, problem)),
                None => {
                    fields.lines.push(line);
                    fields.rows += 1;
                }
            }
            at = end;
        }
        at
    }

    /// Finds the fields of the document at `at`; gives its end.
    fn document(&mut self, bytes: &[u8], at: usize, json: &Json) -> Result<usize, Problem> {
        self.slots.clear();
        self.slots.resize(json.field_count(), NOTHING);
        self.node(bytes, at, json, 0)
    }

    /// Finds the fields in the value at `at`, which is a node; gives its end. Nodes are nested as deep as paths are long.
    fn node(
        &mut self,
        bytes: &[u8],
        at: usize,
        json: &Json,
        index: usize,
    ) -> Result<usize, Problem> {
        let node = json.nodes.get(index).ok_or(Problem::NotJson)?;
        let is_leaf = node.members.is_empty() && node.elements.is_empty();
        let (end, shape) = match bytes.get(at) {
            Some(b'{') if !is_leaf => {
                if !node.elements.is_empty() {
                    return Err(Problem::NoJsonElement);
                }
                (self.members(bytes, at, json, index)?, Shape::Nested)
            }
            Some(b'[') if !is_leaf => {
                if !node.members.is_empty() {
                    return Err(Problem::NoJsonObject);
                }
                (self.elements(bytes, at, json, node)?, Shape::Nested)
            }
            _ => {
                let (end, shape) = scan::value(bytes, at).ok_or(Problem::NotJson)?;
                if !node.elements.is_empty() {
                    return Err(Problem::NoJsonElement);
                }
                if !node.members.is_empty() && shape != Shape::Null {
                    return Err(Problem::NoJsonObject);
                }
                (end, shape)
            }
        };
        for field in &node.fields {
            if let Some(slot) = self.slots.get_mut(*field) {
                *slot = Slot {
                    start: at as u32,
                    end: end as u32,
                    shape,
                };
            }
        }
        Ok(end)
    }

    /// Goes through the members of the object at `start`.
    fn members(
        &mut self,
        bytes: &[u8],
        start: usize,
        json: &Json,
        index: usize,
    ) -> Result<usize, Problem> {
        let wrong = Problem::NotJson;
        let mut at = scan::blanks(bytes, start + 1);
        if bytes.get(at) == Some(&b'}') {
            return Ok(at + 1);
        }
        let mut count = 0;
        loop {
            let (begin, key_end, has_escapes) = scan::key(bytes, at).ok_or(wrong)?;
            let key = bytes.get(at + 1..key_end - 1).unwrap_or_default();
            let found = match index {
                0 => self.ordered(key, has_escapes, json, count),
                _ => lookup(key, has_escapes, json, index),
            };
            at = match found {
                Some(node) => self.node(bytes, begin, json, node)?,
                None => scan::value(bytes, begin).ok_or(wrong)?.0,
            };
            at = scan::blanks(bytes, at);
            match bytes.get(at) {
                Some(b',') => at = scan::blanks(bytes, at + 1),
                Some(b'}') => return Ok(at + 1),
                _ => return Err(wrong),
            }
            count += 1;
        }
    }

    /// Finds the node a key of the root leads to: most documents have the same keys in the same order.
    #[inline]
    fn ordered(
        &mut self,
        key: &[u8],
        has_escapes: bool,
        json: &Json,
        count: usize,
    ) -> Option<usize> {
        if let Some((known, node)) = self.order.get(count)
            && known == key
        {
            return *node;
        }
        let found = lookup(key, has_escapes, json, 0);
        if key.len() <= ORDER_KEY_BYTES_MAX {
            let entry = (key.to_vec(), found);
            let known = self.order.len();
            match self.order.get_mut(count) {
                Some(place) => *place = entry,
                None if count == known && count < ORDER_MAX => self.order.push(entry),
                None => {}
            }
        }
        found
    }

    /// Goes through the elements of the array at `start`. An element that a path names must be there.
    fn elements(
        &mut self,
        bytes: &[u8],
        start: usize,
        json: &Json,
        node: &Node,
    ) -> Result<usize, Problem> {
        let wrong = Problem::NotJson;
        let mut at = scan::blanks(bytes, start + 1);
        let mut found = 0;
        let mut place = 0;
        if bytes.get(at) == Some(&b']') {
            return Err(Problem::NoJsonElement);
        }
        loop {
            let wanted = node.elements.iter().find(|(wanted, _)| *wanted == place);
            at = match wanted {
                Some((_, inner)) => {
                    found += 1;
                    self.node(bytes, at, json, *inner)?
                }
                None => scan::value(bytes, at).ok_or(wrong)?.0,
            };
            at = scan::blanks(bytes, at);
            match bytes.get(at) {
                Some(b',') => at = scan::blanks(bytes, at + 1),
                Some(b']') if found < node.elements.len() => return Err(Problem::NoJsonElement),
                Some(b']') => return Ok(at + 1),
                _ => return Err(wrong),
            }
            place += 1;
        }
    }

    /// Writes the fields that were found; `false`, and nothing, if they are too long.
    fn write(
        &self,
        bytes: &[u8],
        json: &Json,
        rewritten: &mut Vec<u8>,
        fields: &mut Fields,
    ) -> bool {
        let (begin, cuts, quoted) = (rewritten.len(), fields.cuts.len(), fields.quoted.len());
        for (slot, is_raw) in self.slots.iter().zip(&json.is_raw) {
            let text = bytes
                .get(slot.start as usize..slot.end as usize)
                .unwrap_or_default();
            if rewritten.len() - begin + text.len() > ROW_BYTES_MAX {
                rewritten.truncate(begin);
                fields.cuts.truncate(cuts);
                fields.quoted.truncate(quoted);
                return false;
            }
            let inside = || text.get(1..text.len() - 1).unwrap_or_default();
            match slot.shape {
                Shape::Null => rewritten.extend_from_slice(NULL_MARK),
                _ if *is_raw => rewritten.extend_from_slice(text),
                Shape::Plain => rewritten.extend_from_slice(text),
                Shape::String => rewritten.extend_from_slice(inside()),
                Shape::Escaped => scan::unescape(inside(), rewritten),
                Shape::Nested => scan::write_line(text, rewritten),
            }
            fields.cuts.push(rewritten.len() as u32);
            fields.quoted.push(slot.shape != Shape::Null);
            rewritten.push(b'\n');
        }
        true
    }
}

/// Finds the node that a key leads to.
#[cold]
fn lookup(key: &[u8], has_escapes: bool, json: &Json, index: usize) -> Option<usize> {
    let node = json.nodes.get(index)?;
    let mut plain = Vec::new();
    let key = match has_escapes {
        true => {
            scan::unescape(key, &mut plain);
            plain.as_slice()
        }
        false => key,
    };
    let underscored;
    let key = match json.dots_are_underscores && key.contains(&b'.') {
        true => {
            underscored = String::from_utf8_lossy(key).replace('.', "_");
            underscored.as_bytes()
        }
        false => key,
    };
    if json.ignores_case {
        let lower = String::from_utf8_lossy(key).to_lowercase();
        return node.members.get(lower.as_bytes()).copied();
    }
    node.members.get(key).copied()
}

/// Gives the end of what stands at `at` and is no document: the bracket that closes it, or, outside of brackets, the next
/// bracket or the end of the line.
fn document_end(bytes: &[u8], at: usize) -> usize {
    if matches!(bytes.get(at), Some(b'{' | b'[')) {
        return Skimmer::default()
            .next_end(bytes, at)
            .unwrap_or(bytes.len());
    }
    let rest = bytes.get(at..).unwrap_or_default();
    memchr::memchr3(b'{', b'[', b'\n', rest).map_or(bytes.len(), |end| at + end)
}

#[cfg(test)]
mod tests;
