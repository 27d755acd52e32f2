//! Binding against fixed names: TPC-H whole, rewrites, changes, errors.

use super::*;
use crate::statement::{self, Statement};
use crate::types::SqlType;
use arrow_schema::{Schema, SchemaRef};
use datafusion::execution::SessionStateDefaults;
use datafusion_common::ScalarValue;
use datafusion_common::config::ConfigOptions;

struct Source(SchemaRef);

impl TableSource for Source {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.0)
    }
}

struct Fixed {
    options: ConfigOptions,
    scalar: Vec<Arc<ScalarUDF>>,
    aggregate: Vec<Arc<AggregateUDF>>,
    window: Vec<Arc<WindowUDF>>,
}

const TABLES: &[(&str, &str)] = &[
    (
        "part",
        "p_partkey int, p_name varchar(55), p_mfgr char(25), p_brand char(10), p_type varchar(25), p_size int, p_container char(10), p_retailprice decimal(15,2), p_comment varchar(23)",
    ),
    (
        "supplier",
        "s_suppkey int, s_name char(25), s_address varchar(40), s_nationkey int, s_phone char(15), s_acctbal decimal(15,2), s_comment varchar(101)",
    ),
    (
        "partsupp",
        "ps_partkey int, ps_suppkey int, ps_availqty int, ps_supplycost decimal(15,2), ps_comment varchar(199)",
    ),
    (
        "customer",
        "c_custkey int, c_name varchar(25), c_address varchar(40), c_nationkey int, c_phone char(15), c_acctbal decimal(15,2), c_mktsegment char(10), c_comment varchar(117)",
    ),
    (
        "orders",
        "o_orderkey bigint, o_custkey int, o_orderstatus char(1), o_totalprice decimal(15,2), o_orderdate date, o_orderpriority char(15), o_clerk char(15), o_shippriority int, o_comment varchar(79)",
    ),
    (
        "lineitem",
        "l_orderkey bigint, l_partkey int, l_suppkey int, l_linenumber int, l_quantity decimal(15,2), l_extendedprice decimal(15,2), l_discount decimal(15,2), l_tax decimal(15,2), l_returnflag char(1), l_linestatus char(1), l_shipdate date, l_commitdate date, l_receiptdate date, l_shipinstruct char(25), l_shipmode char(10), l_comment varchar(44)",
    ),
    (
        "nation",
        "n_nationkey int, n_name char(25), n_regionkey int, n_comment varchar(152)",
    ),
    (
        "region",
        "r_regionkey int, r_name char(25), r_comment varchar(152)",
    ),
];

impl Fixed {
    fn new() -> Self {
        let mut scalar = crate::function::scalar_functions();
        scalar.extend(SessionStateDefaults::default_scalar_functions());
        let mut aggregate = crate::function::aggregate_functions();
        aggregate.extend(SessionStateDefaults::default_aggregate_functions());
        Self {
            options: ConfigOptions::new(),
            scalar,
            aggregate,
            window: SessionStateDefaults::default_window_functions(),
        }
    }
}

fn source(columns: &str, row_id: bool) -> Arc<dyn TableSource> {
    let text = format!("create table t ({columns})");
    let parsed = statement::parse(&text).expect(columns);
    let Some(Statement::CreateTable(table)) = parsed.into_iter().next().map(|one| one.statement)
    else {
        panic!("not a table")
    };
    let mut fields: Vec<_> = table
        .columns
        .iter()
        .map(|column| column.ty.field(&column.name, true))
        .collect();
    if row_id {
        fields.push(SqlType::BigInt.field(ROW_ID, false));
    }
    Arc::new(Source(Arc::new(Schema::new(fields))))
}

