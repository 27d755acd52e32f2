//! What a vacuum takes and leaves, on one slice.

use super::figures::{Figures, interleaved_skew};
use super::vacuum::{Mode, Priority, options, plan, publish, run};
use crate::distribution::Distribution;
use crate::fixture::{Cluster, TestResult, TestTable};
use arrow::array::{Int64Array, RecordBatch};
use blueshift_storage::table::merge::{MergePlan, MergeProgress};
use blueshift_storage::{ColumnType, SortKey};
use std::ops::Range;
use std::sync::Arc;

fn insert(cluster: &Cluster, table: &TestTable, keys: Range<i64>) -> TestResult {
    let column = Arc::new(Int64Array::from_iter_values(keys));
    let batch = RecordBatch::try_new(table.layout.arrow_schema(), vec![column])?;
    cluster.insert(&cluster.target(table), &[batch])?;
    Ok(())
}

/// Vacuums and gives the row groups it read.
fn vacuum(cluster: &Cluster, table: &TestTable, mode: Mode, threshold: u8) -> TestResult<usize> {
    let node = &cluster.node;
    let version = node.store.table(table.id)?;
    let plan = plan(&version, mode, threshold);
    let mut read = 0;
    for merge in plan.merges {
        read += merge.runs.iter().map(Vec::len).sum::<usize>();
        let options = options(node, false, false);
        let progress = Arc::new(MergeProgress::default());
        let compute = &node.resources.compute;
        let priority = Priority::Asked;
        let merged = compute.block_on(run(node, &version, merge, options, priority, progress))?;
        compute.block_on(publish(node, merged))?;
    }
    Ok(read)
}

fn figures(cluster: &Cluster, table: &TestTable) -> TestResult<Figures> {
    Ok(Figures::of(&*cluster.node.store.table(table.id)?))
}

#[test]
fn a_sort_leaves_what_the_unsorted_rows_do_not_overlap() -> TestResult {
    let cluster = Cluster::start(1)?;
    let columns = [("a", ColumnType::Int64)];
    let table = cluster.create(&columns, SortKey::Compound(vec![0]), Distribution::All)?;
    for keys in [0..1_000, 1_000..2_000, 2_000..3_000] {
        insert(&cluster, &table, keys)?;
    }
    assert_eq!(
        figures(&cluster, &table)?.rows_sorted,
        3_000,
        "a time series"
    );
    insert(&cluster, &table, 1_200..1_300)?;
    let before = figures(&cluster, &table)?;
    assert_eq!((before.rows, before.rows_sorted), (3_100, 3_000));
    assert_eq!(
        vacuum(&cluster, &table, Mode::Full, 95)?,
        0,
        "sorted enough"
    );
    assert_eq!(
        vacuum(&cluster, &table, Mode::Full, 100)?,
        2,
        "one and the late rows"
    );
    let after = figures(&cluster, &table)?;
    assert_eq!((after.rows, after.rows_sorted), (3_100, 3_100));
    assert_eq!(cluster.node.store.table(table.id)?.row_groups.len(), 3);
    insert(&cluster, &table, 3_000..3_001)?;
    assert_eq!(figures(&cluster, &table)?.unsorted_percent(), Some(0.0));
    Ok(())
}

#[test]
fn small_row_groups_are_joined() -> TestResult {
    let cluster = Cluster::start(1)?;
    let columns = [("a", ColumnType::Int64)];
    let table = cluster.create(&columns, SortKey::None, Distribution::All)?;
    for key in 0..20 {
        insert(&cluster, &table, key..key + 1)?;
    }
    assert_eq!(figures(&cluster, &table)?.blocks, 20);
    assert_eq!(
        vacuum(&cluster, &table, Mode::SortOnly, 100)?,
        0,
        "no sort key"
    );
    assert_eq!(vacuum(&cluster, &table, Mode::Full, 95)?, 20);
    let after = figures(&cluster, &table)?;
    assert_eq!(
        (after.rows, after.blocks, after.unsorted_percent()),
        (20, 1, None)
    );
    assert_eq!(vacuum(&cluster, &table, Mode::Full, 95)?, 0, "done");
    Ok(())
}

