//! FNV_HASH: the 64-bit FNV-1a hash of a value.

use crate::error::{Error, Result};
use crate::function::call::Call;
use crate::function::declaration::{Code, Documentation, Form, Kind, Nulls, Scalar, Volatility};
use arrow::array::ArrayRef;
use arrow::datatypes::{Float32Type, Int16Type, Int64Type};
use arrow_schema::DataType;

pub(super) const FNV_HASH: Scalar = Scalar {
    name: "fnv_hash",
    aliases: &[],
    forms: &[Form::with_optional(
        &[Kind::Any],
        &[Kind::BigInt],
        Kind::BigInt,
    )],
    volatility: Volatility::Immutable,
    nulls: Nulls::Own,
    documentation: Documentation {
        summary: "Gives the 64-bit FNV-1a hash of a value",
        syntax: "FNV_HASH(value [, seed])",
        arguments: &[
            ("value", "a value, hashed as the bytes of its type"),
            (
                "seed",
                "where the hash starts: the hash of another value, to hash both",
            ),
        ],
        returns: "BIGINT; the seed if the value is null",
        examples: &[
            ("fnv_hash(1::int)", "-5968735742475085980"),
            ("fnv_hash('Amazon Redshift')", "7783490368944507294"),
            (
                "fnv_hash('Amazon Redshift', fnv_hash(1::int))",
                "-2202602717770968555",
            ),
            ("fnv_hash('abcd')", "-281581062704388899"),
            ("fnv_hash('cd', fnv_hash('ab'))", "-281581062704388899"),
            ("fnv_hash(1::smallint)", "589727492704079044"),
        ],
    },
    code: Code::Own(eval),
};

/// Where the hash of nothing starts.
const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0100_0000_01b3;
/// Days from 1970-01-01 to 2000-01-01, from which dates are counted in bytes.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_MICROSECONDS: i64 = 946_684_800_000_000;

fn hash(seed: u64, bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(PRIME);
    bytes.iter().fold(seed, step)
}

fn eval(call: &Call<'_>) -> Result<ArrayRef> {
    let seeds = (call.count() > 1).then(|| call.bigint(1)).transpose()?;
    let over = |bytes: &dyn Fn(usize) -> Option<u64>| {
        call.build::<Int64Type>(|row| Ok(bytes(row).map(u64::cast_signed)))
    };
    let seed = |row: usize| match &seeds {
        None => Some(BASIS),
        Some(seeds) => seeds.at(row).map(i64::cast_unsigned),
    };
    macro_rules! of {
        ($column:expr, $bytes:expr) => {{
            let values = $column?;
            over(&|row| {
                let seed = seed(row)?;
                Some(
                    values
                        .at(row)
                        .map_or(seed, |value| hash(seed, $bytes(value).as_ref())),
                )
            })
        }};
    }
    match call.ty(0) {
        DataType::Utf8View => of!(call.text(0), |text| text),
        DataType::BinaryView => of!(call.bytes(0), |bytes| bytes),
        DataType::Boolean => of!(call.boolean(0), |truth| [u8::from(truth)]),
        DataType::Int16 => of!(call.primitive::<Int16Type>(0), i16::to_le_bytes),
        DataType::Int32 => of!(call.integer(0), i32::to_le_bytes),
        DataType::Int64 => of!(call.bigint(0), i64::to_le_bytes),
        DataType::Float32 => of!(call.primitive::<Float32Type>(0), f32::to_le_bytes),
        DataType::Float64 => of!(call.double(0), f64::to_le_bytes),
        DataType::Decimal128(digits, _) if digits > 18 => of!(call.decimal(0), i128::to_le_bytes),
        DataType::Decimal128(..) => of!(call.decimal(0), |value| {
            i64::try_from(value).unwrap_or(i64::MAX).to_le_bytes()
        }),
        DataType::Date32 => of!(call.date(0), |days: i32| (days - EPOCH_DAYS).to_le_bytes()),
        DataType::Timestamp(..) => of!(call.timestamp(0), |time: i64| {
            (time - EPOCH_MICROSECONDS).to_le_bytes()
        }),
        DataType::Null => call.build::<Int64Type>(|row| Ok(seed(row).map(u64::cast_signed))),
        _ => Err(Error::unsupported(
            "FNV_HASH of this type",
            "Cast the value to VARCHAR",
        )),
    }
}
