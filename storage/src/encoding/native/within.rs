//! Packed values compared where they lie: bits in, bits out, and no value is written in between.
//!
//! Packed words lie in rows of lanes, see `fastlanes`: word `w` of lane `l` is `packed[w * lanes + l]`, and the values
//! of a lane follow each other in its words. So one row of values takes one shift for all lanes, two where it spans
//! two words, and its bits are neighbours in the result.
#![expect(
    unsafe_code,
    reason = "vector instructions load through pointers; each is made from a slice of the right length"
)]

use super::{Native, VECTOR_ROWS, VectorBits, packed_words, typed};
use arrow_buffer::ToByteSlice;
use std::arch::x86_64::*;

/// Where the row of values number `row` of all lanes begins in its vector.
#[inline(always)]
fn first_of_row(row: usize) -> usize {
    fastlanes::FL_ORDER[row / 8] * 16 + (row % 8) * 128
}

/// Sets the bit of each packed value that is one of the `span + 1` from `first` on, around the corner; `false` if this
/// machine or this width has no way to do so.
pub(super) fn packed_within<T: Native>(
    width: usize,
    packed: &[T],
    first: T,
    span: T,
    out: &mut VectorBits,
) -> bool {
    assert!(width <= T::BITS && packed.len() == packed_words::<T>(width));
    if width == 0 {
        return false;
    }
    let bytes = packed.to_byte_slice();
    let (first, span) = (first.bits(), span.bits());
    let has_512 = is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512f");
    let has_256 = is_x86_feature_detected!("avx2");
    // SAFETY: of all calls: this machine was just asked whether it has these instructions.
    unsafe {
        match (T::BITS, has_512, has_256) {
            (64, true, _) => within_64_in_512(width, typed(bytes), first, span, out),
            (32, true, _) => within_32_in_512(width, typed(bytes), first as u32, span as u32, out),
            (16, true, _) => within_16_in_512(width, typed(bytes), first as u16, span as u16, out),
            (64, false, true) => within_64_in_256(width, typed(bytes), first, span, out),
            (32, false, true) => {
                within_32_in_256(width, typed(bytes), first as u32, span as u32, out);
            }
            _ => return false,
        }
    }
    true
}

/// Makes a kernel: `$load` to `$sub` are the instructions, `$compare` gives the bits of the values of one register.
macro_rules! kernel {
    ($name:ident, $features:literal, $value:ty, $register_values:literal, $load:ident, $pointer:ty,
     $right:ident, $left:ident, $and:ident, $or:ident, $sub:ident, $splat:ident, $signed:ty, $compare:expr) => {
        #[target_feature(enable = $features)]
        fn $name(
            width: usize,
            packed: &[$value],
            first: $value,
            span: $value,
            out: &mut VectorBits,
        ) {
            const BITS: usize = <$value>::BITS as usize;
            const LANES: usize = VECTOR_ROWS / BITS;
            let compare = $compare;
            let mask = $splat((<$value>::MAX >> (BITS - width)) as $signed);
            let first = $splat(first as $signed);
            let span = $splat(span as $signed);
            let load = |at: usize| {
                let values = &packed[at..at + $register_values];
                // SAFETY: as many values as the register takes lie there.
                unsafe { $load(values.as_ptr().cast::<$pointer>()) }
            };
            out.fill(0);
            for row in 0..BITS {
                let (word, shift) = (row * width / BITS, row * width % BITS);
                let is_split = shift + width > BITS;
                let down = _mm_cvtsi64_si128(shift as i64);
                let up = _mm_cvtsi64_si128((BITS - shift) as i64);
                let to = first_of_row(row);
                for part in 0..LANES / $register_values {
                    let at = word * LANES + part * $register_values;
                    let mut values = $right(load(at), down);
                    if is_split {
                        values = $or(values, $left(load(at + LANES), up));
                    }
                    let values = $sub($and(values, mask), first);
                    let to = to + part * $register_values;
                    let bits: u64 = compare(values, span);
                    out[to / 64] |= bits << (to % 64);
                }
            }
        }
    };
}

