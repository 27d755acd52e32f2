//! The groups of a pipeline: which number the group of each row has, in the order in which groups were first seen.
//!
//! Each key column becomes 64-bit codes: a whole number is its own, a short text its bytes and their count, and what is
//! longer the number it has among those seen. The number of a group is looked up column by column, each below the
//! number of the columns before it. One column of whole numbers that lie close together needs no table: the distance
//! from the least is the place. Rows that come sorted by the keys need none at all.

use super::lanes::{VECTOR_ROWS, column_of, is_whole, load, nulls_of};
use super::table::{Direct, Table, Texts, width};
use arrow::array::{Array, ArrayRef, AsArray, StringBuilder, StringViewBuilder};
use arrow::buffer::NullBuffer;
use arrow::datatypes::Decimal128Type;
use arrow_schema::DataType;
use datafusion::common::{Result, internal_err};
use std::sync::Arc;

/// How the group of a row is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// By its keys, in a table.
    Looked,
    /// Rows come sorted by the keys: it is the group before, or a new one.
    Runs,
    /// Every row is a group of its own: what follows puts them together.
    Each,
}

/// Places that whole numbers which lie close together may have, in any case, and at most.
const PLACES: (usize, usize) = (1 << 16, 1 << 22);

/// Places for each row seen.
const PLACES_PER_ROW: usize = 64;

/// Bytes of a text that is its own code.
const SHORT_BYTES: usize = 7;

/// What stands in place of the number of bytes of a text that has a number.
const NUMBERED: u64 = 0xff;

/// Texts that were just seen.
const RECENT: usize = 256;

/// No text is as long as the lower half of this tells.
const NO_VIEW: u128 = u128::MAX;

/// The groups. See the module.
pub(super) struct Keys {
    columns: Vec<KeyColumn>,
    tables: Vec<Table>,
    /// Different beginnings of keys, by the number of columns less one; that of whole keys is `count`.
    beginnings: Vec<u32>,
    direct: Option<Direct>,
    /// The least and the greatest value of the only column.
    range: Option<(i64, i64)>,
    way: Way,
    count: usize,
    rows_seen: usize,
    numbers: Vec<u32>,
    /// Rows of the vector that began a group.
    fresh: Vec<u32>,
}

struct KeyColumn {
    ty: DataType,
    coding: Coding,
    /// Of the rows of the vector.
    codes: Vec<i64>,
    /// The same; empty if none is.
    is_null: Vec<bool>,
    /// Of the groups.
    known: Vec<i64>,
    known_null: Vec<bool>,
}

enum Coding {
    Whole,
    /// Twice the value, or a number of those that are too wide.
    Decimal(Texts),
    Text(Texts, Vec<(u128, i64)>),
}

/// Tells whether a column of a type can be a key.
pub(super) fn is_key(ty: &DataType) -> bool {
    is_whole(ty) || matches!(ty, DataType::Utf8View | DataType::Utf8)
}

impl Keys {
    /// Begins without groups. Keys without columns have one, which is there from the start.
    pub(super) fn new(types: Vec<DataType>, way: Way) -> Self {
        let columns: Vec<KeyColumn> = types.into_iter().map(KeyColumn::new).collect();
        Self {
            tables: columns.iter().map(|_| Table::default()).collect(),
            beginnings: vec![0; columns.len()],
            count: usize::from(columns.is_empty()),
            columns,
            direct: None,
            range: None,
            way,
            rows_seen: 0,
            numbers: Vec::new(),
            fresh: Vec::new(),
        }
    }

