//! Avro: rows of a schema that stands in the file. The values that columns want are found in one pass over each row and
//! written behind each other as fields, which are converted as those of delimited text are; what no column wants is
//! passed over.
//!
//! Fields are found by name or by path, as those of JSON. Values that have parts become JSON text. A date or time is
//! written as it is read in text, but to a column of numbers as the number that stands in the file.

pub mod value;
pub mod blocks;
mod read;
pub mod schema;
mod write;

use super::delimited::problem::Problem;
use super::delimited::{Fields, Line};
use super::json::{Json, NULL_MARK};
use blocks::File;
use blueshift_sql::SqlType;
use read::Cursor;
use std::collections::HashMap;
use std::sync::Arc;

/// Bytes of the fields of one row at most: paths may name the same part many times.
const ROW_BYTES_MAX: usize = 64 << 20;
/// A block of rows ends when its fields have this many bytes.
const BLOCK_BYTES: usize = 32 << 20;

/// How a value is written for its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// As text.
    Text,
    /// As text, and bytes as hexadecimal digits: VARBYTE.
    Hex,
    /// Dates and times as the number that stands in the file.
    Number,
    /// A timestamp as a number of units of so many microseconds: TIMEFORMAT 'epochsecs' and 'epochmillisecs'.
    Epoch(i64),
    /// As JSON: SUPER.
    Json,
}

impl Style {
    /// Gives the style of a column's type.
    pub fn of(ty: SqlType) -> Self {
        match ty {
            SqlType::Super => Self::Json,
            SqlType::Varbyte(_) => Self::Hex,
            SqlType::SmallInt
            | SqlType::Integer
            | SqlType::BigInt
            | SqlType::Oid
            | SqlType::Decimal { .. }
            | SqlType::Real
            | SqlType::Double => Self::Number,
            _ => Self::Text,
        }
    }
}

/// Which part of a row each field is, and how it is written.
#[derive(Clone, Debug)]
pub struct Avro {
    wanted: Json,
    styles: Vec<Style>,
}

impl Avro {
    /// Makes each field what `wanted` says of documents of JSON.
    pub fn new(wanted: Json, styles: Vec<Style>) -> Self {
        Self { wanted, styles }
    }

    /// Counts the fields.
    pub fn field_count(&self) -> usize {
        self.styles.len()
    }
}

/// A value that was found, by its place among those of the row.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    start: usize,
    end: usize,
    is_value: bool,
}

/// The nodes that the fields of a record lead to.
type Members = Arc<[Option<usize>]>;

/// Reads the rows of chunks of one file after the other.
#[derive(Debug, Default)]
pub struct Reader {
    file: Option<Arc<File>>,
    /// A block as it was before it was compressed.
    block: Vec<u8>,
    at: usize,
    rows_left: u64,
    /// Bytes of the chunk that the block took.
    taken: usize,
    /// The values of a row in the order of the file.
    values: Vec<u8>,
    slots: Vec<Slot>,
    /// By record type and node.
    members: HashMap<(usize, usize), Members>,
    damage: Option<String>,
}

impl Reader {
    /// Says which file the next bytes are of.
    pub fn begin(&mut self, file: &Arc<File>) {
        let is_same = self.file.as_ref();
        if !is_same.is_some_and(|known| Arc::ptr_eq(known, file)) {
            self.file = Some(Arc::clone(file));
            self.members.clear();
            self.rows_left = 0;
        }
    }

    /// Gives what is wrong with the file, if its rows cannot be read any further.
    pub fn damage(&self) -> Option<&str> {
        self.damage.as_deref()
    }

    /// Reads rows of the block at the beginning of `bytes` until `rows_max` of them are found; appends the fields' bytes
    /// to `rewritten`. Gives the bytes that are done with: none while rows of the block are left. The lines of rows are
    /// their numbers, from 0.
    pub fn read(
        &mut self,
        bytes: &[u8],
        rules: &Avro,
        rows_max: usize,
        rewritten: &mut Vec<u8>,
        fields: &mut Fields,
    ) -> usize {
        fields.stride = rules.field_count();
        fields.cuts.clear();
        fields.cuts.push((rewritten.len() as u32).wrapping_sub(1));
        match self.rows(bytes, rules, rows_max, rewritten, fields) {
            Ok(used) => used,
            Err(damage) => {
                self.damage = Some(damage);
                self.rows_left = 0;
                bytes.len()
            }
        }
    }

