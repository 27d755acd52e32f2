//! Every form gives back what it was given: each kind, with and without nulls, at every odd length,
//! whole, by picks, and compared while still encoded.

use super::native::{Native, VECTOR_ROWS, pack, packed_words, unpack, unpack_one};
use super::text::view_bytes;
use super::{Kind, Tag};
use crate::block::Block;
use crate::block::build::build;
use crate::block::vector::{ColumnVector, Picks};
use crate::layout::row_group::ZONE_ROWS;
use crate::schema::{ColumnType, EncodingName};
use crate::statistics::ColumnSketch;
use arrow_array::builder::StringViewBuilder;
use arrow_array::{
    Array, ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array,
    Int16Array, Int32Array, Int64Array, StringViewArray,
};
use arrow_buffer::Buffer;
use proptest::prelude::*;
use std::sync::{Arc, Mutex};

const NAMES: [EncodingName; 14] = [
    EncodingName::Auto,
    EncodingName::Raw,
    EncodingName::Az64,
    EncodingName::Bytedict,
    EncodingName::Delta,
    EncodingName::Delta32k,
    EncodingName::Lzo,
    EncodingName::Mostly8,
    EncodingName::Mostly16,
    EncodingName::Mostly32,
    EncodingName::Runlength,
    EncodingName::Text255,
    EncodingName::Text32k,
    EncodingName::Zstd,
];

/// A sequence that is the same in every run.
struct Sequence(u64);

impl Sequence {
    fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 20 ^ self.0 << 44
    }
}

/// The rows of the long run.
const LONG_ROWS: usize = 1_000_000;

/// Lengths around a vector and past a zone; a million rows in the long run. No block has none.
fn lengths() -> Vec<usize> {
    let mut lengths = vec![1, 1_023, 1_024, 1_025, 8_700];
    if std::env::var("BLUESHIFT_TEST_FULL").is_ok_and(|value| value == "1") {
        lengths.push(LONG_ROWS);
    }
    lengths
}

/// How nulls lie.
#[derive(Clone, Copy, Debug)]
enum Nulls {
    None,
    Some,
    All,
    Clustered,
}

const NULLS: [Nulls; 4] = [Nulls::None, Nulls::Some, Nulls::All, Nulls::Clustered];

/// Shapes of numbers and of texts.
const SHAPES: usize = 5;

/// Runs a check with every length, every way of nulls and every shape. Of a million rows each shape has its nulls in one
/// way, so that all ways have their turn and a build without optimization comes to an end.
fn each_array(check: impl Fn(usize, Nulls, usize) + Sync) {
    let mut arrays = Vec::new();
    for rows in lengths() {
        for (way, nulls) in NULLS.into_iter().enumerate() {
            for shape in 0..SHAPES {
                if rows < LONG_ROWS || shape % NULLS.len() == way {
                    arrays.push((rows, nulls, shape));
                }
            }
        }
    }
    // The longest first, shared by all cores.
    let arrays = Mutex::new(arrays);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let next = arrays.lock().expect("no check failed").pop();
                    let Some((rows, nulls, shape)) = next else {
                        break;
                    };
                    check(rows, nulls, shape);
                }
            });
        }
    });
}

impl Nulls {
    fn is_null(self, row: usize) -> bool {
        match self {
            Nulls::None => false,
            Nulls::Some => row % 7 == 3,
            Nulls::All => true,
            Nulls::Clustered => row / 300 % 3 == 1,
        }
    }
}

/// Rows to read one by one: few, or many in some vectors.
fn picks(rows: usize, every: usize) -> Vec<u16> {
    (0..rows)
        .filter(|row| row % every == every / 2 || row % 1_024 < 3)
        .map(|row| row as u16)
        .collect()
}