    /// Counts the groups.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    pub(super) fn way(&self) -> Way {
        self.way
    }

    /// Finds groups another way from now on; there must be none.
    pub(super) fn set_way(&mut self, way: Way) {
        self.way = way;
    }

    /// Takes note of a batch to come.
    pub(super) fn begin_batch(&mut self) {
        for column in &mut self.columns {
            if let Coding::Text(_, recent) = &mut column.coding {
                // Views of long texts tell their place within the batch only.
                recent.fill((NO_VIEW, 0));
            }
        }
    }

    /// Gives the numbers of the groups of the rows that were numbered last.
    pub(super) fn numbers(&self) -> &[u32] {
        &self.numbers
    }

    /// Numbers the groups of `rows` rows, beginning with row `from`; new ones follow those there are.
    pub(super) fn number(&mut self, columns: &[ArrayRef], from: usize, rows: usize) -> Result<()> {
        self.numbers.clear();
        self.numbers.resize(rows, 0);
        if self.columns.is_empty() {
            return Ok(());
        }
        for (column, values) in self.columns.iter_mut().zip(columns) {
            column.load(values, from, rows)?;
        }
        self.rows_seen += rows;
        self.fresh.clear();
        match self.way {
            Way::Looked => self.look_up(),
            Way::Runs => self.find_runs(),
            Way::Each => {
                let first = self.count as u32;
                for (row, number) in self.numbers.iter_mut().enumerate() {
                    *number = first + row as u32;
                }
                self.fresh.extend(0..rows as u32);
            }
        }
        self.count += self.fresh.len();
        for column in &mut self.columns {
            column.keep(&self.fresh);
        }
        Ok(())
    }

    fn look_up(&mut self) {
        self.choose_places();
        let last = self.columns.len() - 1;
        for (depth, column) in self.columns.iter().enumerate() {
            let (table, is_last) = (&mut self.tables[depth], depth == last);
            let mut next = match is_last {
                true => self.count as u32,
                false => self.beginnings[depth],
            };
            let rows = self.numbers.iter_mut().zip(&column.codes).enumerate();
            if let Some(direct) = self.direct.as_mut() {
                for (row, (number, code)) in rows {
                    *number = match column.is_null.get(row) {
                        Some(true) => table.number(1, 0, next),
                        _ => direct.number(*code, next),
                    };
                    if *number == next {
                        next += 1;
                        self.fresh.push(row as u32);
                    }
                }
                continue;
            }
            // Neighbours are often equal.
            let mut before = (u32::MAX, 0, 0);
            for (row, (number, code)) in rows {
                let is_null = column.is_null.get(row).copied().unwrap_or(false);
                let parent = (*number << 1) | u32::from(is_null);
                if before.0 == parent && before.1 == *code {
                    *number = before.2;
                    continue;
                }
                *number = table.number(parent, *code as u64, next);
                before = (parent, *code, *number);
                if *number == next {
                    next += 1;
                    if is_last {
                        self.fresh.push(row as u32);
                    }
                }
            }
            self.beginnings[depth] = next;
        }
    }

    /// Sees to it that the values of an only column have places, or none.
    fn choose_places(&mut self) {
        let [column] = self.columns.as_slice() else {
            return;
        };
        let Some((least, greatest)) = column.range() else {
            return;
        };
        let range = match self.range {
            Some(range) => (range.0.min(least), range.1.max(greatest)),
            None => (least, greatest),
        };
        self.range = Some(range);
        if let Some(direct) = &self.direct
            && direct.covers(least, greatest)
        {
            return;
        }
        let places = (self.rows_seen.saturating_mul(PLACES_PER_ROW)).clamp(PLACES.0, PLACES.1);
        let (least, greatest) = range;
        if width(least, greatest) <= places {
            // Twice as many, so that keys that rise or fall do not ask for more each time.
            let more = i64::try_from(width(least, greatest)).unwrap_or(0) / 2;
            let (least, greatest) = (least.saturating_sub(more), greatest.saturating_add(more));
            let known = column.known.iter().zip(&column.known_null).enumerate();
            let values = known.clone().filter(|(_, (_, is_null))| !**is_null);
            let values = values.map(|(number, (value, _))| (number as u32, *value));
            self.direct = Some(Direct::new(least, greatest, values));
            self.tables[0] = Table::default();
            for (number, (_, is_null)) in known {
                if *is_null {
                    self.tables[0].number(1, 0, number as u32);
                }
            }
        } else if self.direct.take().is_some() {
            let known = column.known.iter().zip(&column.known_null).enumerate();
            self.tables[0] = Table::default();
            for (number, (value, is_null)) in known {
                self.tables[0].number(u32::from(*is_null), *value as u64, number as u32);
            }
        }
    }

    fn find_runs(&mut self) {
        let rows = self.numbers.len();
        let mut begins = [false; VECTOR_ROWS];
        let Some(begins) = begins.get_mut(..rows) else {
            return;
        };
        for column in &self.columns {
            column.mark_changes(begins);
        }
        let mut number = (self.count as u32).wrapping_sub(1);
        for (row, (begins, out)) in begins.iter().zip(&mut self.numbers).enumerate() {
            if *begins {
                number = number.wrapping_add(1);
                self.fresh.push(row as u32);
            }
            *out = number;
        }
    }

    /// Gives the keys of the first `count` groups and forgets them: of all, or, of runs, of all but the last.
    pub(super) fn take(&mut self, count: usize) -> Result<Vec<ArrayRef>> {
        let keys = self.columns.iter().map(|column| column.first(count));
        let keys: Result<Vec<ArrayRef>> = keys.collect();
        if count >= self.count {
            let types = self.columns.iter().map(|column| column.ty.clone());
            *self = Self::new(types.collect(), self.way);
        } else {
            for column in &mut self.columns {
                column.known.drain(..count);
                column.known_null.drain(..count);
            }
            self.count -= count;
        }
        keys
    }

    /// Bytes it takes.
    pub(super) fn size(&self) -> usize {
        let tables: usize = self.tables.iter().map(Table::size).sum();
        let columns: usize = self.columns.iter().map(KeyColumn::size).sum();
        tables + columns + self.direct.as_ref().map_or(0, Direct::size)
    }
}