    fn rows(
        &mut self,
        bytes: &[u8],
        rules: &Avro,
        rows_max: usize,
        rewritten: &mut Vec<u8>,
        fields: &mut Fields,
    ) -> Result<usize, String> {
        let file = self.file.clone().ok_or("it has no header")?;
        if self.rows_left == 0 {
            (self.rows_left, self.taken) = blocks::unpack(bytes, &file, &mut self.block)?;
            self.at = 0;
        }
        let block = std::mem::take(&mut self.block);
        let mut cursor = Cursor::new(&block, self.at);
        let read = self.some(&mut cursor, &file, rules, rows_max, rewritten, fields);
        self.at = cursor.at();
        let is_whole = self.at == block.len();
        self.block = block;
        read?;
        match self.rows_left {
            0 if !is_whole => Err("a block has bytes behind its last row".to_owned()),
            0 => Ok(self.taken),
            _ => Ok(0),
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the second half of one function, cut where the block is borrowed"
    )]
    fn some(
        &mut self,
        cursor: &mut Cursor<'_>,
        file: &File,
        rules: &Avro,
        rows_max: usize,
        rewritten: &mut Vec<u8>,
        fields: &mut Fields,
    ) -> Result<(), String> {
        while self.rows_left > 0 && fields.found() < rows_max && rewritten.len() < BLOCK_BYTES {
            let number = fields.found() as u32;
            let line = Line {
                start: number,
                end: number,
            };
            self.rows_left -= 1;
            match self.row(cursor, file, rules)? {
                None if self.write(rules, rewritten, fields) => {
                    fields.lines.push(line);
                    fields.rows += 1;
                }
                None => fields.bad.push((line, Problem::TooLong)),
                Some(problem) => fields.bad.push((line, problem)),
            }
        }
        Ok(())
    }

    /// Finds the fields of the next row. A path that leads nowhere is a problem of the row alone.
    fn row(
        &mut self,
        cursor: &mut Cursor<'_>,
        file: &File,
        rules: &Avro,
    ) -> Result<Option<Problem>, String> {
        self.values.clear();
        self.slots.clear();
        self.slots.resize(rules.field_count(), Slot::default());
        let mut walk = Walk {
            cursor,
            file,
            rules,
            values: &mut self.values,
            slots: &mut self.slots,
            members: &mut self.members,
            problem: None,
        };
        walk.node(file.schema.root(), 0, 0)?;
        Ok(walk.problem)
    }

    /// Writes the fields that were found, in their order; `false`, and nothing, if they are too long.
    fn write(&self, rules: &Avro, rewritten: &mut Vec<u8>, fields: &mut Fields) -> bool {
        let (begin, cuts, quoted) = (rewritten.len(), fields.cuts.len(), fields.quoted.len());
        for slot in self.slots.iter().take(rules.field_count()) {
            let value = self.values.get(slot.start..slot.end).unwrap_or_default();
            if rewritten.len() - begin + value.len() > ROW_BYTES_MAX {
                rewritten.truncate(begin);
                fields.cuts.truncate(cuts);
                fields.quoted.truncate(quoted);
                return false;
            }
            match slot.is_value {
                true => rewritten.extend_from_slice(value),
                false => rewritten.extend_from_slice(NULL_MARK),
            }
            fields.cuts.push(rewritten.len() as u32);
            fields.quoted.push(slot.is_value);
            rewritten.push(b'\n');
        }
        true
    }
}

/// A walk over one row.
struct Walk<'a, 'b> {
    cursor: &'a mut Cursor<'b>,
    file: &'a File,
    rules: &'a Avro,
    values: &'a mut Vec<u8>,
    slots: &'a mut Vec<Slot>,
    members: &'a mut HashMap<(usize, usize), Members>,
    problem: Option<Problem>,
}