fn words(sequence: &mut Sequence, count: usize) -> String {
    const WORDS: [&str; 12] = [
        "carefully",
        "final",
        "deposits",
        "détente",
        "sleep",
        "quickly",
        "the",
        "furiously",
        "x",
        "special",
        "requests",
        "ironic",
    ];
    let words: Vec<&str> = (0..count)
        .map(|_| WORDS[sequence.next() as usize % WORDS.len()])
        .collect();
    words.join(" ")
}

fn texts(shape: usize, rows: usize, nulls: Nulls) -> StringViewArray {
    let mut sequence = Sequence(shape as u64);
    let mut builder = StringViewBuilder::new();
    for row in 0..rows {
        if nulls.is_null(row) {
            builder.append_null();
            continue;
        }
        let roll = sequence.next() as usize;
        builder.append_value(match shape {
            0 => words(&mut sequence, roll % 9),
            1 => format!("{}{}", roll, "é\u{0}\u{10FFFF}".repeat(roll % 3)),
            2 => ["AIR", "RAIL", "REG AIR", "a mode that does not fit a view"][roll % 4].to_owned(),
            3 => format!("Customer#{:09}", row / 50),
            _ if row == rows / 2 => words(&mut sequence, 20_000),
            _ => String::new(),
        });
    }
    builder.finish()
}

fn check_texts(name: EncodingName, array: &StringViewArray) -> Tag {
    let built = build(
        ColumnType::Text,
        name,
        array,
        &mut ColumnSketch::new(ColumnType::Text),
    )
    .unwrap();
    let block = Block::open(ColumnType::Text, Buffer::from_vec(built.bytes)).unwrap();
    let block = Arc::new(block);
    let (mut buffers, mut views) = (vec![Buffer::from(b"not mine")], vec![]);
    for zone in 0..array.len().div_ceil(ZONE_ROWS) {
        let vector = ColumnVector::new(Arc::clone(&block), zone).unwrap();
        let from = zone * ZONE_ROWS;
        let is_null = |row: usize| {
            vector.is_all_null() || vector.validity().is_some_and(|bits| !bits.value(row))
        };
        views.clear();
        vector.texts(Picks::All, &mut buffers, &mut views);
        assert_eq!(views.len(), vector.rows());
        for (row, view) in views.iter().enumerate() {
            assert_eq!(
                is_null(row),
                array.is_null(from + row),
                "{name:?}, row {row}"
            );
            if !is_null(row) {
                assert_eq!(
                    view_bytes(view, &buffers),
                    array.value(from + row).as_bytes(),
                    "{name:?}, row {row}"
                );
            }
        }
        for every in [2, 97] {
            let picks = picks(vector.rows(), every);
            views.clear();
            // One that has not made the views of all.
            let fresh = ColumnVector::new(Arc::clone(&block), zone).unwrap();
            fresh.texts(Picks::Rows(&picks), &mut buffers, &mut views);
            assert_eq!(views.len(), picks.len());
            for (pick, view) in picks.iter().zip(&views) {
                let row = from + usize::from(*pick);
                if array.is_valid(row) {
                    assert_eq!(
                        view_bytes(view, &buffers),
                        array.value(row).as_bytes(),
                        "{name:?}, row {row}"
                    );
                }
            }
        }
        if let Some(symbols) = vector.symbols() {
            let values =
                [0, 1, vector.rows() / 2].map(|row| array.value((from + row).min(array.len() - 1)));
            for value in values {
                let cut = (0..=value.len() / 2)
                    .rev()
                    .find(|at| value.is_char_boundary(*at))
                    .unwrap_or(0);
                let longer = format!("{value}a");
                for constant in [value, &value[..cut], &longer, "", "\u{10FFFF}"] {
                    for row in (0..vector.rows()).step_by(5).filter(|row| !is_null(*row)) {
                        let text = array.value(from + row).as_bytes();
                        assert_eq!(
                            symbols.compare(row, constant.as_bytes()),
                            text.cmp(constant.as_bytes())
                        );
                        assert_eq!(
                            symbols.starts_with(row, constant.as_bytes()),
                            text.starts_with(constant.as_bytes())
                        );
                    }
                }
            }
        }
    }
    Tag::from_byte(built.encoding).unwrap()
}

