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

/// The recipe of Redshift's manual for the columns queries ask by.
const PREDICATE_COLUMNS: &str = "CREATE VIEW predicate_columns AS WITH predicate_column_info AS (
    SELECT ns.nspname AS schema_name, c.relname AS table_name, a.attnum AS col_num, a.attname AS col_name,
        CASE WHEN 10002 = s.stakind1 THEN array_to_string(stavalues1, '||')
             WHEN 10002 = s.stakind2 THEN array_to_string(stavalues2, '||')
             WHEN 10002 = s.stakind3 THEN array_to_string(stavalues3, '||')
             WHEN 10002 = s.stakind4 THEN array_to_string(stavalues4, '||')
             ELSE NULL::varchar END AS pred_ts
    FROM pg_statistic s JOIN pg_class c ON c.oid = s.starelid JOIN pg_namespace ns ON c.relnamespace = ns.oid
    JOIN pg_attribute a ON c.oid = a.attrelid AND a.attnum = s.staattnum)
SELECT schema_name, table_name, col_num, col_name, pred_ts NOT LIKE '2000-01-01%' AS is_predicate,
    CASE WHEN pred_ts NOT LIKE '2000-01-01%' THEN (split_part(pred_ts, '||', 1))::timestamp ELSE NULL::timestamp END
        AS first_predicate_use,
    CASE WHEN pred_ts NOT LIKE '%||2000-01-01%' THEN (split_part(pred_ts, '||', 2))::timestamp ELSE NULL::timestamp END
        AS last_analyze
FROM predicate_column_info";

/// Tells by which columns of `t` queries asked, and which were analyzed.
const PREDICATES: &str = "SELECT col_name, is_predicate, first_predicate_use IS NOT NULL, last_analyze IS NOT NULL \
    FROM predicate_columns WHERE table_name = 't' ORDER BY col_num";