kernel!(
    within_64_in_512,
    "avx512f,avx512bw",
    u64,
    8,
    _mm512_loadu_si512,
    __m512i,
    _mm512_srl_epi64,
    _mm512_sll_epi64,
    _mm512_and_si512,
    _mm512_or_si512,
    _mm512_sub_epi64,
    _mm512_set1_epi64,
    i64,
    |values, span| u64::from(_mm512_cmple_epu64_mask(values, span))
);
kernel!(
    within_32_in_512,
    "avx512f,avx512bw",
    u32,
    16,
    _mm512_loadu_si512,
    __m512i,
    _mm512_srl_epi32,
    _mm512_sll_epi32,
    _mm512_and_si512,
    _mm512_or_si512,
    _mm512_sub_epi32,
    _mm512_set1_epi32,
    i32,
    |values, span| u64::from(_mm512_cmple_epu32_mask(values, span))
);
kernel!(
    within_16_in_512,
    "avx512f,avx512bw",
    u16,
    32,
    _mm512_loadu_si512,
    __m512i,
    _mm512_srl_epi16,
    _mm512_sll_epi16,
    _mm512_and_si512,
    _mm512_or_si512,
    _mm512_sub_epi16,
    _mm512_set1_epi16,
    i16,
    |values, span| u64::from(_mm512_cmple_epu16_mask(values, span))
);
// Only signed numbers compare in 256 bits: both sides go around by half, which is what the sign bit says.
kernel!(
    within_64_in_256,
    "avx2",
    u64,
    4,
    _mm256_loadu_si256,
    __m256i,
    _mm256_srl_epi64,
    _mm256_sll_epi64,
    _mm256_and_si256,
    _mm256_or_si256,
    _mm256_sub_epi64,
    _mm256_set1_epi64x,
    i64,
    |values, span| {
        let half = _mm256_set1_epi64x(i64::MIN);
        let above =
            _mm256_cmpgt_epi64(_mm256_xor_si256(values, half), _mm256_xor_si256(span, half));
        u64::from(!_mm256_movemask_pd(_mm256_castsi256_pd(above)) as u8 & 0xF)
    }
);
kernel!(
    within_32_in_256,
    "avx2",
    u32,
    8,
    _mm256_loadu_si256,
    __m256i,
    _mm256_srl_epi32,
    _mm256_sll_epi32,
    _mm256_and_si256,
    _mm256_or_si256,
    _mm256_sub_epi32,
    _mm256_set1_epi32,
    i32,
    |values, span| {
        let half = _mm256_set1_epi32(i32::MIN);
        let above =
            _mm256_cmpgt_epi32(_mm256_xor_si256(values, half), _mm256_xor_si256(span, half));
        u64::from(!_mm256_movemask_ps(_mm256_castsi256_ps(above)) as u8)
    }
);

#[cfg(test)]
mod tests {
    use super::super::{pack, unpack_within_anywhere};
    use super::*;
    use proptest::prelude::*;

    /// Every width against the way that any machine takes.
    fn check<T: Native>(values: &[i64], first: i64, span: i64) {
        for width in 1..=T::BITS {
            let mut vector = [T::default(); VECTOR_ROWS];
            for (at, (out, value)) in vector.iter_mut().zip(values.iter().cycle()).enumerate() {
                let value = T::narrow(value.rotate_left(at as u32 % 7));
                *out = T::narrow(
                    value
                        .bits()
                        .wrapping_shl(64 - width as u32)
                        .wrapping_shr(64 - width as u32) as i64,
                );
            }
            let mut packed = vec![T::default(); packed_words::<T>(width)];
            pack(width, &vector, &mut packed);
            let low = (u64::MAX >> (64 - width)) as i64;
            for (first, span) in [
                (first, span),
                (first & low, span & low),
                (values[0] & low, 0),
                (0, -1),
            ] {
                let (first, span) = (T::narrow(first), T::narrow(span));
                let (mut fast, mut plain) = ([7; VECTOR_ROWS / 64], [9; VECTOR_ROWS / 64]);
                if packed_within(width, &packed, first, span, &mut fast) {
                    unpack_within_anywhere(width, &packed, first, span, &mut plain);
                    assert_eq!(fast, plain, "{width} of {} bits", T::BITS);
                }
            }
        }
    }

    fn check_in_256<T: Native>(values: &[i64], first: i64, span: i64) {
        if !is_x86_feature_detected!("avx2") {
            return;
        }
        for width in 1..=T::BITS {
            let mut vector = [T::default(); VECTOR_ROWS];
            for (out, value) in vector.iter_mut().zip(values.iter().cycle()) {
                *out = T::narrow((value.cast_unsigned() >> (64 - width)) as i64);
            }
            let mut packed = vec![T::default(); packed_words::<T>(width)];
            pack(width, &vector, &mut packed);
            let (first, span) = (T::narrow(first), T::narrow(span));
            let (mut fast, mut plain) = ([7; VECTOR_ROWS / 64], [9; VECTOR_ROWS / 64]);
            let bytes = packed.as_slice().to_byte_slice();
            // SAFETY: this machine was asked whether it has these instructions.
            unsafe {
                match T::BITS {
                    64 => {
                        within_64_in_256(width, typed(bytes), first.bits(), span.bits(), &mut fast)
                    }
                    _ => within_32_in_256(
                        width,
                        typed(bytes),
                        first.bits() as u32,
                        span.bits() as u32,
                        &mut fast,
                    ),
                }
            }
            unpack_within_anywhere(width, &packed, first, span, &mut plain);
            assert_eq!(fast, plain, "{width} of {} bits", T::BITS);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn packed_values_compare_as_open_ones(values in prop::collection::vec(any::<i64>(), 1..40), first: i64, span: i64) {
            check::<i16>(&values, first, span);
            check::<u16>(&values, first, span);
            check::<i32>(&values, first, span);
            check::<i64>(&values, first, span);
            check_in_256::<i32>(&values, first, span);
            check_in_256::<i64>(&values, first, span);
        }
    }
}
