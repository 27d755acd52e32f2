//! The reader against another parser and a splitter that looks at one character at a time.

use super::path::{Path, Step, parse_file};
use super::*;
use crate::format::cut::{Cutter, RowEnd};
use bytes::Bytes;
use proptest::prelude::*;
use serde_json::Value;

/// Fields of good rows, and the text of each bad one.
type Rows = (Vec<Vec<Option<String>>>, Vec<String>);

fn read(text: &[u8], json: &Json, rows_max: usize) -> Rows {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    let mut reader = Reader::default();
    let mut at = 0;
    while at < text.len() {
        let (mut fields, mut rewritten) = (Fields::default(), Vec::new());
        let rest = &text[at..];
        at += reader.read(rest, json, rows_max, &mut rewritten, &mut fields);
        for row in 0..fields.rows {
            let field = |field| {
                let (start, end) = fields.place(row, field).expect("a field");
                let is_null = !fields.quoted[row * json.field_count() + field];
                let text = String::from_utf8_lossy(&rewritten[start..end]).into_owned();
                assert!(!is_null || text.as_bytes() == NULL_MARK);
                (!is_null).then_some(text)
            };
            good.push((0..json.field_count()).map(field).collect());
        }
        let line = |line: &Line| &rest[line.start as usize..line.end as usize];
        let lines = fields.bad.iter().map(|(place, _)| line(place));
        bad.extend(lines.map(|line| String::from_utf8_lossy(line).into_owned()));
    }
    (good, bad)
}

/// Writes an object or an array in one way: by itself it keeps its blanks and escapes.
fn normal(text: &str) -> String {
    match serde_json::from_str(text) {
        Ok(value @ (Value::Object(_) | Value::Array(_))) => value.to_string(),
        _ => text.to_owned(),
    }
}

fn all_normal((good, bad): Rows) -> Rows {
    let field = |field: Option<String>| field.map(|text| normal(&text));
    let row = |row: Vec<Option<String>>| row.into_iter().map(field).collect();
    (good.into_iter().map(row).collect(), bad)
}

/// Cuts a text into what should be documents.
fn documents(text: &str) -> Vec<&str> {
    let bytes = text.as_bytes();
    let (mut found, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        if bytes[at].is_ascii_whitespace() {
            at += 1;
            continue;
        }
        let start = at;
        let is_bracket = |byte: u8| byte == b'{' || byte == b'[';
        if is_bracket(bytes[at]) {
            let (mut depth, mut quoted, mut escaped) = (0, false, false);
            while at < bytes.len() {
                let byte = bytes[at];
                at += 1;
                if quoted && byte == b'\n' {
                    break;
                } else if escaped {
                    escaped = false;
                } else if quoted {
                    escaped = byte == b'\\';
                    quoted = byte != b'"';
                } else if byte == b'"' {
                    quoted = true;
                } else if is_bracket(byte) {
                    depth += 1;
                } else if byte == b'}' || byte == b']' {
                    depth -= 1;
                    if depth == 0 {
                        break;
                    }
                }
            }
        } else {
            while at < bytes.len() && !is_bracket(bytes[at]) && bytes[at] != b'\n' {
                at += 1;
            }
        }
        found.push(text[start..at].trim_end());
    }
    found
}

/// Follows a path; `Err` if it leads into what it cannot.
fn follow<'a>(document: &'a Value, path: &Path) -> Result<Option<&'a Value>, ()> {
    let mut at = document;
    for step in path {
        at = match (step, at) {
            (Step::Member(name), Value::Object(members)) => match members.get(name) {
                Some(value) => value,
                None => return Ok(None),
            },
            (Step::Member(_), Value::Null) => return Ok(None),
            (Step::Element(place), Value::Array(elements)) => elements.get(*place).ok_or(())?,
            _ => return Err(()),
        };
    }
    Ok(Some(at))
}

fn slow(text: &str, paths: &[Path]) -> Rows {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for document in documents(text) {
        let shown = |value: &Value| match value {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        };
        let value: Option<Value> = serde_json::from_str(document).ok();
        let value = value.filter(|value| value.is_object() || value.is_array());
        let row: Option<Vec<_>> = value.and_then(|value| {
            let fields = paths.iter().map(|path| follow(&value, path).ok());
            let fields = fields.map(|found| Some(found?.and_then(shown)));
            fields.collect()
        });
        match row {
            Some(row) => good.push(row),
            None => bad.push(document.to_owned()),
        }
    }
    (good, bad)
}

fn value() -> impl Strategy<Value = String> {
    let text = "[ab\u{e4}\u{1d11e}\"\\\\\n\t{}\\[\\],: ]{0,8}";
    prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("\"\"".to_owned()),
        Just("\"\\u00e4\\ud834\\udd1e\\/\"".to_owned()),
        any::<i32>().prop_map(|number| number.to_string()),
        text.prop_map(|text| serde_json::to_string(&text).expect("JSON")),
        Just("[1,2,[3]]".to_owned()),
        Just("[]".to_owned()),
        Just("{}".to_owned()),
        Just("{\"c\":5}".to_owned()),
        Just("{\"c\":[6,7]}".to_owned()),
    ]
}

fn document() -> impl Strategy<Value = String> {
    let keys = prop::sample::subsequence(vec!["a", "b", "c", "B", "\\u0061\\u0061", "x y"], 0..5);
    let values = prop::collection::vec(value(), 5);
    let blank = prop::sample::select(vec!["", " ", "\n", "\r\n\t"]);
    (keys.prop_shuffle(), values, blank).prop_map(|(keys, values, blank)| {
        let members = keys.iter().zip(&values);
        let members =
            members.map(|(key, value)| format!("{blank}\"{key}\"{blank}:{blank}{value}{blank}"));
        format!("{{{}}}", members.collect::<Vec<_>>().join(","))
    })
}

