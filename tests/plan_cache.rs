//! Plans of queries that come again with other constants: the answers are those of plans of their own.

use blueshift_tests::metrics::{figure, scrape};
use blueshift_tests::server::free_port;
use blueshift_tests::{Client, Server, ServerOptions, connect};

/// A server with a table of a thousand rows, and where it tells its figures.
struct Cached {
    server: Server,
    client: Client,
    metrics: u16,
}

impl Cached {
    async fn start() -> Self {
        let metrics = free_port();
        let server = Server::start(ServerOptions {
            slices: Some(2),
            arguments: vec![
                "--metrics-listen".to_owned(),
                format!("127.0.0.1:{metrics}"),
            ],
            ..ServerOptions::default()
        })
        .await;
        let client = connect(server.port).await;
        for text in [
            "SET enable_result_cache_for_session TO off",
            "CREATE TABLE digits (d INTEGER)",
            "INSERT INTO digits VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)",
            "CREATE TABLE t (k INTEGER, small SMALLINT, big BIGINT, price DECIMAL(12,2), name VARCHAR(20), day DATE, \
             at TIMESTAMP) DISTSTYLE EVEN SORTKEY (k)",
            "INSERT INTO t SELECT n, n % 100, n * 10000000000, n / 4.0, 'name ' || n, DATEADD(day, n, '2020-01-01'), \
             DATEADD(hour, n, '2020-01-01') FROM (SELECT a.d * 100 + b.d * 10 + c.d AS n FROM digits a, digits b, digits c)",
        ] {
            client.run(text).await;
        }
        Self {
            server,
            client,
            metrics,
        }
    }

    /// How many queries got the plan of another so far.
    async fn hits(&self) -> f64 {
        let page = scrape(self.metrics, "/metrics").await;
        figure(&page, "blueshift_plan_cache_hits_total")
    }

    /// Runs a query, and tells whether it got the plan of another.
    async fn ask(&self, sql: &str) -> (Vec<String>, bool) {
        let before = self.hits().await;
        let rows = self.client.rows(sql).await;
        (rows, self.hits().await > before)
    }

