//! Sums, counts and extremes of the groups of a pipeline, of values that are 64-bit integers.

use super::lanes::{VECTOR_ROWS, column_of, load};
use super::program::Register;
use arrow::array::{Array, ArrayRef, AsArray, Int64Array, PrimitiveArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::Decimal128Type;
use arrow_schema::DataType;
use datafusion::common::{Result, internal_err};
use std::sync::Arc;

/// Groups up to which the rows of a vector are added up apart, before they are added to what there is.
const FEW_GROUPS: usize = 64;

/// Neighbouring rows are often of one group: each adds to another place, so that none waits for the one before.
const LANES: usize = 4;

/// Bits of the number of rows of a vector.
const ROW_BITS: u32 = VECTOR_ROWS.ilog2();

/// Bits of a value beside its sign.
const BITS_MAX: u32 = 63;

type Few = [[i64; LANES]; FEW_GROUPS];

/// The rows of a vector, and which group each is of.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) numbers: &'a [u32],
    /// The first of them, within the batch.
    pub(super) from: usize,
    /// Groups there are.
    pub(super) groups: usize,
}

impl Rows<'_> {
    /// Gives which of the rows are null; `None` if none is.
    fn nulls(&self, of_batch: Option<&NullBuffer>) -> Option<NullBuffer> {
        let nulls = of_batch?.slice(self.from, self.numbers.len());
        (nulls.null_count() > 0).then_some(nulls)
    }

    /// Tells whether there are few groups, with several rows each.
    fn are_of_few(&self) -> bool {
        self.groups <= FEW_GROUPS && self.groups <= self.numbers.len()
    }

    /// Adds up values of few groups.
    fn few(&self, value: impl Fn(usize) -> i64) -> Few {
        let mut sums: Few = [[0; LANES]; FEW_GROUPS];
        for (row, number) in self.numbers.iter().enumerate() {
            // All numbers are below that of groups, and these are few.
            let sum = &mut sums[*number as usize % FEW_GROUPS][row % LANES];
            *sum = sum.wrapping_add(value(row));
        }
        sums
    }
}

/// Rows of each group.
#[derive(Default)]
pub(super) struct Counts {
    counts: Vec<i64>,
}

impl Counts {
    /// Counts the rows, or those that are null.
    pub(super) fn add(&mut self, rows: Rows<'_>) {
        self.counts.resize(rows.groups, 0);
        if rows.are_of_few() {
            let few = rows.few(|_| 1);
            for (count, few) in self.counts.iter_mut().zip(few) {
                *count += few.iter().sum::<i64>();
            }
            return;
        }
        for number in rows.numbers {
            self.counts[*number as usize] += 1;
        }
    }

    fn add_nulls(&mut self, rows: Rows<'_>, nulls: &NullBuffer) {
        self.counts.resize(rows.groups, 0);
        for (number, is_there) in rows.numbers.iter().zip(nulls) {
            self.counts[*number as usize] += i64::from(!is_there);
        }
    }

    /// Gives the counts of the first groups, with `nulls` taken away.
    fn first(&self, groups: usize, nulls: &Self) -> Vec<i64> {
        let nulls = nulls.counts.iter().copied().chain(std::iter::repeat(0));
        let counts = self.counts.iter().copied().chain(std::iter::repeat(0));
        let counts = counts.zip(nulls).take(groups);
        counts.map(|(count, nulls)| count - nulls).collect()
    }

    /// Forgets the first groups.
    pub(super) fn drop_first(&mut self, groups: usize) {
        forget(&mut self.counts, groups);
    }

    pub(super) fn size(&self) -> usize {
        self.counts.capacity() * size_of::<i64>()
    }
}

fn forget<T>(values: &mut Vec<T>, count: usize) {
    if count >= values.len() {
        *values = Vec::new();
    } else {
        values.drain(..count);
    }
}

/// Counts values that are not null.
#[derive(Default)]
pub(super) struct Present {
    nulls: Counts,
}

impl Present {
    /// Takes in rows, of which those of the batch that are null are known.
    pub(super) fn add(&mut self, rows: Rows<'_>, nulls: Option<&NullBuffer>) {
        if let Some(nulls) = rows.nulls(nulls) {
            self.nulls.add_nulls(rows, &nulls);
        }
    }

    /// Gives the counts of the first groups.
    pub(super) fn first(&self, groups: usize, all: &Counts) -> ArrayRef {
        Arc::new(Int64Array::from(all.first(groups, &self.nulls)))
    }

    pub(super) fn drop_first(&mut self, groups: usize) {
        self.nulls.drop_first(groups);
    }