impl Names for Fixed {
    fn table(&self, name: &ObjectName) -> Result<Arc<dyn TableSource>> {
        match TABLES.iter().find(|(table, _)| *table == name.name) {
            Some((_, columns)) => Ok(source(columns, false)),
            None => Err(crate::Error::new(
                crate::SqlState::UNDEFINED_TABLE,
                format!("relation \"{}\" does not exist", name.name),
            )),
        }
    }
    fn scalar_function(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        // No session, so no transaction.
        let name = if name == "blueshift_transaction_time" {
            "now"
        } else {
            name
        };
        let is = |function: &&Arc<ScalarUDF>| {
            function.name() == name || function.aliases().iter().any(|alias| alias == name)
        };
        self.scalar.iter().find(is).cloned()
    }
    fn aggregate_function(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.aggregate
            .iter()
            .find(|function| function.name() == name)
            .cloned()
    }
    fn window_function(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.window
            .iter()
            .find(|function| function.name() == name)
            .cloned()
    }
    fn function_names(&self) -> Vec<String> {
        self.scalar
            .iter()
            .map(|function| function.name().to_owned())
            .collect()
    }
    fn options(&self) -> &ConfigOptions {
        &self.options
    }
}

fn bind(text: &str) -> Result<LogicalPlan> {
    match statement::parse(text)?.remove(0).statement {
        Statement::Select(query) => bind_query(&Fixed::new(), &query, &[]),
        other => panic!("not a query: {other:?}"),
    }
}

#[test]
fn every_tpch_query_binds() {
    let text = include_str!("tests/tpch.sql");
    let parsed = statement::parse(text).expect("TPC-H parses");
    let queries: Vec<_> = parsed
        .iter()
        .filter_map(|one| match &one.statement {
            Statement::Select(query) => Some((query, &one.text)),
            _ => None,
        })
        .collect();
    assert_eq!(queries.len(), 22);
    let names = Fixed::new();
    for (query, text) in queries {
        let bound = bind_query(&names, query, &[]);
        assert!(bound.is_ok(), "{:?}\n{text}", bound.err());
    }
}

#[test]
fn redshift_forms_bind() {
    for text in [
        "select top 5 n_name from nation",
        "select n_name from nation minus select r_name from region",
        "select dateadd(month, 1, o_orderdate), datediff(day, o_orderdate, date '2024-01-01') from orders",
        "select o_orderdate + 1, o_orderdate - date '1990-01-01' from orders",
        "select n_name::varchar(3), cast(n_nationkey as decimal(10,2)) from nation",
        "select count(*) from (select n_name from nation)",
        "select extract(year from o_orderdate), date_part(month, o_orderdate) from orders",
        "select substring(n_name from 1 for 2), substring(n_name, 1, 2), position('a' in n_name) from nation",
        "select len(n_name), nvl(n_name, 'x'), 2 ^ 3, pg_catalog.len('a') from nation",
        "select n_name from nation where n_name operator(pg_catalog.~) '^A'",
        "select 1, 1, n_name, n_name, nation.n_name, count(*), count(*) from nation group by n_name",
        "select *, n_name from nation",
        "select decode(n_name, 'A', 1, null, 2, 3) from nation",
        "select distinct lower(n_name) from nation order by lower(n_name)",
        "select n_name from nation where n_name notnull",
        "with x as (select 1 as a) select a from x order by 1 limit 3 offset 1",
        "select n_regionkey, row_number() over (partition by n_regionkey order by n_name) from nation",
    ] {
        let bound = bind(text);
        assert!(bound.is_ok(), "{:?}\n{text}", bound.err());
    }
}

#[test]
fn errors_have_code_position_and_our_words() {
    for (text, code, message, position) in [
        (
            "select n_nam from nation",
            "42703",
            "column \"n_nam\" does not exist",
            Some(8),
        ),
        (
            "select nope(1)",
            "42883",
            "function nope(...) does not exist",
            None,
        ),
        (
            "select 1 from nope",
            "42P01",
            "relation \"nope\" does not exist",
            Some(15),
        ),
        (
            "select x.n_name from nation",
            "42P01",
            "missing FROM-clause entry for table \"x\"",
            None,
        ),
        (
            "select n_name from nation a, nation b",
            "42702",
            "column reference \"n_name\" is ambiguous",
            Some(8),
        ),
        (
            "select 1 intersect all select 2",
            "0A000",
            "INTERSECT ALL is not supported",
            None,
        ),
    ] {
        let error = bind(text).expect_err(text);
        assert_eq!(
            (error.code.0, error.message.as_str()),
            (code, message),
            "{text}"
        );
        if position.is_some() {
            assert_eq!(error.position, position, "{text}");
        }
    }
    let grouped = bind("select n_name, count(*) from nation").expect_err("not grouped");
    assert_eq!(grouped.code.0, "42803", "{grouped:?}");
    for text in [
        "select n_name + 1 from nation",
        "select sum(n_name, 1) from nation",
    ] {
        if let Err(error) = bind(text) {
            assert!(
                !format!("{error:?}").to_lowercase().contains("datafusion"),
                "{error:?}"
            );
        }
    }
}

