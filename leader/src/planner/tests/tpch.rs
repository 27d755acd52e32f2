//! TPC-H at scale 1: what the plans must look like.

use super::{Fixture, bind, session};
use crate::planner;
use crate::planner::estimate::physical::estimate;
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, ScalarValue, Statistics};
use datafusion::physical_plan::joins::{CrossJoinExec, HashJoinExec, NestedLoopJoinExec};
use datafusion::physical_plan::{ExecutionPlan, displayable};
use std::sync::Arc;

const SLICES: u32 = 2;

fn column(
    name: &str,
    data_type: DataType,
    distinct: usize,
    ends: Option<(ScalarValue, ScalarValue)>,
) -> (Field, ColumnStatistics) {
    let (min, max) = match ends {
        Some((min, max)) => (Precision::Exact(min), Precision::Exact(max)),
        None => (Precision::Absent, Precision::Absent),
    };
    let statistics = ColumnStatistics::new_unknown()
        .with_null_count(Precision::Exact(0))
        .with_min_value(min)
        .with_max_value(max)
        .with_distinct_count(Precision::Inexact(distinct));
    (Field::new(name, data_type, false), statistics)
}

fn key(name: &str, distinct: usize, most: i64) -> (Field, ColumnStatistics) {
    let ends = (ScalarValue::Int64(Some(1)), ScalarValue::Int64(Some(most)));
    column(name, DataType::Int64, distinct, Some(ends))
}

fn int(name: &str, least: i32, most: i32) -> (Field, ColumnStatistics) {
    let ends = (
        ScalarValue::Int32(Some(least)),
        ScalarValue::Int32(Some(most)),
    );
    column(
        name,
        DataType::Int32,
        (most - least + 1) as usize,
        Some(ends),
    )
}

fn text(name: &str, distinct: usize) -> (Field, ColumnStatistics) {
    column(name, DataType::Utf8View, distinct, None)
}

fn money(name: &str, distinct: usize, least: i128, most: i128) -> (Field, ColumnStatistics) {
    let of = |value| ScalarValue::Decimal128(Some(value), 15, 2);
    column(
        name,
        DataType::Decimal128(15, 2),
        distinct,
        Some((of(least), of(most))),
    )
}

/// Days since 1970 of the first and last order are 8035 and 10440.
fn date(name: &str, least: i32, most: i32) -> (Field, ColumnStatistics) {
    let ends = (
        ScalarValue::Date32(Some(least)),
        ScalarValue::Date32(Some(most)),
    );
    column(
        name,
        DataType::Date32,
        (most - least + 1) as usize,
        Some(ends),
    )
}

fn table(
    name: &str,
    rows: usize,
    key: Option<usize>,
    columns: Vec<(Field, ColumnStatistics)>,
) -> Fixture {
    let (fields, column_statistics): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
    Fixture {
        name: name.to_owned(),
        schema: Arc::new(Schema::new(fields)),
        statistics: Statistics {
            num_rows: Precision::Exact(rows),
            total_byte_size: Precision::Absent,
            column_statistics,
        },
        key,
        rows: vec![Vec::new(); SLICES as usize],
    }
}

