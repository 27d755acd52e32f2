use super::stream::{Pieces, pieces_of_slice};
use super::*;
use crate::fixture::{Cluster, TestResult, TestTable, naive, shown, sorted_text};
use crate::operator::shared::SharedExec;
use crate::report::StepReport;
use crate::write::{delete, update};
use arrow::array::{
    ArrayRef, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array, RecordBatch,
    StringViewArray,
};
use blueshift_storage::store::Commit;
use blueshift_storage::{ColumnType, SliceId, SortKey};
use datafusion::prelude::SessionContext;

const ROWS: i64 = 40_000;

const COLUMNS: &[(&str, ColumnType)] = &[
    ("k", ColumnType::Int64),
    ("small", ColumnType::Int32),
    (
        "price",
        ColumnType::Decimal {
            precision: 12,
            scale: 2,
        },
    ),
    ("day", ColumnType::Date),
    ("name", ColumnType::Text),
    ("ratio", ColumnType::Float64),
];

fn rows(table: &TestTable, range: std::ops::Range<i64>) -> TestResult<RecordBatch> {
    let some = |value: i64| (value % 13 != 0).then_some(value);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(range.clone())),
        Arc::new(Int32Array::from_iter(
            range
                .clone()
                .map(|row| some(row).map(|row| (row % 100) as i32)),
        )),
        Arc::new(
            Decimal128Array::from_iter(
                range
                    .clone()
                    .map(|row| some(row).map(|row| i128::from(row % 5_000))),
            )
            .with_precision_and_scale(12, 2)?,
        ),
        Arc::new(Date32Array::from_iter_values(
            range.clone().map(|row| (row / 20) as i32),
        )),
        Arc::new(StringViewArray::from_iter(range.clone().map(|row| {
            some(row).map(|row| {
                format!(
                    "{} of the long names",
                    ["red", "green", "blue"][(row % 3) as usize]
                )
            })
        }))),
        Arc::new(Float64Array::from_iter_values(
            range.map(|row| row as f64 / 8.0),
        )),
    ];
    Ok(RecordBatch::try_new(table.layout.arrow_schema(), columns)?)
}

/// A cluster with a table `t` of [`ROWS`] rows, and two sessions: stored and naive.
fn both(
    slices: u32,
    distribution: Distribution,
) -> TestResult<(Cluster, TestTable, SessionContext, SessionContext)> {
    let cluster = Cluster::start(slices)?;
    let table = cluster.create(COLUMNS, SortKey::Compound(vec![3]), distribution)?;
    let batches = [rows(&table, 0..ROWS / 2)?, rows(&table, ROWS / 2..ROWS)?];
    cluster.insert(&cluster.target(&table), &batches)?;
    let (stored, plain) = (cluster.session(), cluster.session());
    stored.register_table("t", Arc::new(cluster.table(&table)?))?;
    plain.register_table("t", naive(table.layout.arrow_schema(), &batches)?)?;
    Ok((cluster, table, stored, plain))
}

fn spread() -> impl Iterator<Item = (u32, Distribution)> {
    let distributions = [Distribution::Even, Distribution::Key(0), Distribution::All];
    [1, 2, 5]
        .into_iter()
        .flat_map(move |slices| distributions.map(|distribution| (slices, distribution)))
}

#[test]
fn filters_pass_the_rows_that_the_engine_passes() -> TestResult {
    let predicates = [
        "true",
        "k = 17",
        "17 > k",
        "k BETWEEN 100 AND 120",
        "k IN (1, 5, 39999, 70000)",
        "k NOT IN (1, 5)",
        "small IS NULL",
        "small IS NOT NULL AND small < 3",
        "small = 5.5",
        "small < 5.5 AND small > 3.5",
        "price >= 49.95",
        "price * 2 > 99.90",
        "day < DATE '1970-01-10'",
        "day >= TIMESTAMP '1970-02-01 12:00:00'",
        "name LIKE 'red%'",
        "name LIKE '%long%' AND k < 50",
        "name = 'blue of the long names' AND k < 90",
        "upper(name) LIKE 'GREEN%' AND k < 70",
        "ratio > 4990.5",
        "(small = 1 AND name LIKE 'red%') OR (small = 2 AND name LIKE 'blue%')",
        "CASE WHEN k < 5 THEN true ELSE k = 100 END",
        "k = small",
        "NOT (k > 10)",
        "(small IS DISTINCT FROM 7) AND k < 30",
        "false",
    ];
    for (slices, distribution) in spread() {
        let (cluster, _, stored, plain) = both(slices, distribution)?;
        for predicate in predicates {
            for columns in ["*", "name, k", "count(*), sum(k)"] {
                let sql = format!("SELECT {columns} FROM t WHERE {predicate}");
                let expected = cluster.answer(&plain, &sql)?;
                assert_eq!(
                    cluster.answer(&stored, &sql)?,
                    expected,
                    "{sql} on {slices} {distribution:?}"
                );
            }
        }
    }
    Ok(())
}

