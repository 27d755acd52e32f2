//! The bounds of the cache; what may be asked is tested over the wire.

use super::*;
use arrow::array::Int64Array;
use arrow_schema::{DataType, Field, Schema};
use datafusion::logical_expr::{LogicalPlanBuilder, lit};

fn question(number: i64) -> Question {
    let plan = LogicalPlanBuilder::values(vec![vec![lit(number)]]);
    Question {
        hash: number.unsigned_abs() % 7,
        plan: plan.and_then(LogicalPlanBuilder::build).expect("a plan"),
        parameters: Vec::new(),
        user: (100, "admin".to_owned()),
        databases: (1, None),
        settings: Vec::new(),
        tables: Vec::new(),
        bytes: ANSWER_BYTES,
    }
}

fn rows(count: usize) -> RecordBatch {
    let schema = Schema::new(vec![Field::new("n", DataType::Int64, true)]);
    let values = Int64Array::from_iter_values((0..count).map(|n| n as i64));
    RecordBatch::try_new(Arc::new(schema), vec![Arc::new(values)]).expect("a batch")
}

fn put(cache: &ResultCache, number: i64, count: usize) {
    let rows = rows(count);
    cache.put(question(number), rows.schema(), rows, number);
}

#[test]
fn equal_questions_are_told_from_others_of_the_same_hash() {
    let cache = ResultCache::new(CACHE_BYTES);
    put(&cache, 1, 10);
    put(&cache, 8, 20);
    let found = |number| cache.get(&question(number)).map(|known| known.source.query);
    assert_eq!(found(1), Some(1));
    assert_eq!(found(8), Some(8));
    assert_eq!(found(15), None);
    let other = Question {
        user: (101, "bob".to_owned()),
        ..question(1)
    };
    assert!(cache.get(&other).is_none());
    let other = Question {
        settings: vec![("TimeZone".to_owned(), "Asia/Tokyo".to_owned())],
        ..question(1)
    };
    assert!(cache.get(&other).is_none());
    let figures = cache.figures();
    assert_eq!((figures.hits, figures.misses, figures.results), (2, 3, 2));
}

#[test]
fn what_was_not_asked_for_the_longest_goes_first() {
    let cache = ResultCache::new(100 << 10);
    for number in 0..200 {
        put(&cache, number, 500);
        assert!(cache.get(&question(0)).is_some(), "{number}");
        assert!(cache.figures().bytes <= 100 << 10);
    }
    assert!(cache.get(&question(1)).is_none());
    assert!(cache.get(&question(199)).is_some());
    let figures = cache.figures();
    let kept = lock(&cache.kept);
    assert_eq!(figures.results, kept.answers.values().flatten().count());
    let bytes = kept.answers.values().flatten().map(|known| known.bytes);
    assert_eq!(figures.bytes, bytes.sum::<usize>());
}

#[test]
fn large_answers_are_not_kept_and_equal_questions_replace() {
    let cache = ResultCache::new(CACHE_BYTES);
    put(&cache, 1, RESULT_BYTES_MAX / 8 + 1_000);
    assert_eq!(cache.figures(), ResultCacheFigures::default());
    put(&cache, 1, 10);
    put(&cache, 1, 20);
    assert_eq!(cache.figures().results, 1);
    let known = cache.get(&question(1)).expect("an answer");
    assert_eq!(known.rows.num_rows(), 20);
}
