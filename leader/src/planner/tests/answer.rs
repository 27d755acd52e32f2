//! Orders of joins do not change answers.

use super::{Fixture, bind, session, state_with};
use crate::planner;
use arrow::array::{Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, Statistics};
use datafusion::physical_plan::collect;
use std::sync::Arc;

/// A table of two small columns whose values repeat and meet those of the others; some keys are null.
fn table(name: &str, rows: i64, step: i64) -> Fixture {
    let fields = vec![
        Field::new("k", DataType::Int64, true),
        Field::new("v", DataType::Int64, true),
    ];
    let schema = Arc::new(Schema::new(fields));
    let key: Int64Array = (0..rows)
        .map(|row| (row % 11 != 7).then_some(row * step % 13))
        .collect();
    let value: Int64Array = (0..rows).map(|row| Some((row * step + 3) % 7)).collect();
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(key), Arc::new(value)]);
    let distinct =
        |count| ColumnStatistics::new_unknown().with_distinct_count(Precision::Inexact(count));
    Fixture {
        name: name.to_owned(),
        schema,
        statistics: Statistics {
            num_rows: Precision::Inexact(rows as usize),
            total_byte_size: Precision::Absent,
            column_statistics: vec![distinct(13), distinct(7)],
        },
        key: None,
        rows: vec![vec![batch.expect("columns of one length")], Vec::new()],
    }
}

#[tokio::test]
async fn every_order_gives_the_same_answer() {
    let queries = [
        "select count(*), sum(a.v), sum(c.v) from a, b, c where a.k = b.k and b.k = c.k",
        "select count(*), sum(d.v) from a, b, c, d where a.k = b.k and b.v = c.v and c.k = d.k and a.v < d.v",
        "select count(*), sum(a.k) from a, b where a.k = b.k and a.v = b.k and exists (select 1 from c where c.k = a.v)",
        "select count(*) from a, b, c where a.k = b.k and a.v = b.k and b.k = c.v",
        "select count(*) from a join b on a.k = b.k where not exists (select 1 from c where c.k = b.v and c.v <> a.v)",
        "select count(*) from a, b, c where a.k + b.k = c.k and a.v = b.v",
        "select count(*) from a left join b on a.k = b.k, c where c.v = a.v and (b.v = 1 or c.k = 2)",
        "select count(*) from a, b, c where a.v in (select v from d where d.k = b.k) and b.v = c.v and a.k = c.k",
        "select count(*) from a, b where a.k = b.k and a.v > (select avg(c.v) from c where c.k = b.k)",
        "select count(*) from a, d where a.v = 1 and d.v = 2",
        "select count(*), sum(c.v) from a left join b on a.k = b.k, c where b.v = c.v",
        "select count(*), sum(a.v), count(b.v) from a left join b on a.k = b.k and a.v < b.v where b.k is null",
        "select count(*), count(b.v) from a left join b on a.k = b.k where b.k is null and coalesce(b.v, a.v) = 3",
        "select count(*), count(b.v) from a left join b on a.k = b.k where b.v is null",
        "select count(*), count(a.k), count(b.k) from a full join b on a.k = b.k join c on c.k = b.v",
        "select count(*), count(a.k) from a full join b on a.k = b.k left join c on c.k = b.v where a.v + b.v > 4",
        "select count(*) from (select a.k, b.v as w from a left join b on a.k = b.k) x join d on d.v = x.w",
        "select count(*) from a left join (b left join c on b.v = c.v) on a.k = b.k where c.k = a.v",
        "select x.k, sum(b.v) from (select distinct a.k from a left join b on a.k = b.k) x left join b on x.k = b.v \
         group by x.k having x.k > 2 order by 1",
        "with s as (select k, sum(v) as total from a group by k) select count(*), sum(x.total + y.total) \
         from s x, s y where x.k = y.k and x.total <= y.total",
        "with s as (select k, v, rank() over (partition by v order by k) as place from a) \
         select count(*), sum(x.place) from s x, s y, s z where x.place = y.place + 1 and x.place = z.place - 1",
        "select b.k, b.v, count(*), sum(a.v), avg(a.v), min(a.k) from a, b where a.v = b.v \
         group by rollup (b.k, b.v) order by b.k, b.v, count(*)",
        "select b.k, c.v, count(a.k), max(a.v), grouping(b.k) from a, b, c where a.v = b.v and b.v = c.v \
         group by cube (b.k, c.v) order by b.k, c.v, grouping(b.k), grouping(c.v)",
        "with s as (select k, sum(v) as total from a group by k) \
         select count(*) from (select * from s where k in (select k from s where total > 5) limit 3) x",
    ];
    let tables = vec![
        table("a", 60, 5),
        table("b", 25, 3),
        table("c", 40, 7),
        table("d", 9, 2),
    ];
    let context = session(tables, 2);
    for sql in queries {
        let mut answers = Vec::new();
        for on in ["true", "false"] {
            let state = state_with(
                &context,
                &[
                    ("blueshift.join_order", on),
                    ("blueshift.build_side", on),
                    ("blueshift.colocated_subset_join", on),
                    ("blueshift.outer_join", on),
                    ("blueshift.shared_plan", on),
                ],
            );
            let bound = bind(&context, sql).await;
            let plan = planner::plan(&state, bound).await.expect(sql);
            let batches = collect(plan, state.task_ctx()).await.expect(sql);
            answers.push(
                arrow::util::pretty::pretty_format_batches(&batches)
                    .expect(sql)
                    .to_string(),
            );
        }
        assert_eq!(answers.first(), answers.last(), "{sql}");
    }
}

#[tokio::test]
async fn a_scalar_subquery_of_two_rows_is_refused() {
    let context = session(vec![table("a", 5, 1)], 2);
    let bound = bind(&context, "select k from a where k = (select v from a)").await;
    let error = planner::plan(&context.state(), bound)
        .await
        .expect_err("two rows");
    assert_eq!(
        error.to_string(),
        "more than one row returned by a subquery used as an expression"
    );
    let bound = bind(
        &context,
        "select (select v from a where k = 100) as nothing",
    )
    .await;
    planner::plan(&context.state(), bound)
        .await
        .expect("no row is null");
}
