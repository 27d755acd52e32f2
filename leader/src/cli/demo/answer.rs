//! Expected answers: recorded ones for scales 0.01 and 0.1, the published ones for scale 1.
//!
//! A recording has a line `Q<number> <rows> full`, then the rows, cells parted by tabs and null as `\N`; or, for a long
//! answer, `Q<number> <rows> digest` and one line of a cell per column: the sum of a column of numbers, or `fnv:` and
//! the 64-bit FNV-1a hash of a column of text, in row order with a line feed after each cell.
//! `tests/client/tpch_answers.py` records with DuckDB over the very files the demo loads.

use super::client::Rows;

/// Recorded answers by scale.
const RECORDED: [(f64, &str); 2] = [
    (0.01, include_str!("tpch/answers-0.01.tsv")),
    (0.1, include_str!("tpch/answers-0.1.tsv")),
];

/// How far numbers may be apart, relative to the larger: engines round averages and quotients differently.
const TOLERANCE: f64 = 1e-6;
/// And absolutely, against a recorded answer: a quotient of decimals has at least 4 digits.
const ROUNDING: f64 = 1.01e-4;
/// And absolutely, against a published answer, which has two decimals.
const ROUNDING_PUBLISHED: f64 = 0.011;

/// What an answer was.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// As expected.
    Right,
    /// Not as expected, with the first difference.
    Wrong(String),
    /// Nobody knows: no answer is recorded or published for this scale.
    Unknown,
}

/// Judges the answer of a query, from 1, at a scale.
pub(super) fn judge(number: usize, scale: f64, ours: &Rows) -> Verdict {
    if scale == 1.0 {
        return match published(number) {
            Some(theirs) => {
                let ours = as_published(number, ours);
                verdict(difference(&ours, &theirs, ROUNDING_PUBLISHED))
            }
            None => Verdict::Unknown,
        };
    }
    let Some((_, recording)) = RECORDED.iter().find(|(of, _)| *of == scale) else {
        return Verdict::Unknown;
    };
    match Recorded::find(recording, number) {
        Some(recorded) => verdict(recorded.difference(ours)),
        None => Verdict::Unknown,
    }
}

fn verdict(difference: Option<String>) -> Verdict {
    difference.map_or(Verdict::Right, Verdict::Wrong)
}

/// One query's recording.
struct Recorded {
    row_count: usize,
    is_digest: bool,
    rows: Rows,
}

impl Recorded {
    fn find(recording: &str, number: usize) -> Option<Recorded> {
        let mut lines = recording.lines();
        let name = format!("Q{number}");
        let (row_count, kind) = lines.find_map(|line| {
            let mut words = line.split('\t');
            let is_it = words.next() == Some(&name);
            let row_count = words.next().and_then(|count| count.parse().ok())?;
            is_it.then_some((row_count, words.next()?))
        })?;
        let is_digest = kind == "digest";
        let cell = |cell: &str| (cell != "\\N").then(|| cell.to_string());
        let rows = lines
            .take(if is_digest { 1 } else { row_count })
            .map(|line| line.split('\t').map(cell).collect());
        Some(Recorded {
            row_count,
            is_digest,
            rows: rows.collect(),
        })
    }

    fn difference(&self, ours: &Rows) -> Option<String> {
        if ours.len() != self.row_count {
            return Some(format!("{} rows, not {}", ours.len(), self.row_count));
        }
        match (self.is_digest, self.rows.first()) {
            (true, Some(expected)) => {
                let digest = expected
                    .iter()
                    .enumerate()
                    .map(|(column, expected)| digest(ours, column, expected.as_deref()));
                difference(&vec![digest.collect()], &vec![expected.clone()], ROUNDING)
            }
            _ => difference(ours, &self.rows, ROUNDING),
        }
    }
}

/// Makes of a column of ours what was recorded of it.
fn digest(rows: &Rows, column: usize, like: Option<&str>) -> Option<String> {
    let cells = rows
        .iter()
        .map(|row| row.get(column)?.as_deref().map(str::trim));
    if like.is_some_and(|like| like.starts_with("fnv:")) {
        let hash = cells.fold(FNV_OFFSET, |hash, cell| {
            fnv(fnv(hash, cell.unwrap_or("\\N").as_bytes()), b"\n")
        });
        return Some(format!("fnv:{hash:016x}"));
    }
    let sum: Option<f64> = cells.flatten().map(|cell| cell.parse::<f64>().ok()).sum();
    sum.map(|sum| sum.to_string())
}

/// FNV-1a's first value.
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
/// FNV-1a's factor.
const FNV_PRIME: u64 = 0x0100_0000_01b3;

