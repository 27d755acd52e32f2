//! Sizes as an operator writes them, and the memory that the machine or its control group lets a process have.

use super::Config;
use anyhow::{Result, anyhow, bail};
use blueshift_compute::resource::{Limits, physical_memory_bytes};
use std::path::{Path, PathBuf};

/// Memory of which a limit in percent is taken if nothing tells how much there is.
const MEMORY_BYTES_UNKNOWN: usize = 2 << 30;

/// The share of memory the process may use if nothing is said.
const MEMORY_PERCENT: &str = "80%";

/// The least memory a server runs in.
const MEMORY_BYTES_LEAST: usize = 128 << 20;

/// Units, each 1024 of the one before, as PostgreSQL has them.
const UNITS: [(&str, u32); 10] = [
    ("kib", 10),
    ("mib", 20),
    ("gib", 30),
    ("tib", 40),
    ("kb", 10),
    ("mb", 20),
    ("gb", 30),
    ("tb", 40),
    ("b", 0),
    ("", 0),
];

/// Reads what the process may use.
pub(crate) fn limits(config: &Config) -> Result<Limits> {
    let spill = |flag: &str, text: &Option<String>| {
        let text = text.as_deref();
        text.map(|text| size(flag, text)).transpose()
    };
    Ok(Limits {
        memory_bytes: Some(memory(config.memory_limit.as_deref())?),
        queries_bytes: config.memory,
        spill_bytes: spill("--spill-limit", &config.spill_limit)?,
        query_spill_bytes: spill("--spill-limit-per-query", &config.spill_limit_per_query)?,
    })
}

/// Reads the limit of the process's memory: bytes, with a unit, or percent of what there is; 80 % if nothing is said.
fn memory(text: Option<&str>) -> Result<usize> {
    let text = text.unwrap_or(MEMORY_PERCENT).trim();
    let bytes = match text.strip_suffix('%') {
        None => usize::try_from(size("--memory-limit", text)?)?,
        Some(percent) => {
            let percent: f64 = percent
                .trim()
                .parse()
                .map_err(|_| not_a_size("--memory-limit", text))?;
            if !(percent > 0.0 && percent <= 100.0) {
                bail!("--memory-limit {text} is not above 0 and at most 100 percent");
            }
            (present() as f64 * percent / 100.0) as usize
        }
    };
    if bytes < MEMORY_BYTES_LEAST {
        bail!(
            "--memory-limit {text} is less than the {} MB a server needs",
            MEMORY_BYTES_LEAST >> 20
        );
    }
    Ok(bytes)
}

/// Reads a size: bytes, or a number with a unit.
fn size(flag: &str, text: &str) -> Result<u64> {
    let lower = text.trim().to_ascii_lowercase();
    let mut units = UNITS.iter();
    let found = units.find_map(|(unit, shift)| Some((lower.strip_suffix(unit)?.trim(), shift)));
    let parsed = found.and_then(|(number, shift)| {
        let number: f64 = number.parse().ok()?;
        let bytes = number * 2_f64.powi(i32::try_from(*shift).ok()?);
        (1.0..1e18).contains(&bytes).then_some(bytes as u64)
    });
    parsed.ok_or_else(|| not_a_size(flag, text))
}

fn not_a_size(flag: &str, text: &str) -> anyhow::Error {
    anyhow!("{flag} {text} is no size, such as 1073741824, 512MB or 4GB")
}

/// Gives the memory that there is for this process: the machine's, or less if a control group says so.
fn present() -> usize {
    let machine = physical_memory_bytes().unwrap_or(MEMORY_BYTES_UNKNOWN);
    group_limit(Path::new("/proc/self/cgroup"), Path::new("/sys/fs/cgroup"))
        .map_or(machine, |limit| limit.min(machine))
}

/// Reads the least memory limit of the control groups a process is in; `None` if none has one.
#[expect(
    clippy::disallowed_methods,
    reason = "the control group is the system's, read once at the start"
)]
fn group_limit(membership: &Path, root: &Path) -> Option<usize> {
    let read = |path: PathBuf| -> Option<usize> {
        // `max` is no limit; an old kernel writes a number that no machine has.
        std::fs::read_to_string(path).ok()?.trim().parse().ok()
    };
    let membership = std::fs::read_to_string(membership).unwrap_or_default();
    let mut limits = Vec::new();
    for line in membership.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else {
            continue;
        };
        let (root, file) = match controllers {
            "" => (root.to_path_buf(), "memory.max"),
            "memory" => (root.join("memory"), "memory.limit_in_bytes"),
            _ => continue,
        };
        let group = Path::new(path.trim_start_matches('/'));
        for above in group.ancestors() {
            limits.extend(read(root.join(above).join(file)));
        }
        // In a container its own group may be the root.
        limits.extend(read(root.join(file)));
    }
    limits.into_iter().min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        let check = |text: &str, expected: Option<u64>| {
            assert_eq!(size("--x", text).ok(), expected, "{text}");
        };
        check("1073741824", Some(1 << 30));
        check("512MB", Some(512 << 20));
        check("1.5 GiB", Some(3 << 29));
        check("2tb", Some(2 << 40));
        check("10 kB", Some(10_240));
        check("", None);
        check("MB", None);
        check("-1GB", None);
        check("many", None);
        check("1e30", None);
    }

    #[test]
    fn memory_may_be_a_share() {
        assert_eq!(memory(Some("1GB")).ok(), Some(1 << 30));
        assert!(memory(Some("1MB")).is_err());
        assert!(memory(Some("0%")).is_err());
        assert!(memory(Some("101%")).is_err());
        let (all, half) = (memory(Some("100%")).ok(), memory(Some("50%")).ok());
        assert!(half < all, "{half:?} of {all:?}");
    }

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "a control group that the test makes"
    )]
    fn the_least_limit_of_the_groups_holds() {
        let root = tempfile::tempdir().expect("a directory");
        let group = root.path().join("a/b");
        std::fs::create_dir_all(&group).expect("made");
        let membership = root.path().join("membership");
        std::fs::write(&membership, "0::/a/b\n").expect("written");
        assert_eq!(group_limit(&membership, root.path()), None);
        std::fs::write(group.join("memory.max"), "max\n").expect("written");
        std::fs::write(root.path().join("a/memory.max"), "1000\n").expect("written");
        assert_eq!(group_limit(&membership, root.path()), Some(1_000));
        std::fs::write(group.join("memory.max"), "500\n").expect("written");
        assert_eq!(group_limit(&membership, root.path()), Some(500));
    }
}