#[test]
fn changes_bind() {
    let names = Fixed::new();
    let columns = "a int, b varchar(3), d decimal(5,2)";
    let target = source(columns, true);
    let defaults = vec![Expr::Literal(ScalarValue::Null, None); 3];
    for text in [
        "delete from t where a = 1",
        "delete from t using nation n where t.a = n.n_nationkey",
        "delete t",
    ] {
        let Statement::Delete(delete) = statement::parse(text).expect(text).remove(0).statement
        else {
            panic!("not a DELETE")
        };
        let plan = bind_delete(&names, Arc::clone(&target), &delete).expect(text);
        assert_eq!(plan.schema().fields().len(), 1);
    }
    for text in [
        "update t set a = a + 1, b = 'xy' where d > 1.5",
        "update t x set d = default, b = n.n_name from nation n where x.a = n.n_nationkey",
    ] {
        let Statement::Update(update) = statement::parse(text).expect(text).remove(0).statement
        else {
            panic!("not an UPDATE")
        };
        let bound = bind_update(&names, Arc::clone(&target), &update, &defaults).expect(text);
        let types: Vec<_> = bound
            .input
            .schema()
            .fields()
            .iter()
            .map(|field| field.data_type().clone())
            .collect();
        assert_eq!(
            types[1..],
            [
                SqlType::Integer.arrow(),
                SqlType::Varchar(3).arrow(),
                SqlType::Decimal {
                    precision: 5,
                    scale: 2
                }
                .arrow()
            ]
        );
    }
    let table: Vec<_> = [
        ("a", SqlType::Integer),
        ("b", SqlType::Varchar(3)),
        (
            "d",
            SqlType::Decimal {
                precision: 5,
                scale: 2,
            },
        ),
    ]
    .into_iter()
    .map(|(name, ty)| TargetColumn {
        name: name.to_owned(),
        ty,
        default: Expr::Literal(ScalarValue::Null, None),
    })
    .collect();
    for (text, given) in [
        (
            "insert into t values (1, 'a', 2.5), ('2', null, 3)",
            [true, true, true],
        ),
        (
            "insert into t (d, a) select n_nationkey, n_regionkey from nation",
            [true, false, true],
        ),
        ("insert into t default values", [false, false, false]),
        ("insert into t values (1, default, $1)", [true, false, true]),
    ] {
        let Statement::Insert(insert) = statement::parse(text).expect(text).remove(0).statement
        else {
            panic!("not an INSERT")
        };
        let bound = bind_insert(&names, &table, &insert, &[]).expect(text);
        assert_eq!(bound.given, given, "{text}");
        for (field, column) in bound.input.schema().fields().iter().zip(&table) {
            assert_eq!(*field.data_type(), column.ty.arrow(), "{text}");
        }
    }
}

#[test]
fn clients_see_the_names_of_redshift() {
    for (text, expected) in [
        ("select 1, 1", vec!["?column?", "?column?"]),
        (
            "select count(*), n_regionkey + 1 from nation group by n_regionkey",
            vec!["count", "?column?"],
        ),
        (
            "select r_name, *, r_name from region",
            vec!["r_name", "r_regionkey", "r_name", "r_comment", "r_name"],
        ),
        (
            "select 1::int, n_name::varchar(3), 2 as x from nation",
            vec!["int4", "n_name", "x"],
        ),
    ] {
        let Statement::Select(query) = statement::parse(text).expect(text).remove(0).statement
        else {
            panic!("not a query")
        };
        let plan = bind_query(&Fixed::new(), &query, &[]).expect(text);
        let fields = plan.schema().fields();
        let names: Vec<_> = fields
            .iter()
            .map(|field| shown_name(field.name()))
            .collect();
        assert_eq!(names, expected, "{text}");
    }
}

