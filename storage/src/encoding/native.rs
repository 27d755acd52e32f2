//! Fixed-width values and their bit-packing: the one door to the kernels of `fastlanes`, whose
//! order of packed bits is part of the format.
#![expect(
    unsafe_code,
    reason = "kernels of fastlanes take lengths on trust; asserted here"
)]

#[cfg(target_arch = "x86_64")]
mod within;

use arrow_buffer::ArrowNativeType;
use fastlanes::{BitPacking, FoR};

/// Values packed together.
pub const VECTOR_ROWS: usize = 1_024;

/// A bit for each row of a vector, row 0 lowest.
pub type VectorBits = [u64; VECTOR_ROWS / 64];

/// A fixed-width value as blocks keep it: two's complement, 8 to 64 bits for packing.
pub trait Native: ArrowNativeType + Ord + Send + Sync {
    /// The unsigned twin, for packing.
    type Bits: BitPacking + FoR + ArrowNativeType;
    /// Bits of a value.
    const BITS: usize = size_of::<Self>() * 8;
    /// Widens to 64 bits.
    fn widen(self) -> i64;
    /// Takes the low bits.
    fn narrow(value: i64) -> Self;
    /// Gives the bits as an unsigned number.
    fn bits(self) -> u64;
    /// Adds around the corner.
    fn add(self, other: Self) -> Self;
    /// Subtracts around the corner.
    fn sub(self, other: Self) -> Self;
    /// Tells whether `bits` is one of the `span + 1` numbers from `first` on, around the corner: a
    /// range takes one comparison.
    fn spans(bits: Self::Bits, first: Self::Bits, span: Self::Bits) -> bool;
}

macro_rules! native {
    ($($signed:ty, $unsigned:ty;)*) => {$(
        impl Native for $signed {
            type Bits = $unsigned;
            #[inline(always)]
            fn widen(self) -> i64 { self as i64 }
            #[inline(always)]
            fn narrow(value: i64) -> Self { value as $signed }
            #[inline(always)]
            fn bits(self) -> u64 { self as $unsigned as u64 }
            #[inline(always)]
            fn add(self, other: Self) -> Self { self.wrapping_add(other) }
            #[inline(always)]
            fn sub(self, other: Self) -> Self { self.wrapping_sub(other) }
            #[inline(always)]
            fn spans(bits: $unsigned, first: $unsigned, span: $unsigned) -> bool {
                bits.wrapping_sub(first) <= span
            }
        }
    )*};
}
native! { i8, u8; i16, u16; i32, u32; i64, u64; u16, u16; }

fn as_bits<T: Native>(values: &[T]) -> &[T::Bits] {
    // SAFETY: `T::Bits` is the unsigned integer of the same size and alignment.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), values.len()) }
}

fn as_bits_mut<T: Native>(values: &mut [T]) -> &mut [T::Bits] {
    // SAFETY: as above, and the borrow is exclusive.
    unsafe { std::slice::from_raw_parts_mut(values.as_mut_ptr().cast(), values.len()) }
}

/// Gives numbers as numbers of the same width.
pub(super) fn same_width<T: Native, U: Native>(values: &mut [T]) -> &mut [U] {
    assert!(T::BITS == U::BITS);
    // SAFETY: both are integers of one size and alignment, as all `Native` are, and the borrow is
    // exclusive.
    unsafe { std::slice::from_raw_parts_mut(values.as_mut_ptr().cast(), values.len()) }
}

/// Gives how many words of `T` a packed vector of `width` bits takes.
#[inline]
pub fn packed_words<T: Native>(width: usize) -> usize {
    VECTOR_ROWS * width / T::BITS
}

/// Packs the low `width` bits of each value.
pub fn pack<T: Native>(width: usize, values: &[T; VECTOR_ROWS], packed: &mut [T]) {
    assert!(width <= T::BITS && packed.len() == packed_words::<T>(width));
    // SAFETY: both lengths were just asserted.
    unsafe { T::Bits::unchecked_pack(width, as_bits(values), as_bits_mut(packed)) }
}

/// Unpacks and adds `reference` to each value, around the corner.
pub fn unpack<T: Native>(width: usize, packed: &[T], reference: T, out: &mut [T]) {
    assert!(width <= T::BITS && packed.len() == packed_words::<T>(width));
    assert!(out.len() == VECTOR_ROWS);
    if width == 0 {
        return out.fill(reference);
    }
    let reference = as_bits(std::slice::from_ref(&reference))[0];
    // SAFETY: all lengths were just asserted.
    unsafe { T::Bits::unchecked_unfor_pack(width, as_bits(packed), reference, as_bits_mut(out)) }
}