fn file() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        6 => document(),
        2 => prop::sample::select(vec!["\n", " ", "\r\n"]).prop_map(str::to_owned),
        1 => value().prop_map(|value| format!("[{value},{value}]")),
        1 => prop::sample::select(vec![
            ",", "x", "\"", "}", "{\"a\":", "{\"a\":tru}", "{\"a\":\"b\n", "{\"a\":1,}", "[1 2]", "{a:1}", "null",
            "{\"a\":\"\\", "{\"a\":01}", "\\",
        ]).prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn names(names: &[&str]) -> Vec<Path> {
    let path = |name: &&str| vec![Step::Member((*name).to_owned())];
    names.iter().map(path).collect()
}

proptest! {
    #[test]
    fn names_are_found_as_another_parser_finds_them(text in file(), rows_max in 1_usize..5) {
        let wanted = ["b", "a", "aa", "nothing"];
        let json = Json::by_names(wanted, vec![false; 4], false);
        let found = all_normal(read(text.as_bytes(), &json, rows_max));
        prop_assert_eq!(found, all_normal(slow(&text, &names(&wanted))));
    }

    #[test]
    fn paths_are_followed_as_another_parser_follows_them(text in file()) {
        let file = br#"{"jsonpaths": ["$.a[1]", "$.b", "$.b.c", "$.a", "$.c"]}"#;
        let paths = parse_file(file).expect("paths").expect("paths");
        for paths in [&paths[1..], &paths[..1], &paths[3..]] {
            let json = Json::by_paths(paths.to_vec(), vec![false; paths.len()]);
            let found = all_normal(read(text.as_bytes(), &json, 9));
            prop_assert_eq!(found, all_normal(slow(&text, paths)));
        }
    }

    #[test]
    fn a_split_file_reads_as_the_whole(text in file(), step in 1_usize..30) {
        let json = Json::by_names(["a", "b"], vec![false; 2], false);
        let mut cutter = Cutter::new(RowEnd::Json {
            header_lines: 0,
            strips_array: false,
        });
        let pieces = text.as_bytes().chunks(step);
        let mut chunks: Vec<_> = pieces
            .flat_map(|bytes| cutter.push(Bytes::copy_from_slice(bytes)))
            .flatten()
            .collect();
        chunks.extend(cutter.finish());
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        for chunk in chunks {
            let (rows, wrong) = read(&chunk.bytes, &json, 3);
            good.extend(rows);
            bad.extend(wrong);
        }
        prop_assert_eq!((good, bad), read(text.as_bytes(), &json, 9));
    }
}

#[test]
fn any_case_matches_if_asked() {
    let json = Json::by_names(["catid", "name"], vec![false; 2], true);
    let (rows, bad) = read(b"{\"CatID\":1,\"NAME\":\"x\"}{\"name\":\"y\"}", &json, 9);
    let field = |text: &str| Some(text.to_owned());
    assert_eq!(rows, [vec![field("1"), field("x")], vec![None, field("y")]]);
    assert!(bad.is_empty());
}

#[test]
fn a_super_has_its_value_as_it_is() {
    let json = Json::by_paths([Vec::new()], vec![true]);
    let (rows, _) = read(b"{\"a\": \"\\n\"}\n[1,\n 2]", &json, 9);
    let field = |text: &str| vec![Some(text.to_owned())];
    assert_eq!(rows, [field("{\"a\": \"\\n\"}"), field("[1,\n 2]")]);
    let json = Json::by_names(["a"], vec![true], false);
    let (rows, _) = read(b"{\"a\":\"\\u0041\"}", &json, 9);
    assert_eq!(rows, [field("\"\\u0041\"")]);
}

#[test]
fn a_document_over_the_size_is_told_apart() {
    let json = Json::by_names(["a"], vec![false], false);
    let text = |bytes: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(bytes - 8));
    let problem = |bytes: usize| {
        let (mut fields, mut rewritten) = (Fields::default(), Vec::new());
        let text = text(bytes);
        Reader::default().read(text.as_bytes(), &json, 1, &mut rewritten, &mut fields);
        fields.bad.first().map(|(_, problem)| *problem)
    };
    assert_eq!(problem(DOCUMENT_BYTES_MAX), None);
    assert_eq!(problem(DOCUMENT_BYTES_MAX + 1), Some(Problem::TooLargeJson));
}

#[test]
fn problems_are_told_apart() {
    let file = br#"{"jsonpaths": ["$.a.b", "$.c[0]"]}"#;
    let paths = parse_file(file).expect("paths").expect("paths");
    let json = Json::by_paths(paths, vec![false; 2]);
    let check = |text: &str, expected: &[Problem]| {
        let (mut fields, mut rewritten) = (Fields::default(), Vec::new());
        Reader::default().read(text.as_bytes(), &json, 9, &mut rewritten, &mut fields);
        let problems: Vec<_> = fields.bad.iter().map(|(_, problem)| *problem).collect();
        assert_eq!(problems, expected, "{text}");
    };
    check("{} {\"a\":null} {\"a\":{\"b\":1},\"c\":[1]}", &[]);
    check(
        "{\"a\":1} [] x {",
        &[
            Problem::NoJsonObject,
            Problem::NoJsonObject,
            Problem::NotJson,
            Problem::NotJson,
        ],
    );
    check(
        "{\"c\":1} {\"c\":[]} {\"c\":null}",
        &[Problem::NoJsonElement; 3],
    );
}