#[test]
fn names_of_redshift_bind() {
    for text in [
        "SELECT mod(7, 3), 2 ^ 3, |/ 25.0, @ -5, ceiling(1.2), getdate(), sysdate",
        "SELECT listagg(r_name, ',') WITHIN GROUP (ORDER BY r_regionkey) FROM region",
        "SELECT regexp_replace(r_name, 'A', 'b') FROM region",
        "SELECT cast(2.5 AS INT), 2.5::bigint, cast(r_regionkey + 0.5 AS INT) FROM region",
    ] {
        bind(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    }
    assert!(bind("SELECT string_agg(r_name, ',') FROM region").is_err());
}

#[test]
fn integer_arithmetic_is_integer() {
    let plan = bind(
        "SELECT r_regionkey + 1, r_regionkey * r_regionkey, 7 / 2, 1 + 5000000000 FROM region",
    )
    .unwrap();
    let types: Vec<_> = plan
        .schema()
        .fields()
        .iter()
        .map(|field| SqlType::from_field(field))
        .collect();
    let int = SqlType::Integer;
    assert_eq!(types, [int, int, int, SqlType::BigInt]);
}

/// Runs a query without tables and gives its rows as one text.
fn answer(text: &str) -> std::result::Result<String, crate::Error> {
    let plan = bind(text)?;
    let runtime = datafusion::execution::runtime_env::RuntimeEnv::default();
    let state = datafusion::execution::SessionStateBuilder::new()
        .with_default_features()
        .with_runtime_env(Arc::new(runtime))
        .build();
    let run = async {
        let context = datafusion::prelude::SessionContext::new_with_state(state);
        context.execute_logical_plan(plan).await?.collect().await
    };
    let batches = stacker::grow(stack::STACK_BYTES, || {
        arrow::util::pretty::pretty_format_batches(
            &block_on(run).map_err(|engine| from_engine(&engine))?,
        )
        .map(|table| table.to_string())
        .map_err(|error| from_engine(&error.into()))
    })?;
    let row = batches.lines().nth(3).unwrap_or_default();
    Ok(row
        .split('|')
        .map(str::trim)
        .collect::<Vec<_>>()
        .join(" ")
        .trim()
        .to_owned())
}

/// Runs a future that never waits.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    loop {
        if let std::task::Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
}

#[test]
fn constants_have_redshifts_answers() {
    for (text, expected) in [
        (
            "SELECT cast(2.5 AS INT), cast(-2.5 AS INT), '7'::int, 2.5::float8::int, true::int",
            "3 -3 7 2 1",
        ),
        (
            "SELECT 7 / 2, -7 / 2, mod(7, 3), 7 % 3, 2 ^ 3, |/ 25.0, @ -5, 100000 * 3",
            "3 -3 1 1 8.0 5.0 5 300000",
        ),
        (
            "SELECT regexp_replace('aaa', 'a', 'b'), date_part_year(date '2026-05-17')",
            "bbb 2026",
        ),
        (
            "SELECT getdate() IS NULL, sysdate > '2020-01-01'",
            "false true",
        ),
    ] {
        match answer(text) {
            Ok(found) => assert_eq!(found, expected, "{text}"),
            Err(error) => panic!("{text}: {error}"),
        }
    }
    for (text, code) in [
        (
            "SELECT 2147483647 + 1",
            crate::SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
        ),
        ("SELECT 1 / 0", crate::SqlState::DIVISION_BY_ZERO),
        (
            "SELECT 'x'::int",
            crate::SqlState::INVALID_TEXT_REPRESENTATION,
        ),
        ("SELECT 'x'::date", crate::SqlState::INVALID_DATETIME_FORMAT),
    ] {
        match answer(text) {
            Ok(found) => panic!("{text}: {found}"),
            Err(error) => assert_eq!(error.code, code, "{text}: {error}"),
        }
    }
}
