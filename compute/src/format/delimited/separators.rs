//! Finds delimiters and newlines, 64 bytes at a step: a bit per byte, then the places of the bits.
//!
//! The step is chosen once per call by what the processor offers; the portable one is the twin that tests compare with.
#![cfg_attr(
    target_arch = "x86_64",
    expect(
        unsafe_code,
        reason = "vector loads, and calls that the processor's features allow"
    )
)]

/// Bytes of a step: one bit each in a word.
const GROUP: usize = 64;

/// What one pass found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Separators {
    /// Places written.
    pub count: usize,
    /// Newlines among them.
    pub newlines: usize,
    /// Bytes passed: all, or up to and with the last newline wanted.
    pub consumed: usize,
}

/// Separators of a group of bytes, one bit each.
#[derive(Clone, Copy)]
struct Bits {
    newlines: u64,
    delimiters: u64,
}

/// Writes where delimiters and newlines stand in `bytes` to `places`, from its second element on; stops behind the
/// newline that is the `newlines_max`-th, at least one. `places` grows as needed and never shrinks: what is behind the
/// count is of no meaning.
pub fn find(bytes: &[u8], delimiter: u8, newlines_max: usize, places: &mut Vec<u32>) -> Separators {
    #[cfg(target_arch = "x86_64")]
    {
        if avx512::is_offered() {
            // SAFETY: the processor offers what the function needs.
            return unsafe { avx512::find(bytes, delimiter, newlines_max, places) };
        }
        if avx2::is_offered() {
            // SAFETY: the processor offers what the function needs.
            return unsafe { avx2::find(bytes, delimiter, newlines_max, places) };
        }
    }
    find_portably(bytes, delimiter, newlines_max, places)
}

fn find_portably(
    bytes: &[u8],
    delimiter: u8,
    newlines_max: usize,
    places: &mut Vec<u32>,
) -> Separators {
    walk(bytes, newlines_max, places, |group| Bits {
        newlines: equal_bits(group, b'\n'),
        delimiters: equal_bits(group, delimiter),
    })
}

/// Sets bit `i` where byte `i` equals `byte`.
fn equal_bits(group: &[u8; GROUP], byte: u8) -> u64 {
    // Moves the top bits of eight bytes to the top byte, first byte lowest.
    const GATHER: u64 = 0x0002_0408_1020_4081;
    let pattern = u64::from_ne_bytes([byte; 8]);
    let (words, _) = group.as_chunks::<8>();
    let mut bits = 0;
    for word in words.iter().rev() {
        let equal = super::number::equal_bytes(u64::from_le_bytes(*word), pattern);
        bits = bits << 8 | equal.wrapping_mul(GATHER) >> 56;
    }
    bits
}

/// Calls `bits_of` for every group and writes the places of its bits.
#[inline(always)]
fn walk(
    bytes: &[u8],
    newlines_max: usize,
    places: &mut Vec<u32>,
    bits_of: impl Fn(&[u8; GROUP]) -> Bits,
) -> Separators {
    let mut found = Separators {
        count: 0,
        newlines: 0,
        consumed: bytes.len(),
    };
    let (groups, tail) = bytes.as_chunks::<GROUP>();
    let mut base = 0;
    for group in groups {
        if step(bits_of(group), base, newlines_max, places, &mut found) {
            return found;
        }
        base += GROUP;
    }
    if !tail.is_empty() {
        let mut group = [0; GROUP];
        for (to, from) in group.iter_mut().zip(tail) {
            *to = *from;
        }
        // What fills the group up may equal the delimiter.
        let within = (1 << tail.len()) - 1;
        let bits = bits_of(&group);
        let bits = Bits {
            newlines: bits.newlines & within,
            delimiters: bits.delimiters & within,
        };
        step(bits, base, newlines_max, places, &mut found);
    }
    found
}

/// Takes the separators of the group at `base`; tells whether the last newline wanted was there.
#[inline(always)]
fn step(
    mut bits: Bits,
    base: usize,
    newlines_max: usize,
    places: &mut Vec<u32>,
    found: &mut Separators,
) -> bool {
    let newlines = bits.newlines.count_ones() as usize;
    let ends = found.newlines + newlines >= newlines_max;
    if ends {
        let mut last = bits.newlines;
        for _ in found.newlines + 1..newlines_max {
            last &= last.wrapping_sub(1);
        }
        let last = last & last.wrapping_neg();
        let kept = last | last.wrapping_sub(1);
        bits = Bits {
            newlines: bits.newlines & kept,
            delimiters: bits.delimiters & kept,
        };
        found.consumed = base + last.trailing_zeros() as usize + 1;
    }
    write_places(
        bits.newlines | bits.delimiters,
        base,
        places,
        &mut found.count,
    );
    found.newlines += bits.newlines.count_ones() as usize;
    ends
}

