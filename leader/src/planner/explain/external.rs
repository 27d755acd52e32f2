//! Scans of external tables in EXPLAIN: what is read outside, and the loop over partitions around it.

use super::{Measure, Node, Place, Printer, expression, physical};
use blueshift_compute::external::ExternalScan;
use blueshift_compute::external::postgres::RemoteScanExec;
use datafusion::physical_plan::ExecutionPlan;
use std::sync::Arc;

/// Gives the line of the step that takes over the rows.
pub(super) fn title(scan: &ExternalScan) -> String {
    let name = scan.table.rsplit('.').next().unwrap_or(&scan.table);
    format!("S3 Query Scan {name}")
}

/// The same of a table of a live database.
pub(super) fn remote_title(scan: &RemoteScanExec) -> String {
    let name = scan.table().rsplit('.').next().unwrap_or(scan.table());
    format!("PG Query Scan {name}")
}

impl Printer {
    /// Prints a scan of a live database: `node` is the step that takes over the rows.
    pub(super) fn remote(
        &mut self,
        plan: &Arc<dyn ExecutionPlan>,
        scan: &RemoteScanExec,
        node: &Node,
        place: &Place<'_>,
        measured: &str,
    ) {
        let whole = self.measures.of(plan);
        let shown = place.filter.unwrap_or(plan);
        let measure = self.measures.of(shown);
        self.line(place.depth, node, measure, measured);
        let title = match scan.is_grouped() {
            true => format!("Remote PG Aggregate {}", scan.table()),
            false => format!("Remote PG Seq Scan {}", scan.table()),
        };
        let sent = vec![format!("Remote SQL: {}", scan.sql())];
        let mut outside = Node::new(title, sent, (0.0, whole.cost));
        outside.is_outside = true;
        self.line(place.depth + 1, &outside, whole, "");
    }

    /// Prints a scan: `node` is the step that takes over the rows, with what is measured of it.
    pub(super) fn external(
        &mut self,
        plan: &Arc<dyn ExecutionPlan>,
        scan: &ExternalScan,
        node: &Node,
        place: &Place<'_>,
        measured: &str,
    ) {
        let whole = self.measures.of(plan);
        let mut depth = place.depth;
        if scan.is_partitioned {
            let title = Node::new("Partition Loop", Vec::new(), (0.0, whole.cost));
            self.line(depth, &title, whole, "");
            depth += 1;
            let title = format!("Seq Scan PartitionInfo of {}", scan.table);
            let mut partitions =
                Node::new(title, Vec::new(), (0.0, scan.partitions as f64 / 100.0));
            let filters = scan.partition_filters.iter();
            let filters = filters.map(|filter| format!("({})", expression::text(filter, plan)));
            partitions.filters = filters.collect();
            let qualified = Measure {
                rows: scan.partitions_qualified as f64,
                ..Measure::default()
            };
            self.line(depth, &partitions, qualified, "");
        }
        let shown = place.filter.unwrap_or(plan);
        let measure = self.measures.of(shown);
        self.line(depth, node, measure, measured);
        let title = format!(
            "S3 Seq Scan {} location:\"{}\" format:{}",
            scan.table, scan.location, scan.format
        );
        let mut outside = Node::new(title, Vec::new(), (0.0, whole.cost));
        outside.is_outside = true;
        let filters = physical::pushed_filters(plan.as_ref());
        let filters = filters.iter();
        let filters = filters.map(|filter| format!("({})", expression::text(filter, plan)));
        outside.filters = filters.collect();
        self.line(depth + 1, &outside, whole, "");
    }
}
