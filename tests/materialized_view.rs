//! Materialized views beside random changes: after each REFRESH a view shows what its query does, by changes or as a
//! whole, through VACUUM, TRUNCATE, restarts and kills.

use blueshift_tests::{Client, Server, ServerOptions, connect};
use std::time::{Duration, Instant};

/// Rounds of changes and refreshes.
const ROUNDS: u64 = 20;
/// How long AUTO REFRESH may take.
const REFRESHED_MAX: Duration = Duration::from_secs(60);

/// The views: name and query.
const VIEWS: &[(&str, &str)] = &[
    (
        "sums",
        "SELECT d.grp, count(*) AS n, count(f.q) AS c, sum(f.q) AS s, avg(f.q) AS a, sum(f.p) AS sp, avg(f.p) AS ap FROM fact f JOIN dim d ON f.d = d.id GROUP BY d.grp",
    ),
    (
        "extremes",
        "SELECT d, min(q) AS least, max(p) AS most FROM fact GROUP BY d HAVING count(*) > 2",
    ),
    (
        "total",
        "SELECT count(*) AS n, sum(q) AS s FROM fact WHERE q > 20",
    ),
    (
        "lines",
        "SELECT f.id, d.grp, f.q + 1 AS more FROM fact f, dim d WHERE f.d = d.id AND f.q % 2 = 0",
    ),
    (
        "pairs",
        "SELECT a.d, count(*) AS n, sum(b.q) AS s FROM fact a JOIN fact b ON a.d = b.d AND a.q = b.q GROUP BY a.d",
    ),
    (
        "outer_rows",
        "SELECT d.id, d.grp, f.q FROM dim d LEFT JOIN fact f ON f.d = d.id",
    ),
];

/// A sequence of numbers from a seed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

fn fact_row(numbers: &mut Numbers, id: u64) -> String {
    let quantity = match numbers.below(6) {
        0 => "NULL".to_owned(),
        _ => numbers.below(50).to_string(),
    };
    format!(
        "({id}, {}, {quantity}, {}.{:02})",
        numbers.below(6),
        numbers.below(90),
        numbers.below(100)
    )
}

async fn change(client: &Client, numbers: &mut Numbers, next: &mut u64) {
    match numbers.below(12) {
        0..=4 => {
            let rows = 1 + numbers.below(30);
            let values: Vec<String> = (0..rows)
                .map(|_| {
                    *next += 1;
                    fact_row(numbers, *next)
                })
                .collect();
            client
                .run(&format!("INSERT INTO fact VALUES {}", values.join(", ")))
                .await;
        }
        5..=6 => {
            let (modulus, rest) = (2 + numbers.below(9), numbers.below(3));
            client
                .run(&format!("DELETE FROM fact WHERE id % {modulus} = {rest}"))
                .await;
        }
        7 => {
            let (d, by) = (numbers.below(6), numbers.below(9));
            client
                .run(&format!("UPDATE fact SET q = q + {by} WHERE d = {d}"))
                .await;
        }
        8 => {
            let (id, group) = (numbers.below(6), numbers.below(3));
            client
                .run(&format!("INSERT INTO dim VALUES ({id}, 'g{group}')"))
                .await;
        }
        9 => {
            let id = numbers.below(6);
            client
                .run(&format!("DELETE FROM dim WHERE id = {id}"))
                .await;
            client
                .run(&format!("INSERT INTO dim VALUES ({id}, NULL)"))
                .await;
        }
        10 => client.run("VACUUM FULL fact TO 100 PERCENT").await,
        _ => match numbers.below(4) {
            0 => client.run("TRUNCATE dim").await,
            _ => client.run("VACUUM FULL dim TO 100 PERCENT").await,
        },
    }
}

async fn sorted(client: &Client, sql: &str) -> Vec<String> {
    let mut rows = client.rows(sql).await;
    rows.sort();
    rows
}

async fn compare(client: &Client, round: u64, seed: u64) {
    for (name, query) in VIEWS {
        client
            .run(&format!("REFRESH MATERIALIZED VIEW {name}"))
            .await;
        client.run("SET mv_enable_aqmv_for_session TO false").await;
        let expected = sorted(client, query).await;
        client.run("SET mv_enable_aqmv_for_session TO true").await;
        let kept = sorted(client, &format!("SELECT * FROM {name}")).await;
        assert_eq!(kept, expected, "view {name}, round {round}, seed {seed}");
        let rewritten = sorted(client, query).await;
        assert_eq!(
            rewritten, expected,
            "query of {name}, round {round}, seed {seed}"
        );
    }
    // Coarser questions than the views keep.
    for query in [
        "SELECT count(*), count(f.q), sum(f.q), avg(f.p) FROM fact f JOIN dim d ON f.d = d.id",
        "SELECT d.grp, sum(f.p) FROM fact f JOIN dim d ON d.id = f.d WHERE d.grp = 'g1' GROUP BY d.grp",
    ] {
        client.run("SET mv_enable_aqmv_for_session TO false").await;
        let expected = sorted(client, query).await;
        client.run("SET mv_enable_aqmv_for_session TO true").await;
        assert_eq!(
            sorted(client, query).await,
            expected,
            "{query}, round {round}, seed {seed}"
        );
    }
}