#[test]
fn texts_come_back_in_every_form() {
    each_array(|rows, nulls, shape| {
        let array = texts(shape, rows, nulls);
        for name in [
            EncodingName::Auto,
            EncodingName::Raw,
            EncodingName::Bytedict,
            EncodingName::Lzo,
            EncodingName::Runlength,
            EncodingName::Text255,
            EncodingName::Text32k,
            EncodingName::Zstd,
        ] {
            check_texts(name, &array);
        }
    });
}

#[test]
fn words_of_a_language_become_symbols() {
    let array = texts(0, 20_000, Nulls::Some);
    assert_eq!(check_texts(EncodingName::Text32k, &array), Tag::Fsst);
    assert_eq!(check_texts(EncodingName::Zstd, &array), Tag::FsstZstd);
    assert!(matches!(
        check_texts(EncodingName::Auto, &array),
        Tag::Fsst | Tag::FsstZstd
    ));
    assert_eq!(
        check_texts(EncodingName::Auto, &texts(2, 20_000, Nulls::Some)),
        Tag::Dictionary
    );
}

/// Builds a block of any fixed-width type and checks its bits, whole and by picks. `bits_of` gives a
/// row's value as blocks keep it.
fn check_fixed(
    ty: ColumnType,
    name: EncodingName,
    array: &dyn Array,
    bits_of: &dyn Fn(usize) -> i128,
) -> Tag {
    let built = build(ty, name, array, &mut ColumnSketch::new(ty)).unwrap();
    let block = Arc::new(Block::open(ty, Buffer::from_vec(built.bytes)).unwrap());
    for zone in 0..array.len().div_ceil(ZONE_ROWS) {
        let vector = ColumnVector::new(Arc::clone(&block), zone).unwrap();
        let (few, many) = (picks(vector.rows(), 97), picks(vector.rows(), 2));
        let all: Vec<u16> = (0..vector.rows() as u16).collect();
        for (wanted, rows) in [
            (Picks::All, &all),
            (Picks::Rows(&few), &few),
            (Picks::Rows(&many), &many),
        ] {
            let values = match block.kind {
                Kind::I8 => fixed::<i8>(&vector, wanted),
                Kind::I16 => fixed::<i16>(&vector, wanted),
                Kind::I32 => fixed::<i32>(&vector, wanted),
                Kind::I64 => fixed::<i64>(&vector, wanted),
                _ => {
                    let mut values = vec![];
                    vector.wide(wanted, &mut values);
                    values
                }
            };
            assert_eq!(values.len(), rows.len());
            for (row, value) in rows.iter().zip(values) {
                let at = zone * ZONE_ROWS + usize::from(*row);
                let is_null = vector.is_all_null()
                    || vector
                        .validity()
                        .is_some_and(|bits| !bits.value(usize::from(*row)));
                assert_eq!(is_null, array.is_null(at));
                if !is_null {
                    assert_eq!(
                        value + block.base,
                        bits_of(at),
                        "{name:?} of {ty:?}, row {at} of {}",
                        array.len()
                    );
                }
            }
        }
    }
    Tag::from_byte(built.encoding).unwrap()
}

fn fixed<T: Native>(vector: &ColumnVector, picks: Picks<'_>) -> Vec<i128> {
    let mut values: Vec<T> = vec![];
    vector.fixed(picks, &mut values);
    values
        .into_iter()
        .map(|value| value.widen().into())
        .collect()
}

/// Numbers that suit one form or another: steps, a narrow range with outliers, runs, noise, few.
fn number(shape: usize, row: usize, sequence: &mut Sequence) -> i64 {
    let roll = sequence.next() as i64;
    match shape {
        0 => row as i64 * 37 + roll % 19,
        1 if roll % 50 == 0 => roll,
        1 => roll % 100,
        2 => row as i64 / 90,
        3 => roll,
        _ => roll % 7 * 1_000_003,
    }
}

