//! FARMFINGERPRINT64: the FarmHash fingerprint of a text or VARBYTE.

use crate::error::Result;
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;
use arrow::datatypes::Int64Type;
use arrow_schema::DataType;

pub(super) const FARMFINGERPRINT64: Scalar = Scalar {
    name: "farmfingerprint64",
    aliases: &[],
    forms: &[
        Form::new(&[Kind::Text], Kind::BigInt),
        Form::new(&[Kind::Varbyte], Kind::BigInt),
    ],
    volatility: Volatility::Immutable,
    nulls: Nulls::Propagate,
    documentation: Documentation {
        summary: "Computes the FarmHash fingerprint of a text or VARBYTE",
        syntax: "FARMFINGERPRINT64(value)",
        arguments: &[("value", "a VARCHAR or a VARBYTE")],
        returns: "BIGINT",
        examples: &[
            (
                "farmfingerprint64('Amazon Redshift')",
                "8085098817162212970",
            ),
            (
                "farmfingerprint64('Amazon Redshift'::varbyte)",
                "8085098817162212970",
            ),
            ("farmfingerprint64(null)", "NULL"),
        ],
    },
    code: Code::Own(eval),
};

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    if call.ty(0) == DataType::BinaryView {
        let values = call.bytes(0)?;
        return call.build::<Int64Type>(|row| Ok(values.at(row).map(signed)));
    }
    let values = call.text(0)?;
    call.build::<Int64Type>(|row| Ok(values.at(row).map(|text| signed(text.as_bytes()))))
}

fn signed(bytes: &[u8]) -> i64 {
    fingerprint(bytes).cast_signed()
}

const K0: u64 = 0xc3a5_c85c_97cb_3127;
const K1: u64 = 0xb492_b66f_be98_f273;
const K2: u64 = 0x9ae1_6a3b_2f90_404f;
const SEED: u64 = 81;

fn word(bytes: &[u8], at: usize) -> u64 {
    let part = bytes.get(at..at + 8).and_then(|part| part.try_into().ok());
    u64::from_le_bytes(part.unwrap_or_default())
}

fn half(bytes: &[u8], at: usize) -> u64 {
    let part = bytes.get(at..at + 4).and_then(|part| part.try_into().ok());
    u64::from(u32::from_le_bytes(part.unwrap_or_default()))
}

fn shift_mix(value: u64) -> u64 {
    value ^ (value >> 47)
}

fn hash_of_two(left: u64, right: u64, factor: u64) -> u64 {
    let first = shift_mix((left ^ right).wrapping_mul(factor));
    shift_mix((right ^ first).wrapping_mul(factor)).wrapping_mul(factor)
}

fn fingerprint(bytes: &[u8]) -> u64 {
    match bytes.len() {
        0..=16 => up_to_16(bytes),
        17..=32 => up_to_32(bytes),
        33..=64 => up_to_64(bytes),
        _ => longer(bytes),
    }
}

fn up_to_16(bytes: &[u8]) -> u64 {
    let length = bytes.len();
    let size = length as u64;
    let factor = K2.wrapping_add(size * 2);
    if length >= 8 {
        let a = word(bytes, 0).wrapping_add(K2);
        let b = word(bytes, length - 8);
        let c = b.rotate_right(37).wrapping_mul(factor).wrapping_add(a);
        let d = a.rotate_right(25).wrapping_add(b).wrapping_mul(factor);
        return hash_of_two(c, d, factor);
    }
    if length >= 4 {
        let a = half(bytes, 0);
        return hash_of_two(size + (a << 3), half(bytes, length - 4), factor);
    }
    let byte = |at: usize| u64::from(bytes.get(at).copied().unwrap_or_default());
    if length == 0 {
        return K2;
    }
    let y = byte(0) + (byte(length >> 1) << 8);
    let z = size + (byte(length - 1) << 2);
    shift_mix(y.wrapping_mul(K2) ^ z.wrapping_mul(K0)).wrapping_mul(K2)
}

/// What 17 bytes and more have in common: two sums of their ends.
fn ends(bytes: &[u8], first_factor: u64) -> (u64, u64, u64, u64) {
    let length = bytes.len();
    let factor = K2.wrapping_add(length as u64 * 2);
    let a = word(bytes, 0).wrapping_mul(first_factor);
    let b = word(bytes, 8);
    let c = word(bytes, length - 8).wrapping_mul(factor);
    let d = word(bytes, length - 16).wrapping_mul(K2);
    let y = a
        .wrapping_add(b)
        .rotate_right(43)
        .wrapping_add(c.rotate_right(30))
        .wrapping_add(d);
    let z = b
        .wrapping_add(K2)
        .rotate_right(18)
        .wrapping_add(a)
        .wrapping_add(c);
    (a, y, z, factor)
}

