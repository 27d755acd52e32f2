//! A VACUUM whose server ends in the middle goes on with the slices it had not come to, and does no other again.

use super::site::Sites;
use blueshift_tests::{Client, Server, ServerOptions, connect};

const SLICES: &str = "SELECT sum(rows), sum(sorted_rows), sum(CASE WHEN rows = sorted_rows THEN 1 ELSE 0 END) \
    FROM stv_tbl_perm WHERE name = 't'";
const LOGGED: &str = "SELECT trim(status), max_merge_partitions FROM stl_vacuum \
    WHERE status NOT LIKE 'Finished%' ORDER BY eventtime DESC, xid DESC LIMIT 1";
const SUM: &str = "SELECT count(*), sum(id), sum(k), sum(id * k) FROM t";

/// Starts a server of four slices whose table `t` holds 200 000 rows, none of them sorted.
async fn start(sites: &Sites, key: &str) -> (Server, Client) {
    let quiet =
        ["VACUUM", "ANALYZE"].map(|job| (format!("BLUESHIFT_AUTO_{job}"), "false".to_owned()));
    let server = Server::start(ServerOptions {
        slices: Some(4),
        environment: quiet.into_iter().chain([sites.environment()]).collect(),
        ..ServerOptions::default()
    })
    .await;
    let client = connect(server.port).await;
    client
        .run(&format!(
            "CREATE TABLE t (id INTEGER, k INTEGER) DISTKEY(id) {key};
             CREATE TABLE ten (n INTEGER);
             INSERT INTO ten VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)"
        ))
        .await;
    for factor in [1, -1] {
        client
            .run(&format!(
                "INSERT INTO t SELECT x, {factor} * (x % 1000) * 7 FROM
                     (SELECT a.n + 10 * b.n + 100 * c.n + 1000 * d.n + 10000 * e.n AS x
                      FROM ten a, ten b, ten c, ten d, ten e)"
            ))
            .await;
    }
    (server, client)
}

/// Starts the server again, and gives the rows that are sorted, and the slices that are.
async fn restart(mut server: Server, sites: &Sites) -> (Server, Client, u64, u64) {
    assert!(server.has_ended(|| false).await);
    sites.clear();
    let server = server.restart().await;
    let client = connect(server.port).await;
    let figures = client.rows(SLICES).await.join("");
    let mut figures = figures
        .split('|')
        .map(|text| text.parse().expect("a figure"));
    let mut next = || figures.next().expect("three figures");
    let (_, rows, slices) = (next(), next(), next());
    (server, client, rows, slices)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vacuum_that_was_cut_off_does_no_slice_again() {
    for (key, vacuum, started) in [
        (
            "INTERLEAVED SORTKEY(k, id)",
            "VACUUM REINDEX t",
            "Started Reindex",
        ),
        ("SORTKEY(k, id)", "VACUUM FULL t", "Started"),
        ("SORTKEY(k, id)", "VACUUM SORT ONLY t", "Started Sort Only"),
    ] {
        let sites = Sites::new();
        let (server, client) = start(&sites, key).await;
        let rows = client.rows(SUM).await;
        // Rows of the log get files, one slice becomes visible, and the next does not.
        sites.plan(1, "stop-before", &("append log".to_owned(), 2));
        assert!(
            client.try_rows(vacuum).await.is_err(),
            "{vacuum} was not cut off"
        );
        let (_server, client, _, done) = restart(server, &sites).await;
        // Two slices that end together may become visible together.
        assert!((1..4).contains(&done), "{vacuum}: {done} slices are done");
        assert_eq!(client.rows(SUM).await, rows, "{vacuum}");
        client.run(vacuum).await;
        assert_eq!(client.rows(SLICES).await, ["200000|200000|4"], "{vacuum}");
        assert_eq!(
            client.rows(LOGGED).await,
            [format!("{started}|{}", 4 - done)],
            "{vacuum}"
        );
        assert_eq!(client.rows(SUM).await, rows, "{vacuum}");
        client.run(vacuum).await;
        let after = client.rows(LOGGED).await.join("");
        assert!(
            after.starts_with("Skipped") && after.ends_with("|0"),
            "{vacuum}: {after}"
        );
    }
}

/// Rows deleted and changed while the slices were rewritten stay so in those that became visible before the end, and in
/// those that did not.
#[tokio::test(flavor = "multi_thread")]
async fn what_changed_during_a_vacuum_that_was_cut_off_stays_changed() {
    for vacuum in [
        "VACUUM FULL t TO 100 PERCENT",
        "VACUUM SORT ONLY t TO 100 PERCENT",
    ] {
        let sites = Sites::new();
        let (server, writer) = start(&sites, "SORTKEY(k, id)").await;
        writer
            .run(
                "BEGIN;
                 DELETE FROM t WHERE id % 100 = 7;
                 UPDATE t SET k = 20000 WHERE id % 1000 = 8",
            )
            .await;
        let due = writer.rows(SUM).await;
        let other = connect(server.port).await;
        let pid = other.value("SELECT pg_backend_pid()").await;
        let sent = tokio::spawn(async move { other.try_rows(vacuum).await.is_err() });
        // Every slice that can be rewritten at once is, and waits for the writer.
        let observer = connect(server.port).await;
        let waits = format!("SELECT count(*) > 0 FROM pg_locks WHERE pid = {pid} AND NOT granted");
        while observer.rows(&waits).await != ["t"] {
            assert!(!sent.is_finished(), "{vacuum} did not wait");
        }
        // The commit of the writer, that of the first slice, and then no other.
        sites.plan(1, "stop-before", &("append log".to_owned(), 2));
        writer.run("COMMIT").await;
        assert!(sent.await.expect("joined"), "{vacuum} was not cut off");
        let (_server, client, sorted, _) = restart(server, &sites).await;
        assert!(
            (1..190_000).contains(&sorted),
            "{vacuum}: {sorted} rows are sorted"
        );
        assert_eq!(client.rows(SUM).await, due, "{vacuum}");
        client.run(vacuum).await;
        assert_eq!(client.rows(SUM).await, due, "{vacuum}");
        client.run("VACUUM FULL t TO 100 PERCENT").await;
        assert_eq!(client.rows(SLICES).await, ["198000|198000|4"], "{vacuum}");
        assert_eq!(client.rows(SUM).await, due, "{vacuum}");
    }
}
