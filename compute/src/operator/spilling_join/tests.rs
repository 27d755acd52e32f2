//! Joins in little memory against what they must give: a naive twin, and the engine's operator with all memory.

use super::*;
use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringViewArray};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use datafusion::common::JoinSide;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryPool};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{BinaryExpr, Column};
use datafusion::physical_plan::joins::HashJoinExecBuilder;
use datafusion::physical_plan::joins::utils::ColumnIndex;
use futures::StreamExt;
use proptest::prelude::*;

/// Partitions and chunks so small that a hundred rows are many.
const SMALL: Limits = Limits {
    partitions: 4,
    chunk_bytes: 256,
    depth_max: 3,
};

/// Memory with which every join must finish that can be cut.
const ENOUGH: usize = 24 << 10;

/// A row of either side: key, text, number.
type Row = (Option<i64>, Option<String>, i64);

#[derive(Clone, Debug)]
struct Case {
    left: Vec<Row>,
    right: Vec<Row>,
    join_type: JoinType,
    nulls_match: bool,
    by_text: bool,
    filtered: bool,
    batch_rows: usize,
    memory: usize,
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("k", DataType::Int64, true),
        Field::new("s", DataType::Utf8View, true),
        Field::new("n", DataType::Int64, true),
    ]))
}

/// The rows as a plan whose batches are slices of one.
fn input(rows: &[Row], batch_rows: usize) -> Arc<dyn ExecutionPlan> {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>()),
        Arc::new(
            rows.iter()
                .map(|row| row.1.as_deref())
                .collect::<StringViewArray>(),
        ),
        Arc::new(rows.iter().map(|row| Some(row.2)).collect::<Int64Array>()),
    ];
    source(schema(), columns, batch_rows)
}

fn source(schema: SchemaRef, columns: Vec<ArrayRef>, batch_rows: usize) -> Arc<dyn ExecutionPlan> {
    let whole = RecordBatch::try_new(Arc::clone(&schema), columns).expect("a batch");
    let starts = (0..whole.num_rows()).step_by(batch_rows);
    let batches = starts.map(|start| {
        let rows = batch_rows.min(whole.num_rows() - start);
        whole.slice(start, rows)
    });
    let batches: Vec<RecordBatch> = batches.collect();
    MemorySourceConfig::try_new_exec(&[batches], schema, None).expect("a plan")
}

fn column(name: &str, index: usize) -> Arc<dyn PhysicalExpr> {
    Arc::new(Column::new(name, index))
}

impl Case {
    fn join(&self) -> HashJoinExec {
        let mut on = vec![(column("k", 0), column("k", 0))];
        if self.by_text {
            on.push((column("s", 1), column("s", 1)));
        }
        // The left number is less than the right one.
        let less = BinaryExpr::new(column("l", 0), Operator::Lt, column("r", 1));
        let number = |side| ColumnIndex { index: 2, side };
        let numbers = Schema::new(vec![
            Field::new("l", DataType::Int64, true),
            Field::new("r", DataType::Int64, true),
        ]);
        let filter = JoinFilter::new(
            Arc::new(less),
            vec![number(JoinSide::Left), number(JoinSide::Right)],
            Arc::new(numbers),
        );
        let (left, right) = (
            input(&self.left, self.batch_rows),
            input(&self.right, self.batch_rows),
        );
        HashJoinExecBuilder::new(left, right, on, self.join_type)
            .with_filter(self.filtered.then_some(filter))
            .with_partition_mode(PartitionMode::Partitioned)
            .with_null_equality(match self.nulls_match {
                true => NullEquality::NullEqualsNull,
                false => NullEquality::NullEqualsNothing,
            })
            .build()
            .expect("a join")
    }

    fn meet(&self, left: &Row, right: &Row) -> bool {
        let same_key = match (left.0, right.0) {
            (None, None) => self.nulls_match,
            (left, right) => left == right,
        };
        let same_text = match (&left.1, &right.1) {
            (None, None) => self.nulls_match,
            (left, right) => left == right,
        };
        same_key && (!self.by_text || same_text) && (!self.filtered || left.2 < right.2)
    }