/// Unpacks one value, without a reference.
#[inline]
pub fn unpack_one<T: Native>(width: usize, packed: &[T], index: usize) -> T {
    assert!(width <= T::BITS && packed.len() == packed_words::<T>(width) && index < VECTOR_ROWS);
    if width == 0 {
        return T::default();
    }
    // SAFETY: lengths and index were just asserted.
    let value = [unsafe { T::Bits::unchecked_unpack_single(width, as_bits(packed), index) }];
    // SAFETY: `T` is the signed integer of the same size and alignment.
    unsafe { *value.as_ptr().cast::<T>() }
}

/// So many picks at most are unpacked one by one; past them, unpacking the whole vector is faster.
pub const PICKS_MAX: usize = 96;

/// Indexes of picks that are made ready at a time.
const PICKS_AT_ONCE: usize = 16;

/// Appends the packed values of the rows `picks`, which count from a vector's first row and 1 024 times
/// anything, with `reference` added around the corner: what depends on the width is settled once for all.
pub fn unpack_picks<T: Native>(
    width: usize,
    packed: &[T],
    reference: T,
    picks: &[u16],
    out: &mut Vec<T>,
) {
    assert!(width <= T::BITS && packed.len() == packed_words::<T>(width));
    let start = out.len();
    out.reserve(picks.len());
    // Most vectors have few picks, so a few indexes are made ready at a time.
    let mut indexes = [0; PICKS_AT_ONCE];
    for picks in picks.chunks(PICKS_AT_ONCE) {
        for (index, pick) in indexes.iter_mut().zip(picks) {
            *index = usize::from(*pick) % VECTOR_ROWS;
        }
        let indexes = &indexes[..picks.len()];
        let written = out.len();
        let room = &mut out.spare_capacity_mut()[..indexes.len()];
        // SAFETY: `T::Bits` is the unsigned integer of the same size and alignment.
        let room = unsafe { std::slice::from_raw_parts_mut(room.as_mut_ptr().cast(), room.len()) };
        // SAFETY: the length of `packed` was asserted; indexes are checked by the kernel, which fills `room`.
        unsafe { T::Bits::unchecked_unpack_indices(width, as_bits(packed), indexes, room) };
        // SAFETY: as many values were just written.
        unsafe { out.set_len(written + indexes.len()) };
    }
    for value in &mut out[start..] {
        *value = value.add(reference);
    }
}

/// Calls `take` with the number of each vector of a zone that has picks, and its picks. Picks ascend.
#[inline(always)]
pub fn each_vector(picks: &[u16], mut take: impl FnMut(usize, &[u16])) {
    let mut picks = picks;
    while let Some(first) = picks.first() {
        let number = usize::from(*first) / VECTOR_ROWS;
        let is_here = |pick: &&u16| usize::from(**pick) / VECTOR_ROWS == number;
        let (here, rest) = picks.split_at(picks.iter().take_while(is_here).count());
        picks = rest;
        take(number, here);
    }
}

/// Calls `take` with each place in `picks` whose row in its vector is also in `positions`, and its place
/// there. Both ascend; there are few of either.
#[inline(always)]
pub fn each_common(picks: &[u16], positions: &[u16], mut take: impl FnMut(usize, usize)) {
    if positions.is_empty() {
        return;
    }
    let mut at = 0;
    for (place, pick) in picks.iter().enumerate() {
        let row = pick % VECTOR_ROWS as u16;
        while positions.get(at).is_some_and(|position| *position < row) {
            at += 1;
        }
        match positions.get(at) {
            Some(position) if *position == row => take(place, at),
            Some(_) => {}
            None => return,
        }
    }
}

/// Sets the bit of each packed value that is one of the `span + 1` from `first` on, see
/// [`Native::spans`].
pub fn unpack_within<T: Native>(
    width: usize,
    packed: &[T],
    first: T,
    span: T,
    out: &mut VectorBits,
) {
    #[cfg(target_arch = "x86_64")]
    if within::packed_within(width, packed, first, span, out) {
        return;
    }
    unpack_within_anywhere(width, packed, first, span, out);
}

fn unpack_within_anywhere<T: Native>(
    width: usize,
    packed: &[T],
    first: T,
    span: T,
    out: &mut VectorBits,
) {
    let mut values = [T::default(); VECTOR_ROWS];
    unpack(width, packed, T::default().sub(first), &mut values);
    at_most(&values, span, out);
}