#[test]
fn recluster_leaves_the_sorted_region_alone() -> TestResult {
    let cluster = Cluster::start(1)?;
    let columns = [("a", ColumnType::Int64)];
    let table = cluster.create(&columns, SortKey::Compound(vec![0]), Distribution::All)?;
    for keys in [500..1_000, 0..400, 300..700] {
        insert(&cluster, &table, keys)?;
    }
    assert_eq!(vacuum(&cluster, &table, Mode::Recluster, 95)?, 2);
    let after = figures(&cluster, &table)?;
    assert_eq!((after.rows, after.rows_sorted), (1_300, 500));
    assert_eq!(
        vacuum(&cluster, &table, Mode::Recluster, 95)?,
        0,
        "in order already"
    );
    assert_eq!(vacuum(&cluster, &table, Mode::Full, 95)?, 2);
    assert_eq!(figures(&cluster, &table)?.rows_sorted, 1_300);
    Ok(())
}

#[test]
fn a_reindex_goes_on_where_it_was_cut_off() -> TestResult {
    let cluster = Cluster::start(2)?;
    let columns = [("a", ColumnType::Int64)];
    let table = cluster.create(
        &columns,
        SortKey::Interleaved(vec![0]),
        Distribution::Key(0),
    )?;
    for keys in [0..1_000, 1_000..2_000] {
        insert(&cluster, &table, keys)?;
    }
    let node = &cluster.node;
    let planned = || -> TestResult<Vec<MergePlan>> {
        let version = node.store.table(table.id)?;
        Ok(plan(&version, Mode::Reindex, 95).merges)
    };
    let mut left = planned()?.len();
    assert_eq!(left, 2, "slices");
    while let Some(merge) = planned()?.into_iter().next() {
        let version = node.store.table(table.id)?;
        let options = options(node, false, false);
        let progress = Arc::new(MergeProgress::default());
        let compute = &node.resources.compute;
        let priority = Priority::Asked;
        let merged = compute.block_on(run(node, &version, merge, options, priority, progress))?;
        compute.block_on(publish(node, merged))?;
        left -= 1;
        assert_eq!(planned()?.len(), left, "none is done again");
    }
    assert_eq!(figures(&cluster, &table)?.rows_sorted, 2_000);
    Ok(())
}

#[test]
fn skew_grows_with_loads_and_goes_with_a_reindex() -> TestResult {
    let cluster = Cluster::start(1)?;
    let columns = [("a", ColumnType::Int64), ("b", ColumnType::Int64)];
    let key = SortKey::Interleaved(vec![0, 1]);
    let table = cluster.create(&columns, key, Distribution::All)?;
    let skews = || -> TestResult<[Option<f64>; 2]> {
        let store = &cluster.node.store;
        let version = store.table(table.id)?;
        let skew = |column| interleaved_skew(store, &version, column);
        Ok([skew(0)?, skew(1)?])
    };
    assert_eq!(skews()?, [None, None], "no rows");
    for load in 0..10 {
        let rows = || load * 10_000..(load + 1) * 10_000_i64;
        let left = Int64Array::from_iter_values(rows().map(|row| row * 7_919 % 100_000));
        let right = Int64Array::from_iter_values(rows().map(|row| row * 104_729 % 100_000));
        let schema = table.layout.arrow_schema();
        let batch = RecordBatch::try_new(schema, vec![Arc::new(left), Arc::new(right)])?;
        cluster.insert(&cluster.target(&table), &[batch])?;
    }
    let before = skews()?;
    assert_eq!(vacuum(&cluster, &table, Mode::Reindex, 95)?, 10);
    let after = skews()?;
    for (before, after) in before.into_iter().zip(after) {
        let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
        assert!(before > 2.0 && after < before, "{before} {after}");
    }
    Ok(())
}