impl KeyColumn {
    fn new(ty: DataType) -> Self {
        let coding = match &ty {
            DataType::Utf8View | DataType::Utf8 => {
                Coding::Text(Texts::default(), vec![(NO_VIEW, 0); RECENT])
            }
            DataType::Decimal128(_, _) => Coding::Decimal(Texts::default()),
            _ => Coding::Whole,
        };
        Self {
            ty,
            coding,
            codes: Vec::new(),
            is_null: Vec::new(),
            known: Vec::new(),
            known_null: Vec::new(),
        }
    }

    /// Reads the codes of a vector; that of a null is 0.
    fn load(&mut self, values: &ArrayRef, from: usize, rows: usize) -> Result<()> {
        if values.data_type() != &self.ty {
            return internal_err!("a key of {} came as {}", self.ty, values.data_type());
        }
        self.is_null.clear();
        let nulls = values.nulls().map(|nulls| nulls.slice(from, rows));
        if let Some(nulls) = nulls.filter(|nulls| nulls.null_count() > 0) {
            self.is_null.extend(nulls.iter().map(|is_there| !is_there));
        }
        let codes = &mut self.codes;
        match &mut self.coding {
            Coding::Whole => {
                load(values.as_ref(), from, rows, codes);
            }
            Coding::Decimal(wide) => decimals(values, (from, rows), wide, codes),
            Coding::Text(texts, recent) => match values.as_string_view_opt() {
                Some(values) => {
                    codes.clear();
                    let views = values.views().iter().enumerate().skip(from).take(rows);
                    codes.extend(views.map(|(row, view)| {
                        let bytes = *view as u32 as usize;
                        if bytes <= SHORT_BYTES {
                            return (((*view >> 32) as u64) << 8 | bytes as u64) as i64;
                        }
                        let place = (*view ^ (*view >> 64)) as u64;
                        let place = place.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56;
                        let place = &mut recent[place as usize % RECENT];
                        if place.0 != *view {
                            // What stands in place of a null may be no view.
                            let is_null = values.is_null(row);
                            let text = if is_null { "" } else { values.value(row) };
                            *place = (*view, code_of(text.as_bytes(), texts));
                        }
                        place.1
                    }));
                }
                None => {
                    codes.clear();
                    let values = values.as_string::<i32>();
                    let text = |row| match values.is_null(row) {
                        true => 0,
                        false => code_of(values.value(row).as_bytes(), texts),
                    };
                    codes.extend((from..from + rows).map(text));
                }
            },
        }
        for (code, is_null) in codes.iter_mut().zip(&self.is_null) {
            if *is_null {
                *code = 0;
            }
        }
        Ok(())
    }