/// Sets the bit of each value that is at most `span`, as unsigned numbers.
pub fn at_most<T: Native>(values: &[T; VECTOR_ROWS], span: T, out: &mut VectorBits) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: this machine was just asked whether it has these instructions.
        return unsafe { at_most_in_vectors(values, span, out) };
    }
    at_most_anywhere(values, span, out);
}

/// The same loop, compiled for 256-bit vectors: they compare 64-bit numbers, which older ones do not.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn at_most_in_vectors<T: Native>(values: &[T; VECTOR_ROWS], span: T, out: &mut VectorBits) {
    at_most_anywhere(values, span, out);
}

#[inline(always)]
fn at_most_anywhere<T: Native>(values: &[T; VECTOR_ROWS], span: T, out: &mut VectorBits) {
    let (span, zero) = (as_bits(&[span])[0], as_bits(&[T::default()])[0]);
    out.fill(u64::MAX);
    match as_bits(values).first_chunk() {
        Some(values) => keep_all(out, values, |bits| T::spans(bits, zero, span)),
        None => out.fill(0),
    }
}

/// Tells whether rows are better looked at one by one.
pub fn is_few(rows: &VectorBits) -> bool {
    /// From so many in a vector on, unpacking all of it is faster.
    const FEW: u32 = 24;
    rows.iter().map(|word| word.count_ones()).sum::<u32>() < FEW
}

/// Keeps the rows that pass, asked one by one.
pub fn keep_each(rows: &mut VectorBits, mut passes: impl FnMut(usize) -> bool) {
    for (index, word) in rows.iter_mut().enumerate() {
        let mut left = *word;
        while left != 0 {
            let bit = left.trailing_zeros() as usize;
            left &= left - 1;
            if !passes(index * 64 + bit) {
                *word &= !(1 << bit);
            }
        }
    }
}

/// Keeps the rows whose value passes; all values are asked, without a branch.
#[inline(always)]
pub fn keep_all<T: Copy>(
    rows: &mut VectorBits,
    values: &[T; VECTOR_ROWS],
    passes: impl Fn(T) -> bool,
) {
    let (chunks, _) = values.as_chunks::<64>();
    for (word, chunk) in rows.iter_mut().zip(chunks) {
        // Bytes first: this loop the compiler turns into vector compares.
        let mut bytes = [0; 64];
        for (byte, value) in bytes.iter_mut().zip(chunk) {
            *byte = u8::from(passes(*value));
        }
        *word &= pack_bytes(&bytes);
    }
}

/// Packs 64 bytes of 0 or 1 into bits, eight at a time: the product brings byte `i`'s bit to `56 + i`.
#[inline(always)]
pub fn pack_bytes(bytes: &[u8; 64]) -> u64 {
    let (eights, _) = bytes.as_chunks::<8>();
    let mut word = 0;
    for (index, eight) in eights.iter().enumerate() {
        let bits = u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        word |= bits << (index * 8);
    }
    word
}

/// Reads bytes as numbers where they lie.
///
/// # Panics
/// If they are not aligned or not whole: blocks are checked for that when opened.
#[inline]
pub(super) fn typed<T: ArrowNativeType>(bytes: &[u8]) -> &[T] {
    // SAFETY: every bit pattern is a value of an integer type.
    let (before, values, after) = unsafe { bytes.align_to::<T>() };
    assert!(before.is_empty() && after.is_empty());
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Both paths against one comparison a value.
    fn check<T: Native>(values: &[i64], span: i64) {
        let mut vector = [T::default(); VECTOR_ROWS];
        for (out, value) in vector.iter_mut().zip(values.iter().cycle()) {
            *out = T::narrow(*value);
        }
        let span = T::narrow(span);
        let (mut fast, mut plain) = ([7; VECTOR_ROWS / 64], [7; VECTOR_ROWS / 64]);
        at_most(&vector, span, &mut fast);
        at_most_anywhere(&vector, span, &mut plain);
        for (row, value) in vector.iter().enumerate() {
            let wanted = u64::from(value.bits() <= span.bits());
            assert_eq!(fast[row / 64] >> (row % 64) & 1, wanted);
            assert_eq!(plain[row / 64] >> (row % 64) & 1, wanted);
        }
    }

    proptest! {
        #[test]
        fn comparing_agrees_with_its_scalar_twin(values in prop::collection::vec(any::<i64>(), 1..40), span: i64, at: prop::sample::Index) {
            for span in [span, values[at.index(values.len())], 0, -1] {
                check::<i8>(&values, span);
                check::<i16>(&values, span);
                check::<i32>(&values, span);
                check::<i64>(&values, span);
                check::<u16>(&values, span);
            }
        }
    }
}
