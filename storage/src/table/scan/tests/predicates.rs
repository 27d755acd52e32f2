//! Every test on every form a block can take, against the same test on plain values.

use super::super::selection::Selection;
use super::super::test::{Outcome, Scratch, Test, dictionary};
use super::*;
use crate::block::Block;
use crate::block::build::build;
use crate::block::vector::ColumnVector;
use crate::encoding::{Kind, Tag};
use crate::statistics::ColumnSketch;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Float32Type, Int16Type, Int32Type, Time64MicrosecondType, TimestampMicrosecondType,
};
use arrow_array::{Decimal128Array, Float32Array, Float64Array};
use arrow_schema::DataType;
use std::collections::BTreeSet;

/// Lengths around a vector and a zone; a million in the long run. No block has none: see
/// [`no_row_passes_where_there_is_none`].
fn lengths() -> Vec<usize> {
    let mut lengths = vec![1, 1_023, 1_024, 1_025, 8_193];
    if crate::survival::full() {
        lengths.push(1_000_000);
    }
    lengths
}

/// The values of an array as constants are given.
fn values_of(array: &ArrayRef) -> Vec<Option<Value>> {
    let int = |value: i64| Value::Int(value.into());
    let value = |row: usize| match array.data_type() {
        DataType::Boolean => Value::Bool(array.as_boolean().value(row)),
        DataType::Int16 => int(array.as_primitive::<Int16Type>().value(row).into()),
        DataType::Int32 => int(array.as_primitive::<Int32Type>().value(row).into()),
        DataType::Date32 => int(array.as_primitive::<Date32Type>().value(row).into()),
        DataType::Int64 => int(array.as_primitive::<Int64Type>().value(row)),
        DataType::Time64(_) => int(array.as_primitive::<Time64MicrosecondType>().value(row)),
        DataType::Timestamp(..) => int(array.as_primitive::<TimestampMicrosecondType>().value(row)),
        DataType::Float32 => Value::Float(array.as_primitive::<Float32Type>().value(row).into()),
        DataType::Float64 => Value::Float(array.as_primitive::<Float64Type>().value(row)),
        DataType::Decimal128(..) => Value::Int(array.as_primitive::<Decimal128Type>().value(row)),
        DataType::BinaryView => Value::Bytes(array.as_binary_view().value(row).into()),
        _ => Value::Bytes(array.as_string_view().value(row).as_bytes().into()),
    };
    (0..array.len())
        .map(|row| array.is_valid(row).then(|| value(row)))
        .collect()
}

/// Floats that were decimals, with what is none among them; and texts of a language, for symbols.
fn shaped(
    ty: ColumnType,
    spread: Spread,
    rows: usize,
    nulls: Option<NullBuffer>,
    chance: &mut Chance,
) -> ArrayRef {
    let price = |row: usize, chance: &mut Chance| {
        let number = number(spread, row, chance);
        match number % 61 {
            17 => f64::NAN,
            23 => f64::INFINITY,
            31 => -0.0,
            37 => f64::NEG_INFINITY,
            41 => f64::from_bits(number as u64),
            _ => (number % 10_000_000) as f64 / 100.0,
        }
    };
    match ty {
        ColumnType::Float64 => {
            let prices: Vec<f64> = (0..rows).map(|row| price(row, chance)).collect();
            Arc::new(Float64Array::new(prices.into(), nulls))
        }
        ColumnType::Float32 => {
            let prices: Vec<f32> = (0..rows).map(|row| price(row, chance) as f32).collect();
            Arc::new(Float32Array::new(prices.into(), nulls))
        }
        ColumnType::Text if matches!(spread, Spread::Any) => {
            const WORDS: [&str; 6] = ["carefully", "final", "deposits", "détente", "sleep", "the"];
            let texts = (0..rows).map(|row| {
                let words: Vec<&str> = (0..chance.next() % 8)
                    .map(|_| WORDS[chance.next() as usize % WORDS.len()])
                    .collect();
                let is_valid = nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
                is_valid.then(|| words.join(" "))
            });
            Arc::new(StringViewArray::from_iter(texts))
        }
        // Decimals past 64 bits that repeat, for dictionaries and runs of them.
        ColumnType::Decimal { precision: 38, .. }
            if matches!(spread, Spread::Few | Spread::Runs) =>
        {
            let wide = (0..rows).map(|row| i128::from(number(spread, row, chance)) << 60);
            let values: Vec<i128> = wide.collect();
            let array = Decimal128Array::new(values.into(), nulls);
            Arc::new(array.with_precision_and_scale(38, 4).unwrap())
        }
        _ => array(ty, spread, rows, nulls, chance),
    }
}