    /// Notes the keys of the rows that began a group.
    fn keep(&mut self, fresh: &[u32]) {
        let codes = fresh.iter().map(|row| self.codes[*row as usize]);
        self.known.extend(codes);
        match self.is_null.is_empty() {
            true => self.known_null.resize(self.known.len(), false),
            false => {
                let nulls = fresh.iter().map(|row| self.is_null[*row as usize]);
                self.known_null.extend(nulls);
            }
        }
    }

    /// Gives the least and the greatest value of the vector, if places can be counted from them.
    fn range(&self) -> Option<(i64, i64)> {
        if !matches!(self.coding, Coding::Whole) {
            return None;
        }
        let (mut least, mut greatest) = (i64::MAX, i64::MIN);
        if self.is_null.is_empty() {
            for value in &self.codes {
                least = least.min(*value);
                greatest = greatest.max(*value);
            }
        } else {
            for (value, _) in self.codes.iter().zip(&self.is_null).filter(|of| !of.1) {
                least = least.min(*value);
                greatest = greatest.max(*value);
            }
        }
        (least <= greatest).then_some((least, greatest))
    }

    /// Marks the rows whose key is not that of the row before.
    fn mark_changes(&self, begins: &mut [bool]) {
        let pairs = self.codes.iter().zip(self.codes.iter().skip(1));
        for (begins, (before, now)) in begins.iter_mut().skip(1).zip(pairs) {
            *begins |= before != now;
        }
        let pairs = self.is_null.iter().zip(self.is_null.iter().skip(1));
        for (begins, (before, now)) in begins.iter_mut().skip(1).zip(pairs) {
            *begins |= before != now;
        }
        let last = self.known.last().zip(self.known_null.last());
        let first = self.codes.first();
        if let (Some(begins), Some(code)) = (begins.first_mut(), first) {
            let is_null = self.is_null.first().copied().unwrap_or(false);
            *begins |= last != Some((code, &is_null));
        }
    }

    /// Gives the keys of the first `count` groups.
    fn first(&self, count: usize) -> Result<ArrayRef> {
        let count = count.min(self.known.len());
        let (codes, is_null) = (&self.known[..count], &self.known_null[..count]);
        match &self.coding {
            Coding::Whole => column_of(&self.ty, codes, nulls_of(is_null)),
            Coding::Decimal(wide) => {
                let values = codes.iter().map(|code| match code & 1 {
                    0 => i128::from(code >> 1),
                    _ => of_bytes(wide.text((code >> 1) as u32)),
                });
                let values: Vec<i128> = values.collect();
                let nulls: Option<NullBuffer> = nulls_of(is_null);
                let column =
                    arrow::array::PrimitiveArray::<Decimal128Type>::try_new(values.into(), nulls)?;
                Ok(Arc::new(column.with_data_type(self.ty.clone())))
            }
            Coding::Text(texts, _) => {
                let rows = codes.iter().zip(is_null);
                if self.ty == DataType::Utf8 {
                    let mut column = StringBuilder::new();
                    for (code, is_null) in rows {
                        match is_null {
                            true => column.append_null(),
                            false => column.append_value(text_of(*code as u64, texts, &mut [0; 8])),
                        }
                    }
                    return Ok(Arc::new(column.finish()));
                }
                let mut column = StringViewBuilder::with_capacity(count);
                for (code, is_null) in rows {
                    match is_null {
                        true => column.append_null(),
                        false => column.append_value(text_of(*code as u64, texts, &mut [0; 8])),
                    }
                }
                Ok(Arc::new(column.finish()))
            }
        }
    }

    fn size(&self) -> usize {
        let texts = match &self.coding {
            Coding::Whole => 0,
            Coding::Decimal(texts) | Coding::Text(texts, _) => texts.size(),
        };
        texts + self.known.capacity() * size_of::<i64>() + self.known_null.capacity()
    }
}

/// Reads the codes of decimals.
fn decimals(
    values: &ArrayRef,
    (from, rows): (usize, usize),
    wide: &mut Texts,
    codes: &mut Vec<i64>,
) {
    let doubled = |value: i64| (value ^ (value << 1)) >= 0;
    if load(values.as_ref(), from, rows, codes) && codes.iter().all(|value| doubled(*value)) {
        codes.iter_mut().for_each(|value| *value <<= 1);
        return;
    }
    let values = values.as_primitive::<Decimal128Type>();
    codes.clear();
    codes.extend((from..from + rows).map(|row| {
        let value = values.value(row);
        match i64::try_from(value) {
            _ if values.is_null(row) => 0,
            Ok(value) if doubled(value) => value << 1,
            _ => i64::from(wide.number(&value.to_le_bytes())) << 1 | 1,
        }
    }));
}

