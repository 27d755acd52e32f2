//! Fused and plain, over the same rows, must give the same.

use super::{fused, fused_projections};
use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int16Array, Int32Array,
    Int64Array, RecordBatch, StringViewArray,
};
use arrow::datatypes::SchemaRef;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{DataType, Field, Schema, SortOptions};
use datafusion::common::ScalarValue;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::error::Result;
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::functions_aggregate::count::count_udaf;
use datafusion::functions_aggregate::min_max::{max_udaf, min_udaf};
use datafusion::logical_expr::{AggregateUDF, Operator};
use datafusion::physical_expr::aggregate::{AggregateExprBuilder, AggregateFunctionExpr};
use datafusion::physical_expr::expressions::{binary, col, lit};
use datafusion::physical_expr::{LexOrdering, PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode, PhysicalGroupBy};
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::SessionConfig;
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::sync::Arc;

/// Rows of a batch: more than one vector, and no multiple of it.
const BATCH_ROWS: usize = 3_000;

/// What rows are made of.
#[derive(Clone, Copy, Debug)]
struct Shape {
    seed: u64,
    rows: usize,
    /// Different values of a key.
    keys: i64,
    /// Of a hundred values.
    nulls: u32,
    /// Digits of decimals.
    digits: u32,
}

impl Shape {
    fn batches(self) -> (SchemaRef, Vec<RecordBatch>) {
        let mut random = StdRng::seed_from_u64(self.seed);
        let starts = (0..self.rows).step_by(BATCH_ROWS);
        let batches: Vec<RecordBatch> = starts
            .map(|start| self.batch(&mut random, BATCH_ROWS.min(self.rows - start)))
            .collect();
        let schema = self.batch(&mut random, 0).schema();
        (schema, batches)
    }

