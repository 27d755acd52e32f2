use super::blocks::BlockCutter;
use super::*;
use crate::format::json::path::Step;
use crate::format::layout::{Found, Layout};
use std::io::Write;

/// Writes values as Avro does.
#[derive(Default)]
struct Bytes(Vec<u8>);

impl Bytes {
    fn long(mut self, value: i64) -> Self {
        let mut rest = ((value << 1) ^ (value >> 63)) as u64;
        while rest > 0x7f {
            self.0.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        self.0.push(rest as u8);
        self
    }

    fn bytes(mut self, bytes: &[u8]) -> Self {
        self = self.long(bytes.len() as i64);
        self.raw(bytes)
    }

    fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }
}

fn header(schema: &str, codec: &str) -> Bytes {
    Bytes::default()
        .raw(b"Obj\x01")
        .long(2)
        .bytes(b"avro.schema")
        .bytes(schema.as_bytes())
        .bytes(b"avro.codec")
        .bytes(codec.as_bytes())
        .long(0)
        .raw(&[7; 16])
}

fn packed(codec: &str, block: &[u8]) -> Vec<u8> {
    match codec {
        "deflate" => {
            let mut encoder =
                flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(block).expect("write");
            encoder.finish().expect("finish")
        }
        "snappy" => {
            let mut out = snap::raw::Encoder::new().compress_vec(block).expect("snap");
            let mut crc = flate2::Crc::new();
            crc.update(block);
            out.extend(crc.sum().to_be_bytes());
            out
        }
        "zstandard" => zstd::encode_all(block, 1).expect("encode"),
        "bzip2" => {
            let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
            encoder.write_all(block).expect("write");
            encoder.finish().expect("finish")
        }
        _ => block.to_vec(),
    }
}