/// The tables as the demo makes them: lineitem and orders by order key, part and partsupp by part key.
fn tables() -> Vec<Fixture> {
    vec![
        table(
            "region",
            5,
            None,
            vec![
                key("r_regionkey", 5, 4),
                text("r_name", 5),
                text("r_comment", 5),
            ],
        ),
        table(
            "nation",
            25,
            None,
            vec![
                key("n_nationkey", 25, 24),
                text("n_name", 25),
                key("n_regionkey", 5, 4),
                text("n_comment", 25),
            ],
        ),
        table(
            "supplier",
            10_000,
            None,
            vec![
                key("s_suppkey", 10_000, 10_000),
                text("s_name", 10_000),
                text("s_address", 10_000),
                key("s_nationkey", 25, 24),
                text("s_phone", 10_000),
                money("s_acctbal", 9_955, -99_822, 999_972),
                text("s_comment", 9_985),
            ],
        ),
        table(
            "customer",
            150_000,
            None,
            vec![
                key("c_custkey", 150_000, 150_000),
                text("c_name", 150_000),
                text("c_address", 150_000),
                key("c_nationkey", 25, 24),
                text("c_phone", 150_000),
                money("c_acctbal", 140_187, -99_999, 999_999),
                text("c_mktsegment", 5),
                text("c_comment", 149_968),
            ],
        ),
        table(
            "part",
            200_000,
            Some(0),
            vec![
                key("p_partkey", 200_000, 200_000),
                text("p_name", 199_997),
                text("p_mfgr", 5),
                text("p_brand", 25),
                text("p_type", 150),
                int("p_size", 1, 50),
                text("p_container", 40),
                money("p_retailprice", 20_899, 90_100, 209_899),
                text("p_comment", 131_753),
            ],
        ),
        table(
            "partsupp",
            800_000,
            Some(0),
            vec![
                key("ps_partkey", 200_000, 200_000),
                key("ps_suppkey", 10_000, 10_000),
                int("ps_availqty", 1, 9_999),
                money("ps_supplycost", 99_865, 100, 100_000),
                text("ps_comment", 799_124),
            ],
        ),
        table(
            "orders",
            1_500_000,
            Some(0),
            vec![
                key("o_orderkey", 1_500_000, 6_000_000),
                key("o_custkey", 99_996, 149_999),
                text("o_orderstatus", 3),
                money("o_totalprice", 1_464_556, 85_771, 55_528_516),
                date("o_orderdate", 8_035, 10_440),
                text("o_orderpriority", 5),
                text("o_clerk", 1_000),
                int("o_shippriority", 0, 0),
                text("o_comment", 1_482_071),
            ],
        ),
        table(
            "lineitem",
            6_001_215,
            Some(0),
            vec![
                key("l_orderkey", 1_500_000, 6_000_000),
                key("l_partkey", 200_000, 200_000),
                key("l_suppkey", 10_000, 10_000),
                int("l_linenumber", 1, 7),
                money("l_quantity", 50, 100, 5_000),
                money("l_extendedprice", 933_900, 90_100, 10_494_950),
                money("l_discount", 11, 0, 10),
                money("l_tax", 9, 0, 8),
                text("l_returnflag", 3),
                text("l_linestatus", 2),
                date("l_shipdate", 8_036, 10_561),
                date("l_commitdate", 8_065, 10_530),
                date("l_receiptdate", 8_037, 10_591),
                text("l_shipinstruct", 4),
                text("l_shipmode", 7),
                text("l_comment", 4_580_667),
            ],
        ),
    ]
}

#[expect(
    clippy::disallowed_methods,
    reason = "the queries are files of the demo"
)]
fn query(number: usize) -> String {
    let path = format!(
        "{}/src/cli/demo/tpch/q{number:02}.sql",
        env!("CARGO_MANIFEST_DIR")
    );
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

async fn planned(sql: &str) -> Arc<dyn ExecutionPlan> {
    let context = session(tables(), SLICES);
    let mut last = None;
    for statement in sql
        .split(';')
        .filter(|statement| !statement.trim().is_empty())
    {
        let bound = bind(&context, statement).await;
        last = Some(
            planner::plan(&context.state(), bound)
                .await
                .expect("a plan"),
        );
    }
    last.expect("a query")
}

fn walk(plan: &Arc<dyn ExecutionPlan>, visit: &mut impl FnMut(&Arc<dyn ExecutionPlan>)) {
    visit(plan);
    for child in plan.children() {
        walk(child, visit);
    }
}

fn largest_join(plan: &Arc<dyn ExecutionPlan>) -> f64 {
    let mut most = 0.0_f64;
    walk(plan, &mut |node| {
        if node.downcast_ref::<HashJoinExec>().is_some() {
            most = most.max(estimate(node.as_ref()).rows);
        }
    });
    most
}

/// Q18 joins 6 million rows only after the orders of its HAVING are picked.
#[tokio::test]
async fn no_join_of_a_selective_query_is_larger_than_its_fact_table() {
    for number in [2, 3, 5, 7, 8, 9, 10, 17, 18, 20, 21] {
        let plan = planned(&query(number)).await;
        let largest = largest_join(&plan);
        assert!(largest < 6_100_000.0, "Q{number}: {largest}");
    }
}

#[tokio::test]
async fn every_query_has_a_plan_without_cross_joins() {
    for number in 1..=22 {
        let plan = planned(&query(number)).await;
        let mut lines = String::new();
        print(&plan, 0, &mut lines);
        if std::env::var_os("PLANS").is_some() {
            eprintln!("Q{number}\n{lines}");
        }
        walk(&plan, &mut |node| {
            let crossed = node.downcast_ref::<CrossJoinExec>().is_some()
                || node.downcast_ref::<NestedLoopJoinExec>().is_some();
            assert!(!crossed, "Q{number} multiplies\n{lines}");
        });
    }
}

fn print(plan: &Arc<dyn ExecutionPlan>, depth: usize, into: &mut String) {
    use std::fmt::Write as _;
    let line = displayable(plan.as_ref()).one_line().to_string();
    let rows = estimate(plan.as_ref()).rows;
    writeln!(
        into,
        "{:indent$}[{rows:.0}] {}",
        "",
        line.trim(),
        indent = depth * 2
    )
    .expect("text");
    for child in plan.children() {
        print(child, depth + 1, into);
    }
}
