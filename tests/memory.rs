//! Queries that need more memory than they may have: they spill and finish right, or fail with 53200 or 53100; and
//! afterwards nothing is reserved or spilled.

use blueshift_tests::metrics::{figure, scrape};
use blueshift_tests::server::free_port;
use blueshift_tests::{Client, Server, ServerOptions, connect, full};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long what a query held may take to be given back.
const GIVEN_BACK_MAX: Duration = Duration::from_secs(10);

fn has_files(folder: &Path) -> bool {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| {
        let path = entry.path();
        match path.is_dir() {
            true => has_files(&path),
            false => true,
        }
    })
}

/// Waits until nothing is reserved or spilled.
async fn until_given_back(server: &Server, port: u16) {
    let begun = Instant::now();
    loop {
        let page = scrape(port, "/metrics").await;
        let (memory, spill) = (
            figure(&page, "blueshift_memory_pool_bytes"),
            figure(&page, "blueshift_spill_bytes"),
        );
        let files = has_files(&server.data.join("spill"));
        if memory == 0.0 && spill == 0.0 && !files {
            return;
        }
        assert!(
            begun.elapsed() < GIVEN_BACK_MAX,
            "{memory} bytes reserved, {spill} bytes spilled, files: {files}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Runs a query, which answers right or is refused for its memory; gives whether it answered.
async fn right_or_refused(client: &Client, query: &str, expected: &[&str]) -> bool {
    match client.try_rows(query).await {
        Ok(rows) => {
            let lines = rows.into_iter().map(|row| {
                let cells: Vec<String> = row.into_iter().map(Option::unwrap_or_default).collect();
                cells.join("|")
            });
            let lines: Vec<String> = lines.collect();
            assert_eq!(lines.len(), expected.len(), "{query}");
            let wrong = lines
                .iter()
                .zip(expected)
                .find(|(line, expected)| line != *expected);
            assert_eq!(wrong, None, "{query}");
            true
        }
        Err(error) => {
            let error = error.as_db_error().expect("an error of the server");
            assert_eq!(error.code().code(), "53200", "{query}: {error}");
            let detail = error.detail().unwrap_or_default();
            assert!(detail.contains(" asked for "), "{detail}");
            let hint = error.hint().unwrap_or_default();
            assert!(hint.contains("--memory-limit"), "{hint}");
            false
        }
    }
}

/// Starts a server with little memory, and a table of 240 000 rows, 40 MB or so.
async fn start(arguments: &[&str]) -> (Server, Client, u16) {
    let port = free_port();
    let metrics = format!("127.0.0.1:{port}");
    let own = ["--metrics-listen", &metrics];
    let arguments = own.iter().chain(arguments);
    let server = Server::start(ServerOptions {
        slices: Some(2),
        arguments: arguments.map(|text| (*text).to_owned()).collect(),
        ..ServerOptions::default()
    })
    .await;
    let client = connect(server.port).await;
    client
        .run("SET enable_result_cache_for_session TO off")
        .await;
    client.run("CREATE TABLE digits (d INTEGER)").await;
    client
        .run("INSERT INTO digits VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)")
        .await;
    client
        .run("CREATE TABLE big (k BIGINT, g INTEGER, v VARCHAR(300)) DISTSTYLE EVEN")
        .await;
    client
        .run(
            "INSERT INTO big SELECT k, k % 7, repeat('x', 150) || (k * 7919) % 240000 FROM \
             (SELECT a.d + 10 * b.d + 100 * c.d + 1000 * e.d + 10000 * f.d + 60000 * h.d AS k \
              FROM digits a, digits b, digits c, digits e, digits f, digits h WHERE f.d < 6 AND h.d < 4)",
        )
        .await;
    assert_eq!(client.value("SELECT count(*) FROM big").await, "240000");
    (server, client, port)
}

/// Queries that spill, and their answers.
const SPILLING: &[(&str, &str)] = &[
    (
        "SELECT count(*), sum(a.k) FROM big a JOIN big b ON a.k = b.k AND a.v = b.v",
        "240000|28799880000",
    ),
    // Nobody would expect so many rows on the right: its hash table is begun and does not fit.
    (
        "SELECT count(*) FROM big a JOIN (SELECT * FROM big WHERE k % 2 >= 0 AND k % 3 >= 0 AND k % 5 >= 0 \
         AND k % 7 >= 0 AND k % 11 >= 0 AND k % 13 >= 0) b ON a.v = b.v",
        "240000",
    ),
    (
        "SELECT count(*), count(b.k) FROM big a LEFT JOIN (SELECT * FROM big WHERE g < 3) b ON a.v = b.v",
        "240000|102858",
    ),
    (
        "SELECT count(*), count(a.k), count(b.k) FROM (SELECT * FROM big WHERE k < 160000) a \
         FULL JOIN (SELECT * FROM big WHERE k >= 80000) b ON a.v = b.v AND a.k = b.k",
        "240000|160000|160000",
    ),
    (
        "SELECT count(*) FROM big a WHERE EXISTS (SELECT 1 FROM big b WHERE b.v = a.v AND b.g <> 5)",
        "205715",
    ),
    (
        "SELECT count(*) FROM big a WHERE NOT EXISTS (SELECT 1 FROM big b WHERE b.v = a.v AND b.g <> 5)",
        "34285",
    ),
    // Keys of 640 bytes, 140 MB of them.
    (
        "SELECT count(*) FROM (SELECT repeat(v, 4) AS w FROM big) a JOIN \
         (SELECT repeat(v, 4) AS w FROM big WHERE g <> 3) b ON a.w = b.w",
        "205714",
    ),
    (
        "SELECT count(*), sum(n) FROM (SELECT v, k, count(*) AS n FROM big GROUP BY v, k)",
        "240000|240000",
    ),
    (
        "SELECT count(*), max(r) FROM (SELECT row_number() OVER (ORDER BY v, k) AS r FROM big)",
        "240000|240000",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn queries_larger_than_their_memory_finish_right_and_give_it_back() {
    // 64 MB for all queries.
    let (server, client, port) = start(&["--memory-limit", "512MB", "--memory", "67108864"]).await;
    let page = scrape(port, "/metrics").await;
    assert_eq!(
        figure(&page, "blueshift_memory_pool_limit_bytes"),
        67_108_864.0
    );
    let mut finished = 0;
    for (query, answer) in SPILLING {
        finished += u32::from(right_or_refused(&client, query, &[answer]).await);
        until_given_back(&server, port).await;
    }
    assert_eq!(finished as usize, SPILLING.len());
    // The texts are those of k * 7919 % 240000, which is another for each k.
    let mut expected: Vec<(String, u64)> = (0..240_000_u64)
        .map(|k| ((k * 7_919 % 240_000).to_string(), k))
        .collect();
    expected.sort();
    let expected: Vec<String> = expected.into_iter().map(|(_, k)| k.to_string()).collect();
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    right_or_refused(&client, "SELECT k FROM big ORDER BY v, k", &expected).await;
    until_given_back(&server, port).await;
    let window =
        "SELECT count(s) FROM (SELECT sum(k) OVER (PARTITION BY g) AS s, v FROM big) WHERE v > ''";
    right_or_refused(&client, window, &["240000"]).await;
    until_given_back(&server, port).await;
    let page = scrape(port, "/metrics").await;
    assert!(figure(&page, "blueshift_spilled_bytes_total") > 0.0);
    a_join_that_spilled_says_so(&client).await;
    // So does what is canceled.
    client.run("SET statement_timeout TO 100").await;
    for (query, _) in SPILLING {
        if let Err(error) = client.try_rows(query).await {
            let code = error.code().map(|code| code.code()).unwrap_or_default();
            assert!(["57014", "53200"].contains(&code), "{query}: {error}");
        }
    }
    until_given_back(&server, port).await;
}

/// Looks at what the system tables and EXPLAIN ANALYZE show of the last join that spilled.
async fn a_join_that_spilled_says_so(client: &Client) {
    let (query, answer) = SPILLING.first().expect("a query");
    right_or_refused(client, query, &[answer]).await;
    let id = client.value("SELECT pg_last_query_id()").await;
    let steps = format!(
        "SELECT count(*) FROM svl_query_summary WHERE query = {id} AND label LIKE 'hash%' \
         AND is_diskbased = 't' AND workmem > 0"
    );
    assert_eq!(client.value(&steps).await, "1");
    // Both slices had a part of the table that did not fit, and joined all rows.
    let slices = format!(
        "SELECT count(*), sum(rows), bool_and(is_diskbased = 't' AND workmem BETWEEN 1 AND 67108864) \
         FROM stl_hash WHERE query = {id}"
    );
    assert_eq!(client.rows(&slices).await, ["2|240000|t"]);
    let joined = format!("SELECT count(*), sum(rows) FROM stl_hashjoin WHERE query = {id}");
    assert_eq!(client.rows(&joined).await, ["2|240000"]);
    let spilled = format!(
        "SELECT query_temp_blocks_to_disk FROM svl_query_metrics_summary WHERE query = {id}"
    );
    let spilled = client.value(&spilled).await;
    assert!(
        spilled.parse::<u64>().is_ok_and(|blocks| blocks > 0),
        "{spilled}"
    );
    let plan = client.rows(&format!("EXPLAIN ANALYZE {query}")).await;
    let join = plan.iter().find(|line| line.contains("Hash Join"));
    let join = join.unwrap_or_else(|| panic!("no join in {plan:#?}"));
    assert!(join.contains("actual rows=240000 "), "{join}");
}

/// Statements that spill over a table `wide` of so many rows, and their answers.
struct Mix {
    rows: u64,
    /// The keys in the order of their texts.
    by_text: Vec<u64>,
}

impl Mix {
    /// Fills the table; the text of a row is another for each key.
    async fn fill(client: &Client, rows: u64) -> Self {
        let sql = "CREATE TABLE wide (k BIGINT, g INTEGER, v VARCHAR(300)) DISTSTYLE EVEN";
        client.run(sql).await;
        for first in (0..rows).step_by(240_000) {
            let sql = format!(
                "INSERT INTO wide SELECT k + {first}, (k + {first}) % 7, \
                 repeat('x', 150) || ((k + {first}) * 7919) % {rows} FROM big WHERE k + {first} < {rows}"
            );
            client.run(&sql).await;
        }
        let mut by_text: Vec<(String, u64)> = (0..rows)
            .map(|k| ((k * 7_919 % rows).to_string(), k))
            .collect();
        by_text.sort();
        let by_text = by_text.into_iter().map(|(_, k)| k).collect();
        Self { rows, by_text }
    }

    /// Gives a statement and the lines of its answer.
    fn statement(&self, number: u64) -> (String, Vec<String>) {
        let divisor = 2 + number % 5;
        let rest = number / 5 % divisor;
        let chosen = (0..self.rows).filter(|k| k % divisor == rest).count() as u64;
        let sum: u64 = (0..self.rows).filter(|k| k % divisor == rest).sum();
        let (all, others) = (self.rows, self.rows - chosen);
        let some = format!("(SELECT * FROM wide WHERE k % {divisor} = {rest})");
        let many = format!("(SELECT * FROM wide WHERE k % {divisor} <> {rest})");
        match number % 8 {
            0 => (
                format!(
                    "SELECT count(*), sum(a.k) FROM wide a JOIN {some} b ON a.v = b.v AND a.k = b.k"
                ),
                vec![format!("{chosen}|{sum}")],
            ),
            1 => (
                format!("SELECT count(*), count(b.k) FROM wide a LEFT JOIN {some} b ON a.v = b.v"),
                vec![format!("{all}|{chosen}")],
            ),
            2 => (
                format!(
                    "SELECT count(*), count(a.k), count(b.k) FROM {many} a FULL JOIN wide b ON a.v = b.v"
                ),
                vec![format!("{all}|{others}|{all}")],
            ),
            3 => (
                format!(
                    "SELECT count(*) FROM wide a WHERE NOT EXISTS (SELECT 1 FROM {some} b WHERE b.v = a.v)"
                ),
                vec![others.to_string()],
            ),
            4 => (
                format!(
                    "SELECT count(*), sum(a.k) FROM wide a WHERE v IN (SELECT v FROM {some} b)"
                ),
                vec![format!("{chosen}|{sum}")],
            ),
            5 => (
                format!(
                    "SELECT count(*), sum(n) FROM (SELECT v, count(*) AS n FROM {many} GROUP BY v)"
                ),
                vec![format!("{others}|{others}")],
            ),
            6 => {
                let sorted = self.by_text.iter().filter(|k| *k % divisor != rest);
                let last = sorted.skip(others as usize - 3);
                (
                    format!("SELECT k FROM {many} ORDER BY v, k OFFSET {}", others - 3),
                    last.map(u64::to_string).collect(),
                )
            }
            _ => (
                format!(
                    "SELECT count(*), max(r) FROM (SELECT row_number() OVER (ORDER BY v, k) AS r FROM {many})"
                ),
                vec![format!("{others}|{others}")],
            ),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_that_spill_beside_each_other_finish_right_or_fail_with_53200() {
    // In full: 250 MB of rows, and what a server of 1 GB has.
    let (arguments, rows, statements, clients) = match full() {
        true => (["--memory-limit", "1GB"].as_slice(), 1_440_000, 1_000, 8),
        false => (
            ["--memory-limit", "512MB", "--memory", "33554432"].as_slice(),
            40_000,
            120,
            3,
        ),
    };
    let (server, client, port) = start(arguments).await;
    let mix = Arc::new(Mix::fill(&client, rows).await);
    let next = Arc::new(AtomicU64::new(0));
    let workers = (0..clients).map(|_| {
        let (mix, next, port) = (Arc::clone(&mix), Arc::clone(&next), server.port);
        tokio::spawn(async move {
            let client = connect(port).await;
            client
                .run("SET enable_result_cache_for_session TO off")
                .await;
            let mut finished = 0;
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= statements {
                    return finished;
                }
                let (query, lines) = mix.statement(number);
                let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
                finished += u64::from(right_or_refused(&client, &query, &lines).await);
            }
        })
    });
    let workers: Vec<_> = workers.collect();
    let mut finished = 0;
    for worker in workers {
        finished += worker
            .await
            .expect("every statement answered or was refused");
    }
    until_given_back(&server, port).await;
    let page = scrape(port, "/metrics").await;
    let spilled = figure(&page, "blueshift_spilled_bytes_total");
    println!(
        "{finished} of {statements} finished, {spilled} bytes spilled, {} bytes of memory at most",
        server.peak_memory_bytes()
    );
    assert!(spilled > 0.0);
    assert!(
        finished * 10 >= statements * 9,
        "{finished} of {statements}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_has_what_its_queue_grants_it() {
    let queues = r#"[{"name":"small","query_group":["small"],"query_concurrency":4,"memory_percent_to_use":10},
                     {"query_concurrency":1}]"#;
    let arguments = [
        ["--memory-limit", "1GB"],
        ["--memory", "268435456"],
        ["--wlm-json-configuration", queues],
    ];
    let (server, client, port) = start(arguments.as_flattened()).await;
    let window =
        "SELECT count(s) FROM (SELECT sum(k) OVER (PARTITION BY g) AS s, v FROM big) WHERE v > ''";
    assert_eq!(client.value(window).await, "240000");
    client.run("SET query_group TO 'small'").await;
    let (code, text) = client.failure(window).await;
    assert_eq!(code, "53200", "{text}");
    assert!(
        text.contains("that queue \"small\" grants the query are free"),
        "{text}"
    );
    // Four slots of a tenth of 256 MB: all of them are worth enough for what spills.
    assert!(text.contains(" of the 6.4 MB "), "{text}");
    client.run("SET wlm_query_slot_count TO 4").await;
    let (_, text) = client.failure(window).await;
    assert!(text.contains(" of the 25.6 MB "), "{text}");
    until_given_back(&server, port).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_spills_no_more_than_its_quota() {
    let (server, client, port) = start(&[
        "--memory-limit",
        "512MB",
        "--memory",
        "67108864",
        "--spill-limit-per-query",
        "1MB",
    ])
    .await;
    let (code, text) = client.failure("SELECT k, v FROM big ORDER BY v, k").await;
    assert_eq!(code, "53100", "{text}");
    assert!(
        text.contains("1.0 MB") && text.contains("--spill-limit-per-query"),
        "{text}"
    );
    until_given_back(&server, port).await;
    assert_eq!(client.value("SELECT count(*) FROM big").await, "240000");
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_that_are_none_are_refused_at_the_start() {
    for (arguments, text) in [
        (["--memory-limit", "1MB"], "less than the 128 MB"),
        (["--memory-limit", "much"], "is no size"),
        (["--spill-limit", "none"], "is no size"),
        (["--metrics-listen", "localhost"], "--metrics-listen"),
    ] {
        let log = Server::start_refused(ServerOptions {
            arguments: arguments.map(|text| text.to_owned()).to_vec(),
            ..ServerOptions::default()
        })
        .await;
        assert!(log.contains(text), "{arguments:?}: {log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_are_answered_and_move() {
    let (_server, client, port) = start(&[]).await;
    assert!(scrape(port, "/").await.starts_with("HTTP/1.1 404"));
    let before = scrape(port, "/metrics").await;
    assert!(before.starts_with("HTTP/1.1 200"), "{before}");
    assert!(before.contains("content-type: text/plain; version=0.0.4"));
    client.rows("SELECT max(v) FROM big WHERE k < 1000").await;
    client.failure("SELECT 1 / 0 FROM big").await;
    client.run("CREATE TABLE more (a INTEGER)").await;
    client.run("INSERT INTO more VALUES (1)").await;
    client.run("RESET enable_result_cache_for_session").await;
    for _ in 0..2 {
        client.rows("SELECT count(*) FROM big WHERE k < 17").await;
    }
    let after = scrape(port, "/metrics").await;
    let grew = |name: &str| figure(&after, name) - figure(&before, name);
    assert!(grew("blueshift_statements_total{kind=\"select\",outcome=\"success\"}") >= 3.0);
    assert_eq!(
        grew("blueshift_statements_total{kind=\"select\",outcome=\"error\"}"),
        1.0
    );
    assert_eq!(
        grew("blueshift_statements_total{kind=\"definition\",outcome=\"success\"}"),
        1.0
    );
    assert!(grew("blueshift_commits_total") >= 2.0);
    assert!(grew("blueshift_scan_rows_total") >= 1_000.0);
    assert!(grew("blueshift_scan_bytes_total") > 0.0);
    assert!(
        grew("blueshift_block_cache_hits_total") + grew("blueshift_block_cache_misses_total") > 0.0
    );
    assert_eq!(grew("blueshift_result_cache_hits_total"), 1.0);
    assert!(grew("blueshift_statement_duration_seconds_count") >= 6.0);
    let bucket = "blueshift_statement_duration_seconds_bucket{le=\"+Inf\"}";
    let count = figure(&after, "blueshift_statement_duration_seconds_count");
    assert_eq!(figure(&after, bucket), count);
    assert_eq!(figure(&after, "blueshift_sessions"), 1.0);
    assert!(figure(&after, "blueshift_uptime_seconds") > 0.0);
    // No text, name or value of a user's.
    for word in ["SELECT", "big", "admin", "dev"] {
        assert!(!after.contains(word), "{word}");
    }
}
