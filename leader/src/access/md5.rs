//! Passwords given as md5 digests, as user lists copied from another cluster have them: `md5` and 32 hexadecimal
//! digits of the md5 of password and user name. They are taken only by a server started with `--md5`, for what is
//! stored is as good as the password itself.

use md5::{Digest, Md5};
use std::fmt::Write;

/// What such a digest begins with.
const PREFIX: &str = "md5";
/// Hexadecimal digits of a digest.
const DIGITS: usize = 32;

/// Tells whether a text has the form of a digest.
pub fn is_digest(text: &str) -> bool {
    let digits = text.strip_prefix(PREFIX);
    digits.is_some_and(|digits| {
        digits.len() == DIGITS && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
    })
}

/// Gives the digest of a user's password.
pub fn digest(user: &str, password: &str) -> String {
    hash(&[password.as_bytes(), user.as_bytes()])
}

/// Tells whether `answer` is what a client that knows the password of `digest` sends for `salt`.
pub fn answers(digest: &str, salt: [u8; 4], answer: &[u8]) -> bool {
    let Some(digits) = digest.strip_prefix(PREFIX) else {
        return false;
    };
    let wanted = hash(&[digits.to_ascii_lowercase().as_bytes(), &salt]);
    // Every byte is looked at, so that the time tells nothing.
    let differs = wanted
        .bytes()
        .zip(answer)
        .fold(0, |differs, (left, right)| differs | (left ^ right));
    differs == 0 && wanted.len() == answer.len()
}

fn hash(parts: &[&[u8]]) -> String {
    let mut md5 = Md5::new();
    parts.iter().for_each(|part| md5.update(part));
    let mut text = PREFIX.to_owned();
    for byte in md5.finalize() {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_postgres() {
        let known = digest("someone", "ez123456");
        assert!(is_digest(&known), "{known}");
        assert!(!is_digest("md5"));
        assert!(!is_digest(&known.replace("md5", "md4")));
        assert_eq!(digest("b", "a"), "md5187ef4436122d1cc2f40dc2b92f0eba0");
    }

    #[test]
    fn an_answer_fits_its_salt_alone() {
        let stored = digest("someone", "Password-1");
        let answer = hash(&[&stored.as_bytes()[PREFIX.len()..], b"salt"]);
        assert!(answers(&stored, *b"salt", answer.as_bytes()));
        assert!(!answers(&stored, *b"tlas", answer.as_bytes()));
        assert!(!answers(&stored, *b"salt", b""));
        assert!(!answers("SCRAM", *b"salt", answer.as_bytes()));
    }
}