fn fnv(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(FNV_PRIME)
    })
}

fn cells_agree(left: Option<&str>, right: Option<&str>, rounding: f64) -> bool {
    let (Some(left), Some(right)) = (left, right) else {
        return left.is_none() && right.is_none();
    };
    let (left, right) = (left.trim(), right.trim());
    if left == right {
        return true;
    }
    match (left.parse::<f64>(), right.parse::<f64>()) {
        (Ok(left), Ok(right)) => {
            let apart = (left - right).abs();
            apart <= TOLERANCE * left.abs().max(right.abs()) || apart <= rounding
        }
        _ => false,
    }
}

/// Says where two answers differ; `None` if they agree.
fn difference(ours: &Rows, theirs: &Rows, rounding: f64) -> Option<String> {
    if ours.len() != theirs.len() {
        return Some(format!("{} rows, not {}", ours.len(), theirs.len()));
    }
    for (number, (left, right)) in (1..).zip(ours.iter().zip(theirs)) {
        let agree = left.len() == right.len()
            && left
                .iter()
                .zip(right)
                .all(|(left, right)| cells_agree(left.as_deref(), right.as_deref(), rounding));
        if !agree {
            return Some(format!("row {number}: {}, not {}", line(left), line(right)));
        }
    }
    None
}

fn line(row: &[Option<String>]) -> String {
    let cells: Vec<_> = row
        .iter()
        .map(|cell| cell.as_deref().unwrap_or("NULL").trim())
        .collect();
    cells.join("|")
}

/// Gives our answer as it was published: the keys of Q11 (`ps_partkey`) came without their last two digits.
fn as_published(number: usize, ours: &Rows) -> Rows {
    let mut ours = ours.clone();
    if number == 11 {
        for key in ours.iter_mut().filter_map(|row| row.first_mut()?.as_mut()) {
            key.truncate(key.len().saturating_sub(2));
        }
    }
    ours
}

/// Gives the published answer of a query at scale 1, as the generator's crate carries it.
fn published(number: usize) -> Option<Rows> {
    let text = tpchgen::q_and_a::answers_sf1::answer(i32::try_from(number).ok()?)?;
    let lines = text.trim_matches('\n').lines().skip(1);
    let cells = |line: &str| {
        line.split('|')
            .map(|cell| Some(cell.trim().to_string()))
            .collect()
    };
    Some(lines.map(cells).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(cells: &[&[&str]]) -> Rows {
        let row = |row: &&[&str]| row.iter().map(|cell| Some(cell.to_string())).collect();
        cells.iter().map(row).collect()
    }

    #[test]
    fn every_query_has_an_answer_at_each_known_scale() {
        for number in 1..=22 {
            for (scale, recording) in RECORDED {
                assert!(
                    Recorded::find(recording, number).is_some(),
                    "{scale}: Q{number}"
                );
            }
            assert!(published(number).is_some());
        }
    }

    #[test]
    fn rounding_agrees_and_values_do_not() {
        let apart = |left: &str, right: &str| {
            difference(&rows(&[&[left]]), &rows(&[&[right]]), ROUNDING).is_some()
        };
        assert!(!apart("1.0000001", "1"));
        assert!(!apart("a ", "a"));
        assert!(apart("1.5", "1.0"));
        assert!(apart("x", "y"));
        assert!(difference(&rows(&[&["x"]]), &Vec::new(), ROUNDING).is_some());
        assert!(difference(&vec![vec![None]], &rows(&[&["0"]]), ROUNDING).is_some());
    }

    #[test]
    fn a_digest_sees_each_cell() {
        let recording = "Q1\t1\tfull\nz\nQ11\t2\tdigest\n3\tfnv:af63a84c86019b21\n";
        let mut recorded = Recorded::find(recording, 11).unwrap();
        let ours = rows(&[&["1", "a"], &["2", "b "]]);
        let hash = digest(&ours, 1, Some("fnv:")).unwrap();
        recorded.rows = rows(&[&["3", &hash]]);
        assert_eq!(recorded.difference(&ours), None);
        let other = rows(&[&["1", "a"], &["2", "c"]]);
        assert!(recorded.difference(&other).is_some());
        let other = rows(&[&["1", "a"], &["3", "b"]]);
        assert!(recorded.difference(&other).is_some());
        assert!(recorded.difference(&rows(&[&["3", "a"]])).is_some());
    }

    #[test]
    fn an_unknown_scale_is_not_judged() {
        assert_eq!(judge(1, 0.5, &Vec::new()), Verdict::Unknown);
        assert!(matches!(judge(1, 0.1, &Vec::new()), Verdict::Wrong(_)));
    }
}
