//! JSONPaths files: one path a column, from the root of a document to one part of it.

use serde_json::Value;

/// Steps of a path at most.
const STEPS_MAX: usize = 100;

/// Steps from the root; none is the root itself.
pub type Path = Vec<Step>;

/// A step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The value under a key of an object.
    Member(String),
    /// An element of an array, from 0.
    Element(usize),
}

/// How members are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Notation {
    Dots,
    Brackets,
}

/// Reads a JSONPaths file. `None` if its object has another key: then columns are found by their names. `Err` says what
/// is wrong.
pub fn parse_file(bytes: &[u8]) -> Result<Option<Vec<Path>>, String> {
    let file: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let Value::Object(file) = file else {
        return Err("it must hold one JSON object".to_owned());
    };
    let Some(paths) = file.get("jsonpaths") else {
        return Ok(None);
    };
    let Value::Array(paths) = paths else {
        return Err("\"jsonpaths\" must be an array of paths".to_owned());
    };
    let mut notation = None;
    paths
        .iter()
        .map(|path| match path {
            Value::String(text) if !text.is_empty() => {
                parse(text, &mut notation).ok_or_else(|| {
                    format!(
                        "Invalid JSONPath format. Supported notations are 'dot-notation' and 'bracket-notation': {text}"
                    )
                })
            }
            other => Err(format!("a path must be a string that is not empty, not {other}")),
        })
        .collect::<Result<_, _>>()
        .map(Some)
}

/// Reads one path. All paths of a file write members in the same way.
fn parse(text: &str, notation: &mut Option<Notation>) -> Option<Path> {
    let mut rest = text.strip_prefix('$')?;
    let mut path = Vec::new();
    let mut is_written = |way: Notation| *notation.get_or_insert(way) == way;
    while !rest.is_empty() {
        (path.len() < STEPS_MAX).then_some(())?;
        if let Some(behind) = rest.strip_prefix('.') {
            let end = behind.find(['.', '[']).unwrap_or(behind.len());
            let (name, after) = behind.split_at(end);
            let is_name = !name.is_empty() && !name.contains(['\'', ']', '*']);
            (is_name && is_written(Notation::Dots)).then_some(())?;
            path.push(Step::Member(name.to_owned()));
            rest = after;
        } else {
            let inside = rest.strip_prefix('[')?;
            let quote = inside
                .chars()
                .next()
                .filter(|first| matches!(first, '\'' | '"'));
            if let Some(quote) = quote {
                let (name, after) = inside.get(1..)?.split_once(quote)?;
                (!name.is_empty() && is_written(Notation::Brackets)).then_some(())?;
                path.push(Step::Member(name.to_owned()));
                rest = after.strip_prefix(']')?;
            } else {
                let (place, after) = inside.split_once(']')?;
                path.push(Step::Element(place.parse().ok()?));
                rest = after;
            }
        }
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str) -> Step {
        Step::Member(name.to_owned())
    }

    #[test]
    fn documented_paths() {
        let file = br#"{"jsonpaths": ["$['id']", "$['store']['book']['title']", "$['location'][0]", "$"]}"#;
        let expected = vec![
            vec![member("id")],
            vec![member("store"), member("book"), member("title")],
            vec![member("location"), Step::Element(0)],
            vec![],
        ];
        assert_eq!(parse_file(file), Ok(Some(expected)));
        let file = br#"{"jsonpaths": ["$.id", "$.friends[0].id", "$[12]"]}"#;
        let expected = vec![
            vec![member("id")],
            vec![member("friends"), Step::Element(0), member("id")],
            vec![Step::Element(12)],
        ];
        assert_eq!(parse_file(file), Ok(Some(expected)));
        assert_eq!(parse_file(br#"{"paths": ["$.id"]}"#), Ok(None));
    }

    #[test]
    fn wrong_files_are_refused() {
        for wrong in [
            "",
            "[]",
            "{\"jsonpaths\":\"$.a\"}",
            "{\"jsonpaths\":[\"\"]}",
            "{\"jsonpaths\":[1]}",
            "{\"jsonpaths\":[\"$.a\"]} x",
            "{\"jsonpaths\":[\"$.a\"]}{}",
            "{\"jsonpaths\":[\"a\"]}",
            "{\"jsonpaths\":[\"$..a\"]}",
            "{\"jsonpaths\":[\"$.a*\"]}",
            "{\"jsonpaths\":[\"$.a[-1]\"]}",
            "{\"jsonpaths\":[\"$.a[*]\"]}",
            "{\"jsonpaths\":[\"$['a'\"]}",
            "{\"jsonpaths\":[\"$['a'].b\"]}",
            "{\"jsonpaths\":[\"$['a']\", \"$.b\"]}",
        ] {
            assert!(parse_file(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
