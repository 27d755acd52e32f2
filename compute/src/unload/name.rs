//! What files are called: `0000_part_00` of slice 0, `000` of a serial UNLOAD, `year=2024/` before it of a partition.

use super::ExternalTarget;
use blueshift_sql::statement::copy::CopyCompression;
use blueshift_sql::statement::unload::{ManifestKind, UnloadFormat, UnloadOptions};

/// The folder of rows whose partition column is null, as Hive calls it.
const NULL_PARTITION: &str = "__HIVE_DEFAULT_PARTITION__";

/// What stands behind the prefix in the name of the manifest.
pub(super) const MANIFEST: &str = "manifest";

/// The names of one UNLOAD.
#[derive(Debug)]
pub(super) struct Names {
    is_parallel: bool,
    /// Before the number of the file.
    start: String,
    /// Behind the number of the file.
    suffix: String,
    /// What the folders of partitions begin with, outermost first.
    partitions: Vec<String>,
    has_manifest: bool,
}

impl Names {
    pub(super) fn new(options: &UnloadOptions) -> Self {
        let suffix = match (&options.extension, options.compression, options.format) {
            (Some(extension), _, _) if extension.is_empty() || extension.starts_with('.') => {
                extension.clone()
            }
            (Some(extension), _, _) => format!(".{extension}"),
            (None, _, UnloadFormat::Parquet) => ".parquet".to_owned(),
            (None, CopyCompression::None, _) => String::new(),
            (None, CopyCompression::Gzip, _) => ".gz".to_owned(),
            (None, CopyCompression::Bzip2, _) => ".bz2".to_owned(),
            (None, CopyCompression::Zstd, _) => ".zst".to_owned(),
            // UNLOAD has no such option.
            (None, CopyCompression::Lzop, _) => ".lzo".to_owned(),
        };
        Self {
            is_parallel: options.parallel,
            start: String::new(),
            suffix,
            partitions: options
                .partition_by
                .iter()
                .map(|name| folder_start(name))
                .collect(),
            has_manifest: options.manifest != ManifestKind::None,
        }
    }

    /// Lets the names of files of an external table begin as it wants.
    pub(super) fn starting(self, external: Option<&ExternalTarget>) -> Self {
        Self {
            start: external.map_or_else(String::new, |target| target.name_start.clone()),
            ..self
        }
    }

    /// Gives the name of a file of a slice, behind the prefix; `folder` is that of its partition, or empty.
    pub(super) fn file(&self, folder: &str, slice: u32, part: u32) -> String {
        let Self { start, suffix, .. } = self;
        match self.is_parallel {
            true => format!("{folder}{start}{slice:04}_part_{part:02}{suffix}"),
            false => format!("{folder}{start}{part:03}{suffix}"),
        }
    }

    /// Tells whether a name, behind the prefix, is one that this UNLOAD may write.
    pub(super) fn is_own(&self, name: &str) -> bool {
        if name == MANIFEST {
            return self.has_manifest;
        }
        let mut rest = name;
        for start in &self.partitions {
            match rest
                .strip_prefix(start)
                .and_then(|rest| rest.split_once('/'))
            {
                Some((_, below)) => rest = below,
                None => return false,
            }
        }
        let Some(number) = rest.strip_suffix(&self.suffix) else {
            return false;
        };
        let is_number = |text: &str, digits_min: usize| {
            text.len() >= digits_min && text.bytes().all(|byte| byte.is_ascii_digit())
        };
        match (self.is_parallel, number.split_once("_part_")) {
            (true, Some((slice, part))) => is_number(slice, 4) && is_number(part, 2),
            (false, None) => is_number(number, 3),
            _ => false,
        }
    }
}

/// Appends the folder of one partition column; `None` is null.
pub(super) fn push_folder(name: &str, value: Option<&str>, out: &mut String) {
    out.push_str(&folder_start(name));
    match value {
        Some(value) => push_escaped(value, out),
        None => out.push_str(NULL_PARTITION),
    }
    out.push('/');
}

fn folder_start(name: &str) -> String {
    let mut start = String::new();
    push_escaped(name, &mut start);
    start.push('=');
    start
}