async fn run(seed: u64, slices: u32) {
    let mut server = Server::start(ServerOptions {
        slices: Some(slices),
        ..ServerOptions::default()
    })
    .await;
    let mut client = connect(server.port).await;
    client.run("CREATE TABLE fact (id INTEGER, d INTEGER, q INTEGER, p DECIMAL(8,2)) DISTKEY(d) SORTKEY(id)").await;
    client
        .run("CREATE TABLE dim (id INTEGER, grp VARCHAR(5)) DISTSTYLE ALL")
        .await;
    client
        .run("INSERT INTO dim VALUES (0, 'g0'), (1, 'g1'), (2, 'g0'), (3, NULL), (4, 'g2')")
        .await;
    for (name, query) in VIEWS {
        client
            .run(&format!("CREATE MATERIALIZED VIEW {name} AS {query}"))
            .await;
    }
    let (mut numbers, mut next) = (Numbers(seed), 0);
    for round in 0..ROUNDS {
        for _ in 0..1 + numbers.below(3) {
            change(&client, &mut numbers, &mut next).await;
        }
        if round % 10 == 9 {
            drop(client);
            match round % 20 {
                9 => server.kill(),
                _ => assert_eq!(server.stop(), Some(0)),
            }
            server = server.restart().await;
            client = connect(server.port).await;
        }
        compare(&client, round, seed).await;
    }
    let by = "SELECT count(*) > 0 FROM svl_mv_refresh_status WHERE status LIKE '%incrementally'";
    assert_eq!(client.value(by).await, "t");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_shows_what_its_query_does_after_random_changes() {
    run(1, 1).await;
    run(2, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_names_the_view_that_answers() {
    let server = Server::start(ServerOptions::default()).await;
    let client = connect(server.port).await;
    client.run("CREATE TABLE base (k INTEGER, q INTEGER)").await;
    client
        .run("INSERT INTO base VALUES (1, 1), (1, 2), (2, 3)")
        .await;
    client
        .run("CREATE MATERIALIZED VIEW kept AS SELECT k, sum(q) AS s FROM base GROUP BY k")
        .await;
    let explained = |sql: &'static str| {
        let client = &client;
        async move { client.rows(&format!("EXPLAIN {sql}")).await.join("\n") }
    };
    let answered = explained("SELECT k, sum(q) FROM base GROUP BY k").await;
    assert!(
        answered.contains("XN Seq Scan on mv_tbl__kept__0 derived_table1"),
        "{answered}"
    );
    for other in [
        "SELECT k, min(q) FROM base GROUP BY k",
        "SELECT q, sum(q) FROM base GROUP BY q",
        "SELECT k, sum(q) FROM base WHERE q > 1 GROUP BY k",
        "SELECT k, sum(q) FROM base WHERE random() >= 0 GROUP BY k",
        "SELECT k, sum(q + 1) FROM base GROUP BY k",
        "SELECT a.k, sum(a.q) FROM base a JOIN base b ON a.k = b.k GROUP BY a.k",
    ] {
        let plan = explained(other).await;
        assert!(
            plan.contains("on base") && !plan.contains("mv_tbl"),
            "{other}: {plan}"
        );
    }
    client.run("INSERT INTO base VALUES (5, 5)").await;
    let stale = explained("SELECT k, sum(q) FROM base GROUP BY k").await;
    assert!(!stale.contains("mv_tbl"), "{stale}");
}

#[tokio::test(flavor = "multi_thread")]
async fn auto_refresh_follows_the_tables() {
    let server = Server::start(ServerOptions {
        slices: Some(2),
        environment: vec![(
            "BLUESHIFT_MAINTENANCE_INTERVAL_MS".to_owned(),
            "20".to_owned(),
        )],
        ..ServerOptions::default()
    })
    .await;
    let client = connect(server.port).await;
    client.run("CREATE TABLE base (a INTEGER)").await;
    client
        .run("CREATE MATERIALIZED VIEW auto AUTO REFRESH YES AS SELECT count(*) AS n FROM base")
        .await;
    client
        .run("CREATE MATERIALIZED VIEW still AS SELECT count(*) AS n FROM base")
        .await;
    client.run("INSERT INTO base VALUES (1), (2)").await;
    // The record of a refresh follows its commit.
    let how =
        "SELECT min(trim(refresh_type)) FROM svl_mv_refresh_status WHERE trim(mv_name) = 'auto'";
    let begun = Instant::now();
    while client.value(how).await != "Auto" {
        assert!(begun.elapsed() < REFRESHED_MAX, "it was not refreshed");
    }
    assert_eq!(client.value("SELECT n FROM auto").await, "2");
    assert_eq!(client.value("SELECT n FROM still").await, "0");
}
