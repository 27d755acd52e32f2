//! Fixed-width values and their bit-packing: the one door to the kernels of `fastlanes`, whose
//! order of packed bits is part of the format.
#![expect(
    unsafe_code,
    reason = "kernels of fastlanes take lengths on trust; asserted here"
)]

use arrow_buffer::ArrowNativeType;
use fastlanes::{BitPacking, FoR};

/// Values packed together.
pub const VECTOR_ROWS: usize = 1_024;

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
