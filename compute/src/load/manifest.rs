//! The manifest of a load: which files, and which of them must be there. Unknown keys are passed over, so that what
//! UNLOAD writes can be loaded.

use serde::Deserialize;

/// A manifest file.
#[derive(Debug, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) entries: Vec<Entry>,
}

/// One file; a file listed twice loads twice.
#[derive(Debug, Deserialize)]
pub(crate) struct Entry {
    pub(crate) url: String,
    #[serde(default)]
    pub(crate) mandatory: bool,
    #[serde(default)]
    pub(crate) meta: Option<Meta>,
}

/// What is known of a file.
#[derive(Debug, Deserialize)]
pub(crate) struct Meta {
    #[serde(default)]
    pub(crate) content_length: Option<u64>,
}

impl Manifest {
    /// Reads a manifest.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Manifest, String> {
        serde_json::from_slice(bytes).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documented_forms() {
        let text = br#"{"entries":[{"url":"s3://b/k1","mandatory":true},
            {"url":"s3://b/k2","meta":{"content_length":99,"record_count":1}}],"author":{}}"#;
        let manifest = Manifest::parse(text).expect("a manifest");
        assert!(manifest.entries[0].mandatory && !manifest.entries[1].mandatory);
        assert_eq!(
            manifest.entries[1]
                .meta
                .as_ref()
                .and_then(|meta| meta.content_length),
            Some(99)
        );
        assert!(Manifest::parse(b"{}").is_err());
        assert!(Manifest::parse(b"s3://b/k").is_err());
    }
}