fn of_bytes(bytes: &[u8]) -> i128 {
    bytes.try_into().map_or(0, i128::from_le_bytes)
}

/// Gives the code of a text.
fn code_of(text: &[u8], texts: &mut Texts) -> i64 {
    let code = match text.len() {
        bytes @ ..=SHORT_BYTES => {
            let mut whole = [0; 8];
            for (to, from) in whole.iter_mut().zip(text) {
                *to = *from;
            }
            u64::from_le_bytes(whole) << 8 | bytes as u64
        }
        _ => u64::from(texts.number(text)) << 8 | NUMBERED,
    };
    code as i64
}

/// Gives the text of a code, written to `short` if it is its own.
fn text_of<'a>(code: u64, texts: &'a Texts, short: &'a mut [u8; 8]) -> &'a str {
    let bytes = match code & NUMBERED {
        NUMBERED => texts.text((code >> 8) as u32),
        bytes => {
            *short = (code >> 8).to_le_bytes();
            short.get(..bytes as usize).unwrap_or_default()
        }
    };
    // They came from a text.
    str::from_utf8(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::Int64Array;
    use std::collections::HashMap;

    /// Numbers vectors of values, and compares with numbers given one by one.
    fn check(keys: &mut Keys, naive: &mut Vec<Option<i64>>, values: &[Option<i64>]) {
        let mut known: HashMap<Option<i64>, usize> = naive
            .iter()
            .enumerate()
            .map(|(at, value)| (*value, at))
            .collect();
        let column: ArrayRef = Arc::new(Int64Array::from(values.to_vec()));
        keys.begin_batch();
        keys.number(&[column], 0, values.len()).unwrap();
        for (value, number) in values.iter().zip(keys.numbers()) {
            let next = naive.len();
            let expected = *known.entry(*value).or_insert_with(|| {
                naive.push(*value);
                next
            });
            assert_eq!(*number as usize, expected, "{value:?}");
        }
        assert_eq!(keys.count(), naive.len());
    }

    #[test]
    fn numbers_stay_when_places_come_and_go() {
        let (mut keys, mut naive) = (Keys::new(vec![DataType::Int64], Way::Looked), Vec::new());
        let near = |from: i64| -> Vec<Option<i64>> {
            let value = |row: i64| (row % 9 != 4).then_some(from + row * 7 % 500);
            (0..2_000).map(value).collect()
        };
        check(&mut keys, &mut naive, &near(0));
        assert!(keys.direct.is_some());
        check(&mut keys, &mut naive, &near(-3_000));
        assert!(keys.direct.is_some());
        check(&mut keys, &mut naive, &near(700_000));
        assert!(keys.direct.is_none());
        for step in 0..8 {
            check(&mut keys, &mut naive, &near(step * 1_000));
        }
        assert!(keys.direct.is_some());
        check(
            &mut keys,
            &mut naive,
            &[Some(i64::MAX), None, Some(i64::MIN), Some(3)],
        );
        assert!(keys.direct.is_none());
        check(&mut keys, &mut naive, &near(5));
        let taken = keys.take(keys.count()).unwrap();
        let expected: ArrayRef = Arc::new(Int64Array::from(naive));
        assert_eq!(&taken[0], &expected);
        assert_eq!(keys.count(), 0);
    }

    #[test]
    fn of_runs_the_last_group_stays_open() {
        let mut keys = Keys::new(vec![DataType::Int64], Way::Runs);
        let mut naive = Vec::new();
        check(&mut keys, &mut naive, &[Some(1), Some(1), Some(4)]);
        check(&mut keys, &mut naive, &[Some(4), Some(5), None]);
        assert_eq!(keys.take(3).unwrap()[0].len(), 3);
        naive.drain(..3);
        check(&mut keys, &mut naive, &[None, None]);
        assert_eq!(keys.take(1).unwrap()[0].null_count(), 1);
    }
}