fn up_to_32(bytes: &[u8]) -> u64 {
    let (_, y, z, factor) = ends(bytes, K1);
    hash_of_two(y, z, factor)
}

fn up_to_64(bytes: &[u8]) -> u64 {
    let length = bytes.len();
    let (a, y, z, factor) = ends(bytes, K2);
    let z = hash_of_two(y, z, factor);
    let e = word(bytes, 16).wrapping_mul(factor);
    let f = word(bytes, 24);
    let g = y
        .wrapping_add(word(bytes, length - 32))
        .wrapping_mul(factor);
    let h = z
        .wrapping_add(word(bytes, length - 24))
        .wrapping_mul(factor);
    let left = e
        .wrapping_add(f)
        .rotate_right(43)
        .wrapping_add(g.rotate_right(30))
        .wrapping_add(h);
    let right = f
        .wrapping_add(a)
        .rotate_right(18)
        .wrapping_add(e)
        .wrapping_add(g);
    hash_of_two(left, right, factor)
}

/// Two sums of 32 bytes.
fn weak(bytes: &[u8], at: usize, a: u64, b: u64) -> (u64, u64) {
    let [w, x, y, z] = [0, 8, 16, 24].map(|offset| word(bytes, at + offset));
    let a = a.wrapping_add(w);
    let b = b.wrapping_add(a).wrapping_add(z).rotate_right(21);
    let sum = a.wrapping_add(x).wrapping_add(y);
    let b = b.wrapping_add(sum.rotate_right(44));
    (sum.wrapping_add(z), b.wrapping_add(a))
}

/// The state of the hash of 65 bytes and more.
struct State {
    x: u64,
    y: u64,
    z: u64,
    v: (u64, u64),
    w: (u64, u64),
}

impl State {
    /// Mixes 64 bytes in; the last ones with other factors.
    fn mix(&mut self, bytes: &[u8], at: usize, factor: u64, nine: u64) {
        let sum = self.x.wrapping_add(self.y).wrapping_add(self.v.0);
        self.x = sum
            .wrapping_add(word(bytes, at + 8))
            .rotate_right(37)
            .wrapping_mul(factor);
        let sum = self.y.wrapping_add(self.v.1);
        self.y = sum
            .wrapping_add(word(bytes, at + 48))
            .rotate_right(42)
            .wrapping_mul(factor);
        self.x ^= self.w.1.wrapping_mul(nine);
        self.y = self
            .y
            .wrapping_add(self.v.0.wrapping_mul(nine))
            .wrapping_add(word(bytes, at + 40));
        self.z = self
            .z
            .wrapping_add(self.w.0)
            .rotate_right(33)
            .wrapping_mul(factor);
        let v = self.v.1.wrapping_mul(factor);
        self.v = weak(bytes, at, v, self.x.wrapping_add(self.w.0));
        let w = self.y.wrapping_add(word(bytes, at + 16));
        self.w = weak(bytes, at + 32, self.z.wrapping_add(self.w.1), w);
        std::mem::swap(&mut self.z, &mut self.x);
    }
}

fn longer(bytes: &[u8]) -> u64 {
    let y = SEED.wrapping_mul(K1).wrapping_add(113);
    let mut state = State {
        x: SEED.wrapping_mul(K2).wrapping_add(word(bytes, 0)),
        y,
        z: shift_mix(y.wrapping_mul(K2).wrapping_add(113)).wrapping_mul(K2),
        v: (0, 0),
        w: (0, 0),
    };
    let rest = (bytes.len() - 1) & 63;
    let end = bytes.len() - 1 - rest;
    for at in (0..end).step_by(64) {
        state.mix(bytes, at, K1, 1);
    }
    let factor = K1.wrapping_add((state.z & 0xff) << 1);
    state.w.0 = state.w.0.wrapping_add(rest as u64);
    state.v.0 = state.v.0.wrapping_add(state.w.0);
    state.w.0 = state.w.0.wrapping_add(state.v.0);
    state.mix(bytes, bytes.len() - 64, factor, 9);
    let left = hash_of_two(state.v.0, state.w.0, factor)
        .wrapping_add(shift_mix(state.y).wrapping_mul(K0))
        .wrapping_add(state.z);
    let right = hash_of_two(state.v.1, state.w.1, factor).wrapping_add(state.x);
    hash_of_two(left, right, factor)
}
