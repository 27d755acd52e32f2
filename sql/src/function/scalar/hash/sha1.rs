//! SHA1: the SHA-1 hash of a text.

use super::hex;
use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;

pub(super) const SHA1: Scalar = Scalar {
    name: "sha1",
    aliases: &["sha", "func_sha1"],
    forms: &[
        Form::new(&[Kind::Text], Kind::Text),
        Form::new(&[Kind::Varbyte], Kind::Text),
    ],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Gives the SHA-1 hash of a text",
        syntax: "SHA1(text)",
        arguments: &[("text", "a text or VARBYTE")],
        returns: "VARCHAR of 40 hexadecimal digits",
        examples: &[
            ("sha1('abc')", "a9993e364706816aba3e25717850c26c9cd0d89d"),
            ("sha('')", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
            (
                "func_sha1('The quick brown fox jumps over the lazy dog')",
                "2fd4e1c67a2d28fced849ee1bb76e7391b93eb12",
            ),
            ("sha1(null)", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    hex::hashed(call, |bytes, _row, out| {
        hex::write(&digest(bytes), out);
        Ok(true)
    })
}

/// The hash of RFC 3174.
fn digest(bytes: &[u8]) -> [u8; 20] {
    let mut state = [
        0x6745_2301_u32,
        0xefcd_ab89,
        0x98ba_dcfe,
        0x1032_5476,
        0xc3d2_e1f0,
    ];
    let mut blocks = bytes.chunks_exact(64);
    for block in &mut blocks {
        compress(&mut state, block);
    }
    // The rest, a one bit, zeros, and the length in bits fill one block or two.
    let rest = blocks.remainder();
    let mut tail = rest.to_vec();
    tail.push(0x80);
    let padded = if tail.len() > 56 { 128 } else { 64 };
    tail.resize(padded - 8, 0);
    let bits = u64::try_from(bytes.len()).unwrap_or(0).wrapping_mul(8);
    tail.extend_from_slice(&bits.to_be_bytes());
    for block in tail.chunks_exact(64) {
        compress(&mut state, block);
    }
    let mut hash = [0; 20];
    for (bytes, word) in hash.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    hash
}

fn compress(state: &mut [u32; 5], block: &[u8]) {
    let mut words = [0_u32; 80];
    for (word, bytes) in words.iter_mut().zip(block.chunks_exact(4)) {
        *word = bytes
            .iter()
            .fold(0, |word, byte| (word << 8) | u32::from(*byte));
    }
    for index in 16..80 {
        let word = words[index - 3] ^ words[index - 8] ^ words[index - 14] ^ words[index - 16];
        words[index] = word.rotate_left(1);
    }
    let [mut a, mut b, mut c, mut d, mut e] = *state;
    for (round, word) in words.iter().enumerate() {
        let (mixed, constant) = match round {
            0..20 => ((b & c) | (!b & d), 0x5a82_7999),
            20..40 => (b ^ c ^ d, 0x6ed9_eba1),
            40..60 => ((b & c) | (b & d) | (c & d), 0x8f1b_bcdc_u32),
            _ => (b ^ c ^ d, 0xca62_c1d6),
        };
        let next = a.rotate_left(5).wrapping_add(mixed).wrapping_add(e);
        let next = next.wrapping_add(constant).wrapping_add(*word);
        (e, d, c, b, a) = (d, c, b.rotate_left(30), a, next);
    }
    for (value, added) in state.iter_mut().zip([a, b, c, d, e]) {
        *value = value.wrapping_add(added);
    }
}
