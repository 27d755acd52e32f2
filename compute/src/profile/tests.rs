use super::*;
use crate::distribution::Distribution;
use crate::fixture::{Cluster, TestResult};
use arrow::array::{Int64Array, RecordBatch};
use blueshift_storage::{ColumnType, SortKey};
use datafusion::prelude::SessionContext;

const ROWS: i64 = 10_000;

/// Two slices with tables `t` and `u`, both of the numbers below [`ROWS`], by round robin.
fn cluster() -> TestResult<(Cluster, SessionContext)> {
    let cluster = Cluster::start(2)?;
    let session = cluster.session();
    for name in ["t", "u"] {
        let columns = [("k", ColumnType::Int64)];
        let table = cluster.create(&columns, SortKey::None, Distribution::Even)?;
        let values = Arc::new(Int64Array::from_iter_values(0..ROWS));
        let batch = RecordBatch::try_new(table.layout.arrow_schema(), vec![values])?;
        cluster.insert(&cluster.target(&table), &[batch.clone(), batch])?;
        session.register_table(name, Arc::new(cluster.table(&table)?))?;
    }
    Ok((cluster, session))
}

fn of_kind(steps: &[Step], kind: StepKind) -> Vec<&Step> {
    steps.iter().filter(|step| step.kind == kind).collect()
}

#[test]
fn a_plan_that_has_not_run_has_no_steps() -> TestResult {
    let (cluster, session) = cluster()?;
    let plan = cluster.plan(&session, "SELECT k FROM t")?;
    assert_eq!(steps(&plan, &Sink::Return), []);
    Ok(())
}

#[test]
fn a_scan_tells_its_rows_by_slice() -> TestResult {
    let (cluster, session) = cluster()?;
    let plan = cluster.plan(&session, "SELECT k FROM t WHERE k % 2 = 0")?;
    cluster.run(&session, &plan)?;
    let steps = steps(&plan, &Sink::Return);
    let scan = steps.first().ok_or("no step")?;
    assert_eq!((scan.kind, scan.segment, scan.step), (StepKind::Scan, 0, 0));
    assert_eq!(scan.slices.len(), 2);
    assert_eq!(scan.sum(|work| work.rows_scanned), 2 * ROWS as u64);
    assert_eq!(scan.sum(|work| work.rows), ROWS as u64);
    assert!(scan.slices.values().all(|work| work.started_us > 0));
    assert!(
        scan.slices
            .values()
            .all(|work| work.started_us <= work.ended_us)
    );
    let last = steps.last().ok_or("no step")?;
    assert_eq!(last.kind, StepKind::Return);
    assert_eq!(last.sum(|work| work.rows), ROWS as u64);
    Ok(())
}

#[test]
fn a_join_hashes_in_a_segment_before_the_one_that_looks_up() -> TestResult {
    let (cluster, session) = cluster()?;
    let sql = "SELECT count(*) FROM t JOIN u ON t.k = u.k WHERE u.k < 10";
    let plan = cluster.plan(&session, sql)?;
    cluster.run(&session, &plan)?;
    let steps = steps(&plan, &Sink::Return);
    let (hashes, joins) = (
        of_kind(&steps, StepKind::Hash),
        of_kind(&steps, StepKind::HashJoin),
    );
    let ([hash], [join]) = (hashes.as_slice(), joins.as_slice()) else {
        return Err(format!("{steps:?}").into());
    };
    assert!(hash.segment < join.segment && hash.stream < join.stream);
    assert_eq!(hash.table, join.table);
    assert_eq!(join.sum(|work| work.rows), 40);
    let segments: Vec<u32> = steps.iter().map(|step| step.segment).collect();
    assert!(segments.is_sorted());
    let aggregates = of_kind(&steps, StepKind::Aggregate);
    assert!(!aggregates.is_empty());
    Ok(())
}

#[test]
fn steps_of_a_later_plan_come_after() -> TestResult {
    let (cluster, session) = cluster()?;
    let mut both = Vec::new();
    for sql in ["SELECT k FROM t ORDER BY k", "SELECT DISTINCT k FROM u"] {
        let plan = cluster.plan(&session, sql)?;
        cluster.run(&session, &plan)?;
        append(&mut both, steps(&plan, &Sink::Return));
    }
    let places: Vec<_> = both
        .iter()
        .map(|step| (step.stream, step.segment, step.step))
        .collect();
    assert!(places.is_sorted(), "{places:?}");
    let mut distinct = places.clone();
    distinct.dedup();
    assert_eq!(distinct.len(), places.len());
    Ok(())
}