    fn batch(self, random: &mut StdRng, rows: usize) -> RecordBatch {
        let mut some = |make: &mut dyn FnMut(&mut StdRng) -> i64| -> Vec<Option<i64>> {
            let mut one = |random: &mut StdRng| {
                let is_null = random.random_range(0..100) < self.nulls;
                let value = make(random);
                (!is_null).then_some(value)
            };
            (0..rows).map(|_| one(random)).collect()
        };
        let keys = self.keys.max(1);
        let mut key = |random: &mut StdRng| random.random_range(0..keys);
        let whole = some(&mut |random| random.random_range(0..keys) * 3 - keys);
        let sparse = some(&mut |random| random.random_range(0..keys).wrapping_mul(1 << 41));
        let text = some(&mut key);
        let day = some(&mut key);
        let price = some(&mut key);
        let flag = some(&mut |random| random.random_range(0..2));
        let small = some(&mut |random| i64::from(random.random::<i16>()));
        let large = some(&mut |random| random.random::<i64>() >> 12);
        let limit = 10_i64.pow(self.digits.min(18));
        let cents = some(&mut |random| random.random_range(-limit + 1..limit));
        let percent = some(&mut |random| random.random_range(0..100));
        let text_of = |number: i64| match number % 4 {
            0 => String::new(),
            1 => format!("{number}"),
            2 => format!("nine {number} letters"),
            _ => format!("a text too long for a view, number {number}"),
        };
        let decimal = |values: &[Option<i64>], precision, scale| -> ArrayRef {
            let values = values.iter().map(|value| value.map(i128::from));
            let values = Decimal128Array::from_iter(values);
            Arc::new(values.with_precision_and_scale(precision, scale).unwrap())
        };
        let narrow = |values: &[Option<i64>]| -> Vec<Option<i32>> {
            values
                .iter()
                .map(|value| value.map(|value| value as i32))
                .collect()
        };
        let texts: Vec<Option<String>> = text.iter().map(|text| text.map(text_of)).collect();
        let columns: [(&str, ArrayRef); 11] = [
            ("whole", Arc::new(Int32Array::from(narrow(&whole)))),
            ("sparse", Arc::new(Int64Array::from(sparse))),
            ("text", Arc::new(StringViewArray::from_iter(texts))),
            ("day", Arc::new(Date32Array::from(narrow(&day)))),
            ("price", decimal(&price, 12, 2)),
            (
                "flag",
                Arc::new(BooleanArray::from_iter(
                    flag.iter().map(|of| of.map(|of| of > 0)),
                )),
            ),
            (
                "small",
                Arc::new(Int16Array::from_iter(
                    small.iter().map(|of| of.map(|of| of as i16)),
                )),
            ),
            ("large", Arc::new(Int64Array::from(large.clone()))),
            ("cents", decimal(&cents, 18, 2)),
            ("percent", decimal(&percent, 15, 2)),
            (
                "double",
                Arc::new(Float64Array::from_iter(
                    large.iter().map(|of| of.map(|of| of as f64)),
                )),
            ),
        ];
        let fields = columns.iter();
        let fields =
            fields.map(|(name, column)| Field::new(*name, column.data_type().clone(), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        RecordBatch::try_new(schema, columns.map(|(_, column)| column).into()).unwrap()
    }

    fn source(self) -> Arc<dyn ExecutionPlan> {
        let (schema, batches) = self.batches();
        MemorySourceConfig::try_new_exec(&[batches], schema, None).unwrap()
    }
}

fn function(name: &str) -> Arc<AggregateUDF> {
    match name {
        "count" => count_udaf(),
        "min" => min_udaf(),
        "max" => max_udaf(),
        _ => {
            let ours = blueshift_sql::function::aggregate_functions();
            ours.into_iter().find(|of| of.name() == name).unwrap()
        }
    }
}

fn aggregate(
    name: &str,
    argument: Arc<dyn PhysicalExpr>,
    schema: &SchemaRef,
) -> Arc<AggregateFunctionExpr> {
    let alias = format!("{name}({argument})");
    let built = AggregateExprBuilder::new(function(name), vec![argument]);
    Arc::new(
        built
            .schema(Arc::clone(schema))
            .alias(alias)
            .build()
            .unwrap(),
    )
}

/// The first of [`functions`], which are computed here.
const KNOWN: usize = 4;

/// Every function, of every kind of argument.
fn functions(schema: &SchemaRef) -> Vec<Arc<AggregateFunctionExpr>> {
    let column = |name: &str| col(name, schema).unwrap();
    let one = lit(ScalarValue::Decimal128(Some(1), 20, 0));
    let op = |left, operator, right| binary(left, operator, right, schema).unwrap();
    let kept = op(Arc::clone(&one), Operator::Minus, column("percent"));
    let product = op(column("cents"), Operator::Multiply, kept);
    let more = op(one, Operator::Plus, column("percent"));
    let twice = op(Arc::clone(&product), Operator::Multiply, more);
    let mut all = vec![
        aggregate("count", lit(1_i64), schema),
        aggregate("sum", product, schema),
        aggregate("sum", twice, schema),
        aggregate(
            "sum",
            op(column("small"), Operator::Plus, column("small")),
            schema,
        ),
        aggregate(
            "min",
            op(column("large"), Operator::Minus, column("large")),
            schema,
        ),
    ];
    for name in ["small", "whole", "large", "cents", "percent", "double"] {
        for function in ["sum", "avg", "min", "max", "count"] {
            all.push(aggregate(function, column(name), schema));
        }
    }
    all.push(aggregate("count", column("flag"), schema));
    for name in ["text", "day"] {
        for function in ["min", "max", "count"] {
            all.push(aggregate(function, column(name), schema));
        }
    }
    all
}

fn group_by(keys: &[&str], schema: &SchemaRef) -> PhysicalGroupBy {
    let key = |name: &&str| (col(name, schema).unwrap(), (*name).to_owned());
    PhysicalGroupBy::new_single(keys.iter().map(key).collect())
}

fn over(
    mode: AggregateMode,
    group_by: PhysicalGroupBy,
    functions: Vec<Arc<AggregateFunctionExpr>>,
    input: Arc<dyn ExecutionPlan>,
    schema: &SchemaRef,
) -> Arc<dyn ExecutionPlan> {
    let filters = vec![None; functions.len()];
    let schema = Arc::clone(schema);
    Arc::new(AggregateExec::try_new(mode, group_by, functions, filters, input, schema).unwrap())
}

fn task(memory: Option<usize>) -> Arc<TaskContext> {
    let mut runtime = RuntimeEnvBuilder::new();
    if let Some(bytes) = memory {
        runtime = runtime.with_memory_pool(Arc::new(FairSpillPool::new(bytes)));
    }
    let context = TaskContext::default().with_runtime(runtime.build_arc().unwrap());
    Arc::new(context.with_session_config(SessionConfig::new().with_batch_size(1_000)))
}

/// Runs a plan, and gives its rows in an order of their own, or its error.
fn rows(plan: &Arc<dyn ExecutionPlan>, memory: Option<usize>) -> Result<Vec<String>, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let batches = runtime.block_on(collect(Arc::clone(plan), task(memory)));
    let mut rows = Vec::new();
    for batch in batches.map_err(|error| error.strip_backtrace())? {
        let options = FormatOptions::default().with_null("null");
        let columns = batch.columns().iter();
        let columns = columns.map(|column| ArrayFormatter::try_new(column, &options).unwrap());
        let columns: Vec<ArrayFormatter<'_>> = columns.collect();
        for row in 0..batch.num_rows() {
            let row = columns.iter().map(|column| column.value(row).to_string());
            rows.push(row.collect::<Vec<_>>().join("|"));
        }
    }
    rows.sort();
    Ok(rows)
}

/// Compares an aggregation with what it becomes, whole and in two halves, and gives what it becomes.
fn check(
    keys: &[&str],
    functions: &[Arc<AggregateFunctionExpr>],
    input: &Arc<dyn ExecutionPlan>,
    memory: Option<usize>,
) -> Arc<dyn ExecutionPlan> {
    let schema = input.schema();
    let whole = |mode, input| {
        over(
            mode,
            group_by(keys, &schema),
            functions.to_vec(),
            input,
            &schema,
        )
    };
    let single = whole(AggregateMode::Single, Arc::clone(input));
    let expected = rows(&single, None);
    let fused_single = fused(&single).unwrap().expect("all of it is known");
    assert_eq!(rows(&fused_single, memory), expected, "{keys:?}");
    let partial = whole(AggregateMode::Partial, Arc::clone(input));
    let fused_partial = fused(&partial).unwrap().expect("all of it is known");
    let last = group_by(keys, &schema).as_final();
    let last = |input| {
        over(
            AggregateMode::Final,
            last.clone(),
            functions.to_vec(),
            input,
            &schema,
        )
    };
    assert_eq!(
        rows(&last(fused_partial), memory),
        expected,
        "{keys:?} in halves"
    );
    if !keys.is_empty() {
        let fused_final = fused(&last(partial)).unwrap().expect("all of it is known");
        assert_eq!(rows(&fused_final, memory), expected, "{keys:?} merged");
    }
    fused_single
}

fn sorted(keys: &[&str], input: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    let schema = input.schema();
    let options = SortOptions::new(false, false);
    let keys = keys
        .iter()
        .map(|key| PhysicalSortExpr::new(col(key, &schema).unwrap(), options));
    Arc::new(SortExec::new(LexOrdering::new(keys).unwrap(), input))
}

const KEYS: [&[&str]; 9] = [
    &[],
    &["whole"],
    &["sparse"],
    &["text"],
    &["price"],
    &["flag", "text"],
    &["day", "whole"],
    &["text", "sparse", "flag"],
    &["price", "text"],
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn fused_and_plain_agree(
        seed in any::<u64>(),
        rows in prop_oneof![Just(0), 1..100_usize, 2_000..9_000_usize],
        keys in prop_oneof![1..9_i64, 100..5_000_i64],
        nulls in prop_oneof![Just(0_u32), 1..30_u32],
        digits in prop_oneof![2..9_u32, Just(18_u32)],
        by in 0..KEYS.len(),
    ) {
        let shape = Shape { seed, rows, keys, nulls, digits };
        let input = shape.source();
        let mut functions_of = functions(&input.schema());
        if KEYS[by].is_empty() {
            functions_of.truncate(KNOWN);
        }
        check(KEYS[by], &functions_of, &input, None);
        if by > 0 {
            let input = sorted(KEYS[by], input);
            check(KEYS[by], &functions(&input.schema()), &input, None);
        }
    }
}

const MANY: Shape = Shape {
    seed: 7,
    rows: 40_000,
    keys: 30_000,
    nulls: 3,
    digits: 9,
};

#[test]
fn what_memory_cannot_hold_is_handed_over() {
    let input = MANY.source();
    let schema = input.schema();
    let functions = [
        aggregate("sum", col("cents", &schema).unwrap(), &schema),
        aggregate("max", col("text", &schema).unwrap(), &schema),
    ];
    let run = check(&["sparse", "text"], &functions, &input, Some(3 << 20));
    let early = run.metrics().unwrap().sum_by_name("given_early");
    assert!(early.is_some_and(|early| early.as_usize() > 0));
}

#[test]
fn what_is_not_put_together_is_passed_on() {
    let shape = Shape {
        rows: 150_000,
        keys: i64::MAX >> 43,
        ..MANY
    };
    let input = shape.source();
    let schema = input.schema();
    let functions = [aggregate("sum", col("small", &schema).unwrap(), &schema)];
    check(&["sparse", "day"], &functions, &input, None);
}

#[test]
fn sums_overflow_as_the_engines_do() {
    let (schema, _) = Shape { rows: 0, ..MANY }.batches();
    let column = |name: &str| col(name, &schema).unwrap();
    let large = Int64Array::from(vec![i64::MAX - 1, 1, 1, -5]);
    let batch = Shape {
        rows: 4,
        nulls: 0,
        ..MANY
    }
    .batches()
    .1
    .remove(0);
    let mut columns = batch.columns().to_vec();
    columns[7] = Arc::new(large);
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns).unwrap();
    let input: Arc<dyn ExecutionPlan> =
        MemorySourceConfig::try_new_exec(&[vec![batch]], Arc::clone(&schema), None).unwrap();
    let group = PhysicalGroupBy::new_single(vec![(lit(1_i64), "one".to_owned())]);
    for function in ["sum", "avg"] {
        let functions = vec![aggregate(function, column("large"), &schema)];
        let plain = over(
            AggregateMode::Single,
            group.clone(),
            functions,
            Arc::clone(&input),
            &schema,
        );
        let fused = fused(&plain).unwrap().unwrap();
        let (plain, fused) = (rows(&plain, None), rows(&fused, None));
        assert_eq!(plain.is_err(), function == "sum", "{plain:?}");
        assert_eq!(plain, fused);
    }
}

