//! What is known of a statement at one moment: its plans' steps made to the figures that rules look at.

use crate::history::external::ExternalQuery;
use crate::wlm::priority::Priority;
use blueshift_compute::profile::{LEADER_SLICE, Step, StepKind, StepTable};
use std::collections::BTreeMap;

/// Bytes of a MB.
const MB: f64 = 1_048_576.0;
/// Microseconds of a second.
const SECOND_US: f64 = 1e6;

/// The figures of a statement.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// Seconds waited in queues.
    pub queue_seconds: f64,
    /// Seconds since it runs.
    pub execution_seconds: f64,
    /// Seconds of processor time.
    pub cpu_seconds: f64,
    /// Blocks of stored tables.
    pub blocks_read: u64,
    /// Rows of the largest scan of a stored table.
    pub scan_rows: u64,
    /// Rows of the largest join.
    pub join_rows: u64,
    /// Rows of the largest nested loop.
    pub nested_loop_rows: u64,
    /// Rows given to the client.
    pub returned_rows: u64,
    /// MB of spill files.
    pub spilled_mb: f64,
    /// Seconds of the longest segment.
    pub segment_seconds: f64,
    /// Processor time of the busiest slice by the average.
    pub cpu_skew: f64,
    /// Blocks of the busiest slice by the average.
    pub io_skew: f64,
    /// Rows of external tables.
    pub external_rows: u64,
    /// MB of external tables.
    pub external_mb: f64,
    /// Bytes of memory its steps hold, as they count it.
    pub memory_bytes: u64,
    /// Its priority; `None` in queues that have none.
    pub priority: Option<Priority>,
}

/// What one slice did in a segment.
#[derive(Clone, Copy, Default)]
struct OfSlice {
    cpu_ns: u64,
    blocks: u64,
}

/// What a segment did.
#[derive(Default)]
struct Segment {
    slices: BTreeMap<i32, OfSlice>,
    started_us: i64,
    ended_us: i64,
}

impl Sample {
    /// Adds what the plans did until `now_us`.
    pub fn measure(&mut self, steps: &[Step], external: &[ExternalQuery], now_us: i64) {
        let mut segments: BTreeMap<u32, Segment> = BTreeMap::new();
        for step in steps {
            let rows = step.sum(|work| work.rows);
            let is_stored = matches!(step.table, Some(StepTable::Stored { .. }));
            let most = match step.kind {
                StepKind::Scan if is_stored => Some((
                    &mut self.scan_rows,
                    step.sum(|work| work.rows_scanned).max(rows),
                )),
                StepKind::HashJoin | StepKind::MergeJoin => Some((&mut self.join_rows, rows)),
                StepKind::NestedLoop => Some((&mut self.nested_loop_rows, rows)),
                _ => None,
            };
            if let Some((most, rows)) = most {
                *most = rows.max(*most);
            }
            self.blocks_read += step.sum(|work| work.blocks_read);
            self.cpu_seconds += step.sum(|work| work.compute_ns) as f64 / 1e9;
            self.spilled_mb += step.sum(|work| work.spilled_bytes) as f64 / MB;
            self.memory_bytes += step.sum(|work| work.memory);
            let segment = segments.entry(step.segment).or_default();
            for (slice, work) in step.slices.iter() {
                if work.started_us > 0 {
                    segment.started_us = match segment.started_us {
                        0 => work.started_us,
                        first => first.min(work.started_us),
                    };
                    let until = if work.ended_us > 0 {
                        work.ended_us
                    } else {
                        now_us
                    };
                    segment.ended_us = segment.ended_us.max(until);
                }
                if slice != LEADER_SLICE {
                    let own = segment.slices.entry(slice).or_default();
                    own.cpu_ns += work.compute_ns;
                    own.blocks += work.blocks_read;
                }
            }
        }
        for segment in segments.values() {
            let seconds = (segment.ended_us - segment.started_us) as f64 / SECOND_US;
            self.segment_seconds = self.segment_seconds.max(seconds);
            self.cpu_skew = self.cpu_skew.max(skew(segment, |slice| slice.cpu_ns));
            self.io_skew = self.io_skew.max(skew(segment, |slice| slice.blocks));
        }
        for scan in external {
            self.external_rows += scan.sum(|work| work.rows_scanned);
            self.external_mb += scan.sum(|work| work.bytes_scanned) as f64 / MB;
        }
    }

    /// Gives the processor time by the time, 100 for one processor.
    pub fn cpu_usage_percent(&self) -> f64 {
        match self.execution_seconds > 0.0 {
            true => self.cpu_seconds / self.execution_seconds * 100.0,
            false => 0.0,
        }
    }
}

/// The greatest figure of a slice by the average of all; 0 where nothing was done.
fn skew(segment: &Segment, figure: impl Fn(&OfSlice) -> u64) -> f64 {
    let figures = || segment.slices.values().map(&figure);
    let sum: u64 = figures().sum();
    match (sum, figures().max()) {
        (0, _) | (_, None) => 0.0,
        (sum, Some(most)) => most as f64 * segment.slices.len() as f64 / sum as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use blueshift_compute::profile::Work;
    use blueshift_compute::profile::by_key::ByKey;

    #[test]
    fn the_most_of_each_kind_of_step_counts() {
        let step = |segment, kind, slices: &[(i32, u64)]| Step {
            stream: 0,
            segment,
            step: 0,
            kind,
            table: Some(StepTable::Stored {
                id: 1,
                name: "t".into(),
            }),
            is_range_restricted: false,
            slices: slices
                .iter()
                .map(|(slice, rows)| {
                    let work = Work {
                        rows: *rows,
                        rows_scanned: *rows * 2,
                        compute_ns: *rows * 1_000_000_000,
                        blocks_read: *rows,
                        started_us: 1_000_000,
                        ended_us: 3_000_000,
                        ..Work::default()
                    };
                    (*slice, work)
                })
                .collect::<ByKey<i32, Work>>(),
        };
        let steps = [
            step(0, StepKind::Scan, &[(0, 3), (1, 1)]),
            step(1, StepKind::HashJoin, &[(0, 7)]),
            step(2, StepKind::NestedLoop, &[(0, 9)]),
        ];
        let mut sample = Sample {
            execution_seconds: 10.0,
            ..Sample::default()
        };
        sample.measure(&steps, &[], 5_000_000);
        assert_eq!(sample.scan_rows, 8);
        assert_eq!(sample.join_rows, 7);
        assert_eq!(sample.nested_loop_rows, 9);
        assert_eq!(sample.cpu_seconds, 20.0);
        assert_eq!(sample.cpu_usage_percent(), 200.0);
        assert_eq!(sample.blocks_read, 20);
        assert_eq!(sample.segment_seconds, 2.0);
        assert_eq!(sample.cpu_skew, 1.5);
        assert_eq!(sample.io_skew, 1.5);
    }
}
