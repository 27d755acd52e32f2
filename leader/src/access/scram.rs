//! SCRAM-SHA-256: verifiers from passwords, verifiers as text, and the server's half of the exchange.
//!
//! Only verifiers are stored. A user who does not exist is answered with a made-up verifier whose salt is the same at
//! every attempt, so that neither the messages nor their number tell who exists.

use crate::error::{Error, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use blueshift_sql::SqlState;
use pgwire::api::auth::sasl::scram::{ScramSecret, gen_salted_password};
use rand::Rng;

/// Rounds of hashing a password, as PostgreSQL has it.
const ITERATIONS: usize = 4096;
/// Bytes of salt.
const SALT_BYTES: usize = 16;
/// What a verifier begins with.
const SCHEME: &str = "SCRAM-SHA-256";
/// Characters of a generated password; 24 of them are 142 bits.
const GENERATED_LENGTH: usize = 24;
/// Letters and digits that are not mistaken for one another and need no quoting in a shell.
const GENERATED_ALPHABET: &[u8; 57] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";

/// Makes the verifier of a password: `SCRAM-SHA-256$4096:<salt>$<stored key>:<server key>`.
pub fn verifier(password: &str) -> String {
    let salt: [u8; SALT_BYTES] = rand::random();
    display(&secret(password, salt.to_vec()))
}

/// Makes a password for a user who did not choose one.
pub fn generate_password() -> String {
    let mut random = rand::rng();
    let letter =
        |_| char::from(GENERATED_ALPHABET[random.random_range(0..GENERATED_ALPHABET.len())]);
    (0..GENERATED_LENGTH).map(letter).collect()
}

/// Reads a stored verifier.
pub fn parse(verifier: &str) -> Result<ScramSecret> {
    fields(verifier).ok_or_else(|| {
        Error::Sql(blueshift_sql::Error::new(
            SqlState::DATA_CORRUPTED,
            "a stored password verifier is damaged",
        ))
    })
}

/// Tells whether a password is the one a verifier was made of.
pub fn matches(verifier: &str, password: &str) -> bool {
    let Some(ScramSecret::Verifier {
        salt,
        iterations,
        stored_key,
        ..
    }) = fields(verifier)
    else {
        return false;
    };
    let salted = gen_salted_password(password, &salt, iterations);
    match ScramSecret::verifier_from_salted_password(salt, salted, iterations) {
        ScramSecret::Verifier {
            stored_key: other, ..
        } => other == stored_key,
        ScramSecret::SaltedPassword { .. } => false,
    }
}

/// Makes a verifier that no password fits, for a user who does not exist. Its salt depends on the name and on the
/// server's `mock_key` only.
pub fn mock(user: &str, mock_key: &[u8]) -> ScramSecret {
    let mut salt = gen_salted_password(user, mock_key, 1);
    salt.truncate(SALT_BYTES);
    ScramSecret::Verifier {
        salt,
        iterations: ITERATIONS,
        stored_key: rand::random::<[u8; 32]>().to_vec(),
        server_key: rand::random::<[u8; 32]>().to_vec(),
    }
}

fn secret(password: &str, salt: Vec<u8>) -> ScramSecret {
    let salted = gen_salted_password(password, &salt, ITERATIONS);
    ScramSecret::verifier_from_salted_password(salt, salted, ITERATIONS)
}

fn display(secret: &ScramSecret) -> String {
    match secret {
        ScramSecret::Verifier {
            salt,
            iterations,
            stored_key,
            server_key,
        } => format!(
            "{SCHEME}${iterations}:{}${}:{}",
            STANDARD.encode(salt),
            STANDARD.encode(stored_key),
            STANDARD.encode(server_key)
        ),
        ScramSecret::SaltedPassword { .. } => String::new(),
    }
}

fn fields(verifier: &str) -> Option<ScramSecret> {
    let rest = verifier.strip_prefix(SCHEME)?.strip_prefix('$')?;
    let (parameters, keys) = rest.split_once('$')?;
    let (iterations, salt) = parameters.split_once(':')?;
    let (stored_key, server_key) = keys.split_once(':')?;
    Some(ScramSecret::Verifier {
        salt: STANDARD.decode(salt).ok()?,
        iterations: iterations.parse().ok()?,
        stored_key: STANDARD
            .decode(stored_key)
            .ok()
            .filter(|key| key.len() == 32)?,
        server_key: STANDARD
            .decode(server_key)
            .ok()
            .filter(|key| key.len() == 32)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verifier_fits_its_password_alone() {
        let text = verifier("päss word");
        assert!(text.starts_with("SCRAM-SHA-256$4096:"), "{text}");
        assert!(matches(&text, "päss word"));
        assert!(!matches(&text, "pass word"));
        assert_eq!(display(&parse(&text).unwrap()), text);
    }

    #[test]
    fn a_damaged_verifier_is_refused() {
        for text in [
            "",
            "md5abc",
            "SCRAM-SHA-256$x:AAAA$AAAA:AAAA",
            "SCRAM-SHA-256$4096:AAAA$AAAA:AAAA",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_missing_user_has_the_same_salt_each_time() {
        let salt = |user: &str| match mock(user, b"key") {
            ScramSecret::Verifier { salt, .. } => salt,
            ScramSecret::SaltedPassword { .. } => Vec::new(),
        };
        assert_eq!(salt("nobody"), salt("nobody"));
        assert_ne!(salt("nobody"), salt("someone"));
        assert_eq!(salt("nobody").len(), SALT_BYTES);
    }

    #[test]
    fn generated_passwords_differ() {
        assert_eq!(generate_password().len(), GENERATED_LENGTH);
        assert_ne!(generate_password(), generate_password());
    }
}
