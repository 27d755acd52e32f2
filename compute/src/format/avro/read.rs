//! The values of an Avro block, byte by byte. Whatever the bytes are, reading them ends.

use super::schema::{Kind, Schema, TypeId};

/// Values within each other at most.
const DEPTH_MAX: usize = 100;
/// Elements without any bytes that one array may have.
const EMPTY_ELEMENTS_MAX: u64 = 1 << 10;

/// Goes one level deeper.
pub(super) fn deeper(depth: usize) -> Result<usize, String> {
    match depth < DEPTH_MAX {
        true => Ok(depth + 1),
        false => Err(format!(
            "a row has values within each other deeper than {DEPTH_MAX}"
        )),
    }
}

/// A place in a block.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Goes back to a place that was passed.
    pub(super) fn back(&mut self, at: usize) {
        self.at = at;
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let end = self.at.checked_add(count);
        let taken = end.and_then(|end| self.bytes.get(self.at..end));
        let taken = taken.ok_or("a row ends early")?;
        self.at += count;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let taken = self.take(N)?;
        taken.try_into().map_err(|_| "a row ends early".to_owned())
    }

    #[inline]
    pub(super) fn long(&mut self) -> Result<i64, String> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = *self.bytes.get(self.at).ok_or("a row ends early")?;
            self.at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok((value >> 1) as i64 ^ -((value & 1) as i64));
            }
        }
        Err("a row has a number that is too long".to_owned())
    }

    pub(super) fn int(&mut self) -> Result<i32, String> {
        let value = self.long()?;
        i32::try_from(value).map_err(|_| "a row has an int of more than 32 bits".to_owned())
    }

    pub(super) fn boolean(&mut self) -> Result<bool, String> {
        match self.array()? {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => Err("a row has a boolean that is none".to_owned()),
        }
    }

    /// Takes a length and as many bytes.
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], String> {
        let length = self.long()?;
        let length = usize::try_from(length);
        self.take(length.map_err(|_| "a row has a negative length")?)
    }

    /// Takes a place in a list of `count`.
    pub(super) fn place(&mut self, count: usize) -> Result<usize, String> {
        let place = usize::try_from(self.long()?).ok();
        let place = place.filter(|place| *place < count);
        place.ok_or_else(|| "a row names a branch or a symbol that is not there".to_owned())
    }

    /// Follows unions to the type of the value at the cursor. A union has no union right in it, but through a name.
    pub(super) fn branch(&mut self, schema: &Schema, ty: TypeId) -> Result<TypeId, String> {
        let mut ty = ty;
        for _ in 0..DEPTH_MAX {
            let Some(Kind::Union(branches)) = schema.get(ty).map(|ty| &ty.kind) else {
                return Ok(ty);
            };
            let place = self.place(branches.len())?;
            ty = *branches.get(place).ok_or("a row names no branch")?;
        }
        deeper(DEPTH_MAX).map(|_| ty)
    }

    /// Takes the count of the next elements of an array or a map; `None` at its end.
    pub(super) fn count(&mut self, is_empty: bool) -> Result<Option<u64>, String> {
        let count = self.long()?;
        if count == 0 {
            return Ok(None);
        }
        if count < 0 {
            // The bytes of the elements, for who passes over them.
            self.long()?;
        }
        let count = count.unsigned_abs();
        let left = (self.bytes.len() - self.at) as u64;
        let limit = match is_empty {
            true => EMPTY_ELEMENTS_MAX,
            false => left,
        };
        match count > limit {
            true => Err("a row says that an array has more elements than it can".to_owned()),
            false => Ok(Some(count)),
        }
    }

    /// Passes over a value.
    pub(super) fn skip(&mut self, schema: &Schema, ty: TypeId, depth: usize) -> Result<(), String> {
        let depth = deeper(depth)?;
        let Some(ty) = schema.get(ty) else {
            return Err("its schema has a type that is none".to_owned());
        };
        if ty.is_empty {
            return Ok(());
        }
        match &ty.kind {
            Kind::Null => {}
            Kind::Boolean => {
                self.boolean()?;
            }
            Kind::Int => {
                self.int()?;
            }
            Kind::Long => {
                self.long()?;
            }
            Kind::Enum(symbols) => {
                self.place(symbols.len())?;
            }
            Kind::Float => {
                self.take(4)?;
            }
            Kind::Double => {
                self.take(8)?;
            }
            Kind::Bytes | Kind::String => {
                self.bytes()?;
            }
            Kind::Fixed(size) => {
                self.take(*size)?;
            }
            Kind::Union(branches) => {
                let place = self.place(branches.len())?;
                let branch = branches.get(place).copied().unwrap_or_default();
                self.skip(schema, branch, depth)?;
            }
            Kind::Record(parts) => {
                for (_, part) in parts {
                    self.skip(schema, *part, depth)?;
                }
            }
            Kind::Array(items) => {
                let is_empty = schema.get(*items).is_some_and(|ty| ty.is_empty);
                while let Some(count) = self.count(is_empty)? {
                    for _ in 0..if is_empty { 0 } else { count } {
                        self.skip(schema, *items, depth)?;
                    }
                }
            }
            Kind::Map(values) => {
                while let Some(count) = self.count(false)? {
                    for _ in 0..count {
                        self.bytes()?;
                        self.skip(schema, *values, depth)?;
                    }
                }
            }
        }
        Ok(())
    }
}