/// Gives the folder of a partition, with a slash at its end, by the names and values of its columns.
pub fn folder_of_values<'a>(values: impl Iterator<Item = (&'a str, Option<&'a str>)>) -> String {
    let mut folder = String::new();
    for (name, value) in values {
        push_folder(name, value, &mut folder);
    }
    folder
}

/// Reads the values of a partition from its folder, below which others may lie: the inverse of [`push_folder`]. `None` is
/// null; a folder that is not called so ends the values.
pub fn folder_values(folder: &str) -> Vec<(String, Option<String>)> {
    let parts = folder.split('/').map_while(|part| part.split_once('='));
    let parts = parts.map(|(name, value)| {
        let value = (value != NULL_PARTITION).then(|| unescaped(value));
        (unescaped(name), value)
    });
    parts.collect()
}

/// Reads `%` and two digits as the byte they mean.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let digits = behind
            .get(..2)
            .and_then(|digits| str::from_utf8(digits).ok());
        let code = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match code.filter(|_| *first == b'%') {
            Some(code) => {
                bytes.push(code);
                rest = behind.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Appends a part of a path, with `%` and two digits for what Hive writes so.
fn push_escaped(text: &str, out: &mut String) {
    for letter in text.chars() {
        let is_odd = letter.is_ascii_control() || "\"#%'*/:=?\\{}[]^\u{7f}".contains(letter);
        match is_odd {
            true => out.push_str(&format!("%{:02X}", u32::from(letter))),
            false => out.push(letter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_called_as_redshift_calls_them() {
        let plain = UnloadOptions::default();
        let gzip = UnloadOptions {
            compression: CopyCompression::Gzip,
            ..plain.clone()
        };
        let parquet = UnloadOptions {
            format: UnloadFormat::Parquet,
            ..plain.clone()
        };
        let serial = UnloadOptions {
            parallel: false,
            ..gzip.clone()
        };
        let named = UnloadOptions {
            extension: Some("txt.gz".into()),
            ..gzip.clone()
        };
        let dotted = UnloadOptions {
            extension: Some(".csv".into()),
            ..plain.clone()
        };
        let years = UnloadOptions {
            partition_by: vec!["year".into()],
            ..parquet.clone()
        };
        let mut folder = String::new();
        push_folder("year", Some("2024"), &mut folder);
        for (options, folder, slice, part, expected) in [
            (&plain, "", 0, 0, "0000_part_00"),
            (&plain, "", 12_345, 123, "12345_part_123"),
            (&gzip, "", 3, 1, "0003_part_01.gz"),
            (&parquet, "", 0, 0, "0000_part_00.parquet"),
            (&serial, "", 0, 7, "007.gz"),
            (&serial, "", 0, 1_000, "1000.gz"),
            (&named, "", 1, 0, "0001_part_00.txt.gz"),
            (&dotted, "", 1, 0, "0001_part_00.csv"),
            (
                &years,
                folder.as_str(),
                1,
                0,
                "year=2024/0001_part_00.parquet",
            ),
        ] {
            let names = Names::new(options);
            assert_eq!(names.file(folder, slice, part), expected);
            assert!(names.is_own(expected), "{expected}");
            assert!(!names.is_own(&format!("x{expected}")) && !names.is_own("manifest"));
        }
        assert!(
            !Names::new(&plain).is_own("000") && !Names::new(&serial).is_own("0000_part_00.gz")
        );
        let manifest = UnloadOptions {
            manifest: ManifestKind::Plain,
            ..plain
        };
        assert!(Names::new(&manifest).is_own("manifest"));
    }

    #[test]
    fn folders_hold_any_value() {
        for (name, value, expected) in [
            ("c", Some("a b"), "c=a b/"),
            ("c", Some("a/../b"), "c=a%2F..%2Fb/"),
            (
                "c",
                Some("2024-01-02 03:04:05"),
                "c=2024-01-02 03%3A04%3A05/",
            ),
            ("a=b", Some(""), "a%3Db=/"),
            ("c", None, "c=__HIVE_DEFAULT_PARTITION__/"),
        ] {
            let mut folder = String::new();
            push_folder(name, value, &mut folder);
            assert_eq!(folder, expected);
            let read = folder_values(&folder);
            assert_eq!(read, [(name.to_owned(), value.map(str::to_owned))]);
        }
    }
}