/// The engine alone evaluates both sides of AND on all rows, so its own answer is asked in other words.
#[test]
fn a_filter_keeps_later_ones_from_bad_rows() -> TestResult {
    for (slices, distribution) in spread() {
        let (cluster, _, stored, plain) = both(slices, distribution)?;
        assert_eq!(
            cluster.answer(
                &stored,
                "SELECT k, name FROM t WHERE k <> 0 AND 100 / k > 7"
            )?,
            cluster.answer(&plain, "SELECT k, name FROM t WHERE k BETWEEN 1 AND 12")?,
            "{slices} {distribution:?}"
        );
    }
    Ok(())
}

#[test]
fn filters_leave_the_plan_and_prune_blocks() -> TestResult {
    let (cluster, _, stored, _) = both(2, Distribution::Key(0))?;
    let plan = cluster.plan(&stored, "SELECT name FROM t WHERE day < DATE '1970-01-03'")?;
    let text = shown(&plan);
    assert!(
        !text.contains("FilterExec") && text.contains("SliceScanExec: t [name], filter="),
        "{text}"
    );
    cluster.run(&stored, &plan)?;
    let mut scanned = 0;
    StepReport::of(&plan).visit(&mut |_, step| scanned += step.metrics.rows_scanned.unwrap_or(0));
    assert!(scanned < ROWS as u64, "{scanned} rows scanned");
    Ok(())
}

#[test]
fn counting_reads_no_block() -> TestResult {
    let (cluster, table, stored, _) = both(2, Distribution::Key(0))?;
    let scan = SliceScanExec::new(Arc::new(cluster.table(&table)?), Vec::new())?;
    let scan: Arc<dyn ExecutionPlan> = Arc::new(scan);
    let rows: usize = cluster
        .run(&stored, &scan)?
        .iter()
        .map(RecordBatch::num_rows)
        .sum();
    assert_eq!(rows, ROWS as usize);
    assert_eq!(StepReport::of(&scan).metrics.blocks_read, Some(0));
    Ok(())
}

#[test]
fn a_limit_stops_the_scan() -> TestResult {
    let (cluster, _, stored, _) = both(2, Distribution::Even)?;
    let plan = cluster.plan(&stored, "SELECT k FROM t LIMIT 7")?;
    let rows: usize = cluster
        .run(&stored, &plan)?
        .iter()
        .map(RecordBatch::num_rows)
        .sum();
    assert_eq!(rows, 7, "{}", shown(&plan));
    Ok(())
}

