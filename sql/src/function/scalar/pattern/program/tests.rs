use super::Program;
use proptest::prelude::*;

fn found(pattern: &str, text: &str) -> Option<String> {
    let program = Program::new(pattern, false).expect(pattern);
    let slots = program.find(text, 0).expect(pattern)?;
    let (from, to) = (slots.first().copied()??, slots.get(1).copied()??);
    text.get(from..to).map(str::to_owned)
}

#[test]
fn what_automata_cannot_do_is_done() {
    for (pattern, text, expected) in [
        (
            "(?=[^ ]*[a-z])(?=[^ ]*[0-9])[^ ]+",
            "plain passwd7 A1",
            Some("passwd7"),
        ),
        ("a(?!b).", "abac", Some("ac")),
        ("(?<=\\$)\\d+", "cost $42", Some("42")),
        ("(?<!\\$)\\b\\d+", "$42 17", Some("17")),
        ("(\\w)\\1", "hello", Some("ll")),
        ("a++b", "aaab", Some("aaab")),
        ("a++ab", "aaab", None),
        ("(?>a|ab)c", "abc", None),
        ("(a*)*b", "aaab", Some("aaab")),
        ("x{2,3}?", "xxxx", Some("xx")),
        ("[[:alpha:]]+$", "12 Strasse", Some("Strasse")),
        ("a|", "b", Some("")),
    ] {
        assert_eq!(
            found(pattern, text).as_deref(),
            expected,
            "{pattern} {text}"
        );
    }
    for pattern in ["(", ")", "[a", "*a", "a{3,2}", "(?<=a+)b", "\\", "(?<n"] {
        assert!(Program::new(pattern, false).is_err(), "{pattern}");
    }
}

#[test]
fn a_search_ends() {
    let program = Program::new("(a+)+\\1c", false).expect("pattern");
    assert!(program.find(&"a".repeat(40), 0).is_err());
}

proptest! {
    #[test]
    fn agrees_with_an_automaton(
        pattern in "(\\(?[ab.](\\*|\\+|\\?|\\{1,2\\})?[abc]?(\\|[ab]+)?\\)?){1,3}",
        text in "[abc]{0,8}",
    ) {
        if let (Ok(other), Ok(ours)) = (regex::Regex::new(&pattern), Program::new(&pattern, false)) {
            let expected = other.find(&text).map(|found| (found.start(), found.end()));
            let slots = ours.find(&text, 0).expect("steps");
            let ours = slots.and_then(|slots| Some((slots.first().copied()??, slots.get(1).copied()??)));
            prop_assert_eq!(ours, expected, "{} {}", pattern, text);
        }
    }
}