/// Writes the places of set bits. Most groups have few: eight are written always, the rest by need.
#[inline(always)]
fn write_places(mut bits: u64, base: usize, places: &mut Vec<u32>, count: &mut usize) {
    let from = *count + 1;
    let set = bits.count_ones() as usize;
    *count += set;
    if places.len() < from + GROUP {
        places.resize((from + GROUP).max(places.len() * 2), 0);
    }
    let Some(out) = places
        .get_mut(from..)
        .and_then(|rest| rest.first_chunk_mut::<GROUP>())
    else {
        return;
    };
    let mut write = |out: &mut [u32]| {
        for place in out {
            *place = base as u32 + bits.trailing_zeros();
            bits &= bits.wrapping_sub(1);
        }
    };
    let (first, rest) = out.split_at_mut(8);
    write(first);
    if set > 8 {
        let (second, rest) = rest.split_at_mut(8);
        write(second);
        if set > 16 {
            write(rest);
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::{Bits, GROUP, Separators, walk};
    use std::arch::x86_64::{
        __m256i, _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_movemask_epi8, _mm256_set1_epi8,
    };

    pub(super) fn is_offered() -> bool {
        is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("popcnt")
    }

    #[target_feature(enable = "avx2,bmi1,popcnt")]
    pub(super) fn find(
        bytes: &[u8],
        delimiter: u8,
        newlines_max: usize,
        places: &mut Vec<u32>,
    ) -> Separators {
        let newline = _mm256_set1_epi8(b'\n'.cast_signed());
        let delimiter = _mm256_set1_epi8(delimiter.cast_signed());
        walk(bytes, newlines_max, places, |group: &[u8; GROUP]| {
            let (low, high) = group.split_at(GROUP / 2);
            // SAFETY: both halves are 32 bytes; the load needs no alignment.
            let (low, high) = unsafe {
                (
                    _mm256_loadu_si256(low.as_ptr().cast()),
                    _mm256_loadu_si256(high.as_ptr().cast()),
                )
            };
            let equal = |byte: __m256i| {
                let low = _mm256_movemask_epi8(_mm256_cmpeq_epi8(low, byte));
                let high = _mm256_movemask_epi8(_mm256_cmpeq_epi8(high, byte));
                u64::from(low.cast_unsigned()) | u64::from(high.cast_unsigned()) << 32
            };
            Bits {
                newlines: equal(newline),
                delimiters: equal(delimiter),
            }
        })
    }
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use super::{Bits, GROUP, Separators, walk};
    use std::arch::x86_64::{_mm512_cmpeq_epi8_mask, _mm512_loadu_si512, _mm512_set1_epi8};

    pub(super) fn is_offered() -> bool {
        is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("popcnt")
    }

    #[target_feature(enable = "avx512bw,bmi1,popcnt")]
    pub(super) fn find(
        bytes: &[u8],
        delimiter: u8,
        newlines_max: usize,
        places: &mut Vec<u32>,
    ) -> Separators {
        let newline = _mm512_set1_epi8(b'\n'.cast_signed());
        let delimiter = _mm512_set1_epi8(delimiter.cast_signed());
        walk(bytes, newlines_max, places, |group: &[u8; GROUP]| {
            // SAFETY: a group is 64 bytes; the load needs no alignment.
            let group = unsafe { _mm512_loadu_si512(group.as_ptr().cast()) };
            Bits {
                newlines: _mm512_cmpeq_epi8_mask(group, newline),
                delimiters: _mm512_cmpeq_epi8_mask(group, delimiter),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn naive(bytes: &[u8], delimiter: u8, newlines_max: usize) -> (Vec<u32>, Separators) {
        let (mut places, mut newlines, mut consumed) = (Vec::new(), 0, bytes.len());
        for (place, &byte) in bytes.iter().enumerate() {
            if byte == delimiter || byte == b'\n' {
                places.push(place as u32);
            }
            if byte == b'\n' {
                newlines += 1;
                if newlines == newlines_max {
                    consumed = place + 1;
                    break;
                }
            }
        }
        let count = places.len();
        let found = Separators {
            count,
            newlines,
            consumed,
        };
        (places, found)
    }

    proptest! {
        #[test]
        fn every_step_finds_what_a_loop_finds(
            bytes in prop::collection::vec(prop::sample::select(vec![b'|', b'\n', b'a', 0, 0xff, 11]), 0..400),
            delimiter in prop::sample::select(vec![b'|', 0]),
            newlines_max in 1_usize..40,
            room in 0_usize..300,
        ) {
            let (expected, counts) = naive(&bytes, delimiter, newlines_max);
            type Find = fn(&[u8], u8, usize, &mut Vec<u32>) -> Separators;
            let mut finders: Vec<Find> = vec![find_portably, find];
            #[cfg(target_arch = "x86_64")]
            if avx2::is_offered() {
                // SAFETY: the processor offers what the function needs.
                finders.push(|bytes, delimiter, max, places| unsafe {
                    avx2::find(bytes, delimiter, max, places)
                });
            }
            for find in finders {
                let mut places = vec![7; room];
                prop_assert_eq!(find(&bytes, delimiter, newlines_max, &mut places), counts);
                let places: Vec<u32> = places.iter().skip(1).take(counts.count).copied().collect();
                prop_assert_eq!(&places, &expected);
            }
        }
    }
}