#[test]
fn deleted_and_updated_rows_read_as_such() -> TestResult {
    for (slices, distribution) in spread() {
        let (cluster, table, stored, plain) = both(slices, distribution)?;
        let session = cluster.session();
        session.register_table("t", Arc::new(cluster.table_with_row_ids(&table)?))?;
        let version = Arc::clone(cluster.node.store.read_view().table(table.id)?);
        let compute = &cluster.node.resources.compute;

        let plan = cluster.plan(&session, "SELECT _rowid FROM t WHERE small = 3")?;
        let (masks, gone) = compute.block_on(delete(
            &cluster.node,
            &version,
            plan,
            session.task_ctx(),
            false,
        ))?;
        cluster.node.store.commit(Commit {
            masks,
            ..cluster.commit()
        })?;
        stored.deregister_table("t")?;
        stored.register_table("t", Arc::new(cluster.table(&table)?))?;
        let kept = "SELECT count(*), sum(k) FROM t WHERE small <> 3 OR small IS NULL";
        let all = "SELECT count(*), sum(k) FROM t";
        let text = |sql: &str, session| cluster.answer(session, sql);
        assert_eq!(text(all, &stored)?, text(kept, &plain)?);
        assert_eq!(
            cluster.table(&table)?.version.row_count(),
            ROWS as u64 - gone
        );

        session.deregister_table("t")?;
        session.register_table("t", Arc::new(cluster.table_with_row_ids(&table)?))?;
        let version = Arc::clone(cluster.node.store.read_view().table(table.id)?);
        let changed =
            "SELECT _rowid, k + 1000000, small, price, day, 'new', ratio FROM t WHERE small = 4";
        let plan = cluster.plan(&session, changed)?;
        let target = cluster.target(&table);
        let (written, masks) = compute.block_on(update(
            &cluster.node,
            &target,
            &version,
            plan,
            session.task_ctx(),
            false,
        ))?;
        cluster.node.store.commit(Commit {
            added: written.row_groups,
            masks,
            ..cluster.commit()
        })?;
        stored.deregister_table("t")?;
        stored.register_table("t", Arc::new(cluster.table(&table)?))?;
        let new = "SELECT k - 1000000 AS k, small, day FROM t WHERE name = 'new'";
        let old = "SELECT k, small, day FROM t WHERE small = 4";
        let body = |text: String| {
            text.lines()
                .filter(|line| !line.contains('k'))
                .collect::<Vec<_>>()
                .join("\n")
        };
        assert_eq!(body(text(new, &stored)?), body(text(old, &plain)?));
    }
    Ok(())
}

#[test]
fn a_join_on_both_distribution_keys_moves_no_row() -> TestResult {
    for slices in [1, 2, 5] {
        let (cluster, table, stored, plain) = both(slices, Distribution::Key(0))?;
        stored.register_table("u", Arc::new(cluster.table(&table)?))?;
        let other = plain.table_provider("t");
        let other = cluster.node.resources.compute.block_on(other)?;
        plain.register_table("u", other)?;
        for session in [&stored, &plain] {
            let state = session.state_ref();
            let mut state = state.write();
            let options = state.config_mut().options_mut();
            options.optimizer.hash_join_single_partition_threshold = 0;
            options.optimizer.hash_join_single_partition_threshold_rows = 0;
        }
        let sql = "SELECT t.k, count(*), max(u.name) FROM t JOIN u ON t.k = u.k WHERE u.small < 9 GROUP BY t.k";
        let plan = cluster.plan(&stored, sql)?;
        let text = shown(&plan);
        assert!(!text.contains("RepartitionExec"), "{text}");
        assert!(text.contains("pinned"), "{text}");
        assert_eq!(
            sorted_text(&cluster.run(&stored, &plan)?)?,
            cluster.answer(&plain, sql)?,
            "{text}"
        );
    }
    Ok(())
}

#[test]
fn a_join_filter_spares_the_probe_side_rows() -> TestResult {
    let (cluster, _, stored, _) = both(2, Distribution::Key(0))?;
    let days =
        "SELECT count(*) FROM t JOIN (SELECT DISTINCT day FROM t WHERE k < 60) d ON t.day = d.day";
    let plan = cluster.plan(&stored, days)?;
    let answer = sorted_text(&cluster.run(&stored, &plan)?)?;
    assert!(answer.contains("60"), "{answer}");
    let (mut given, mut text) = (Vec::new(), String::new());
    StepReport::of(&plan).visit(&mut |depth, step| {
        text.push_str(&format!(
            "{}{} {:?}\n",
            " ".repeat(depth),
            step.label,
            step.metrics.rows
        ));
        if step.operator == "SliceScanExec" {
            given.push(step.metrics.rows.unwrap_or(0));
        }
    });
    assert!(given.iter().all(|&rows| rows == 60), "{text}");
    Ok(())
}

#[test]
fn scans_are_free_where_nothing_needs_the_slices() -> TestResult {
    let (cluster, _, stored, plain) = both(5, Distribution::Key(0))?;
    let sql = "SELECT small, count(*) FROM t GROUP BY small";
    let plan = cluster.plan(&stored, sql)?;
    assert!(shown(&plan).contains("free"), "{}", shown(&plan));
    assert_eq!(
        sorted_text(&cluster.run(&stored, &plan)?)?,
        cluster.answer(&plain, sql)?
    );
    let by_key = cluster.plan(&stored, "SELECT k, count(*) FROM t GROUP BY k")?;
    let text = shown(&by_key);
    assert!(
        text.contains("pinned") && !text.contains("RepartitionExec"),
        "{text}"
    );
    Ok(())
}