    /// What must come, by the definition of each join.
    fn expected(&self) -> Vec<String> {
        let null = ["", "", ""].map(str::to_owned).to_vec();
        let has_match = |row: &Row, is_left: bool| match is_left {
            true => self.right.iter().any(|other| self.meet(row, other)),
            false => self.left.iter().any(|other| self.meet(other, row)),
        };
        let mut lines = Vec::new();
        let pairs = matches!(
            self.join_type,
            JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full
        );
        if pairs {
            for left in &self.left {
                let met = self.right.iter().filter(|right| self.meet(left, right));
                lines.extend(met.map(|right| [cells(left), cells(right)].concat()));
            }
        }
        for (rows, is_left) in [(&self.left, true), (&self.right, false)] {
            for row in rows {
                let own = cells(row);
                let matched = has_match(row, is_left);
                match (self.join_type, is_left) {
                    (JoinType::Left | JoinType::Full, true) if !matched => {
                        lines.push([own, null.clone()].concat());
                    }
                    (JoinType::Right | JoinType::Full, false) if !matched => {
                        lines.push([null.clone(), own].concat());
                    }
                    (JoinType::LeftSemi, true) | (JoinType::RightSemi, false) if matched => {
                        lines.push(own);
                    }
                    (JoinType::LeftAnti, true) | (JoinType::RightAnti, false) if !matched => {
                        lines.push(own);
                    }
                    (JoinType::LeftMark, true) | (JoinType::RightMark, false) => {
                        lines.push([own, vec![matched.to_string()]].concat());
                    }
                    _ => {}
                }
            }
        }
        sorted(lines)
    }
}

fn cells(row: &Row) -> Vec<String> {
    let key = row.0.map(|key| key.to_string()).unwrap_or_default();
    vec![key, row.1.clone().unwrap_or_default(), row.2.to_string()]
}

fn sorted(lines: Vec<Vec<String>>) -> Vec<String> {
    let mut lines: Vec<String> = lines.iter().map(|cells| cells.join("|")).collect();
    lines.sort();
    lines
}

fn lines_of(batches: &[RecordBatch]) -> Vec<String> {
    let options = FormatOptions::default();
    let mut lines = Vec::new();
    for batch in batches {
        let columns = batch.columns().iter();
        let columns = columns.map(|column| ArrayFormatter::try_new(column, &options));
        let columns: Vec<_> = columns.map(|column| column.expect("shown")).collect();
        for row in 0..batch.num_rows() {
            let cells = columns.iter().map(|column| column.value(row).to_string());
            lines.push(cells.collect());
        }
    }
    sorted(lines)
}

/// A task with so much memory, and what it uses.
fn task(memory: usize) -> (Arc<TaskContext>, Arc<RuntimeEnv>) {
    let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(memory));
    let runtime = RuntimeEnvBuilder::new().with_memory_pool(pool);
    let runtime = runtime.build_arc().expect("a runtime");
    let task = TaskContext::default().with_runtime(Arc::clone(&runtime));
    (Arc::new(task), runtime)
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime").block_on(work)
}

/// Runs a plan, and sees to it that nothing is left of it.
fn run(plan: &dyn ExecutionPlan, memory: usize) -> Result<Vec<RecordBatch>> {
    let (task, runtime) = task(memory);
    let rows = block_on(async {
        let stream = plan.execute(0, task)?;
        datafusion::physical_plan::common::collect(stream).await
    });
    assert_eq!(runtime.memory_pool.reserved(), 0);
    assert_eq!(runtime.disk_manager.used_disk_space(), 0);
    rows
}

fn is_out_of_memory(error: &DataFusionError) -> bool {
    matches!(error.find_root(), DataFusionError::ResourcesExhausted(text) if text.contains("SpillingJoin[0]"))
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let key = prop_oneof![
        2 => Just(Some(1)),
        1 => Just(None),
        5 => (0_i64..40).prop_map(Some),
    ];
    let text = prop_oneof![
        1 => Just(None),
        3 => "[ab]{0,2}".prop_map(Some),
        1 => Just(Some("a text that is longer than its view".repeat(2))),
    ];
    prop::collection::vec((key, text, 0_i64..100), 0..160)
}

