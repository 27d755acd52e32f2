use super::*;
use blueshift_storage::{ColumnLayout, ColumnType, EncodingName, SortKey};
use datafusion::common::DFSchema;
use datafusion::physical_expr::expressions::{case, lit};
use datafusion::physical_expr::simplifier::PhysicalExprSimplifier;
use datafusion::physical_plan::joins::SeededRandomState;
use datafusion::prelude::SessionContext;

type TestResult<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

fn layout() -> TableLayout {
    let columns = [
        ("k", ColumnType::Int64),
        ("small", ColumnType::Int16),
        ("name", ColumnType::Text),
        ("flag", ColumnType::Bool),
    ];
    let columns = (0..).zip(columns).map(|(id, (name, ty))| ColumnLayout {
        id,
        name: name.to_owned(),
        ty,
        encoding: EncodingName::Auto,
        nullable: true,
    });
    TableLayout {
        columns: columns.collect(),
        sort_key: SortKey::None,
    }
}

/// Parses a predicate as the engine would hand it to a scan.
#[expect(
    clippy::disallowed_methods,
    reason = "the engine's own session is the oracle here"
)]
fn physical(layout: &TableLayout, predicate: &str) -> TestResult<Arc<dyn PhysicalExpr>> {
    let schema = DFSchema::try_from(layout.arrow_schema())?;
    let session = SessionContext::new();
    let expression = session.parse_sql_expr(predicate, &schema)?;
    let expression = session.create_physical_expr(expression, &schema)?;
    // The optimizer leaves no cast of a constant.
    Ok(PhysicalExprSimplifier::new(&layout.arrow_schema()).simplify(expression)?)
}

fn check(predicate: &str, expected: &str) -> TestResult {
    let layout = layout();
    let schema = layout.arrow_schema();
    let translator = Translator {
        layout: &layout,
        schema: &schema,
        placement: None,
    };
    let translated = translator.all([&physical(&layout, predicate)?])?;
    let shown: Vec<String> = translated.conjuncts.iter().map(shown).collect();
    let shown = if translated.never {
        "never".to_owned()
    } else {
        shown.join(" & ")
    };
    assert_eq!(shown, expected, "{predicate}");
    Ok(())
}

fn shown(conjunct: &Conjunct) -> String {
    let value = |value: &Value| match value {
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => value.to_string(),
        Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
    };
    let test = |column: &usize, test: &ColumnTest| match test {
        ColumnTest::Compare(op, constant) => format!("{column} {op:?} {}", value(constant)),
        ColumnTest::In(values) => {
            format!(
                "{column} In {}",
                values.iter().map(value).collect::<Vec<_>>().join(",")
            )
        }
        ColumnTest::StartsWith(prefix) => {
            format!("{column} StartsWith {}", String::from_utf8_lossy(prefix))
        }
        ColumnTest::Within { ranges, or_null } => {
            let end = |end: &Option<Value>| end.as_ref().map(value).unwrap_or_default();
            let ranges = ranges.iter();
            let ranges =
                ranges.map(|(least, greatest)| format!("{}..{}", end(least), end(greatest)));
            let null = if *or_null { " or null" } else { "" };
            format!(
                "{column} Within {}{null}",
                ranges.collect::<Vec<_>>().join(",")
            )
        }
        other => format!("{column} {other:?}"),
    };
    match conjunct {
        Conjunct::Column {
            column,
            test: inner,
        } => test(column, inner),
        Conjunct::PruneOnly {
            column,
            test: inner,
        } => format!("prune {}", test(column, inner)),
        Conjunct::Filter(filter) => format!("filter {:?}", filter.columns()),
    }
}

