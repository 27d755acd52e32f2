use super::*;
use crate::fixture::{Cluster, TestResult, naive, shown};
use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::UInt32Type;
use arrow_schema::{DataType, Field, Schema};
use blueshift_storage::{ColumnType, SortKey};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::physical_expr::Partitioning;
use datafusion::physical_expr::expressions::col;
use datafusion::physical_plan::{ExecutionPlan, execute_stream_partitioned};
use datafusion::prelude::SessionContext;
use futures::TryStreamExt;

#[test]
fn a_slice_is_where_the_engine_would_shuffle_a_row() -> TestResult {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    for key in fixed_values() {
        for slice_count in [1, 2, 5] {
            let shuffled = runtime.block_on(shuffle(&key, slice_count))?;
            let mut slices = Vec::new();
            slices_of_rows(&key, slice_count, &mut slices)?;
            assert_eq!(
                slices,
                shuffled,
                "{} over {slice_count} slices",
                key.data_type()
            );
            let null = (0..key.len())
                .find(|&row| key.is_null(row))
                .ok_or("no null in the vector")?;
            assert_eq!(slices.get(null), Some(&0), "null of {}", key.data_type());
        }
    }
    Ok(())
}

/// Gives the output partition of each row through the engine's own shuffle.
#[expect(
    clippy::disallowed_methods,
    reason = "the engine's own session is the oracle here"
)]
async fn shuffle(key: &ArrayRef, partitions: u32) -> TestResult<Vec<u32>> {
    let schema = Arc::new(Schema::new(vec![
        Field::new("key", key.data_type().clone(), true),
        Field::new("row", DataType::UInt32, false),
    ]));
    let rows = arrow::array::UInt32Array::from_iter_values(0..u32::try_from(key.len())?);
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::clone(key), Arc::new(rows)])?;
    let source = MemorySourceConfig::try_new_exec(&[vec![batch]], Arc::clone(&schema), None)?;
    let by_key = Partitioning::Hash(vec![col("key", &schema)?], partitions as usize);
    let plan: Arc<dyn ExecutionPlan> =
        Arc::new(datafusion::physical_plan::repartition::RepartitionExec::try_new(source, by_key)?);
    let mut slices = vec![u32::MAX; key.len()];
    let streams = execute_stream_partitioned(plan, SessionContext::new().task_ctx())?;
    for (partition, stream) in (0..).zip(streams) {
        for batch in stream.try_collect::<Vec<_>>().await? {
            for row in batch.column(1).as_primitive::<UInt32Type>().values() {
                slices[*row as usize] = partition;
            }
        }
    }
    Ok(slices)
}

#[test]
fn the_fingerprint_is_the_same_every_time() {
    assert_eq!(fingerprint(), fingerprint());
}

/// The negative test of the placement rule: it must keep failing without the guard, for then the guard is
/// what keeps answers right.
#[test]
fn rows_placed_by_another_hash_are_lost_unless_the_guard_holds() -> TestResult {
    let cluster = Cluster::start(5)?;
    let columns = [("k", ColumnType::Int64), ("other", ColumnType::Int64)];
    let placed = cluster.create(&columns, SortKey::None, Distribution::Key(0))?;
    let misplaced = cluster.create(&columns, SortKey::None, Distribution::Key(0))?;
    let keys = Int64Array::from_iter_values(0..20_000);
    let others = Int64Array::from_iter_values((0..20_000).map(|key| key * 7 + 3));
    let schema = placed.layout.arrow_schema();
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(keys), Arc::new(others)])?;
    cluster.insert(&cluster.target(&placed), std::slice::from_ref(&batch))?;
    let mut elsewhere = cluster.target(&misplaced);
    elsewhere.distribution = Distribution::Key(1);
    cluster.insert(&elsewhere, std::slice::from_ref(&batch))?;

    let sql = "SELECT count(*) FROM a JOIN b ON a.k = b.k";
    let answer = |left: Arc<dyn datafusion::catalog::TableProvider>, guard| -> TestResult<_> {
        let session = cluster.session();
        session.register_table("a", left)?;
        let mut right = cluster.table(&misplaced)?;
        right.placement_holds = guard;
        session.register_table("b", Arc::new(right))?;
        // Both sides are small; a join collected on one side would hide the fault.
        let state = session.state_ref();
        let mut state = state.write();
        let options = state.config_mut().options_mut();
        options.optimizer.hash_join_single_partition_threshold = 0;
        options.optimizer.hash_join_single_partition_threshold_rows = 0;
        drop(state);
        Ok((
            cluster.answer(&session, sql)?,
            shown(&cluster.plan(&session, sql)?),
        ))
    };
    let expected = answer(naive(schema, &[batch])?, false)?.0;
    assert!(expected.contains("20000"), "{expected}");
    let (guarded, plan) = answer(Arc::new(cluster.table(&placed)?), false)?;
    assert_eq!(guarded, expected, "{plan}");
    let (unguarded, plan) = answer(Arc::new(cluster.table(&placed)?), true)?;
    assert_ne!(unguarded, expected, "{plan}");
    Ok(())
}