    pub(super) fn size(&self) -> usize {
        self.nulls.size()
    }
}

/// Sums of values: what SUM and AVG keep.
pub(super) struct Total {
    pub(super) register: usize,
    pub(super) ty: DataType,
    sums: Sums,
    present: Present,
}

enum Sums {
    Narrow(Vec<i64>),
    Wide(Vec<i128>),
}

impl Total {
    /// Begins sums of a register's values in `ty`; `None` if sums are not kept in that.
    pub(super) fn new(register: usize, ty: DataType) -> Option<Self> {
        let sums = match ty {
            DataType::Int64 => Sums::Narrow(Vec::new()),
            DataType::Decimal128(_, _) => Sums::Wide(Vec::new()),
            _ => return None,
        };
        Some(Self {
            register,
            ty,
            sums,
            present: Present::default(),
        })
    }

    /// Adds the values of a register, and tells whether no sum overflowed.
    pub(super) fn add(&mut self, rows: Rows<'_>, register: &Register) -> bool {
        self.grow(rows.groups);
        let values = register.values.as_slice();
        if let Some(nulls) = rows.nulls(register.nulls.as_ref()) {
            self.present.nulls.add_nulls(rows, &nulls);
            let present = nulls.iter().zip(values).zip(rows.numbers);
            let present = present.filter(|((is_there, _), _)| *is_there);
            return self.add_each(present.map(|((_, value), number)| (*number, *value)));
        }
        // What a vector adds to a sum has no more bits than this.
        let bits = register.bits + ROW_BITS;
        if rows.are_of_few() && bits < BITS_MAX && self.has_room(1 << bits) {
            let values = &values[..rows.numbers.len()];
            let few = rows.few(|row| values[row]);
            let few = few.iter().take(rows.groups).enumerate();
            return self
                .add_each(few.map(|(number, few)| (number as u32, few.iter().sum::<i64>())));
        }
        let each = rows.numbers.iter().zip(values);
        self.add_each(each.map(|(number, value)| (*number, *value)))
    }

    /// Tells whether no sum of `i64` overflows on the way when values of up to `more` in all are added to it.
    fn has_room(&self, more: u64) -> bool {
        let Sums::Narrow(sums) = &self.sums else {
            return true;
        };
        let furthest = sums.iter().map(|sum| sum.unsigned_abs()).max();
        furthest.unwrap_or(0).saturating_add(more) <= i64::MAX as u64
    }

    /// Adds values one by one, each to the sum of its group, and tells whether no sum overflowed.
    fn add_each(&mut self, each: impl Iterator<Item = (u32, i64)>) -> bool {
        let mut overflowed = false;
        match &mut self.sums {
            Sums::Narrow(sums) => {
                for (number, value) in each {
                    let sum = &mut sums[number as usize];
                    let (more, over) = sum.overflowing_add(value);
                    *sum = more;
                    overflowed |= over;
                }
            }
            Sums::Wide(sums) => {
                for (number, value) in each {
                    let sum = &mut sums[number as usize];
                    let (more, over) = sum.overflowing_add(i128::from(value));
                    *sum = more;
                    overflowed |= over;
                }
            }
        }
        !overflowed
    }

    /// Adds what the engine computed in place of a register, and tells whether no sum overflowed.
    pub(super) fn add_column(&mut self, rows: Rows<'_>, column: &ArrayRef) -> Result<bool> {
        self.grow(rows.groups);
        let of_vector = Rows { from: 0, ..rows };
        self.present.add(of_vector, column.nulls());
        let is_there = |row: usize| column.is_valid(row);
        let mut whole = Vec::new();
        if load(column.as_ref(), 0, column.len(), &mut whole) {
            let each = rows.numbers.iter().zip(&whole).enumerate();
            let each = each.filter(|(row, _)| is_there(*row));
            return Ok(self.add_each(each.map(|(_, (number, value))| (*number, *value))));
        }
        let (Some(values), Sums::Wide(sums)) =
            (column.as_primitive_opt::<Decimal128Type>(), &mut self.sums)
        else {
            return internal_err!("a sum of {} was given {}", self.ty, column.data_type());
        };
        let mut overflowed = false;
        let each = rows.numbers.iter().zip(values.values()).enumerate();
        for (_, (number, value)) in each.filter(|(row, _)| is_there(*row)) {
            let sum = &mut sums[*number as usize];
            let (more, over) = sum.overflowing_add(*value);
            *sum = more;
            overflowed |= over;
        }
        Ok(!overflowed)
    }

