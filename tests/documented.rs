//! The manual's examples in `slt/function/*/documented.slt`: how many give what the manual shows, by tier.
//!
//! `slt.rs` runs them; here they are counted, and the README beside them must tell the same numbers.

use blueshift_tests::logic;
use std::collections::BTreeMap;
use std::path::Path;

/// The least shares of examples that give what the manual shows, in percent, by tier.
const BARS: &[(u32, f64)] = &[(1, 98.0), (2, 90.0)];

/// Examples of the functions of a tier.
#[derive(Clone, Copy, Default)]
struct Count {
    passes: u32,
    misprints: u32,
    differs: u32,
}

impl Count {
    /// The share of those that the manual shows right, in percent.
    fn share(self) -> f64 {
        100.0 * f64::from(self.passes) / f64::from(self.passes + self.differs)
    }
}

/// Reads the tier at the end of a heading: `# LEN (tier 1)`.
fn tier(line: &str) -> Option<u32> {
    let (_, tier) = line.strip_prefix("# ")?.rsplit_once(" (tier ")?;
    tier.strip_suffix(')')?.parse().ok()
}

fn count(text: &str, counts: &mut BTreeMap<u32, Count>) {
    let (mut at, mut mark) = (None, "");
    for line in text.lines() {
        at = tier(line).or(at);
        if line.starts_with("# misprint: ") || line.starts_with("# differs: ") {
            mark = line;
        }
        if !line.starts_with("query ") && !line.starts_with("statement ") {
            continue;
        }
        // What makes tables is no example.
        if let Some(tier) = at.filter(|_| line != "statement ok") {
            let count = counts.entry(tier).or_default();
            match mark.split(':').next() {
                Some("# misprint") => count.misprints += 1,
                Some("# differs") => count.differs += 1,
                _ => count.passes += 1,
            }
        }
        mark = "";
    }
}

#[test]
fn most_examples_of_the_manual_give_what_it_shows() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("slt/function");
    let mut counts = BTreeMap::new();
    for file in logic::files(&folder) {
        if file.ends_with("documented.slt") {
            count(&std::fs::read_to_string(file).unwrap(), &mut counts);
        }
    }
    let readme = std::fs::read_to_string(folder.join("README.md")).unwrap();
    for (tier, count) in &counts {
        let line = format!(
            "| {tier} | {} | {} | {} | {:.1} % |",
            count.passes,
            count.misprints,
            count.differs,
            count.share()
        );
        println!("{line}");
        assert!(
            readme.contains(&line),
            "the README of {} lacks {line}",
            folder.display()
        );
    }
    for (tier, bar) in BARS {
        let share = counts[tier].share();
        assert!(share >= *bar, "tier {tier}: {share:.1} % of {bar} %");
    }
}
