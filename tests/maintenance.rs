//! What the server does by itself: background vacuum and analyze, and statistics after loads.

use blueshift_tests::{Client, Server, ServerOptions, connect};
use std::time::{Duration, Instant};

/// How long the server may take to do what is due.
const DONE_MAX: Duration = Duration::from_secs(60);

async fn server(vacuum: bool, analyze: bool) -> Server {
    let variable = |name: &str, value: String| (format!("BLUESHIFT_{name}"), value);
    Server::start(ServerOptions {
        slices: Some(2),
        environment: vec![
            variable("AUTO_VACUUM", vacuum.to_string()),
            variable("AUTO_ANALYZE", analyze.to_string()),
            variable("MAINTENANCE_INTERVAL_MS", "20".to_owned()),
        ],
        ..ServerOptions::default()
    })
    .await
}

/// Asks until the answer is `expected`.
async fn until(client: &Client, sql: &str, expected: &str) {
    let begun = Instant::now();
    loop {
        let rows = client.rows(sql).await.join("\n");
        if rows == expected {
            return;
        }
        assert!(begun.elapsed() < DONE_MAX, "{sql}: {rows}, not {expected}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_are_vacuumed_and_analyzed_by_themselves() {
    let server = server(true, true).await;
    let client = connect(server.port).await;
    client
        .run("CREATE TABLE busy (id INTEGER, day INTEGER) DISTKEY(id) SORTKEY(day)")
        .await;
    for first in [500, 300, 400] {
        let values: Vec<String> = (first..first + 50)
            .map(|day| format!("({day}, {day})"))
            .collect();
        client
            .run(&format!("INSERT INTO busy VALUES {}", values.join(", ")))
            .await;
    }
    client.run("DELETE FROM busy WHERE id % 3 = 0").await;
    let info = "SELECT unsorted, stats_off, tbl_rows, estimated_visible_rows FROM svv_table_info WHERE \"table\" = 'busy'";
    until(&client, info, "0.00|0.00|100|100").await;
    let logged = "SELECT count(*) > 0, max(userid) FROM stl_vacuum WHERE trim(status) = '[VacuumBG] Finished'";
    until(&client, logged, "t|1").await;
    let analyzed =
        "SELECT count(*) > 0, min(is_auto), min(is_background) FROM stl_analyze WHERE userid = 1";
    until(&client, analyzed, "t|t|t").await;
    let summary = "SELECT count(*) > 0 FROM svv_vacuum_summary WHERE trim(table_name) = 'busy'";
    until(&client, summary, "t").await;
    assert_eq!(
        client.rows("SELECT count(*), sum(id) FROM busy").await,
        ["100|42450"]
    );
    // Somebody's own VACUUM does not fail for one that nobody asked for.
    client.run("VACUUM FULL busy TO 100 PERCENT").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_happens_by_itself_where_it_is_off() {
    let server = server(false, false).await;
    let client = connect(server.port).await;
    client
        .run("CREATE TABLE quiet (id INTEGER) SORTKEY(id)")
        .await;
    client.run("INSERT INTO quiet VALUES (1), (2)").await;
    client.run("DELETE FROM quiet WHERE id = 1").await;
    for _ in 0..50 {
        let events = "SELECT (SELECT count(*) FROM stl_vacuum), (SELECT count(*) FROM stl_analyze)";
        assert_eq!(client.rows(events).await, ["0|0"]);
    }
    // But a table made of a query is known at once.
    client
        .run("CREATE TABLE made AS SELECT id FROM quiet")
        .await;
    let analyzed =
        "SELECT trim(table_name), trim(status), rows, is_auto, is_background FROM stl_analyze";
    assert_eq!(client.rows(analyzed).await, ["made|Full|1|t|f"]);
    let off = "SELECT stats_off FROM svv_table_info WHERE \"table\" = 'made'";
    assert_eq!(client.rows(off).await, ["0.00"]);
}
