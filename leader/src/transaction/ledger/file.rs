//! Files as units of a ledger: the unit is the file's name, its position is its tag and size.
//!
//! So a file is taken once however often it is listed, touched or uploaded again as it was; one that was overwritten is
//! another, and is taken too.

use super::{Entry, EntryState};
use blueshift_compute::load::FoundFile;

/// Gives the position of a file. A store without tags has the time of the last change in the tag's place.
pub fn position(file: &FoundFile) -> String {
    match file.etag.is_empty() {
        true => format!("@{} {}", file.modified_us, file.bytes),
        false => format!("{} {}", file.etag, file.bytes),
    }
}

/// Makes the entry of a file that nobody has tried to take.
pub fn entry(file: &FoundFile, state: EntryState, now: i64) -> Entry {
    Entry {
        unit: file.url.clone(),
        position: position(file),
        state,
        attempts: 0,
        error: String::new(),
        made_us: file.modified_us,
        noticed_us: now,
        changed_us: now,
        query: 0,
    }
}

/// Takes the position of a file apart: its tag as people write it, and its size.
pub fn tag_and_size(position: &str) -> (&str, u64) {
    let (tag, size) = position.rsplit_once(' ').unwrap_or((position, ""));
    (tag.trim_matches('"'), size.parse().unwrap_or_default())
}

/// Takes the name of a file apart: the bucket and the key, or the folder and the name in it.
pub fn place_and_name(url: &str) -> (&str, &str) {
    if let Some(rest) = url.strip_prefix("s3://") {
        return rest.split_once('/').unwrap_or((rest, ""));
    }
    let path = url.strip_prefix("file://").unwrap_or(url);
    path.rsplit_once('/').unwrap_or(("", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_its_name_tag_and_size() {
        let file = FoundFile {
            url: "s3://b/d/k".into(),
            etag: "\"e-1\"".into(),
            bytes: 3,
            modified_us: 9,
        };
        assert_eq!(position(&file), "\"e-1\" 3");
        let touched = FoundFile {
            modified_us: 10,
            ..file.clone()
        };
        assert_eq!(position(&file), position(&touched));
        let untagged = FoundFile {
            etag: String::new(),
            ..file
        };
        assert_eq!(position(&untagged), "@9 3");
    }

    #[test]
    fn what_people_are_shown() {
        assert_eq!(tag_and_size("\"e-1\" 3"), ("e-1", 3));
        assert_eq!(tag_and_size("odd"), ("odd", 0));
        assert_eq!(place_and_name("s3://b/d/k"), ("b", "d/k"));
        assert_eq!(place_and_name("file:///d/e/f"), ("/d/e", "f"));
    }
}