fn join_type() -> impl Strategy<Value = JoinType> {
    prop::sample::select(vec![
        JoinType::Inner,
        JoinType::Left,
        JoinType::Right,
        JoinType::Full,
        JoinType::LeftSemi,
        JoinType::RightSemi,
        JoinType::LeftAnti,
        JoinType::RightAnti,
        JoinType::LeftMark,
        JoinType::RightMark,
    ])
}

fn case() -> impl Strategy<Value = Case> {
    let sides = (rows(), rows(), join_type());
    let how = (any::<bool>(), any::<bool>(), any::<bool>());
    let size = (1_usize..50, prop_oneof![1_000..ENOUGH, ENOUGH..80_000]);
    (sides, how, size).prop_map(|((left, right, join_type), how, size)| Case {
        left,
        right,
        join_type,
        nulls_match: how.0,
        by_text: how.1,
        filtered: how.2,
        batch_rows: size.0,
        memory: size.1,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn joins_of_all_types_are_those_of_a_naive_twin(case in case()) {
        let join = SpillingJoinExec::with_limits(&case.join(), SMALL).expect("a join");
        match run(&join, case.memory) {
            Ok(batches) => prop_assert_eq!(lines_of(&batches), case.expected()),
            Err(error) => {
                prop_assert!(is_out_of_memory(&error), "{}", error);
                let must_finish = case.memory >= ENOUGH && case.join_type != JoinType::Full;
                prop_assert!(!must_finish, "{}", error);
            }
        }
    }
}

/// Many rows of which both sides have some in common.
fn large(join_type: JoinType) -> Case {
    let row = |n: i64| -> Row {
        let text = format!("a text of which there are not two alike: {n}");
        (Some(n % 1_000), Some(text), n)
    };
    Case {
        left: (0..3_000).map(row).collect(),
        right: (1_500..4_000).map(row).collect(),
        join_type,
        nulls_match: false,
        by_text: true,
        filtered: false,
        batch_rows: 100,
        memory: 64 << 10,
    }
}

#[test]
fn a_join_that_does_not_fit_is_dealt_again_and_says_what_it_did() {
    let case = large(JoinType::Full);
    let join = SpillingJoinExec::with_limits(&case.join(), SMALL).expect("a join");
    let batches = run(&join, case.memory).expect("it fits by parts");
    assert_eq!(lines_of(&batches), case.expected());
    let metrics = join.metrics().expect("metrics");
    assert_eq!(metrics.output_rows(), Some(4_000));
    assert!(metrics.spilled_bytes().unwrap_or(0) > 500_000);
    let named = |name: &str| {
        metrics
            .sum_by_name(name)
            .map_or(0, |value| value.as_usize())
    };
    assert_eq!(named("build_input_rows"), 3_000);
    assert!(named("build_mem_used") > 0 && named("build_mem_used") <= case.memory);
    assert!(named("spilled_pairs") > 4, "{}", named("spilled_pairs"));
    // With memory for all nothing is written.
    let join = SpillingJoinExec::new(&case.join()).expect("a join");
    let batches = run(&join, 64 << 20).expect("it fits");
    assert_eq!(lines_of(&batches), case.expected());
    let metrics = join.metrics().expect("metrics");
    assert_eq!(metrics.spilled_bytes(), Some(0));
}

#[test]
fn what_fits_stays_in_memory_while_the_rest_is_written() {
    let case = large(JoinType::Inner);
    let join = SpillingJoinExec::with_limits(&case.join(), SMALL).expect("a join");
    let batches = run(&join, 400 << 10).expect("it fits by parts");
    assert_eq!(lines_of(&batches), case.expected());
    let metrics = join.metrics().expect("metrics");
    let pairs = metrics
        .sum_by_name("spilled_pairs")
        .map(|value| value.as_usize());
    assert!(matches!(pairs, Some(1..=3)), "{pairs:?}");
}

#[test]
fn rows_of_one_key_are_joined_piece_by_piece_unless_both_sides_show_what_matches_nothing() {
    for join_type in [
        JoinType::Inner,
        JoinType::Left,
        JoinType::RightAnti,
        JoinType::Full,
    ] {
        let row = |n: i64| -> Row { (Some(7), Some("x".repeat(100)), n) };
        let case = Case {
            left: (0..300).map(row).collect(),
            right: (0..200).map(row).collect(),
            filtered: true,
            memory: 24 << 10,
            ..large(join_type)
        };
        let join = SpillingJoinExec::with_limits(&case.join(), SMALL).expect("a join");
        match (run(&join, case.memory), join_type) {
            (Err(error), JoinType::Full) => assert!(is_out_of_memory(&error), "{error}"),
            (rows, _) => assert_eq!(lines_of(&rows.expect("rows")), case.expected()),
        }
    }
}

#[test]
fn keys_that_are_null_are_dealt_evenly_where_they_match_nothing() {
    let row = |n: i64| -> Row { (None, Some("x".repeat(100)), n) };
    let case = Case {
        left: (0..2_000).map(row).collect(),
        right: (0..2_000).map(row).collect(),
        by_text: false,
        ..large(JoinType::Full)
    };
    let join = SpillingJoinExec::with_limits(&case.join(), SMALL).expect("a join");
    let batches = run(&join, case.memory).expect("it fits by parts");
    assert_eq!(lines_of(&batches), case.expected());
}

#[test]
fn numbers_that_are_none_and_zeros_with_a_sign_meet_as_in_the_engine() {
    let schema = Arc::new(Schema::new(vec![Field::new("f", DataType::Float64, true)]));
    let values = [f64::NAN, -f64::NAN, 0.0, -0.0, 1.5, f64::INFINITY];
    let side = |count: usize| {
        let keys = (0..count).map(|n| values.get(n % 7).copied());
        let keys: ArrayRef = Arc::new(keys.collect::<Float64Array>());
        source(Arc::clone(&schema), vec![keys], 16)
    };
    for join_type in [JoinType::Inner, JoinType::LeftAnti, JoinType::Right] {
        for nulls in [
            NullEquality::NullEqualsNull,
            NullEquality::NullEqualsNothing,
        ] {
            let on = vec![(column("f", 0), column("f", 0))];
            let join = HashJoinExecBuilder::new(side(200), side(140), on, join_type)
                .with_partition_mode(PartitionMode::Partitioned)
                .with_null_equality(nulls)
                .build()
                .expect("a join");
            let spilling = SpillingJoinExec::with_limits(&join, SMALL).expect("a join");
            let rows = run(&spilling, 6 << 10).expect("it fits by parts");
            let metrics = spilling.metrics().expect("metrics");
            assert!(metrics.spilled_bytes().unwrap_or(0) > 0);
            let expected = run(&join, usize::MAX).expect("it fits");
            assert_eq!(
                lines_of(&rows),
                lines_of(&expected),
                "{join_type} {nulls:?}"
            );
        }
    }
}

#[test]
fn a_join_that_is_dropped_leaves_nothing() {
    let case = large(JoinType::Left);
    for taken in [0, 1, 5, 20] {
        let join = SpillingJoinExec::with_limits(&case.join(), SMALL).expect("a join");
        let (task, runtime) = task(case.memory);
        block_on(async {
            let mut stream = join.execute(0, task).expect("a stream");
            for _ in 0..taken {
                if let Some(rows) = stream.next().await {
                    rows.expect("no error");
                }
            }
            if taken == 1 {
                assert!(runtime.disk_manager.used_disk_space() > 0);
            }
        });
        assert_eq!(runtime.memory_pool.reserved(), 0);
        assert_eq!(runtime.disk_manager.used_disk_space(), 0);
    }
}

#[test]
fn a_projection_of_the_join_is_kept() {
    let case = large(JoinType::Inner);
    let projected = case
        .join()
        .with_projection(Some(vec![5, 0]))
        .expect("a join");
    let join = SpillingJoinExec::with_limits(&projected, SMALL).expect("a join");
    let rows = run(&join, case.memory).expect("it fits by parts");
    let expected = run(&projected, usize::MAX).expect("it fits");
    assert_eq!(lines_of(&rows), lines_of(&expected));
    assert_eq!(rows.first().map(RecordBatch::num_columns), Some(2));
}