#[tokio::test(flavor = "multi_thread")]
async fn what_was_learned_outlives_the_server() {
    let mut server = server(false, false).await;
    let client = connect(server.port).await;
    client.run(PREDICATE_COLUMNS).await;
    client
        .run("CREATE TABLE t (a INTEGER, b INTEGER, c INTEGER, d INTEGER, e INTEGER) SORTKEY(a)")
        .await;
    client
        .run(
            "INSERT INTO t SELECT n, CASE WHEN n % 10 = 0 THEN n ELSE 7 END, n, n % 3, n FROM \
             (SELECT row_number() OVER () AS n FROM svv_columns LIMIT 800) r",
        )
        .await;
    client
        .rows("SELECT d, count(*) FROM t WHERE b = 7 GROUP BY d")
        .await;
    client
        .rows("SELECT count(*) FROM t x JOIN (SELECT e + 1 AS f FROM t) y ON x.a = y.f")
        .await;
    assert_eq!(
        client.rows(PREDICATES).await,
        ["a|t|t|f", "b|t|t|f", "d|t|t|f", "e|t|t|f"]
    );
    client.run("ANALYZE t PREDICATE COLUMNS").await;
    let after = ["a|t|t|t", "b|t|t|t", "d|t|t|t", "e|t|t|t"];
    assert_eq!(client.rows(PREDICATES).await, after);
    let status = "SELECT trim(status), num_predicate_cols FROM stl_analyze";
    assert_eq!(client.rows(status).await, ["PredicateColumn|4"]);
    client.run("DELETE FROM t WHERE a <= 40").await;
    let info = "SELECT stats_off, tbl_rows FROM svv_table_info WHERE \"table\" = 't'";
    let indicator = "SELECT stairows, staiins, staidels FROM pg_statistic_indicator i \
         JOIN pg_class c ON c.oid = i.stairelid WHERE relname = 't'";
    let plan = "EXPLAIN SELECT * FROM t WHERE b = 7";
    let plan_before = client.rows(plan).await;
    assert_eq!(client.rows(info).await, ["5.00|800"]);
    assert_eq!(client.rows(indicator).await, ["760|0|40"]);
    server.kill();
    let mut server = server.restart().await;
    let client = connect(server.port).await;
    assert_eq!(client.rows(info).await, ["5.00|800"]);
    assert_eq!(client.rows(indicator).await, ["760|0|40"]);
    assert_eq!(client.rows(PREDICATES).await, after);
    assert_eq!(client.rows(plan).await, plan_before);
    // A vacuum changes no row, which is remembered as well; what is used until a clean stop is kept at the stop.
    client.run("VACUUM FULL t TO 100 PERCENT").await;
    client.rows("SELECT max(a) FROM t WHERE c > 3").await;
    assert_eq!(server.stop(), Some(0));
    let mut server = server.restart().await;
    let client = connect(server.port).await;
    assert_eq!(client.rows(indicator).await, ["760|0|40"]);
    let with_c = ["a|t|t|t", "b|t|t|t", "c|t|t|f", "d|t|t|t", "e|t|t|t"];
    assert_eq!(client.rows(PREDICATES).await, with_c);
    // A damaged file costs an ANALYZE, and nothing else.
    assert_eq!(server.stop(), Some(0));
    let folder = server.data.join("statistics");
    let mut files = std::fs::read_dir(&folder).expect("the folder").flatten();
    let file = files.next().expect("a file").path();
    assert!(files.next().is_none(), "one table, one file");
    let mut bytes = std::fs::read(&file).expect("read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).expect("write");
    let mut server = server.restart().await;
    let client = connect(server.port).await;
    assert!(server.log_text().contains("statistics of a table are lost"));
    assert_eq!(client.rows(indicator).await, ["760|760|0"]);
    assert_eq!(client.rows("SELECT count(*) FROM t").await, ["760"]);
    client.run("ANALYZE t").await;
    server.kill();
    let mut server = server.restart().await;
    let client = connect(server.port).await;
    assert_eq!(client.rows(indicator).await, ["760|0|0"]);
    client.run("DROP TABLE t").await;
    assert_eq!(std::fs::read_dir(&folder).expect("the folder").count(), 0);
    server.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_without_a_sort_key_gets_the_one_that_queries_ask_for() {
    let server = server(true, false).await;
    let client = connect(server.port).await;
    client
        .run("SET enable_result_cache_for_session TO off; CREATE TABLE seen (id INTEGER, other INTEGER, k INTEGER) DISTSTYLE EVEN")
        .await;
    client
        .run(
            "CREATE TABLE ten (n INTEGER);
             INSERT INTO ten VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)",
        )
        .await;
    client
        .run(
            "INSERT INTO seen SELECT a.n + 10 * b.n + 100 * c.n + 1000 * d.n + 10000 * e.n, a.n, \
             (a.n + 10 * b.n + 100 * c.n + 1000 * d.n + 10000 * e.n) * 7 % 1000 FROM ten a, ten b, ten c, ten d, ten e",
        )
        .await;
    let key = "SELECT sortkey1, sortkey_num FROM svv_table_info WHERE \"table\" = 'seen'";
    assert_eq!(client.rows(key).await, ["AUTO(SORTKEY)|0"]);
    let narrow = "SELECT count(*), sum(id) FROM seen WHERE k BETWEEN 10 AND 11";
    let before = client.rows(narrow).await;
    for _ in 0..30 {
        client.rows(narrow).await;
        client
            .rows("SELECT max(id) FROM seen WHERE other + 1 = 3")
            .await;
    }
    until(&client, key, "AUTO(SORTKEY(k))|1").await;
    let unsorted = "SELECT unsorted FROM svv_table_info WHERE \"table\" = 'seen'";
    until(&client, unsorted, "0.00").await;
    assert_eq!(client.rows(narrow).await, before);
    // What comes later is sorted by it too, and its column may still go.
    client.run("INSERT INTO seen VALUES (1000000, 0, 5)").await;
    let first = "SELECT k FROM seen WHERE id = 1000000 OR k < 1 ORDER BY k DESC LIMIT 1";
    assert_eq!(client.rows(first).await, ["5"]);
    client.run("ALTER TABLE seen DROP COLUMN k").await;
    assert_eq!(client.rows(key).await, ["AUTO(SORTKEY)|0"]);
    assert_eq!(
        client.rows("SELECT count(*), max(id) FROM seen").await,
        ["100001|1000000"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn copy_updates_encodings_and_statistics_as_told() {
    let files = tempfile::tempdir().expect("a folder");
    let file = files.path().join("rows.csv");
    std::fs::write(
        &file,
        "1,one,1.5,true,2024-01-01\n2,two,2.5,false,2024-01-02\n",
    )
    .expect("write");
    let server = Server::start(ServerOptions {
        arguments: vec!["--copy-root".into(), files.path().display().to_string()],
        ..ServerOptions::default()
    })
    .await;
    let client = connect(server.port).await;
    client
        .run(
            "CREATE TABLE t (k INTEGER ENCODE zstd, v VARCHAR(10) ENCODE zstd, f FLOAT8 ENCODE zstd, b BOOLEAN, \
             d DATE ENCODE zstd) SORTKEY(k)",
        )
        .await;
    let copy = |options: &str| {
        let path = file.display();
        format!("COPY t FROM 'file://{path}' DELIMITER ',' {options}")
    };
    let encodings = async || {
        let sql = "SELECT encoding FROM pg_table_def WHERE tablename = 't'";
        client.rows(sql).await.join(" ")
    };
    let off = "SELECT stats_off FROM svv_table_info WHERE \"table\" = 't'";
    client.run(&copy("COMPUPDATE OFF STATUPDATE OFF")).await;
    assert_eq!(encodings().await, "zstd zstd zstd auto zstd");
    assert_eq!(client.rows(off).await, ["100.00"], "never analyzed");
    client.run(&copy("COMPUPDATE PRESET STATUPDATE ON")).await;
    assert_eq!(
        encodings().await,
        "zstd zstd zstd auto zstd",
        "it was not empty"
    );
    assert_eq!(client.rows(off).await, ["0.00"]);
    client.run("TRUNCATE t").await;
    client.run("BEGIN").await;
    client.run(&copy("COMPUPDATE PRESET")).await;
    assert_eq!(encodings().await, "none lzo none none az64");
    client.run("ROLLBACK").await;
    assert_eq!(encodings().await, "zstd zstd zstd auto zstd");
    client.run(&copy("COMPUPDATE PRESET")).await;
    assert_eq!(encodings().await, "none lzo none none az64");
    client.run("TRUNCATE t").await;
    client.run(&copy("COMPUPDATE")).await;
    assert_eq!(encodings().await, "none auto auto auto auto");
    assert_eq!(
        client.rows("SELECT sum(k), max(v), sum(f) FROM t").await,
        ["3|two|4"]
    );
}