fn check_numbers(shape: usize, values: &[Option<i64>]) {
    let decimal = |scale: i128| {
        values
            .iter()
            .map(move |value| value.map(|value| i128::from(value) * scale))
    };
    let wide = Decimal128Array::from_iter(decimal(1 << 40))
        .with_precision_and_scale(38, 2)
        .unwrap();
    let narrow = Decimal128Array::from_iter(decimal(1))
        .with_precision_and_scale(19, 2)
        .unwrap();
    let real = |value: i64| match shape {
        // No number, infinities and minus zero, with their bits.
        3 => f64::from_bits(value as u64),
        1 if value % 5 == 0 => [f64::NAN, f64::NEG_INFINITY, -0.0, 1e300][value as usize % 4],
        _ => value as f64 / 100.0,
    };
    let single = |value: i64| match shape {
        3 => f32::from_bits(value as u32),
        _ => real(value % 1_000_000) as f32,
    };
    let each = values.iter();
    let arrays: [(ColumnType, ArrayRef); 9] = [
        (
            ColumnType::Bool,
            Arc::new(BooleanArray::from_iter(
                each.clone().map(|value| value.map(|value| value % 2 != 0)),
            )),
        ),
        (
            ColumnType::Int16,
            Arc::new(Int16Array::from_iter(
                each.clone().map(|value| value.map(|value| value as i16)),
            )),
        ),
        (
            ColumnType::Int32,
            Arc::new(Int32Array::from_iter(
                each.clone().map(|value| value.map(|value| value as i32)),
            )),
        ),
        (
            ColumnType::Int64,
            Arc::new(Int64Array::from_iter(each.clone().copied())),
        ),
        (
            ColumnType::Date,
            Arc::new(Date32Array::from_iter(
                each.clone().map(|value| value.map(|value| value as i32)),
            )),
        ),
        (
            ColumnType::Float32,
            Arc::new(Float32Array::from_iter(
                each.clone().map(|value| value.map(single)),
            )),
        ),
        (
            ColumnType::Float64,
            Arc::new(Float64Array::from_iter(
                each.clone().map(|value| value.map(real)),
            )),
        ),
        (
            ColumnType::Decimal {
                precision: 38,
                scale: 2,
            },
            Arc::new(wide),
        ),
        (
            ColumnType::Decimal {
                precision: 19,
                scale: 2,
            },
            Arc::new(narrow),
        ),
    ];
    for (ty, array) in arrays {
        let bits_of = |row: usize| {
            let value = values[row].unwrap();
            match ty {
                ColumnType::Bool => (value % 2 != 0).into(),
                ColumnType::Int16 => (value as i16).into(),
                ColumnType::Int32 | ColumnType::Date => (value as i32).into(),
                ColumnType::Float32 => (single(value).to_bits() as i32).into(),
                ColumnType::Float64 => (real(value).to_bits() as i64).into(),
                ColumnType::Decimal { precision: 38, .. } => i128::from(value) << 40,
                _ => value.into(),
            }
        };
        for name in NAMES {
            check_fixed(ty, name, array.as_ref(), &bits_of);
        }
    }
}

#[test]
fn numbers_come_back_in_every_form() {
    each_array(|rows, nulls, shape| {
        let mut sequence = Sequence(rows as u64);
        let values: Vec<Option<i64>> = (0..rows)
            .map(|row| (number(shape, row, &mut sequence), nulls.is_null(row)))
            .map(|(value, is_null)| (!is_null).then_some(value))
            .collect();
        check_numbers(shape, &values);
    });
}

