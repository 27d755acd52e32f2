//! Rows that are deleted or changed while a VACUUM rewrites them stay deleted or changed, and who waits for whom.
//!
//! A session that has deleted holds what a VACUUM takes to make its new row groups visible: until it commits, the
//! VACUUM has rewritten everything and stands there.

use super::Script;
use blueshift_tests::{Server, ServerOptions};

const FIGURES: &str =
    "SELECT tbl_rows, estimated_visible_rows, unsorted FROM svv_table_info WHERE \"table\" = 't'";
const PROGRESS: &str = "SELECT status FROM svv_vacuum_progress";

/// Starts a server with a table of 4 000 rows, half of them unsorted and a tenth deleted.
async fn start(key: &str) -> (Server, [Script; 4]) {
    let server = Server::start(ServerOptions {
        slices: Some(2),
        environment: vec![("BLUESHIFT_AUTO_VACUUM".into(), "false".into())],
        ..ServerOptions::default()
    })
    .await;
    let mut scripts = Vec::new();
    for _ in 0..4 {
        scripts.push(Script::begin(server.port).await);
    }
    let scripts: [Script; 4] = scripts.try_into().ok().expect("four");
    scripts[0]
        .run(&format!(
            "CREATE TABLE ten (n INTEGER);
             INSERT INTO ten VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9);
             CREATE TABLE t (id INTEGER, k INTEGER, note VARCHAR(20)) DISTKEY(id) {key};
             INSERT INTO t SELECT a.n + 10 * b.n + 100 * c.n + 1000 * d.n, 100 * a.n + b.n, 'row ' || b.n
                FROM ten a, ten b, ten c, ten d WHERE d.n < 2;
             VACUUM FULL t TO 100 PERCENT;
             INSERT INTO t SELECT id + 2000, k + 50, note FROM t WHERE id < 1000;
             INSERT INTO t SELECT id + 2000, k + 50, note FROM t WHERE id BETWEEN 1000 AND 1999;
             DELETE FROM t WHERE id % 10 = 0"
        ))
        .await;
    (server, scripts)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deleted_or_changed_while_a_vacuum_rewrites_stays_so() {
    for (key, kind) in [
        ("SORTKEY(k)", "VACUUM FULL t TO 100 PERCENT"),
        ("SORTKEY(k)", "VACUUM SORT ONLY t TO 100 PERCENT"),
        ("SORTKEY(k)", "VACUUM RECLUSTER t"),
        ("INTERLEAVED SORTKEY(k, id)", "VACUUM REINDEX t"),
        ("", "VACUUM DELETE ONLY t TO 100 PERCENT"),
    ] {
        let (_server, [writer, vacuum, observer, _]) = start(key).await;
        writer
            .run(
                "BEGIN; DELETE FROM t WHERE id % 10 = 1; UPDATE t SET note = 'changed', k = -k WHERE id % 10 = 2;
                 INSERT INTO t VALUES (-1, 5, 'new')",
            )
            .await;
        let vacuumed = vacuum.send_blocked(kind, &observer).await;
        let status = observer.rows(PROGRESS).await;
        assert_ne!(
            status,
            ["Vacuum: initialize t"],
            "{kind} rewrites while others write"
        );
        // Readers see neither the one nor the other.
        let seen = "SELECT count(*), sum(id), sum(k), min(note) FROM t";
        assert_eq!(
            observer.rows("SELECT count(*) FROM t").await,
            ["3600"],
            "{kind}"
        );
        let due = writer.rows(seen).await;
        assert_eq!(due[0].split('|').next(), Some("3201"), "{kind}");
        writer.run("COMMIT").await;
        vacuumed.await.expect("joined").expect(kind);
        assert_eq!(observer.rows(seen).await, due, "{kind}");
        let changed = "SELECT count(*), min(k) < 0 FROM t WHERE note = 'changed'";
        assert_eq!(observer.rows(changed).await, ["400|t"], "{kind}");
        observer.run("VACUUM FULL t TO 100 PERCENT").await;
        assert_eq!(observer.rows(seen).await, due, "{kind}");
        let figures = observer.rows(FIGURES).await.join("");
        assert!(figures.starts_with("3201|3201|"), "{kind}: {figures}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_boost_deletes_wait_for_the_whole_vacuum_and_it_for_them() {
    let (_server, [writer, vacuum, observer, late]) = start("SORTKEY(k)").await;
    writer.run("BEGIN; DELETE FROM t WHERE id % 10 = 1").await;
    let vacuumed = vacuum
        .send_blocked("VACUUM FULL t TO 100 PERCENT BOOST", &observer)
        .await;
    // It has not begun.
    assert_eq!(observer.rows(PROGRESS).await, ["Vacuum: initialize t"]);
    let refused = observer.failure("VACUUM t").await;
    assert_eq!(refused.0, "55006", "{}", refused.1);
    let deleted = late
        .send_blocked("DELETE FROM t WHERE id % 10 = 2", &observer)
        .await;
    assert_eq!(observer.rows("SELECT count(*) FROM t").await, ["3600"]);
    writer.run("COMMIT").await;
    vacuumed.await.expect("joined").expect("VACUUM");
    deleted.await.expect("joined").expect("DELETE");
    assert_eq!(
        observer.rows("SELECT count(*), min(id % 10) FROM t").await,
        ["2800|3"]
    );
    // What was deleted after it is all that is left to give back.
    assert_eq!(observer.rows(FIGURES).await, ["3200|2800|0.00"]);
    // DELETE ONLY takes no more than it has.
    observer
        .run("VACUUM DELETE ONLY t TO 100 PERCENT BOOST")
        .await;
    assert_eq!(observer.rows(FIGURES).await, ["2800|2800|0.00"]);
}
