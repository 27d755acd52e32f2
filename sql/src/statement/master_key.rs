//! MASTER_SYMMETRIC_KEY: the user's key of files that are encrypted outside of the store. Never shown.

use crate::error::{Error, Result};
use crate::sqlstate::SqlState;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use std::fmt;

/// Bytes of a key: AES-256.
const KEY_BYTES: usize = 32;

/// The key. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct MasterKey([u8; KEY_BYTES]);

impl MasterKey {
    /// Reads a key in base64. The error does not show it.
    pub fn read(text: &str) -> Result<Self> {
        let bytes = BASE64.decode(text.trim()).ok();
        let key = bytes.and_then(|bytes| bytes.try_into().ok());
        key.map(Self).ok_or_else(|| {
            Error::new(
                SqlState::INVALID_PARAMETER_VALUE,
                "MASTER_SYMMETRIC_KEY is not a key of 256 bits in base64",
            )
            .with_hint("Make one with: openssl rand -base64 32")
        })
    }

    /// The key's bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("MasterKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_256_bits_and_are_not_shown() {
        let text = BASE64.encode([200; 32]);
        let key = MasterKey::read(&text).expect("a key");
        assert_eq!(key.bytes(), [200; 32]);
        assert_eq!(format!("{key:?}"), "MasterKey");
        for wrong in ["", "secret", "AAAA", &BASE64.encode([1; 16])] {
            let told = MasterKey::read(wrong).expect_err("no key").to_string();
            assert!(wrong.is_empty() || !told.contains(wrong), "{told}");
        }
    }
}