#[test]
fn names_choose_their_form() {
    let days = Int64Array::from_iter_values((0..20_000).map(|row| 1_000_000_007 + row * 3));
    let check = |name, array: &dyn Array| {
        build(
            ColumnType::Int64,
            name,
            array,
            &mut ColumnSketch::new(ColumnType::Int64),
        )
        .unwrap()
    };
    let bytes_of = |name, array: &dyn Array| check(name, array).bytes.len() / array.len();
    assert_eq!(bytes_of(EncodingName::Delta, &days), 1);
    assert_eq!(bytes_of(EncodingName::Delta32k, &days), 2);
    let small = Int64Array::from_iter_values((0..20_000).map(|row| {
        if row % 999 == 0 {
            i64::MAX
        } else {
            row % 90 - 40
        }
    }));
    assert_eq!(bytes_of(EncodingName::Mostly8, &small), 1);
    assert_eq!(bytes_of(EncodingName::Mostly16, &small), 2);
    assert_eq!(bytes_of(EncodingName::Mostly32, &small), 4);
    for name in [
        EncodingName::Delta,
        EncodingName::Mostly8,
        EncodingName::Mostly32,
    ] {
        assert_eq!(check(name, &small).encoding, Tag::Packed as u8);
    }
    // Nothing fits eight bits: AUTO's choice instead of a patch for each.
    let wide = Int64Array::from_iter_values((0..20_000).map(|row| (row * 7_919 % 10_007) << 30));
    assert_eq!(
        check(EncodingName::Mostly8, &wide).bytes,
        check(EncodingName::Auto, &wide).bytes
    );
}

#[test]
fn prices_become_integers() {
    let mut sequence = Sequence(1);
    let prices: Vec<f64> = (0..20_000)
        .map(|_| (sequence.next() % 1_000_000) as f64 / 100.0)
        .collect();
    let array = Float64Array::from(prices.clone());
    let bits_of = |row: usize| i128::from(prices[row].to_bits() as i64);
    assert_eq!(
        check_fixed(ColumnType::Float64, EncodingName::Auto, &array, &bits_of),
        Tag::Alp
    );
    let noise: Vec<f64> = (0..20_000)
        .map(|_| f64::from_bits(sequence.next()))
        .collect();
    let array = Float64Array::from(noise.clone());
    let bits_of = |row: usize| i128::from(noise[row].to_bits() as i64);
    assert_eq!(
        check_fixed(ColumnType::Float64, EncodingName::Auto, &array, &bits_of),
        Tag::Raw
    );
}

/// The sections of a block of `values`, without their padding.
fn sections(name: EncodingName, values: &[i64]) -> (Tag, u64, [Vec<u8>; 3]) {
    let array = Int64Array::from(values.to_vec());
    let built = build(
        ColumnType::Int64,
        name,
        &array,
        &mut ColumnSketch::new(ColumnType::Int64),
    )
    .unwrap();
    let parts = crate::layout::block::read(&built.bytes).unwrap();
    let section = |index: usize| {
        let (from, length): (usize, usize) = parts.sections[index];
        built.bytes[from..from + length].to_vec()
    };
    (
        Tag::from_byte(built.encoding).unwrap(),
        parts.header.parameter,
        [0, 1, 2].map(section),
    )
}