#[test]
fn predicates_become_tests_of_columns_where_storage_understands_them() -> TestResult {
    check("k = 5", "0 Eq 5")?;
    check("5 < k AND k <= 9", "0 Gt 5 & 0 LtEq 9")?;
    check("small = 70000", "1 Eq 70000")?;
    check("k IN (3, 1, 3)", "0 In 1,3")?;
    check("k IN (3, NULL)", "0 In 3")?;
    check("name IS NULL", "2 IsNull")?;
    check("name LIKE 'ab%'", "2 StartsWith ab")?;
    check("name LIKE 'ab'", "2 Eq ab")?;
    check("name LIKE '%'", "2 IsNotNull")?;
    check(
        "name LIKE 'a_b%'",
        "prune 2 GtEq a & prune 2 LtEq b & filter [2]",
    )?;
    check(
        "name LIKE 'ab%cd'",
        "prune 2 GtEq ab & prune 2 LtEq ac & filter [2]",
    )?;
    check("name LIKE '%a'", "filter [2]")?;
    check("name NOT LIKE 'a%'", "filter [2]")?;
    check("flag", "3 Eq true")?;
    check("NOT flag", "3 Eq false")?;
    check("false", "never")?;
    check("k + small > 4", "filter [0, 1]")
}

#[test]
fn what_hides_inside_or_still_prunes() -> TestResult {
    check(
        "(k = 1 AND flag) OR (k = 7 AND small > 3)",
        "prune 0 In 1,7 & filter [0, 1, 3]",
    )?;
    check("k < 5 OR k < 9", "prune 0 LtEq 9 & filter [0]")?;
    check("k = 1 OR small = 2", "filter [0, 1]")?;
    check(
        "name LIKE 'ab%' OR name LIKE 'ax%'",
        "prune 2 Within ab..ac,ax..ay & filter [2]",
    )?;
    check(
        "(k > 3 AND k < 6) OR k = 9",
        "prune 0 Within 3..6,9..9 & filter [0]",
    )?;
    check(
        "k < 5 OR k > 9 OR k = 7",
        "prune 0 Within ..5,7..7,9.. & filter [0]",
    )?;
    check("k < 5 OR k > 3", "filter [0]")?;
    check(
        "name IS NULL OR name > 'b'",
        "prune 2 Within b.. or null & filter [2]",
    )?;
    check(
        "(name IS NULL AND k = 1) OR (name IS NULL AND k > 4)",
        "prune 0 Within 1..1,4.. & prune 2 Within  or null & filter [0, 2]",
    )?;
    check(
        "((k > 1 AND k < 4 OR k > 6 AND k < 9) AND (k > 3 AND k < 7 OR k = 20)) OR k = 30",
        "prune 0 Within 3..4,6..7,30..30 & filter [0]",
    )
}

#[test]
fn a_filter_routed_by_hash_is_cut_to_the_branch_of_the_slice() -> TestResult {
    let layout = layout();
    let schema = layout.arrow_schema();
    let key = || Arc::new(Column::new("k", 0)) as Arc<dyn PhysicalExpr>;
    let hash = HashExpr::new(
        vec![key()],
        SeededRandomState::with_seed(0),
        "hash".to_owned(),
    );
    let slice = |slice: u64| lit(ScalarValue::UInt64(Some(slice)));
    let routed = Arc::new(BinaryExpr::new(Arc::new(hash), Operator::Modulo, slice(2)));
    let branches = vec![
        (slice(0), physical(&layout, "k >= 10")?),
        (slice(1), physical(&layout, "k >= 20")?),
    ];
    let filter = case(Some(routed), branches, Some(lit(false)))?;
    let at = |placement| -> TestResult<Vec<String>> {
        let translator = Translator {
            layout: &layout,
            schema: &schema,
            placement,
        };
        Ok(translator
            .all([&filter])?
            .conjuncts
            .iter()
            .map(shown)
            .collect())
    };
    let placed = |slice| {
        Some(Placement {
            key: 0,
            slice,
            slice_count: 2,
        })
    };
    assert_eq!(at(placed(0))?, ["0 GtEq 10"]);
    assert_eq!(at(placed(1))?, ["0 GtEq 20"]);
    // Rows that lie elsewhere take any branch, so only what all branches say prunes.
    assert_eq!(at(None)?, ["prune 0 GtEq 10", "filter [0]"]);
    let other_count = Some(Placement {
        key: 0,
        slice: 0,
        slice_count: 5,
    });
    assert_eq!(at(other_count)?, ["prune 0 GtEq 10", "filter [0]"]);
    Ok(())
}