    fn grow(&mut self, groups: usize) {
        match &mut self.sums {
            Sums::Narrow(sums) => sums.resize(groups, 0),
            Sums::Wide(sums) => sums.resize(groups, 0),
        }
    }

    /// Gives counts and sums of the first groups, as SUM and AVG pass them on.
    pub(super) fn first(&self, groups: usize, all: &Counts) -> Result<Vec<ArrayRef>> {
        let sums: ArrayRef = match &self.sums {
            Sums::Narrow(sums) => {
                let sums = sums.iter().copied().chain(std::iter::repeat(0));
                Arc::new(Int64Array::from_iter_values(sums.take(groups)))
            }
            Sums::Wide(sums) => {
                let sums = sums.iter().copied().chain(std::iter::repeat(0));
                let sums: PrimitiveArray<Decimal128Type> =
                    PrimitiveArray::from_iter_values(sums.take(groups));
                Arc::new(sums.with_data_type(self.ty.clone()))
            }
        };
        Ok(vec![self.present.first(groups, all), sums])
    }

    /// Gives counts and sums that overflow when they are merged.
    pub(super) fn overflowing(&self) -> Vec<ArrayRef> {
        let sums: ArrayRef = match &self.sums {
            Sums::Narrow(_) => Arc::new(Int64Array::from(vec![i64::MAX; 2])),
            Sums::Wide(_) => {
                let sums = PrimitiveArray::<Decimal128Type>::from_iter_values([i128::MAX; 2]);
                Arc::new(sums.with_data_type(self.ty.clone()))
            }
        };
        vec![Arc::new(Int64Array::from(vec![1; 2])), sums]
    }

    pub(super) fn drop_first(&mut self, groups: usize) {
        self.present.drop_first(groups);
        match &mut self.sums {
            Sums::Narrow(sums) => forget(sums, groups),
            Sums::Wide(sums) => forget(sums, groups),
        }
    }

    pub(super) fn size(&self) -> usize {
        let sums = match &self.sums {
            Sums::Narrow(sums) => sums.capacity() * size_of::<i64>(),
            Sums::Wide(sums) => sums.capacity() * size_of::<i128>(),
        };
        sums + self.present.size()
    }
}

/// The least or the greatest value of each group.
pub(super) struct Extreme {
    pub(super) register: usize,
    pub(super) is_greatest: bool,
    ty: DataType,
    values: Vec<i64>,
    present: Present,
}

impl Extreme {
    pub(super) fn new(register: usize, is_greatest: bool, ty: DataType) -> Self {
        Self {
            register,
            is_greatest,
            ty,
            values: Vec::new(),
            present: Present::default(),
        }
    }

    /// What every value is at least as extreme as.
    fn none(&self) -> i64 {
        match self.is_greatest {
            true => i64::MIN,
            false => i64::MAX,
        }
    }

    /// Takes in the values of a register.
    pub(super) fn add(&mut self, rows: Rows<'_>, register: &Register) {
        self.values.resize(rows.groups, self.none());
        let each = rows.numbers.iter().zip(&register.values);
        let (values, is_greatest) = (&mut self.values, self.is_greatest);
        let mut take = |number: u32, value: i64| {
            let known = &mut values[number as usize];
            *known = match is_greatest {
                true => value.max(*known),
                false => value.min(*known),
            };
        };
        match rows.nulls(register.nulls.as_ref()) {
            None => each.for_each(|(number, value)| take(*number, *value)),
            Some(nulls) => {
                self.present.nulls.add_nulls(rows, &nulls);
                let each = nulls.iter().zip(each);
                let each = each.filter(|(is_there, _)| *is_there);
                each.for_each(|(_, (number, value))| take(*number, *value));
            }
        }
    }

    /// Gives the values of the first groups; null where there is none.
    pub(super) fn first(&self, groups: usize, all: &Counts) -> Result<ArrayRef> {
        let counts = all.first(groups, &self.present.nulls);
        let nulls: NullBuffer = counts.iter().map(|count| *count > 0).collect();
        let nulls = Some(nulls).filter(|nulls| nulls.null_count() > 0);
        let values = self.values.iter().copied().chain(std::iter::repeat(0));
        let values = values.zip(counts).map(|(value, count)| match count {
            0 => 0,
            _ => value,
        });
        let values: Vec<i64> = values.collect();
        column_of(&self.ty, &values, nulls)
    }

    pub(super) fn drop_first(&mut self, groups: usize) {
        forget(&mut self.values, groups);
        self.present.drop_first(groups);
    }

    pub(super) fn size(&self) -> usize {
        self.values.capacity() * size_of::<i64>() + self.present.size()
    }
}