/// Constants that are there, nearly there, and far away.
fn constants(ty: ColumnType, values: &[Option<Value>], chance: &mut Chance) -> Vec<Value> {
    let mut found: Vec<Value> = (0..4)
        .filter_map(|_| values[chance.next() as usize % values.len()].clone())
        .collect();
    let near = found.last().cloned();
    match ty {
        ColumnType::Bool => found.extend([Value::Bool(false), Value::Bool(true)]),
        ColumnType::Float32 | ColumnType::Float64 => {
            found
                .extend([0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.125].map(Value::Float));
        }
        ColumnType::Text | ColumnType::Bytes => {
            found.push(Value::Bytes([].into()));
            if let Some(Value::Bytes(bytes)) = near {
                found.push(Value::Bytes([&bytes[..], b"a"].concat().into()));
                found.push(Value::Bytes(bytes[..bytes.len() / 2].into()));
            }
        }
        _ => {
            found
                .extend([0, i128::from(i64::MIN), i128::from(i64::MAX), i128::MAX].map(Value::Int));
            if let Some(Value::Int(value)) = near {
                found.extend([value - 1, value + 1].map(Value::Int));
            }
        }
    }
    found
}

fn tests_of(ty: ColumnType, values: &[Option<Value>], chance: &mut Chance) -> Vec<ColumnTest> {
    const OPS: [CompareOp; 6] = [
        CompareOp::Eq,
        CompareOp::NotEq,
        CompareOp::Lt,
        CompareOp::LtEq,
        CompareOp::Gt,
        CompareOp::GtEq,
    ];
    let constants = constants(ty, values, chance);
    let mut tests = vec![ColumnTest::IsNull, ColumnTest::IsNotNull];
    for (index, constant) in constants.iter().enumerate() {
        for op in [
            OPS[index % 6],
            OPS[(index + 1 + chance.next() as usize % 5) % 6],
        ] {
            tests.push(ColumnTest::Compare(op, constant.clone()));
        }
        if let Value::Bytes(bytes) = constant {
            tests.push(ColumnTest::StartsWith(bytes[..bytes.len().min(20)].into()));
        }
    }
    // Few, then enough for a table.
    let mut many: Vec<Value> = constants;
    for _ in 0..2 {
        many.sort_by(compare);
        many.dedup_by(|a, b| compare(a, b).is_eq());
        tests.push(ColumnTest::In(many.clone().into()));
        let more = (0..40).filter_map(|_| values[chance.next() as usize % values.len()].clone());
        many.extend(more);
    }
    tests
}

/// Which rows are in before a test: all, few, or those of one vector.
fn selections(rows: usize) -> [Selection; 3] {
    let of = |keep: &dyn Fn(usize) -> bool| {
        let mut selection = Selection::all(rows);
        (0..rows)
            .filter(|row| !keep(*row))
            .for_each(|row| selection.remove(row));
        selection
    };
    [
        of(&|_| true),
        of(&|row| row % 97 == 5),
        of(&|row| row / 1_024 == 1),
    ]
}

/// Runs tests on one block; gives its form.
fn check(
    ty: ColumnType,
    name: EncodingName,
    array: &ArrayRef,
    tests: &[(ColumnTest, Vec<bool>)],
) -> (Tag, Kind) {
    let built = build(ty, name, array.as_ref(), &mut ColumnSketch::new(ty)).unwrap();
    let form = (
        Tag::from_byte(built.encoding).unwrap(),
        Kind::from_byte(built.kind).unwrap(),
    );
    let block = Arc::new(Block::open(ty, Buffer::from_vec(built.bytes)).unwrap());
    let column = ColumnLayout {
        id: 1,
        name: "c".into(),
        ty,
        encoding: name,
        nullable: true,
    };
    let mut scratch = Scratch::default();
    let vectors: Vec<ColumnVector> = (0..built.zones.len())
        .map(|zone| ColumnVector::new(Arc::clone(&block), zone).unwrap())
        .collect();
    for (wanted, expected) in tests {
        let test = Test::new(&column, wanted).unwrap();
        for (zone, vector) in vectors.iter().enumerate() {
            let rows = vector.rows();
            let expected = &expected[zone * ZONE_ROWS..][..rows];
            match test.prune(&built.zones[zone], rows) {
                Outcome::None => assert!(!expected.contains(&true), "{name:?} {ty:?} {wanted:?}"),
                Outcome::All => assert!(!expected.contains(&false), "{name:?} {ty:?} {wanted:?}"),
                Outcome::Some => {}
            }
            let mask = dictionary(vector).map(|dictionary| test.entries(vector, dictionary));
            for mut selection in selections(rows) {
                let mut kept = selection.rows_in();
                kept.retain(|row| expected[usize::from(*row)]);
                test.apply(vector, mask.as_ref(), &mut selection, &mut scratch);
                assert_eq!(
                    selection.rows_in(),
                    kept,
                    "{name:?} {form:?} of {ty:?}, {} rows, {wanted:?}",
                    array.len()
                );
                assert_eq!(selection.count(), kept.len());
            }
        }
    }
    form
}