#[test]
fn a_sort_that_trusts_in_the_first_key_gets_its_order() -> TestResult {
    for slices in [1, 2, 5] {
        let (cluster, _, stored, plain) = both(slices, Distribution::Key(0))?;
        for sql in [
            "SELECT day, k FROM t ORDER BY day, k DESC LIMIT 30",
            "SELECT day, k FROM t WHERE small > 90 ORDER BY day, name, k LIMIT 30",
        ] {
            let (answer, plan) = in_order(&cluster, &stored, sql)?;
            assert!(
                plan.contains("sort_prefix=[day") && plan.contains("pinned"),
                "{plan}"
            );
            assert_eq!(answer, in_order(&cluster, &plain, sql)?.0, "{plan}");
        }
    }
    Ok(())
}

#[test]
fn what_others_read_too_keeps_its_slices() -> TestResult {
    let (cluster, table, ..) = both(2, Distribution::Key(0))?;
    let scan = SliceScanExec::new(Arc::new(cluster.table(&table)?), vec![0])?;
    let shared: Arc<dyn ExecutionPlan> = Arc::new(SharedExec::new(0, Arc::new(scan)));
    let text = shown(&choose_scan_modes(shared)?);
    assert!(text.contains("pinned"), "{text}");
    Ok(())
}

#[test]
fn a_free_partition_takes_its_own_slice_first_and_then_what_is_left() -> TestResult {
    let (cluster, table, ..) = both(2, Distribution::Key(0))?;
    let version = cluster.table(&table)?.version;
    let slices = [0, 1].map(|slice| pieces_of_slice(&version, SliceId(slice), Some(1024)));
    let (own, all) = (slices[1].len(), slices[0].len() + slices[1].len());
    assert!(own > 1 && all > own, "{own} of {all}");
    let pieces = Pieces::of_slices(slices);
    let taken = std::iter::from_fn(|| pieces.take(1));
    let taken: Vec<u32> = taken.map(|piece| piece.group.record.slice.0).collect();
    assert_eq!(taken.len(), all);
    assert!(taken[..own].iter().all(|&slice| slice == 1), "{taken:?}");
    assert!(taken[own..].iter().all(|&slice| slice == 0), "{taken:?}");
    assert!(pieces.take(0).is_none());
    Ok(())
}

#[test]
fn a_small_insert_makes_one_row_group() -> TestResult {
    let cluster = Cluster::start(5)?;
    let table = cluster.create(COLUMNS, SortKey::None, Distribution::Even)?;
    let mut target = cluster.target(&table);
    target.first_slice = 3;
    let written = cluster.insert(&target, &[rows(&table, 0..3)?, rows(&table, 3..5)?])?;
    let slices: Vec<u32> = written
        .row_groups
        .iter()
        .map(|record| record.slice.0)
        .collect();
    assert_eq!((slices, written.rows), (vec![3], 5));
    Ok(())
}

