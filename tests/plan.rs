//! Plans: what moves, what is pruned, and how EXPLAIN tells it, on one slice and on several.

use blueshift_tests::{Server, ServerOptions, connect};

#[tokio::test(flavor = "multi_thread")]
async fn explain_tells_what_moves_and_what_is_read() {
    for slices in [1, 4] {
        on(slices).await;
    }
}

async fn on(slices: u32) {
    let server = Server::start(ServerOptions {
        slices: Some(slices),
        ..ServerOptions::default()
    })
    .await;
    let client = connect(server.port).await;
    client
        .run(
            "CREATE TABLE head (k BIGINT, buyer INTEGER, total DECIMAL(12,2)) DISTKEY(k) SORTKEY(k);
             CREATE TABLE line (k BIGINT, part INTEGER, price DECIMAL(12,2)) DISTKEY(k) SORTKEY(k);
             CREATE TABLE kind (part INTEGER, name VARCHAR(20)) DISTSTYLE ALL;
             CREATE TABLE buyer (id INTEGER, city VARCHAR(20)) DISTKEY(id)",
        )
        .await;
    // Two loads of one table: keys 0 to 499, and 1000 to 1499.
    for start in [0, 1000] {
        let rows: Vec<String> = (start..start + 500)
            .map(|key| format!("({key}, {}, {key}.25)", key % 7))
            .collect();
        let rows = rows.join(",");
        client.run(&format!("INSERT INTO head VALUES {rows}")).await;
        client.run(&format!("INSERT INTO line VALUES {rows}")).await;
        // Small inserts make one row group until they get files.
        client.run("VACUUM head").await;
        client.run("VACUUM line").await;
    }
    client
        .run("INSERT INTO kind VALUES (0, 'zero'), (1, 'one'), (2, 'two'); INSERT INTO buyer VALUES (1, 'Rome'), (2, 'Oslo')")
        .await;
    let explain = async |sql: &str| client.rows(&format!("EXPLAIN {sql}")).await.join("\n");

    // Both distribution keys: nothing moves.
    let plan = explain("SELECT count(*) FROM head h JOIN line l ON h.k = l.k").await;
    assert!(plan.contains("XN Hash Join DS_DIST_NONE"), "{plan}");
    assert!(
        plan.contains("Hash Cond: (\"outer\".k = \"inner\".k)"),
        "{plan}"
    );
    assert!(
        !plan.contains("Distribute") && !plan.contains("BCAST"),
        "{plan}"
    );

    // A table every node has is not moved.
    let plan = explain(
        "SELECT name, price FROM line JOIN kind ON line.part = kind.part ORDER BY price LIMIT 3",
    )
    .await;
    assert!(plan.contains("XN Hash Join DS_DIST_ALL_NONE"), "{plan}");
    let steps: Vec<&str> = plan
        .lines()
        .filter_map(|line| line.split("XN ").nth(1))
        .filter_map(|step| step.split("  (cost=").next())
        .collect();
    assert_eq!(&steps[..4], ["Limit", "Merge", "Network", "Sort"], "{plan}");

    // Another key than the one rows are placed by: something moves.
    let plan = explain("SELECT count(*) FROM head JOIN buyer ON head.buyer = buyer.id").await;
    assert!(!plan.contains("DS_DIST_NONE"), "{plan}");

    // Conditions are SQL, on the step that tests them.
    let plan = explain(
        "SELECT buyer, sum(total * 2) FROM head WHERE k <> 5 GROUP BY buyer HAVING sum(total * 2) > 9 ORDER BY 2",
    )
    .await;
    assert!(plan.contains("Filter: (k <> 5)"), "{plan}");
    assert!(plan.contains("Sort Key: sum("), "{plan}");
    for word in ["Int64(", "Decimal128(", "Subquery Scan", "@"] {
        assert!(!plan.contains(word), "{word} in {plan}");
    }

    // A range of the sort key reads the blocks of one load only.
    let lines = client
        .rows("EXPLAIN ANALYZE SELECT total FROM head WHERE k BETWEEN 1100 AND 1199")
        .await;
    let scan = lines
        .iter()
        .find(|line| line.contains("Seq Scan on head"))
        .unwrap_or_else(|| panic!("no scan: {lines:?}"));
    assert!(scan.contains("actual rows=100 "), "{scan}");
    let pruned: u32 = scan
        .split("pruned ")
        .nth(1)
        .and_then(|text| text.split(')').next())
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| panic!("no blocks: {scan}"));
    assert!(pruned > 0, "{scan}");

    // A scalar subquery has one row at most.
    let (code, _) = client
        .failure("SELECT count(*) FROM line WHERE k = (SELECT k FROM head WHERE k < 2)")
        .await;
    assert_eq!(code, "21000");
}