#[test]
fn tests_on_codes_agree_with_tests_on_values() {
    let mut chance = Chance(11);
    let mut seen = BTreeSet::new();
    for (turn, rows) in lengths().into_iter().enumerate() {
        for (t, ty) in TYPES.into_iter().enumerate() {
            for null_kind in 0..3 {
                // Half of the spreads each time: all meet every type and name.
                for spread in SPREADS
                    .into_iter()
                    .skip((turn + t + null_kind) % 2)
                    .step_by(2)
                {
                    let nulls = match null_kind {
                        0 => None,
                        1 => Some(some_nulls(rows, &mut chance)),
                        _ => Some(NullBuffer::new_null(rows)),
                    };
                    let array = shaped(ty, spread, rows, nulls, &mut chance);
                    let values = values_of(&array);
                    let expected = |test: ColumnTest| {
                        let passes = values
                            .iter()
                            .map(|value| naive(&test, value.as_ref()))
                            .collect();
                        (test, passes)
                    };
                    let tests: Vec<_> = tests_of(ty, &values, &mut chance)
                        .into_iter()
                        .map(expected)
                        .collect();
                    for name in NAMES {
                        let (tag, kind) = check(ty, name, &array, &tests);
                        seen.insert((tag as u8, kind as u8));
                    }
                }
            }
        }
    }
    // Every form of every kind of value that it can hold was there.
    let integers = [Kind::I8, Kind::I16, Kind::I32, Kind::I64];
    for tag in [
        Tag::Constant,
        Tag::Raw,
        Tag::Dictionary,
        Tag::Runs,
        Tag::Lz4,
        Tag::Zstd,
    ] {
        for kind in integers.into_iter().chain([Kind::I128, Kind::Bytes]) {
            assert!(
                seen.contains(&(tag as u8, kind as u8)),
                "no {tag:?} of {kind:?}"
            );
        }
    }
    for kind in integers {
        assert!(
            seen.contains(&(Tag::Packed as u8, kind as u8)),
            "no packed {kind:?}"
        );
    }
    for (tag, kind) in [
        (Tag::Fsst, Kind::Bytes),
        (Tag::FsstZstd, Kind::Bytes),
        (Tag::Alp, Kind::I32),
        (Tag::Alp, Kind::I64),
    ] {
        assert!(
            seen.contains(&(tag as u8, kind as u8)),
            "no {tag:?} of {kind:?}"
        );
    }
}

#[test]
fn no_row_passes_where_there_is_none() {
    let mut chance = Chance(12);
    let columns = NAMES
        .into_iter()
        .flat_map(|name| TYPES.map(|ty| (ty, name)));
    let columns: Vec<_> = columns
        .map(|(ty, name)| (ty, name, array(ty, Spread::Any, 0, None, &mut chance)))
        .collect();
    let fixture = fixture(columns);
    for column in 0..fixture.layout.columns.len() {
        for test in [ColumnTest::IsNull, ColumnTest::IsNotNull] {
            let conjuncts = vec![Conjunct::Column { column, test }];
            let request = ScanRequest {
                conjuncts,
                ..everything(&fixture.layout)
            };
            assert_eq!(fixture.scan(request, None).unwrap().0.num_rows(), 0);
        }
    }
}

/// Numbers that make vectors of each kind: differences, patches, ranges at the ends of the type.
fn numbers() -> impl Strategy<Value = Vec<i64>> {
    let noise = prop::collection::vec(any::<i64>(), 1..60);
    let steps = (any::<i64>(), prop::collection::vec(0..300_i64, 1..60));
    let steps = steps.prop_map(|(first, steps)| {
        let sums = steps.into_iter().scan(first, |sum, step| {
            *sum = sum.wrapping_add(step);
            Some(*sum)
        });
        sums.collect::<Vec<_>>()
    });
    let narrow = prop::collection::vec(prop_oneof![20 => -9..9_i64, 1 => any::<i64>()], 1..60);
    prop_oneof![noise, steps, narrow]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn ranges_of_packed_numbers_agree_with_the_numbers(numbers in numbers(), length in 1..2_200_usize, ends: (i64, i64), here: (prop::sample::Index, prop::sample::Index), near in -1..=1_i64) {
        let base: Vec<i64> = numbers;
        let step = base.last().unwrap().wrapping_sub(base[0]);
        let row = |row: usize| base[row % base.len()].wrapping_add(step.wrapping_mul((row / base.len()) as i64) * i64::from(step.unsigned_abs() < 1 << 40));
        let array: ArrayRef = Arc::new(Int64Array::from_iter_values((0..length).map(row)));
        let values = values_of(&array);
        let pick = |index: &prop::sample::Index| match &values[index.index(length)] {
            Some(Value::Int(value)) => *value as i64,
            _ => 0,
        };
        let constants = [ends.0, ends.1, pick(&here.0).wrapping_add(near), pick(&here.1)];
        let mut tests = vec![];
        for constant in constants {
            for op in [CompareOp::Eq, CompareOp::NotEq, CompareOp::Lt, CompareOp::GtEq] {
                tests.push(ColumnTest::Compare(op, Value::Int(constant.into())));
            }
        }
        let tests: Vec<_> = tests
            .into_iter()
            .map(|test| {
                let passes = values.iter().map(|value| naive(&test, value.as_ref())).collect();
                (test, passes)
            })
            .collect();
        for name in [EncodingName::Az64, EncodingName::Delta, EncodingName::Delta32k, EncodingName::Mostly8, EncodingName::Mostly16, EncodingName::Mostly32] {
            check(ColumnType::Int64, name, &array, &tests);
        }
    }
}