#[test]
fn projections_are_done_on_the_way() {
    let input = Shape { keys: 5, ..MANY }.source();
    let schema = input.schema();
    let product = binary(
        col("cents", &schema).unwrap(),
        Operator::Multiply,
        col("percent", &schema).unwrap(),
        &schema,
    );
    let item = |expr, alias: &str| ProjectionExpr {
        expr,
        alias: alias.to_owned(),
    };
    let items = vec![
        item(product.unwrap(), "product"),
        item(col("text", &schema).unwrap(), "name"),
    ];
    let input: Arc<dyn ExecutionPlan> = Arc::new(ProjectionExec::try_new(items, input).unwrap());
    let schema = input.schema();
    let product = || col("product", &schema).unwrap();
    let functions = [
        aggregate("sum", product(), &schema),
        aggregate("avg", product(), &schema),
    ];
    let run = check(&["name"], &functions, &input, None);
    assert_eq!(fused_projections(run.as_ref()), 1);
    assert!(run.is::<AggregateExec>());
    let shown = datafusion::physical_plan::displayable(run.as_ref())
        .one_line()
        .to_string();
    assert!(
        shown.starts_with("FusedAggregateExec: groups=in a table, projections=1"),
        "{shown}"
    );
    assert_eq!(run.schema().field(0).data_type(), &DataType::Utf8View);
}

#[test]
fn what_is_not_known_stays_with_the_engine() {
    let input = MANY.source();
    let schema = input.schema();
    let sums = || vec![aggregate("sum", col("small", &schema).unwrap(), &schema)];
    let by_double = over(
        AggregateMode::Single,
        group_by(&["double"], &schema),
        sums(),
        Arc::clone(&input),
        &schema,
    );
    assert!(fused(&by_double).unwrap().is_none());
    let without_keys = over(
        AggregateMode::Single,
        group_by(&[], &schema),
        functions(&schema),
        Arc::clone(&input),
        &schema,
    );
    assert!(fused(&without_keys).unwrap().is_none());
    let filters = vec![Some(col("flag", &schema).unwrap())];
    let group = group_by(&["whole"], &schema);
    let filtered = AggregateExec::try_new(
        AggregateMode::Single,
        group,
        sums(),
        filters,
        input,
        Arc::clone(&schema),
    );
    let filtered: Arc<dyn ExecutionPlan> = Arc::new(filtered.unwrap());
    assert!(fused(&filtered).unwrap().is_none());
}
