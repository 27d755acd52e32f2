//! The ten cases of Martin Kleppmann's Hermitage as scripts, on both isolation levels, and what SERIALIZABLE adds.
//!
//! Writers of one table wait for each other, so where the cases have two writers at once there are two tables here.

use super::{Script, answer, refusal};
use blueshift_tests::client::try_connect_as;
use blueshift_tests::{Server, ServerOptions, connect};

const LEVELS: [&str; 2] = ["SNAPSHOT", "SERIALIZABLE"];
const SERIALIZABLE: &str = "SERIALIZABLE";

/// The sessions of a script.
struct Stage {
    one: Script,
    two: Script,
    three: Script,
    watch: Script,
    server: Server,
}

impl Stage {
    async fn set(level: &str) -> Stage {
        let server = Server::start(ServerOptions {
            slices: Some(1),
            ..ServerOptions::default()
        })
        .await;
        connect(server.port)
            .await
            .run(&format!("ALTER DATABASE dev ISOLATION LEVEL {level}"))
            .await;
        Stage {
            one: Script::begin(server.port).await,
            two: Script::begin(server.port).await,
            three: Script::begin(server.port).await,
            watch: Script::begin(server.port).await,
            server,
        }
    }

    /// Makes the tables anew and begins the transactions.
    async fn begin(&self) {
        for script in [&self.one, &self.two, &self.three] {
            script.run("ROLLBACK").await;
        }
        self.watch
            .run(
                "DROP TABLE IF EXISTS test; DROP TABLE IF EXISTS other;
                 CREATE TABLE test (id INTEGER, value INTEGER);
                 CREATE TABLE other (id INTEGER, value INTEGER);
                 INSERT INTO test VALUES (1, 10), (2, 20); INSERT INTO other VALUES (1, 10), (2, 20)",
            )
            .await;
        for script in [&self.one, &self.two, &self.three] {
            script.run("BEGIN").await;
        }
    }

    async fn ends_with(&self, rows: &[&str]) {
        let found = self.watch.rows("SELECT * FROM test ORDER BY id").await;
        assert_eq!(found, rows);
    }
}

const ALL: &str = "SELECT * FROM test ORDER BY id";

