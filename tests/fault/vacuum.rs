//! A VACUUM whose server ends in the middle goes on with the slices it had not come to, and does no other again.

use super::site::Sites;
use blueshift_tests::{Server, ServerOptions, connect};

const SLICES: &str = "SELECT sum(rows), sum(sorted_rows), sum(CASE WHEN rows = sorted_rows THEN 1 ELSE 0 END) \
    FROM stv_tbl_perm WHERE name = 't'";
const LOGGED: &str = "SELECT trim(status), max_merge_partitions FROM stl_vacuum \
    WHERE status NOT LIKE 'Finished%' ORDER BY eventtime DESC, xid DESC LIMIT 1";

#[tokio::test(flavor = "multi_thread")]
async fn a_vacuum_that_was_cut_off_does_no_slice_again() {
    let (vacuum, started) = ("VACUUM REINDEX t", "Started Reindex");
    let sites = Sites::new();
    let quiet =
        ["VACUUM", "ANALYZE"].map(|job| (format!("BLUESHIFT_AUTO_{job}"), "false".to_owned()));
    let mut server = Server::start(ServerOptions {
        slices: Some(4),
        environment: quiet.into_iter().chain([sites.environment()]).collect(),
        ..ServerOptions::default()
    })
    .await;
    let client = connect(server.port).await;
    client
        .run("CREATE TABLE t (id INTEGER, k INTEGER) DISTSTYLE EVEN INTERLEAVED SORTKEY(k, id)")
        .await;
    client
        .run(
            "CREATE TABLE ten (n INTEGER);
                 INSERT INTO ten VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)",
        )
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
    let sum = "SELECT count(*), sum(id), sum(k), sum(id * k) FROM t";
    let rows = client.rows(sum).await;
    // The second of the commits that make a slice visible does not come to be.
    sites.plan(1, "stop-before", &("append log".to_owned(), 1));
    assert!(
        client.try_rows(vacuum).await.is_err(),
        "{vacuum} was not cut off"
    );
    assert!(server.has_ended(|| false).await);
    sites.clear();
    let server = server.restart().await;
    let client = connect(server.port).await;
    assert_eq!(client.rows(sum).await, rows, "{vacuum}");
    let slices = client.rows(SLICES).await.join("");
    // Two slices that end together may become visible together.
    let done = slices.rsplit('|').next().and_then(|text| text.parse().ok());
    let done: usize = done.expect("slices");
    assert!((1..4).contains(&done), "{vacuum}: {done} slices are done");
    client.run(vacuum).await;
    assert_eq!(client.rows(SLICES).await, ["200000|200000|4"], "{vacuum}");
    assert_eq!(
        client.rows(LOGGED).await,
        [format!("{started}|{}", 4 - done)],
        "{vacuum}"
    );
    assert_eq!(client.rows(sum).await, rows, "{vacuum}");
    client.run(vacuum).await;
    let after = client.rows(LOGGED).await.join("");
    assert!(
        after.starts_with("Skipped") && after.ends_with("|0"),
        "{vacuum}: {after}"
    );
}