fn file(schema: &str, codec: &str, blocks: &[(i64, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = header(schema, codec);
    for (rows, block) in blocks {
        bytes = bytes.long(*rows).bytes(&packed(codec, block)).raw(&[7; 16]);
    }
    bytes.0
}

/// Reads a file that comes in pieces of `step` bytes: each row's fields divided by `|`, or its problem.
fn rows(bytes: &[u8], rules: &Avro, step: usize) -> Result<Vec<String>, String> {
    let mut cutter = BlockCutter::default();
    let mut chunks = Vec::new();
    for piece in bytes.chunks(step) {
        chunks.extend(cutter.push(piece)?);
    }
    cutter.finish()?;
    let layout = Layout::Avro(rules.clone());
    let mut found = Found::default();
    let mut all = Vec::new();
    for chunk in chunks {
        assert_eq!(chunk.lines_before, all.len() as u64);
        found.avro.begin(cutter.file().expect("a header"));
        let mut at = 0;
        while at < chunk.bytes.len() {
            at += layout.find(&chunk.bytes[at..], 2, &mut found);
            if let Some(damage) = found.avro.damage() {
                return Err(damage.to_owned());
            }
            let fields = &found.fields;
            let mut some: Vec<(u32, String)> = (0..fields.rows)
                .map(|row| {
                    let texts = (0..rules.field_count()).map(|field| {
                        let (start, end) = fields.place(row, field).expect("a field");
                        let text = String::from_utf8_lossy(&found.rewritten[start..end]);
                        match fields.quoted[row * rules.field_count() + field] {
                            true => text.into_owned(),
                            false => "-".to_owned(),
                        }
                    });
                    (fields.lines[row].start, texts.collect::<Vec<_>>().join("|"))
                })
                .collect();
            let bad = fields.bad.iter();
            some.extend(bad.map(|(line, problem)| (line.start, format!("{problem:?}"))));
            some.sort();
            all.extend(some.into_iter().map(|(_, row)| row));
        }
    }
    Ok(all)
}

fn by_names(names: &[&str], styles: &[Style]) -> Avro {
    let is_raw = vec![false; names.len()];
    Avro::new(
        Json::by_names(names.iter().copied(), is_raw, false),
        styles.to_vec(),
    )
}

fn one(ty: &str, style: Style, value: Bytes) -> Result<String, String> {
    let schema = format!(r#"{{"type":"record","name":"r","fields":[{{"name":"a","type":{ty}}}]}}"#);
    let bytes = file(&schema, "null", &[(1, value.0)]);
    rows(&bytes, &by_names(&["a"], &[style]), 1 << 20).map(|mut rows| rows.remove(0))
}

#[test]
fn values_are_written() {
    let check = |ty: &str, style, value: Bytes, expected: &str| {
        assert_eq!(one(ty, style, value).as_deref(), Ok(expected), "{ty}");
    };
    let new = Bytes::default;
    check("\"null\"", Style::Text, new(), "-");
    check("\"boolean\"", Style::Text, new().raw(&[1]), "true");
    check("\"int\"", Style::Text, new().long(-7), "-7");
    check(
        "\"long\"",
        Style::Text,
        new().long(i64::MIN),
        "-9223372036854775808",
    );
    check(
        "\"float\"",
        Style::Text,
        new().raw(&0.1_f32.to_le_bytes()),
        "0.1",
    );
    check(
        "\"double\"",
        Style::Text,
        new().raw(&1e300_f64.to_le_bytes()),
        "1e300",
    );
    check(
        "\"double\"",
        Style::Text,
        new().raw(&f64::NAN.to_le_bytes()),
        "NaN",
    );
    check(
        "\"double\"",
        Style::Json,
        new().raw(&f64::NAN.to_le_bytes()),
        "null",
    );
    check("\"string\"", Style::Text, new().bytes(b"a\"|\n"), "a\"|\n");
    check(
        "\"string\"",
        Style::Json,
        new().bytes(b"a\"|\n\x01"),
        "\"a\\\"|\\n\\u0001\"",
    );
    check("\"bytes\"", Style::Text, new().bytes(b"ab"), "ab");
    check("\"bytes\"", Style::Hex, new().bytes(&[0, 255]), "00ff");
    check("\"bytes\"", Style::Json, new().bytes(&[0xff]), "\"ff\"");
    let union = r#"["null","int","string"]"#;
    check(union, Style::Text, new().long(0), "-");
    check(union, Style::Text, new().long(2).bytes(b"x"), "x");
    let symbols = r#"{"type":"enum","name":"e","symbols":["A","B"]}"#;
    check(symbols, Style::Text, new().long(1), "B");
    let list = r#"{"type":"array","items":["null","int"]}"#;
    let blocks = new()
        .long(1)
        .long(1)
        .long(5)
        .long(-1)
        .long(1)
        .long(0)
        .long(0);
    check(list, Style::Text, blocks, "[5,null]");
    let map = r#"{"type":"map","values":"string"}"#;
    check(
        map,
        Style::Json,
        new().long(1).bytes(b"k").bytes(b"v").long(0),
        "{\"k\":\"v\"}",
    );
}

#[test]
fn logical_values_are_written() {
    let check = |ty: &str, style, value: Bytes, expected: &str| {
        assert_eq!(one(ty, style, value).as_deref(), Ok(expected), "{ty}");
    };
    let logical = |of: &str, name: &str| format!(r#"{{"type":"{of}","logicalType":"{name}"}}"#);
    let new = Bytes::default;
    check(
        &logical("int", "date"),
        Style::Text,
        new().long(-1),
        "1969-12-31",
    );
    check(&logical("int", "date"), Style::Number, new().long(-1), "-1");
    check(
        &logical("int", "time-millis"),
        Style::Text,
        new().long(3_661_001),
        "01:01:01.001000",
    );
    check(
        &logical("long", "time-micros"),
        Style::Json,
        new().long(1_000_000),
        "\"00:00:01\"",
    );
    let ms = logical("long", "timestamp-millis");
    check(
        &ms,
        Style::Text,
        new().long(-1),
        "1969-12-31 23:59:59.999000",
    );
    check(&ms, Style::Epoch(1_000), new().long(-1), "-1");
    check(&ms, Style::Epoch(1_000_000), new().long(1_500), "1.500000");
    check(&ms, Style::Number, new().long(1_500), "1500");
    let ns = logical("long", "local-timestamp-nanos");
    check(
        &ns,
        Style::Text,
        new().long(1_000_001_999),
        "1970-01-01 00:00:01.000001",
    );
    let decimal = r#"{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}"#;
    check(decimal, Style::Text, new().bytes(&[0xff, 0xfb]), "-0.05");
    check(
        decimal,
        Style::Number,
        new().bytes(&[0, 0, 0x30, 0x39]),
        "123.45",
    );
    check(decimal, Style::Text, new().bytes(&[]), "0.00");
    let uuid = r#"{"type":"fixed","name":"u","size":16,"logicalType":"uuid"}"#;
    check(
        uuid,
        Style::Text,
        new().raw(&[0xab; 16]),
        "abababab-abab-abab-abab-abababababab",
    );
    let interval = r#"{"type":"fixed","name":"d","size":12,"logicalType":"duration"}"#;
    let value = [1, 0, 0, 0, 2, 0, 0, 0, 0xe8, 3, 0, 0];
    check(
        interval,
        Style::Text,
        new().raw(&value),
        "1 mons 2 days 00:00:01.000",
    );
}

const NESTED: &str = r#"{"type":"record","name":"r","fields":[
    {"name":"Id","type":"long"},
    {"name":"friends","type":["null",{"type":"array","items":{"type":"record","name":"f","fields":[
        {"name":"id","type":"int"},{"name":"m","type":{"type":"map","values":"int"}}]}}]},
    {"name":"end","type":"string"}]}"#;

fn nested_rows() -> Vec<(i64, Vec<u8>)> {
    let new = Bytes::default;
    let friend = |bytes: Bytes, id: i64| bytes.long(id).long(1).bytes(b"k").long(id * 10).long(0);
    let first = new().long(1).long(1).long(2);
    let first = friend(friend(first, 3), 4).long(0).bytes(b"one");
    let second = new().long(2).long(0).bytes(b"two");
    let third = new().long(3).long(1).long(0).bytes(b"three");
    let both = [first.0, second.0].concat();
    vec![(2, both), (0, Vec::new()), (1, third.0)]
}

#[test]
fn paths_lead_into_values_and_all_codecs_are_read() {
    let member = |name: &str| Step::Member(name.to_owned());
    let paths = [
        vec![
            member("friends"),
            Step::Element(1),
            member("m"),
            member("k"),
        ],
        vec![member("end")],
        vec![member("friends")],
        vec![member("none")],
    ];
    let rules = Avro::new(Json::by_paths(paths, vec![false; 4]), vec![Style::Text; 4]);
    for codec in ["null", "deflate", "snappy", "zstandard", "bzip2"] {
        let bytes = file(NESTED, codec, &nested_rows());
        for step in [1, 7, 1 << 20] {
            let found = rows(&bytes, &rules, step).expect("rows");
            let friends = r#"[{"id":3,"m":{"k":30}},{"id":4,"m":{"k":40}}]"#;
            let expected = [
                format!("40|one|{friends}|-"),
                "NoJsonElement".to_owned(),
                "NoJsonElement".to_owned(),
            ];
            assert_eq!(found, expected, "{codec} {step}");
        }
    }
    let names = Json::by_names(["id", "END"], vec![false; 2], true);
    let rules = Avro::new(names, vec![Style::Text; 2]);
    let found = rows(&file(NESTED, "null", &nested_rows()), &rules, 9).expect("rows");
    assert_eq!(found, ["1|one", "2|two", "3|three"]);
    // No column: the rows are counted.
    let rules = Avro::new(Json::by_names([], Vec::new(), false), Vec::new());
    let found = rows(&file(NESTED, "null", &nested_rows()), &rules, 9).expect("rows");
    assert_eq!(found.len(), 3);
}

#[test]
fn damage_is_told_and_never_more() {
    let rules = by_names(&["Id", "friends", "end"], &[Style::Text; 3]);
    for codec in ["null", "deflate", "snappy", "zstandard", "bzip2"] {
        let bytes = file(NESTED, codec, &nested_rows());
        let whole = rows(&bytes, &rules, 1 << 20).expect("rows");
        for place in 0..bytes.len() {
            let cut = rows(&bytes[..place], &rules, 1 << 20);
            assert!(cut.is_err() || cut.is_ok_and(|cut| whole.starts_with(&cut)));
            for bit in [1, 0x80] {
                let mut wrong = bytes.clone();
                wrong[place] ^= bit;
                // Whatever is read, reading ends.
                let _ = rows(&wrong, &rules, 1 << 20);
            }
        }
    }
    let many = file(NESTED, "null", &[(5_000_000, Vec::new())]);
    assert!(rows(&many, &rules, 1 << 20).is_err());
    let large = header(NESTED, "null").long(1).long((4 << 20) + 1).0;
    let error = rows(&large, &rules, 1 << 20).err().unwrap_or_default();
    assert!(error.contains("4 MB"), "{error}");
}

mod twin {
    //! The reader of arrow gives the same values.

    use super::*;
    use arrow::array::{
        ArrayRef, BinaryArray, BooleanArray, Date32Array, Float64Array, Int32Array, Int64Array,
        RecordBatch, StringArray, TimestampMicrosecondArray,
    };
    use arrow::util::display::{ArrayFormatter, FormatOptions};
    use arrow_avro::compression::CompressionCodec;
    use arrow_avro::reader::ReaderBuilder;
    use arrow_avro::writer::WriterBuilder;
    use arrow_avro::writer::format::AvroOcfFormat;
    use proptest::prelude::*;

    fn batch(values: &[(Option<i64>, Option<String>, Option<bool>)]) -> RecordBatch {
        let longs = values.iter().map(|value| value.0);
        let small = values.iter().map(|value| value.0.map(|long| long as i32));
        let day = values
            .iter()
            .map(|value| value.0.map(|long| (long % 100_000) as i32));
        let time = values
            .iter()
            .map(|value| value.0.map(|long| long % 1_000_000_000_000_000));
        let double = values
            .iter()
            .map(|value| value.0.map(|long| (long % 1_000_000_007) as f64 / 7.0));
        let texts = values.iter().map(|value| value.1.as_deref());
        let bytes = values
            .iter()
            .map(|value| value.1.as_deref().map(str::as_bytes));
        let truths = values.iter().map(|value| value.2);
        RecordBatch::try_from_iter_with_nullable([
            (
                "l",
                Arc::new(longs.collect::<Int64Array>()) as ArrayRef,
                true,
            ),
            ("i", Arc::new(small.collect::<Int32Array>()), true),
            ("d", Arc::new(day.collect::<Date32Array>()), true),
            (
                "t",
                Arc::new(time.collect::<TimestampMicrosecondArray>()),
                true,
            ),
            ("f", Arc::new(double.collect::<Float64Array>()), true),
            ("s", Arc::new(texts.collect::<StringArray>()), true),
            ("b", Arc::new(bytes.collect::<BinaryArray>()), true),
            ("o", Arc::new(truths.collect::<BooleanArray>()), true),
        ])
        .expect("a batch")
    }

    fn by_arrow(bytes: &[u8]) -> Vec<String> {
        let reader = ReaderBuilder::new().build(bytes).expect("a reader");
        let formats = FormatOptions::new()
            .with_null("-")
            .with_timestamp_format(Some("%Y-%m-%d %H:%M:%S%.6f"));
        let mut all = Vec::new();
        for batch in reader {
            let batch = batch.expect("a batch");
            for row in 0..batch.num_rows() {
                let texts = batch.columns().iter().map(|column| {
                    let formatter = ArrayFormatter::try_new(column.as_ref(), &formats);
                    formatter.expect("a formatter").value(row).to_string()
                });
                all.push(texts.collect::<Vec<_>>().join("|"));
            }
        }
        all
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn values_are_alike(
            values in proptest::collection::vec(
                (proptest::option::of(any::<i64>()), proptest::option::of("[ -{}~\u{e4}\u{1f600}]{0,9}"), any::<Option<bool>>()),
                1..40,
            ),
            codec in 0_usize..5,
        ) {
            let batch = batch(&values);
            let codec = [
                None,
                Some(CompressionCodec::Deflate),
                Some(CompressionCodec::Snappy),
                Some(CompressionCodec::ZStandard),
                Some(CompressionCodec::Bzip2),
            ][codec];
            let builder = WriterBuilder::new(batch.schema().as_ref().clone());
            let mut writer = builder
                .with_compression(codec)
                .build::<_, AvroOcfFormat>(Vec::new())
                .expect("a writer");
            writer.write(&batch).expect("write");
            writer.finish().expect("finish");
            let bytes = writer.into_inner();
            let names = ["l", "i", "d", "t", "f", "s", "b", "o"];
            let mut styles = [Style::Text; 8];
            styles[6] = Style::Hex;
            let mut mine = rows(&bytes, &by_names(&names, &styles), 100).expect("rows");
            for row in &mut mine {
                // Only parts of a second that are none are left out.
                let mut fields: Vec<String> = row.split('|').map(str::to_owned).collect();
                if let Some(time) = fields.get_mut(3)
                    && time.len() == 19
                {
                    time.push_str(".000000");
                }
                *row = fields.join("|");
            }
            let has_bar = |value: &(Option<i64>, Option<String>, Option<bool>)| {
                value.1.as_ref().is_some_and(|text| text.contains('|') || text == "-")
            };
            prop_assume!(!values.iter().any(has_bar));
            prop_assert_eq!(mine, by_arrow(&bytes));
        }
    }
}
