//! What rules look at: every metric of the manual, as data.
//!
//! Source: Redshift's guide, WLM query monitoring rules. Times are in seconds, blocks and sizes in MB.

use super::sample::Sample;

/// Something that rules compare with a value.
#[derive(Debug)]
pub struct Metric {
    /// Its name in the configuration.
    pub name: &'static str,
    /// The greatest value it is compared with.
    pub max: f64,
    /// What it is, for people.
    pub about: &'static str,
    /// Takes it from what is known of a statement.
    pub of: fn(&Sample) -> f64,
}

/// The name of the metric that is a word and no number.
pub const PRIORITY: &str = "query_priority";

/// The name of the metric that is known while a statement waits.
pub const QUEUE_TIME: &str = "query_queue_time";

/// Every metric but [`PRIORITY`].
pub static METRICS: &[Metric] = &[
    Metric {
        name: "query_cpu_time",
        max: 999_999.0,
        about: "seconds of processor time of all slices",
        of: |sample| sample.cpu_seconds,
    },
    Metric {
        name: "query_blocks_read",
        max: 1_048_575.0,
        about: "MB of blocks read",
        of: |sample| sample.blocks_read as f64,
    },
    Metric {
        name: "scan_row_count",
        max: 999_999_999_999_999.0,
        about: "rows that the largest scan looked at",
        of: |sample| sample.scan_rows as f64,
    },
    Metric {
        name: "query_execution_time",
        max: 86_399.0,
        about: "seconds of running, without waiting",
        of: |sample| sample.execution_seconds,
    },
    Metric {
        name: QUEUE_TIME,
        max: 86_399.0,
        about: "seconds of waiting in queues",
        of: |sample| sample.queue_seconds,
    },
    Metric {
        name: "query_cpu_usage_percent",
        max: 6_399.0,
        about: "processor time by time, 100 being one processor",
        of: Sample::cpu_usage_percent,
    },
    Metric {
        name: "query_temp_blocks_to_disk",
        max: 319_815_679.0,
        about: "MB written to spill files",
        of: |sample| sample.spilled_mb,
    },
    Metric {
        name: "cpu_skew",
        max: 99.0,
        about: "processor time of the busiest slice by the average, in the most uneven segment",
        of: |sample| sample.cpu_skew,
    },
    Metric {
        name: "io_skew",
        max: 99.0,
        about: "blocks read on the busiest slice by the average, in the most uneven segment",
        of: |sample| sample.io_skew,
    },
    Metric {
        name: "join_row_count",
        max: 999_999_999_999_999.0,
        about: "rows of the largest join",
        of: |sample| sample.join_rows as f64,
    },
    Metric {
        name: "nested_loop_join_row_count",
        max: 999_999_999_999_999.0,
        about: "rows of the largest nested loop join",
        of: |sample| sample.nested_loop_rows as f64,
    },
    Metric {
        name: "return_row_count",
        max: 999_999_999_999_999.0,
        about: "rows given to the client",
        of: |sample| sample.returned_rows as f64,
    },
    Metric {
        name: "segment_execution_time",
        max: 86_388.0,
        about: "seconds of the longest segment",
        of: |sample| sample.segment_seconds,
    },
    Metric {
        name: "spectrum_scan_row_count",
        max: 999_999_999_999_999.0,
        about: "rows read of external tables",
        of: |sample| sample.external_rows as f64,
    },
    Metric {
        name: "spectrum_scan_size_mb",
        max: 999_999_999_999_999.0,
        about: "MB read of external tables",
        of: |sample| sample.external_mb,
    },
];

/// Finds a metric by its name.
pub fn find(name: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.name == name)
}