/// Runs a query, and reads how many blocks the scan of table `events` read and had.
async fn blocks_read(client: &blueshift_tests::Client, sql: &str) -> (u32, u32) {
    let lines = client.rows(&format!("EXPLAIN ANALYZE {sql}")).await;
    let scan = lines
        .iter()
        .find(|line| line.contains("Seq Scan on events"));
    let scan = scan.unwrap_or_else(|| panic!("{lines:?}"));
    let after = |word: &str| -> u32 {
        let text = scan.split(word).nth(1).unwrap_or_else(|| panic!("{scan}"));
        let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().expect("a number")
    };
    (after("blocks read "), after(" of "))
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_that_cannot_match_are_not_read() {
    let server = Server::start(ServerOptions {
        slices: Some(1),
        ..ServerOptions::default()
    })
    .await;
    let client = connect(server.port).await;
    client
        .run(
            "CREATE TABLE digits (n INTEGER);
             INSERT INTO digits VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9);
             CREATE TABLE events (k INTEGER, name VARCHAR(40), price DOUBLE PRECISION, padding VARCHAR(60)) SORTKEY(k);
             CREATE TABLE wanted (k INTEGER, name VARCHAR(40))",
        )
        .await;
    // Ten loads, too large to ride in the log: each is a row group, whose columns are a block each.
    for load in 0..10 {
        let letter = char::from(b'a' + load);
        client
            .run(&format!(
                "INSERT INTO events
                 SELECT {load} * 10000 + n, '{letter}-name-' || n, {load} * 10000 + n + 0.25, 'some text to make rows long ' || n
                 FROM (SELECT a.n * 1000 + b.n * 100 + c.n * 10 + d.n AS n FROM digits a, digits b, digits c, digits d) AS numbers"
            ))
            .await;
    }
    // Keys 40 000 to 49 999, names that begin with `e`; the rest finds nothing.
    let one = [
        "k BETWEEN 42000 AND 42100",
        "k = 45000",
        "k > 41999 AND k < 42010",
        "k IN (42001, 43001, 49999)",
        "price BETWEEN 42000 AND 42100",
        "price IN (42000.25::FLOAT8, 42001.25::FLOAT8)",
        "name LIKE 'e-na%'",
        "name LIKE 'e-name-1_'",
        "name IN ('e-name-1', 'e-name-77')",
        "name = 'e-name-9'",
        "k = 42000 OR k = 43000",
        "name LIKE 'e-name-1%' OR name LIKE 'e-name-2%'",
    ];
    for predicate in one {
        let sql = format!("SELECT count(*), max(padding) FROM events WHERE {predicate}");
        assert!(!client.rows(&sql).await[0].starts_with('0'), "{predicate}");
        let (read, all) = blocks_read(&client, &sql).await;
        assert!(
            all >= 20 && read * 10 <= all,
            "{predicate}: {read} of {all}"
        );
    }
    // A list prunes what lies between its values.
    let sql = "SELECT count(*), max(padding) FROM events WHERE k IN (5, 95000)";
    let (read, all) = blocks_read(&client, sql).await;
    assert!(read * 10 <= all * 2, "{read} of {all}");
    for predicate in [
        "k = -1",
        "k > 100000",
        "name LIKE 'zebra%'",
        "name IS NULL",
        "price IN (-1, 200000)",
    ] {
        let sql = format!("SELECT count(*), max(padding) FROM events WHERE {predicate}");
        let (read, _) = blocks_read(&client, &sql).await;
        assert_eq!(read, 0, "{predicate}");
    }

    // What the build side of a join turned out to hold: few keys, a range of keys, names, nothing.
    let join = async |wanted: &str, on: &str| {
        client.run(&format!("TRUNCATE wanted; {wanted}")).await;
        let sql = format!("SELECT count(*), max(padding) FROM events JOIN wanted ON {on}");
        blocks_read(&client, &sql).await
    };
    let few = "INSERT INTO wanted VALUES (42007, 'e-name-7'), (42008, 'e-name-8')";
    for on in [
        "events.k = wanted.k",
        "events.name = wanted.name",
        "events.k = wanted.k AND events.name = wanted.name",
    ] {
        let (read, all) = join(few, on).await;
        assert!(read * 10 <= all, "{on}: {read} of {all}");
    }
    let apart = "INSERT INTO wanted VALUES (5, 'a-name-5'), (95007, 'j-name-7')";
    let (read, all) = join(apart, "events.k = wanted.k").await;
    assert!(read * 10 <= all * 2, "a list of keys: {read} of {all}");
    let many = "INSERT INTO wanted SELECT 60000 + a.n * 1000 + b.n * 100 + c.n * 10 + d.n, 'x' FROM digits a, digits b, digits c, digits d";
    let (read, all) = join(many, "events.k = wanted.k").await;
    assert!(read * 10 <= all, "a range of keys: {read} of {all}");
    let (read, _) = join("SELECT 1", "events.k = wanted.k").await;
    assert_eq!(read, 0, "nothing to join");
}

