//! Quoted names in lower case, as they are read while `enable_case_sensitive_identifier` is off.
//!
//! It is done on the text, before anything parses it: so what is kept of a text, as that of a view, means the same
//! whatever the setting says when it is read again. Only ASCII letters change, so no position moves. Names of users
//! keep their case.

use std::borrow::Cow;

/// Turns the quoted names of a text to lower case.
pub fn fold_quoted_names(text: &str) -> Cow<'_, str> {
    if !text.contains('"') {
        return Cow::Borrowed(text);
    }
    let mut folded = text.as_bytes().to_vec();
    let mut scan = Scan {
        bytes: text.as_bytes(),
        at: 0,
        before: Vec::new(),
    };
    while let Some((start, end)) = scan.next_name() {
        let is_user = scan.is_user();
        if let Some(name) = folded.get_mut(start..end)
            && !is_user
        {
            name.make_ascii_lowercase();
        }
        // Another user may follow behind a comma.
        scan.before.push(match is_user {
            true => Word::User,
            false => Word::Other,
        });
    }
    match String::from_utf8(folded) {
        Ok(folded) => Cow::Owned(folded),
        Err(_) => Cow::Borrowed(text),
    }
}

/// What stands before a name, as far as it tells whether the name is a user's.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    /// USER or AUTHORIZATION; or EXTERNALID, behind which no name stands.
    User,
    Owner,
    To,
    From,
    /// GRANT or REVOKE.
    Grant,
    Other,
}

struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The words of the statement so far.
    before: Vec<Word>,
}

impl Scan<'_> {
    fn peek(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    /// Finds the next quoted name: the bytes between its quotes.
    fn next_name(&mut self) -> Option<(usize, usize)> {
        while self.at < self.bytes.len() {
            match self.peek(0) {
                b'"' => {
                    let start = self.at + 1;
                    self.skip_quoted(b'"', false);
                    return Some((start, self.at.saturating_sub(1).max(start)));
                }
                b'\'' => self.skip_quoted(b'\'', true),
                b'-' if self.peek(1) == b'-' => self.skip_line(),
                b'/' if self.peek(1) == b'*' => self.skip_comment(),
                b'$' => self.skip_dollar(),
                b';' => {
                    self.before.clear();
                    self.at += 1;
                }
                byte if byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80 => self.word(),
                _ => self.at += 1,
            }
        }
        None
    }

    fn word(&mut self) {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let is_part = |byte: &u8| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || *byte >= 0x80
        };
        let length = rest.iter().take_while(|byte| is_part(byte)).count();
        let word = rest.get(..length).unwrap_or_default();
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        self.at += length.max(1);
        // They may stand between USER and its name.
        if ["if", "not", "exists"].iter().any(|name| is(name)) {
            return;
        }
        self.before
            .push(if is("user") || is("authorization") || is("externalid") {
                Word::User
            } else if is("owner") {
                Word::Owner
            } else if is("to") {
                Word::To
            } else if is("from") {
                Word::From
            } else if is("grant") || is("revoke") {
                Word::Grant
            } else {
                Word::Other
            });
    }

    /// Tells whether what was just found names a user.
    fn is_user(&self) -> bool {
        match self.before.as_slice() {
            [.., Word::User] | [.., Word::Owner, Word::To] => true,
            [Word::Grant, rest @ ..] => rest.contains(&Word::To) || rest.contains(&Word::From),
            _ => false,
        }
    }

    /// Skips what is quoted; a quote within stands twice, or behind a backslash.
    fn skip_quoted(&mut self, quote: u8, backslash: bool) {
        self.at += 1;
        while self.at < self.bytes.len() {
            match self.peek(0) {
                b'\\' if backslash => self.at += 2,
                byte if byte == quote && self.peek(1) == quote => self.at += 2,
                byte if byte == quote => {
                    self.at += 1;
                    return;
                }
                _ => self.at += 1,
            }
        }
        self.at = self.bytes.len();
    }

    fn skip_line(&mut self) {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        self.at += rest
            .iter()
            .position(|byte| *byte == b'\n')
            .unwrap_or(rest.len());
    }

    fn skip_comment(&mut self) {
        let mut depth = 0_usize;
        while self.at < self.bytes.len() {
            match (self.peek(0), self.peek(1)) {
                (b'/', b'*') => {
                    depth += 1;
                    self.at += 2;
                }
                (b'*', b'/') => {
                    depth = depth.saturating_sub(1);
                    self.at += 2;
                    if depth == 0 {
                        return;
                    }
                }
                _ => self.at += 1,
            }
        }
    }

    /// Skips a body between `$$` or `$tag$`; a `$1` is no quote.
    fn skip_dollar(&mut self) {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let is_tag = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        let tag = rest.iter().skip(1).take_while(|byte| is_tag(byte)).count();
        let opens = rest.get(tag + 1) == Some(&b'$')
            && !rest.get(1).is_some_and(|first| first.is_ascii_digit());
        if !opens {
            self.at += 1;
            return;
        }
        let (mark, body) = rest.split_at(tag + 2);
        let end = body.windows(mark.len()).position(|window| window == mark);
        self.at += match end {
            Some(end) => mark.len() * 2 + end,
            None => rest.len(),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::fold_quoted_names;
    use proptest::prelude::*;

    #[test]
    fn names_are_folded_and_texts_comments_bodies_and_users_are_not() {
        for (text, expected) in [
            ("SELECT \"AbC\" FROM T", "SELECT \"abc\" FROM T"),
            ("SELECT 'a \"B\" \\' \"C\"'", "SELECT 'a \"B\" \\' \"C\"'"),
            ("-- \"A\"\nSELECT \"A\"\"B\"", "-- \"A\"\nSELECT \"a\"\"b\""),
            (
                "/* /* \"A\" */ \"B\" */ \"C\"",
                "/* /* \"A\" */ \"B\" */ \"c\"",
            ),
            ("AS $$ \"A\" $$ \"B\" = $1", "AS $$ \"A\" $$ \"b\" = $1"),
            ("AS $x$ \"A\" $$ $x$ \"B\"", "AS $x$ \"A\" $$ $x$ \"b\""),
            ("CREATE USER \"Bob\"", "CREATE USER \"Bob\""),
            ("DROP USER IF EXISTS \"Bob\"", "DROP USER IF EXISTS \"Bob\""),
            ("DROP TABLE IF EXISTS \"T\"", "DROP TABLE IF EXISTS \"t\""),
            (
                "ALTER TABLE \"T\" OWNER TO \"Bob\"",
                "ALTER TABLE \"t\" OWNER TO \"Bob\"",
            ),
            (
                "GRANT SELECT ON \"T\" TO \"Bob\", \"Al\"; SELECT \"T\"",
                "GRANT SELECT ON \"t\" TO \"Bob\", \"Al\"; SELECT \"t\"",
            ),
            ("SELECT \"\u{c4}A\"", "SELECT \"\u{c4}a\""),
        ] {
            assert_eq!(fold_quoted_names(text), expected);
        }
    }

    proptest! {
        #[test]
        fn any_text_keeps_its_length(text in "[\"'$a-zA-Z\\\\*/ ;\u{e4}-]{0,40}") {
            let folded = fold_quoted_names(&text);
            prop_assert!(folded.eq_ignore_ascii_case(&text));
        }
    }
}