fn is_refused((code, text): (String, String)) {
    assert_eq!(code, "40001", "{text}");
    assert!(
        text.contains("1023 [Serializable isolation violation on table - "),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn write_cycles_and_dirty_reads_g0_g1a_g1b() {
    for level in LEVELS {
        let stage = Stage::set(level).await;
        let Stage { one, two, .. } = &stage;

        stage.begin().await;
        one.run("UPDATE test SET value = 11 WHERE id = 1").await;
        let update = "UPDATE test SET value = 12 WHERE id = 1";
        let waiting = two.send_blocked(update, &stage.watch).await;
        one.run("UPDATE test SET value = 21 WHERE id = 2; COMMIT")
            .await;
        answer(waiting).await;
        two.run("UPDATE test SET value = 22 WHERE id = 2; COMMIT")
            .await;
        stage.ends_with(&["1|12", "2|22"]).await;

        stage.begin().await;
        one.run("UPDATE test SET value = 101 WHERE id = 1").await;
        assert_eq!(two.rows(ALL).await, ["1|10", "2|20"]);
        one.run("ROLLBACK").await;
        assert_eq!(two.rows(ALL).await, ["1|10", "2|20"]);
        two.run("COMMIT").await;

        stage.begin().await;
        one.run("UPDATE test SET value = 101 WHERE id = 1").await;
        assert_eq!(two.rows(ALL).await, ["1|10", "2|20"]);
        one.run("UPDATE test SET value = 11 WHERE id = 1; COMMIT")
            .await;
        assert_eq!(two.rows(ALL).await, ["1|10", "2|20"]);
        two.run("COMMIT").await;
        stage.ends_with(&["1|11", "2|20"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn circular_information_flow_g1c() {
    for level in LEVELS {
        let stage = Stage::set(level).await;
        let Stage { one, two, .. } = &stage;
        stage.begin().await;
        one.run("UPDATE test SET value = 11 WHERE id = 1").await;
        two.run("UPDATE other SET value = 22 WHERE id = 2").await;
        let first = one.rows("SELECT value FROM other WHERE id = 2").await;
        assert_eq!(first, ["20"]);
        let last = "SELECT value FROM test WHERE id = 1";
        if level == SERIALIZABLE {
            // Each misses the other's change, so neither can have been the first.
            is_refused(two.failure(last).await);
        } else {
            assert_eq!(two.rows(last).await, ["10"]);
        }
        two.run("COMMIT").await;
        one.run("COMMIT").await;
        stage.ends_with(&["1|11", "2|20"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn observed_transactions_do_not_vanish_otv() {
    for level in LEVELS {
        let stage = Stage::set(level).await;
        let Stage {
            one, two, three, ..
        } = &stage;
        stage.begin().await;
        one.run("UPDATE test SET value = 11 WHERE id = 1; UPDATE test SET value = 19 WHERE id = 2")
            .await;
        let update = "UPDATE test SET value = 12 WHERE id = 1";
        let waiting = two.send_blocked(update, &stage.watch).await;
        one.run("COMMIT").await;
        answer(waiting).await;
        assert_eq!(three.rows(ALL).await, ["1|11", "2|19"]);
        two.run("UPDATE test SET value = 18 WHERE id = 2").await;
        assert_eq!(three.rows(ALL).await, ["1|11", "2|19"]);
        two.run("COMMIT").await;
        assert_eq!(three.rows(ALL).await, ["1|11", "2|19"]);
        three.run("COMMIT").await;
        stage.ends_with(&["1|12", "2|18"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn predicates_keep_their_view_pmp() {
    for level in LEVELS {
        let stage = Stage::set(level).await;
        let Stage { one, two, .. } = &stage;
        let none: [&str; 0] = [];

        stage.begin().await;
        assert_eq!(one.rows("SELECT * FROM test WHERE value = 30").await, none);
        two.run("INSERT INTO test VALUES (3, 30); COMMIT").await;
        assert_eq!(
            one.rows("SELECT * FROM test WHERE value % 3 = 0").await,
            none
        );
        one.run("COMMIT").await;

        // With no view yet, the DELETE works on what it waited for.
        let delete = "DELETE FROM test WHERE value = 20";
        stage.begin().await;
        one.run("UPDATE test SET value = value + 10").await;
        let waiting = two.send_blocked(delete, &stage.watch).await;
        one.run("COMMIT").await;
        answer(waiting).await;
        assert_eq!(two.rows(ALL).await, ["2|30"]);
        two.run("COMMIT").await;
        stage.ends_with(&["2|30"]).await;

        stage.begin().await;
        assert_eq!(two.rows(ALL).await, ["1|10", "2|20"]);
        one.run("UPDATE test SET value = value + 10").await;
        let waiting = two.send_blocked(delete, &stage.watch).await;
        one.run("COMMIT").await;
        is_refused(refusal(waiting).await);
        two.run("ROLLBACK").await;
        stage.ends_with(&["1|20", "2|30"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn updates_are_not_lost_p4() {
    for level in LEVELS {
        let stage = Stage::set(level).await;
        let Stage { one, two, .. } = &stage;
        stage.begin().await;
        let read = "SELECT value FROM test WHERE id = 1";
        assert_eq!(one.rows(read).await, ["10"]);
        assert_eq!(two.rows(read).await, ["10"]);
        let update = "UPDATE test SET value = 11 WHERE id = 1";
        one.run(update).await;
        let waiting = two.send_blocked(update, &stage.watch).await;
        one.run("COMMIT").await;
        is_refused(refusal(waiting).await);
        two.run("ROLLBACK").await;
        stage.ends_with(&["1|11", "2|20"]).await;
        let pid = &two.pid;
        let logged = format!("SELECT count(*) FROM stl_tr_conflict WHERE process_id = {pid}");
        assert_eq!(stage.watch.rows(&logged).await, ["1"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_are_of_one_moment_g_single() {
    for level in LEVELS {
        let stage = Stage::set(level).await;
        let Stage { one, two, .. } = &stage;
        let read = "SELECT value FROM test WHERE id = 1";
        let change = "UPDATE test SET value = 12 WHERE id = 1; UPDATE test SET value = 18 WHERE id = 2; COMMIT";

        stage.begin().await;
        assert_eq!(one.rows(read).await, ["10"]);
        assert_eq!(two.rows(ALL).await, ["1|10", "2|20"]);
        two.run(change).await;
        assert_eq!(
            one.rows("SELECT value FROM test WHERE id = 2").await,
            ["20"]
        );
        one.run("COMMIT").await;

        stage.begin().await;
        let dividable = "SELECT count(*) FROM test WHERE value % 5 = 0";
        assert_eq!(one.rows(dividable).await, ["2"]);
        two.run("UPDATE test SET value = 12 WHERE value = 10; COMMIT")
            .await;
        let dividable = "SELECT count(*) FROM test WHERE value % 3 = 0";
        assert_eq!(one.rows(dividable).await, ["0"]);
        one.run("COMMIT").await;

        stage.begin().await;
        assert_eq!(one.rows(read).await, ["10"]);
        assert_eq!(two.rows(ALL).await, ["1|10", "2|20"]);
        two.run(change).await;
        is_refused(one.failure("DELETE FROM test WHERE value = 20").await);
        one.run("ROLLBACK").await;
        stage.ends_with(&["1|12", "2|18"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn write_skew_is_for_snapshot_only_g2_item() {
    for level in LEVELS {
        let stage = Stage::set(level).await;
        let Stage { one, two, .. } = &stage;
        stage.begin().await;
        assert_eq!(one.rows(ALL).await, ["1|10", "2|20"]);
        assert_eq!(two.rows(ALL).await, ["1|10", "2|20"]);
        one.run("UPDATE test SET value = 11 WHERE id = 1").await;
        let update = "UPDATE test SET value = 21 WHERE id = 2";
        let waiting = two.send_blocked(update, &stage.watch).await;
        one.run("COMMIT").await;
        if level == SERIALIZABLE {
            let (code, text) = refusal(waiting).await;
            let cycle = format!("(pid:{})", two.pid);
            assert!(text.contains(&cycle) && text.contains(", "), "{text}");
            is_refused((code, text));
            two.run("ROLLBACK").await;
            stage.ends_with(&["1|11", "2|20"]).await;
        } else {
            // Other rows of the same row group: both changes are there.
            answer(waiting).await;
            assert_eq!(two.rows(ALL).await, ["1|10", "2|21"]);
            two.run("UPDATE test SET value = 22 WHERE id = 2; COMMIT")
                .await;
            stage.ends_with(&["1|11", "2|22"]).await;
            let server = stage.server.restart().await;
            let found = connect(server.port).await.rows(ALL).await;
            assert_eq!(found, ["1|11", "2|22"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn anti_dependency_cycles_are_for_snapshot_only_g2() {
    for level in LEVELS {
        let stage = Stage::set(level).await;
        let Stage {
            one, two, three, ..
        } = &stage;
        let dividable = "SELECT count(*) FROM test WHERE value % 3 = 0";

        stage.begin().await;
        assert_eq!(one.rows(dividable).await, ["0"]);
        assert_eq!(two.rows(dividable).await, ["0"]);
        one.run("INSERT INTO test VALUES (3, 30)").await;
        let insert = "INSERT INTO test VALUES (4, 42)";
        if level == SERIALIZABLE {
            is_refused(two.failure(insert).await);
        } else {
            two.run(insert).await;
        }
        one.run("COMMIT").await;
        two.run("COMMIT").await;
        let found = stage.watch.rows(dividable).await;
        assert_eq!(found, [if level == SERIALIZABLE { "1" } else { "2" }]);

        // Fekete's: a reader has seen the second, and the first builds on a state without it.
        stage.begin().await;
        assert_eq!(one.rows(ALL).await, ["1|10", "2|20"]);
        two.run("UPDATE test SET value = value + 5 WHERE id = 2; COMMIT")
            .await;
        assert_eq!(three.rows(ALL).await, ["1|10", "2|25"]);
        three.run("COMMIT").await;
        let update = "UPDATE test SET value = 0 WHERE id = 1";
        if level == SERIALIZABLE {
            is_refused(one.failure(update).await);
            one.run("ROLLBACK").await;
            stage.ends_with(&["1|10", "2|25"]).await;
        } else {
            one.run(update).await;
            one.run("COMMIT").await;
            stage.ends_with(&["1|0", "2|25"]).await;
        }

        // Reads inside views, subqueries and INSERT ... SELECT count.
        stage.begin().await;
        one.run("CREATE OR REPLACE VIEW seen AS SELECT id, value FROM other")
            .await;
        one.run("COMMIT; BEGIN; INSERT INTO test SELECT id + 10, value FROM seen")
            .await;
        let insert = "INSERT INTO other SELECT 3, max(id) FROM (SELECT id FROM test) inner_rows";
        if level == SERIALIZABLE {
            is_refused(two.failure(insert).await);
        } else {
            two.run(insert).await;
        }
        one.run("ROLLBACK").await;
        two.run("ROLLBACK").await;
        stage.watch.run("DROP VIEW seen").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_level_of_a_database_is_kept_and_guarded() {
    let server = Server::start(ServerOptions::default()).await;
    let shown = "SELECT trim(db_name), isolation_level FROM stv_db_isolation_level";
    let client = connect(server.port).await;
    assert_eq!(client.rows(shown).await, ["dev|Snapshot Isolation"]);
    for (statement, code) in [
        ("ALTER DATABASE nothing ISOLATION LEVEL SNAPSHOT", "3D000"),
        ("ALTER DATABASE dev RENAME TO prod", "0A000"),
        ("ALTER DATABASE dev ISOLATION LEVEL LOW", "42601"),
        ("CREATE DATABASE more ISOLATION LEVEL HIGH", "42601"),
    ] {
        assert_eq!(client.failure(statement).await.0, code, "{statement}");
    }
    let alter = "ALTER DATABASE dev ISOLATION LEVEL SERIALIZABLE";
    assert_eq!(client.failure(&format!("BEGIN; {alter}")).await.0, "25001");
    client.run("ROLLBACK").await;
    client
        .run("CREATE USER guest PASSWORD 'Guest-password-1'")
        .await;
    let guest = try_connect_as(server.port, "guest", "Guest-password-1", "dev")
        .await
        .expect("connect");
    assert_eq!(guest.failure(alter).await.0, "42501");
    assert_eq!(client.failure(alter).await.0, "55006");
    drop(guest);
    client.run(alter).await;
    assert_eq!(client.rows(shown).await, ["dev|Serializable"]);
    assert_eq!(
        client.rows("SHOW transaction_isolation").await,
        ["serializable"]
    );
    let server = server.restart().await;
    let client = connect(server.port).await;
    assert_eq!(client.rows(shown).await, ["dev|Serializable"]);
    let level = "SELECT database_isolation_level FROM svv_redshift_databases";
    assert_eq!(client.rows(level).await, ["Serializable"]);
    assert_eq!(
        client.rows("SHOW transaction_isolation").await,
        ["serializable"]
    );
}