fn le(values: &[i64]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

/// A packed vector's entry: reference, first, offset 0, shape.
fn entry(reference: i64, first: i64, shape: u32) -> Vec<u8> {
    [
        le(&[reference, first]),
        vec![0; 4],
        shape.to_le_bytes().to_vec(),
    ]
    .concat()
}

#[test]
fn bytes_of_older_forms_are_fixed() {
    let none = Vec::new();
    let raw = sections(EncodingName::Raw, &[5, -6]);
    assert_eq!(
        raw,
        (Tag::Raw, 0, [le(&[5, -6]), none.clone(), none.clone()])
    );
    let runs = sections(EncodingName::Runlength, &[5, 5, -6]);
    let ends = vec![2, 0, 0, 0, 3, 0, 0, 0];
    assert_eq!(runs, (Tag::Runs, 0, [ends, le(&[5, -6]), none.clone()]));
    // Codes 0, 1, 0 of one bit: of each group of 64 the first is in word 0.
    let (tag, width, [entries, texts, codes]) = sections(EncodingName::Bytedict, &[5, -6, 5]);
    assert_eq!(
        (tag, width, entries, texts),
        (Tag::Dictionary, 1, le(&[5, -6]), none.clone())
    );
    assert_eq!(codes.len(), 128);
    assert_eq!(codes.iter().map(|byte| byte.count_ones()).sum::<u32>(), 1);
    let (tag, _, [directory, chunk, _]) = sections(EncodingName::Lzo, &[5, -6]);
    assert_eq!((tag, directory), (Tag::Lz4, le(&[chunk.len() as i64, 16])));
    let (tag, _, [directory, chunk, _]) = sections(EncodingName::Zstd, &[5, -6]);
    assert_eq!((tag, directory), (Tag::Zstd, le(&[chunk.len() as i64, 16])));
    assert_eq!(chunk[..4], [0x28, 0xB5, 0x2F, 0xFD]);
}

/// The parts of a block of texts: form, base, parameter, sections.
fn text_sections(name: EncodingName, texts: &[&str]) -> (Tag, i128, u64, [Vec<u8>; 3]) {
    let array = StringViewArray::from(texts.to_vec());
    let built = build(
        ColumnType::Text,
        name,
        &array,
        &mut ColumnSketch::new(ColumnType::Text),
    );
    let built = built.unwrap();
    let parts = crate::layout::block::read(&built.bytes).unwrap();
    let section = |index: usize| {
        let (from, length): (usize, usize) = parts.sections[index];
        built.bytes[from..from + length].to_vec()
    };
    (
        Tag::from_byte(built.encoding).unwrap(),
        parts.header.base,
        parts.header.parameter,
        [0, 1, 2].map(section),
    )
}

#[test]
fn bytes_of_texts_are_fixed() {
    let ends =
        |ends: &[u32]| -> Vec<u8> { ends.iter().flat_map(|end| end.to_le_bytes()).collect() };
    let none = Vec::new();
    let (tag, base, _, sections) = text_sections(EncodingName::Auto, &["one", "one"]);
    assert_eq!((tag, base), (Tag::Constant, 0));
    assert_eq!(sections, [b"one".to_vec(), none.clone(), none.clone()]);
    let (tag, _, _, sections) = text_sections(EncodingName::Raw, &["ab", "", "c"]);
    assert_eq!(tag, Tag::Raw);
    assert_eq!(sections, [ends(&[2, 2, 3]), b"abc".to_vec(), none.clone()]);
    let (tag, _, width, [entries, texts, codes]) =
        text_sections(EncodingName::Text255, &["ab", "c", "ab", "c"]);
    assert_eq!((tag, width, codes.len()), (Tag::Dictionary, 1, 128));
    assert_eq!((entries, texts), (ends(&[2, 3]), b"abc".to_vec()));
    let (tag, _, _, sections) = text_sections(EncodingName::Runlength, &["ab", "ab", "c"]);
    assert_eq!(tag, Tag::Runs);
    assert_eq!(sections, [ends(&[2, 3]), ends(&[2, 3]), b"abc".to_vec()]);
    // A chunk: lengths of one byte, the lengths, the texts.
    let open = b"\x01\x02\x00\x01abc";
    let (tag, _, _, [directory, chunk, _]) = text_sections(EncodingName::Lzo, &["ab", "", "c"]);
    assert_eq!((tag, directory), (Tag::Lz4, le(&[chunk.len() as i64, 7])));
    assert_eq!(lz4_flex::block::decompress(&chunk, 7).unwrap(), open);
    let (tag, _, _, [directory, chunk, _]) = text_sections(EncodingName::Zstd, &["ab", "", "c"]);
    assert_eq!((tag, directory), (Tag::Zstd, le(&[chunk.len() as i64, 7])));
    assert_eq!(zstd::bulk::decompress(&chunk, 7).unwrap(), open);
}

#[test]
fn bytes_of_a_constant_are_fixed() {
    let array = Int64Array::from(vec![Some(-7), None, Some(-7)]);
    let built = build(
        ColumnType::Int64,
        EncodingName::Az64,
        &array,
        &mut ColumnSketch::new(ColumnType::Int64),
    );
    let bytes = built.unwrap().bytes;
    let mut golden = b"BSBK\x01\x00\x00\x03\x03\0\0\0\x02\0\0\0".to_vec();
    golden.extend((-7_i128).to_le_bytes());
    golden.resize(64, 0);
    // A bit for each row that has a value.
    golden.push(0b101);
    golden.resize(128, 0);
    assert_eq!(bytes, golden);
}

#[test]
fn bytes_of_packed_vectors_are_fixed() {
    // Eight values 0, 1, ... 7 over and over: three bits above the least.
    let values: Vec<i64> = (0..1_024).map(|row| 100 + row % 8).collect();
    let (tag, _, [directory, data, _]) = sections(EncodingName::Az64, &values);
    assert_eq!(
        (tag, directory, data.len()),
        (Tag::Packed, entry(100, 0, 3), 384)
    );
    // Differences of one byte, biased by 128; the first value is `first` and the first difference.
    let values: Vec<i64> = (0..1_024).map(|row| 7 * row).collect();
    let (tag, _, [directory, data, _]) = sections(EncodingName::Delta, &values);
    assert_eq!((tag, directory), (Tag::Packed, entry(-128, -7, 8 | 1 << 8)));
    assert_eq!(data, vec![128 + 7; 1_024]);
    let (_, _, [directory, data, _]) = sections(EncodingName::Delta32k, &values);
    assert_eq!(directory, entry(-32_768, -7, 16 | 1 << 8));
    assert_eq!(data, [7, 128].repeat(1_024));
    // One value does not fit: its bits are zero, and a patch follows.
    let mut values = vec![1_i64; 1_024];
    (values[0], values[1]) = (1 << 40, 2);
    let (tag, _, [directory, data, _]) = sections(EncodingName::Mostly8, &values);
    assert_eq!((tag, directory), (Tag::Packed, entry(-128, 0, 8 | 1 << 16)));
    assert_eq!(data.len(), 1_024 + 16);
    assert_eq!((data[0], data[8]), (0, 130));
    assert_eq!(data[1_024..], [le(&[1 << 40]), vec![0; 8]].concat());
}

fn check_unpacking<T: Native>(values: &[i64], reference: i64) {
    let mut vector = [T::default(); VECTOR_ROWS];
    for (out, value) in vector.iter_mut().zip(values.iter().cycle()) {
        *out = T::narrow(*value);
    }
    for width in 0..=T::BITS {
        let mut packed = vec![T::default(); packed_words::<T>(width)];
        pack(width, &vector, &mut packed);
        let mut out = [T::default(); VECTOR_ROWS];
        unpack(width, &packed, T::narrow(reference), &mut out);
        let one = |index| T::narrow(reference).add(unpack_one(width, &packed, index));
        assert!(
            (0..VECTOR_ROWS).all(|index| out[index] == one(index)),
            "{width} bits"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn unpacking_agrees_with_its_scalar_twin(values in prop::collection::vec(any::<i64>(), 1..40), reference: i64) {
        check_unpacking::<i8>(&values, reference);
        check_unpacking::<i16>(&values, reference);
        check_unpacking::<i32>(&values, reference);
        check_unpacking::<i64>(&values, reference);
    }

    #[test]
    fn any_numbers_come_back(values in prop::collection::vec(prop::option::weighted(0.9, prop_oneof![any::<i64>(), -200..200_i64]), 1..1_300), shape in 0_usize..4) {
        check_numbers(shape, &values);
    }

    #[test]
    fn any_texts_come_back(texts in prop::collection::vec(prop::option::weighted(0.9, ".{0,40}|[ab]{0,3}"), 1..1_300)) {
        let array = StringViewArray::from_iter(texts);
        for name in NAMES {
            check_texts(name, &array);
        }
    }
}