/// Reads the rows that EXPLAIN expects of the scan of a table.
async fn rows_expected(client: &blueshift_tests::Client, sql: &str) -> f64 {
    let plan = client.rows(&format!("EXPLAIN {sql}")).await;
    let scan = plan.iter().find(|line| line.contains("Seq Scan on spread"));
    let scan = scan.unwrap_or_else(|| panic!("{plan:?}"));
    let rows = scan.split("rows=").nth(1).expect("rows=");
    let digits: String = rows.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn estimates_follow_what_analyze_learned() {
    let server = Server::start(ServerOptions::default()).await;
    let client = connect(server.port).await;
    client
        .run("CREATE TABLE spread (id INTEGER, kind INTEGER, code VARCHAR(6), amount INTEGER) DISTSTYLE EVEN")
        .await;
    // Nine of ten rows are of one kind; amounts are below 10 but for one of a hundred.
    let values: Vec<String> = (0..2_000)
        .map(|id| {
            let kind = if id % 10 == 0 { 2 + id / 100 } else { 1 };
            let code = if id % 4 == 0 {
                format!("c{id}")
            } else {
                "x".to_owned()
            };
            let amount = if id % 100 == 0 { 1_000_000 } else { id % 10 };
            format!("({id}, {kind}, '{code}', {amount})")
        })
        .collect();
    client
        .run(&format!("INSERT INTO spread VALUES {}", values.join(", ")))
        .await;
    let cases = [
        ("kind = 1", 1_800.0),
        ("kind <> 1", 200.0),
        ("kind = 7", 10.0),
        ("code = 'x'", 1_500.0),
        ("amount < 100", 1_980.0),
        ("amount > 100", 20.0),
        ("id BETWEEN 500 AND 999", 500.0),
        ("id = 77", 1.0),
    ];
    let skewed = ["kind = 1", "code = 'x'", "amount < 100"];
    for condition in skewed {
        let sql = format!("SELECT id FROM spread WHERE {condition}");
        let rows = rows_expected(&client, &sql).await;
        assert!(rows < 900.0, "{condition}: {rows} before ANALYZE");
    }
    client.run("ANALYZE spread (id, kind)").await;
    let amount = "SELECT id FROM spread WHERE amount < 100";
    let before = rows_expected(&client, amount).await;
    assert!(
        before < 900.0,
        "a column left out is not looked at: {before}"
    );
    client.run("SET analyze_threshold_percent TO 0").await;
    client.run("ANALYZE spread").await;
    for (condition, truth) in cases {
        let sql = format!("SELECT id FROM spread WHERE {condition}");
        let rows = rows_expected(&client, &sql).await;
        let near = (rows - truth).abs() <= f64::max(25.0, truth * 0.1);
        assert!(near, "{condition}: {rows} expected, {truth} there");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_in_the_order_of_the_sort_key_are_not_sorted_again() {
    for slices in [1, 4] {
        let server = Server::start(ServerOptions {
            slices: Some(slices),
            environment: vec![("BLUESHIFT_AUTO_VACUUM".to_owned(), "false".to_owned())],
            ..ServerOptions::default()
        })
        .await;
        let client = connect(server.port).await;
        client
            .run("CREATE TABLE seq (id INTEGER, k INTEGER) DISTKEY(id) SORTKEY(k, id)")
            .await;
        let insert = async |keys: std::ops::Range<i32>| {
            let rows: Vec<String> = keys
                .map(|key| format!("({key}, {})", key * 7919 % 500))
                .collect();
            client
                .run(&format!("INSERT INTO seq VALUES {}", rows.join(",")))
                .await;
        };
        let ordered = "SELECT k, id FROM seq WHERE id <> 3 ORDER BY k, id";
        // An order that no table has.
        let sorted = "SELECT k, id FROM seq WHERE id <> 3 ORDER BY k + 0, id + 0";
        let explain = async || client.rows(&format!("EXPLAIN {ordered}")).await.join("\n");

        insert(0..800).await;
        client.run("VACUUM FULL seq TO 100 PERCENT").await;
        let plan = explain().await;
        assert!(
            !plan.contains("XN Sort") && !plan.contains("runs by"),
            "{plan}"
        );
        assert_eq!(client.rows(ordered).await, client.rows(sorted).await);

        // What came since is a run of its own.
        insert(800..1_600).await;
        let plan = explain().await;
        assert!(plan.contains("Merges 2 sorted runs by: k, id"), "{plan}");
        assert!(!plan.contains("XN Sort"), "{plan}");
        assert_eq!(client.rows(ordered).await, client.rows(sorted).await);
        let first = client.rows(&format!("{ordered} LIMIT 9")).await;
        assert_eq!(first, client.rows(&format!("{sorted} LIMIT 9")).await);
        let plan = client
            .rows("EXPLAIN SELECT count(k) FROM seq")
            .await
            .join("\n");
        assert!(!plan.contains("runs by"), "{plan}");

        // Rows that two statements left in one run are in no order, until a vacuum.
        insert(1_600..2_000).await;
        let plan = explain().await;
        assert!(plan.contains("XN Sort"), "{plan}");
        assert_eq!(client.rows(ordered).await, client.rows(sorted).await);
        client.run("VACUUM FULL seq TO 100 PERCENT").await;
        let plan = explain().await;
        assert!(
            !plan.contains("XN Sort") && !plan.contains("runs by"),
            "{plan}"
        );
        assert_eq!(client.rows(ordered).await, client.rows(sorted).await);
    }
}