    /// Runs a query of a shape with each of these values, of which the last `known` get the plan of another.
    async fn all(&self, shape: &str, values: &[(&str, &str)], known: usize) {
        for (place, (value, expected)) in values.iter().enumerate() {
            let sql = shape.replace("{}", value);
            let (rows, is_known) = self.ask(&sql).await;
            assert_eq!(rows.join(" "), *expected, "{sql}");
            assert_eq!(is_known, place + known >= values.len(), "{sql}, {place}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn constants_of_all_types_are_filled_in() {
    let cached = Cached::start().await;
    let lookup = "SELECT name FROM t WHERE k = {}";
    let values = [
        ("5", "name 5"),
        ("5", "name 5"),
        ("7", "name 7"),
        ("9", "name 9"),
        ("999", "name 999"),
        ("1000", ""),
        ("-1", ""),
    ];
    cached.all(lookup, &values, 4).await;
    // Beyond the type of the column: planned, and nothing is learned of it.
    let (rows, _) = cached.ask("SELECT name FROM t WHERE k = 5000000000").await;
    assert!(rows.is_empty());
    cached.all(lookup, &[("11", "name 11")], 1).await;
    let days = "SELECT count(*), min(k) FROM t WHERE day = DATE '{}'";
    let values = [
        ("2020-01-05", "1|4"),
        ("2020-01-06", "1|5"),
        ("2020-02-01", "1|31"),
        ("2020-03-01", "1|60"),
        ("2019-03-01", "0|NULL"),
    ];
    cached.all(days, &values, 2).await;
    // Not the only way to write it.
    let (rows, _) = cached
        .ask("SELECT count(*), min(k) FROM t WHERE day = DATE '2020-1-5'")
        .await;
    assert_eq!(rows, ["1|4"]);
    let texts = "SELECT k FROM t WHERE name = '{}'";
    let values = [
        ("name 1", "1"),
        ("name 22", "22"),
        ("name 3", "3"),
        ("name 4", "4"),
        ("it''s", ""),
    ];
    cached.all(texts, &values, 2).await;
    // Blanks at the end are taken off by the planner.
    cached.all(texts, &[("name 4 ", "4"), (" ", "")], 0).await;
    cached.all(texts, &[("name 4", "4")], 1).await;
    // The limit of a sort is known to its scan, in each run by itself.
    let first = "SELECT k FROM t WHERE k > {} ORDER BY price DESC, k LIMIT 2";
    let values = [
        ("1", "999 998"),
        ("2", "999 998"),
        ("4", "999 998"),
        ("990", "999 998"),
        ("999", ""),
    ];
    cached.all(first, &values, 2).await;
    let last = "SELECT k FROM t WHERE k < {} ORDER BY price DESC, k LIMIT 2";
    let values = [
        ("500", "499 498"),
        ("800", "799 798"),
        ("900", "899 898"),
        ("100", "99 98"),
        ("950", "949 948"),
        ("5", "4 3"),
        ("700", "699 698"),
    ];
    cached.all(last, &values, 4).await;
    let any_case = "SELECT min(k) + count(*) FROM insensitive WHERE name = '{}'";
    cached
        .client
        .run("CREATE TABLE insensitive (k INTEGER, name VARCHAR(20) COLLATE CASE_INSENSITIVE)")
        .await;
    cached
        .client
        .run("INSERT INTO insensitive SELECT k, UPPER(name) FROM t UNION ALL SELECT k, name FROM t")
        .await;
    for name in ["name 1", "name 2", "Name 3", "NAME 4", "name 5", "nAme 6"] {
        let number: i32 = name[5..].parse().expect("a number");
        let rows = cached.client.rows(&any_case.replace("{}", name)).await;
        assert_eq!(rows, [(number + 2).to_string()], "{name}");
    }
    let ranges = "SELECT count(*) FROM t WHERE k BETWEEN {} AND price < 100";
    let values = [
        ("10 AND 20", "11"),
        ("11 AND 21", "11"),
        ("300 AND 500", "100"),
        ("20 AND 10", "0"),
        ("0 AND 0", "1"),
    ];
    cached.all(ranges, &values, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_constant_that_did_not_vary_is_planned() {
    let cached = Cached::start().await;
    let shape = "SELECT count(*) FROM t WHERE small = {}";
    let values = [
        ("1 AND k < 100", "1"),
        ("1 AND k < 200", "2"),
        ("1 AND k < 300", "3"),
        ("1 AND k < 400", "4"),
    ];
    cached.all(shape, &values, 1).await;
    // Of the first constant only one value was seen so far.
    cached.all(shape, &[("2 AND k < 400", "4")], 0).await;
    cached
        .all(shape, &[("3 AND k < 150", "2"), ("99 AND k < 99", "0")], 2)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_is_planned_again() {
    let cached = Cached::start().await;
    let lookup = "SELECT name, price FROM t WHERE k = {}";
    let values = [
        ("1", "name 1|0.25"),
        ("2", "name 2|0.50"),
        ("3", "name 3|0.75"),
        ("4", "name 4|1.00"),
    ];
    cached.all(lookup, &values, 1).await;
    let other = connect(cached.server.port).await;
    other.run("UPDATE t SET name = 'new' WHERE k = 4").await;
    cached.all(lookup, &[("4", "new|1.00")], 0).await;
    other.run("BEGIN; DELETE FROM t WHERE k = 5").await;
    let own = other.rows(&lookup.replace("{}", "5")).await;
    assert!(own.is_empty(), "{own:?}");
    cached.all(lookup, &[("5", "name 5|1.25")], 0).await;
    other.run("COMMIT").await;
    cached.all(lookup, &[("5", "")], 0).await;
    other.run("ALTER TABLE t RENAME COLUMN price TO cost").await;
    other.run("ALTER TABLE t RENAME COLUMN big TO price").await;
    cached.all(lookup, &[("6", "name 6|60000000000")], 0).await;
    other.run("CREATE USER bob PASSWORD 'Password1'").await;
    let options = [("6", "name 6|60000000000"), ("7", "name 7|70000000000")];
    cached.all(lookup, &options, 0).await;
    cached.all(lookup, &options, 2).await;
    // Who may not read it is not answered by what others planned.
    let session = "SET SESSION AUTHORIZATION bob";
    other.run(session).await;
    let refused = other.try_rows(&lookup.replace("{}", "7")).await;
    assert!(refused.is_err());
    other.run("RESET SESSION AUTHORIZATION").await;
    other.run("DROP TABLE t").await;
    other
        .run("CREATE TABLE t (k INTEGER, name VARCHAR(9), price INTEGER)")
        .await;
    cached.all(lookup, &[("7", "")], 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_differs_in_more_than_constants_is_always_planned() {
    let cached = Cached::start().await;
    for (shape, values) in [
        // Merged when planned.
        (
            "SELECT count(*) FROM t WHERE k > 10 AND k > {}",
            [("5", "989"), ("6", "989"), ("7", "989"), ("990", "9")],
        ),
        // Two tables.
        (
            "SELECT count(*) FROM t, digits WHERE k = d AND k > {}",
            [("1", "8"), ("2", "7"), ("3", "6"), ("4", "5")],
        ),
        // Something else each time.
        (
            "SELECT count(*) FROM t WHERE day > GETDATE() AND k = {}",
            [("1", "0"), ("2", "0"), ("3", "0"), ("4", "0")],
        ),
        // The greatest so far is known to the scan.
        (
            "SELECT max(name) FROM t WHERE k < {}",
            [
                ("1", "name 0"),
                ("2", "name 1"),
                ("3", "name 2"),
                ("4", "name 3"),
            ],
        ),
    ] {
        cached.all(shape, &values, 0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_those_of_the_planner() {
    let cached = Cached::start().await;
    let planned = connect(cached.server.port).await;
    planned
        .run("SET enable_result_cache_for_session TO off")
        .await;
    let shapes = [
        "SELECT k, name FROM t WHERE k >= {a} AND k < {b} ORDER BY k",
        "SELECT small, count(*), sum(price) FROM t WHERE k >= {a} OR big < {b}00000000 GROUP BY small ORDER BY small",
        "SELECT DISTINCT small FROM t WHERE {a} <= k AND price <> {b} ORDER BY 1",
        "SELECT max(name) FROM t WHERE at BETWEEN TIMESTAMP '2020-01-01 05:00:00' AND '2020-01-31' AND k > {a} AND k <> {b}",
        "SELECT count(*) FROM (SELECT k + 1 AS n, price FROM t WHERE price > {a}.25) x WHERE n < {b}",
        "SELECT name FROM t WHERE k > {a} AND (small = 5 OR NOT k = {b}) AND name LIKE 'name 5%' ORDER BY name LIMIT 3",
    ];
    let before = cached.hits().await;
    for shape in shapes {
        for turn in 0..12_i32 {
            let (a, b) = ((turn * 389) % 1000, (turn * 571) % 1100 + 3);
            let fill = |text: &str| {
                let text = text.replace("{a}", &a.to_string());
                text.replace("{b}", &b.to_string())
            };
            let sql = fill(shape);
            // Of another shape each time, so planned.
            let own = sql.replacen("FROM t", &format!("FROM t AS t{turn}"), 1);
            let expected = planned.rows(&own).await;
            assert_eq!(cached.client.rows(&sql).await, expected, "{sql}");
        }
    }
    let hits = cached.hits().await - before;
    assert!(hits > 20.0, "{hits} of 72 queries got the plan of another");
}