#[test]
fn a_limit_of_the_last_rows_reads_from_the_end() -> TestResult {
    const MANY: i64 = 300_000;
    for (slices, distribution) in [(1, Distribution::Even), (2, Distribution::Key(0))] {
        let cluster = Cluster::start(slices)?;
        let key = SortKey::Compound(vec![1, 0]);
        // The sort key may be null, and then its nulls come first.
        let columns = [("id", ColumnType::Int64), ("k", ColumnType::Int64)];
        let table = cluster.create(&columns, key, distribution)?;
        let batch = RecordBatch::try_new(
            table.layout.arrow_schema(),
            vec![
                Arc::new(Int64Array::from_iter_values(0..MANY)),
                Arc::new(Int64Array::from_iter(
                    (0..MANY).map(|row| (row != 70_000).then_some(row / 3)),
                )),
            ],
        )?;
        cluster.insert(&cluster.target(&table), std::slice::from_ref(&batch))?;
        let (stored, plain) = (cluster.session(), cluster.session());
        stored.register_table("t", Arc::new(cluster.table(&table)?))?;
        plain.register_table("t", naive(table.layout.arrow_schema(), &[batch])?)?;
        for sql in [
            "SELECT k, id FROM t ORDER BY k DESC NULLS LAST, id LIMIT 10",
            "SELECT id FROM t WHERE id % 2 = 0 ORDER BY k DESC, id DESC LIMIT 9",
            "SELECT k FROM t ORDER BY k DESC LIMIT 3",
        ] {
            let (expected, _) = in_order(&cluster, &plain, sql)?;
            let plan = cluster.plan(&stored, sql)?;
            let batches = cluster.run(&stored, &plan)?;
            let answer = arrow::util::pretty::pretty_format_batches(&batches)?.to_string();
            assert_eq!(answer, expected, "{sql}");
            assert!(shown(&plan).contains("backward"), "{}", shown(&plan));
            let mut scanned = 0;
            StepReport::of(&plan)
                .visit(&mut |_, step| scanned += step.metrics.rows_scanned.unwrap_or(0));
            assert!(scanned < 180_000, "{scanned} rows scanned for {sql}");
        }
        let sql = "SELECT id FROM t ORDER BY k DESC, id";
        let (answer, _) = in_order(&cluster, &stored, sql)?;
        assert_eq!(answer, in_order(&cluster, &plain, sql)?.0);
    }
    Ok(())
}

/// Gives the answer row by row as it comes, and the plan it came from.
fn in_order(
    cluster: &Cluster,
    session: &SessionContext,
    sql: &str,
) -> TestResult<(String, String)> {
    let plan = cluster.plan(session, sql)?;
    let text = shown(&plan);
    let batches = cluster.run(session, &plan)?;
    Ok((
        arrow::util::pretty::pretty_format_batches(&batches)?.to_string(),
        text,
    ))
}

#[test]
fn runs_are_merged_for_an_operator_that_asks_for_the_order() -> TestResult {
    for (slices, distribution) in spread() {
        let cluster = Cluster::start(slices)?;
        let key = SortKey::Compound(vec![3, 0]);
        let table = cluster.create(COLUMNS, key, distribution)?;
        let target = cluster.target(&table);
        // Later rows first, then rows between them, each insert a run of its own.
        let parts = [20_000..30_000, 5_000..25_000, 0..1_000];
        let mut batches = Vec::new();
        for part in parts {
            let batch = rows(&table, part)?;
            cluster.insert(&target, std::slice::from_ref(&batch))?;
            batches.push(batch);
        }
        let (stored, plain) = (cluster.session(), cluster.session());
        stored.register_table("t", Arc::new(cluster.table(&table)?))?;
        plain.register_table("t", naive(table.layout.arrow_schema(), &batches)?)?;
        for sql in [
            "SELECT day, k FROM t ORDER BY day, k",
            "SELECT k, name, day FROM t WHERE small < 50 ORDER BY day, k LIMIT 100",
            "SELECT day, k, price FROM t WHERE k BETWEEN 4000 AND 21000 ORDER BY day, k",
            "SELECT day FROM t ORDER BY day LIMIT 7",
        ] {
            let (answer, plan) = in_order(&cluster, &stored, sql)?;
            let (expected, _) = in_order(&cluster, &plain, sql)?;
            assert_eq!(answer, expected, "{sql} on {slices} {distribution:?}");
            assert!(!plan.contains("SortExec"), "{plan}");
            assert!(plan.contains("runs by day"), "{plan}");
        }
        // Of another order nothing is promised.
        for sql in [
            "SELECT k FROM t ORDER BY k",
            "SELECT day FROM t ORDER BY day DESC",
        ] {
            let (answer, plan) = in_order(&cluster, &stored, sql)?;
            assert_eq!(answer, in_order(&cluster, &plain, sql)?.0, "{sql}");
            assert!(
                plan.contains("SortExec") && !plan.contains("merges"),
                "{plan}"
            );
        }
        // Who does not ask is not made to wait for a merge.
        let (_, plan) = in_order(&cluster, &stored, "SELECT count(k) FROM t WHERE small > 3")?;
        assert!(!plan.contains("merges"), "{plan}");
    }
    Ok(())
}