impl Walk<'_, '_> {
    /// Passes over the value at the cursor, and writes what is wanted of it. Nodes are nested as deep as paths are long.
    fn node(&mut self, ty: schema::TypeId, index: usize, depth: usize) -> Result<(), String> {
        use schema::Kind;
        let (file, rules) = (self.file, self.rules);
        let ty = self.cursor.branch(&file.schema, ty)?;
        let Some(node) = rules.wanted.nodes.get(index) else {
            return self.cursor.skip(&file.schema, ty, depth);
        };
        let start = self.cursor.at();
        for field in &node.fields {
            self.cursor.back(start);
            let style = rules.styles.get(*field).copied().unwrap_or(Style::Text);
            let begin = self.values.len();
            let is_value = write::value(self.cursor, &file.schema, ty, style, self.values)?;
            if let Some(slot) = self.slots.get_mut(*field) {
                *slot = Slot {
                    start: begin,
                    end: self.values.len(),
                    is_value,
                };
            }
        }
        let is_leaf = node.members.is_empty() && node.elements.is_empty();
        if is_leaf && !node.fields.is_empty() {
            return Ok(());
        }
        self.cursor.back(start);
        let kind = file.schema.get(ty).map(|ty| &ty.kind);
        match kind {
            Some(Kind::Record(parts)) if !node.members.is_empty() => {
                self.refuse(!node.elements.is_empty(), Problem::NoJsonElement);
                self.record(ty, parts, index, depth)
            }
            Some(Kind::Map(values)) if !node.members.is_empty() => {
                self.refuse(!node.elements.is_empty(), Problem::NoJsonElement);
                self.map(*values, index, depth)
            }
            Some(Kind::Array(items)) if !node.elements.is_empty() => {
                self.refuse(!node.members.is_empty(), Problem::NoJsonObject);
                self.array(*items, index, depth)
            }
            _ => {
                let is_null = kind == Some(&Kind::Null);
                self.refuse(!node.elements.is_empty(), Problem::NoJsonElement);
                self.refuse(!node.members.is_empty() && !is_null, Problem::NoJsonObject);
                self.cursor.skip(&file.schema, ty, depth)
            }
        }
    }

    /// Notes what is wrong with the row, if nothing is noted yet.
    fn refuse(&mut self, is_wrong: bool, problem: Problem) {
        if is_wrong {
            self.problem.get_or_insert(problem);
        }
    }

    fn record(
        &mut self,
        ty: schema::TypeId,
        parts: &[(String, schema::TypeId)],
        index: usize,
        depth: usize,
    ) -> Result<(), String> {
        let members = self.members_of(ty, parts, index);
        for ((_, part), wanted) in parts.iter().zip(members.iter()) {
            match wanted {
                Some(node) => self.node(*part, *node, read::deeper(depth)?)?,
                None => {
                    self.cursor
                        .skip(&self.file.schema, *part, read::deeper(depth)?)?;
                }
            }
        }
        Ok(())
    }

    /// Finds the nodes of a record's fields, once for each type.
    fn members_of(
        &mut self,
        ty: schema::TypeId,
        parts: &[(String, schema::TypeId)],
        index: usize,
    ) -> Members {
        let wanted = &self.rules.wanted;
        let known = self.members.entry((ty, index)).or_insert_with(|| {
            let node = wanted.nodes.get(index);
            let find = |(name, _): &(String, schema::TypeId)| {
                let members = &node?.members;
                match wanted.ignores_case {
                    true => members.get(name.to_lowercase().as_bytes()).copied(),
                    false => members.get(name.as_bytes()).copied(),
                }
            };
            parts.iter().map(find).collect()
        });
        Arc::clone(known)
    }

    fn map(&mut self, values: schema::TypeId, index: usize, depth: usize) -> Result<(), String> {
        let depth = read::deeper(depth)?;
        let rules = self.rules;
        let node = rules.wanted.nodes.get(index);
        while let Some(count) = self.cursor.count(false)? {
            for _ in 0..count {
                let key = self.cursor.bytes()?;
                let wanted = node.and_then(|node| node.members.get(key));
                match wanted {
                    Some(inner) => self.node(values, *inner, depth)?,
                    None => self.cursor.skip(&self.file.schema, values, depth)?,
                }
            }
        }
        Ok(())
    }

    /// Goes through the elements of an array. An element that a path names must be there.
    fn array(&mut self, items: schema::TypeId, index: usize, depth: usize) -> Result<(), String> {
        let depth = read::deeper(depth)?;
        let rules = self.rules;
        let elements = rules.wanted.nodes.get(index).map(|node| &node.elements);
        let is_empty = self.file.schema.get(items).is_some_and(|ty| ty.is_empty);
        let (mut place, mut found) = (0, 0);
        while let Some(count) = self.cursor.count(is_empty)? {
            for _ in 0..count {
                let wanted = elements
                    .and_then(|elements| elements.iter().find(|(wanted, _)| *wanted == place));
                match wanted {
                    Some((_, inner)) => {
                        found += 1;
                        self.node(items, *inner, depth)?;
                    }
                    None => self.cursor.skip(&self.file.schema, items, depth)?,
                }
                place += 1;
            }
        }
        let wanted = elements.map_or(0, Vec::len);
        self.refuse(found < wanted, Problem::NoJsonElement);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
