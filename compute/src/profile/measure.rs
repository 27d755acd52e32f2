//! Reads the engine's counters of an operator, by partition.

use super::Work;
use super::by_key::ByKey;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::metrics::MetricValue;

/// Gives what an operator did in each partition. An operator without counters gives an empty map.
pub(super) fn by_partition(plan: &dyn ExecutionPlan) -> ByKey<usize, Work> {
    let mut partitions: ByKey<usize, Work> = ByKey::default();
    let Some(metrics) = plan.metrics() else {
        return partitions;
    };
    let mut scanned_bytes: ByKey<usize, u64> = ByKey::default();
    for metric in metrics.iter() {
        let partition = metric.partition().unwrap_or(0);
        let work = partitions.entry(partition);
        let value = metric.value();
        match value {
            MetricValue::StartTimestamp(at) => {
                if let Some(at) = at.value() {
                    let at = at.timestamp_micros();
                    work.started_us = match work.started_us {
                        0 => at,
                        first => first.min(at),
                    };
                }
                continue;
            }
            MetricValue::EndTimestamp(at) => {
                if let Some(at) = at.value() {
                    work.ended_us = work.ended_us.max(at.timestamp_micros());
                }
                continue;
            }
            _ => {}
        }
        let field = match value.name() {
            "output_rows" => &mut work.rows,
            "output_bytes" => &mut work.bytes,
            "elapsed_compute" => &mut work.compute_ns,
            "spilled_bytes" => &mut work.spilled_bytes,
            "rows_scanned" => &mut work.rows_scanned,
            "blocks_read" => &mut work.blocks_read,
            "blocks_pruned" => &mut work.blocks_pruned,
            "peak_mem_used" => &mut work.memory,
            "bytes_read" => scanned_bytes.entry(partition),
            _ => continue,
        };
        *field += value.as_usize() as u64;
    }
    for (partition, bytes) in scanned_bytes {
        partitions.entry(partition).bytes = bytes;
    }
    partitions
}

/// Gives what making the hash table of a join was, by partition.
pub(super) fn hash_build(plan: &dyn ExecutionPlan) -> ByKey<usize, Work> {
    let mut partitions: ByKey<usize, Work> = ByKey::default();
    let Some(metrics) = plan.metrics() else {
        return partitions;
    };
    for metric in metrics.iter() {
        let value = metric.value();
        let amount = value.as_usize() as u64;
        if amount == 0 {
            continue;
        }
        let work = partitions.entry(metric.partition().unwrap_or(0));
        match value.name() {
            "build_input_rows" => work.rows += amount,
            "build_mem_used" => {
                work.bytes += amount;
                work.memory += amount;
            }
            "build_time" => work.compute_ns += amount,
            _ => {}
        }
    }
    partitions.retain(|work| *work != Work::default());
    partitions
}
