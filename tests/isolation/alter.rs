//! ALTER TABLE and those who read the table meanwhile: nobody waits, and each sees the table as it was.

use super::Script;
use blueshift_tests::{Server, ServerOptions};

/// What the table is altered by, and what a query of all its columns and rows gives to those who come after it.
struct Alter {
    sql: &'static str,
    query: &'static str,
    answer: &'static [&'static str],
}

const fn alter(sql: &'static str, query: &'static str, answer: &'static [&'static str]) -> Alter {
    Alter { sql, query, answer }
}

const BEFORE: &str = "SELECT * FROM t ORDER BY a";
const ROWS: [&str; 3] = ["1|10|one", "2|20|two", "4|40|four"];

const ALTERS: [Alter; 19] = [
    alter(
        "ALTER TABLE t ADD COLUMN d INTEGER",
        BEFORE,
        &["1|10|one|NULL", "2|20|two|NULL", "4|40|four|NULL"],
    ),
    alter(
        "ALTER TABLE t ADD COLUMN d INTEGER DEFAULT 7 NOT NULL",
        BEFORE,
        &["1|10|one|7", "2|20|two|7", "4|40|four|7"],
    ),
    alter(
        "ALTER TABLE t DROP COLUMN b",
        BEFORE,
        &["1|one", "2|two", "4|four"],
    ),
    alter(
        "ALTER TABLE t RENAME COLUMN b TO renamed",
        "SELECT a, renamed, c FROM t ORDER BY a",
        &ROWS,
    ),
    alter(
        "ALTER TABLE t ALTER COLUMN c TYPE VARCHAR(300)",
        BEFORE,
        &ROWS,
    ),
    alter("ALTER TABLE t ALTER DISTSTYLE ALL", BEFORE, &ROWS),
    alter("ALTER TABLE t ALTER DISTSTYLE EVEN", BEFORE, &ROWS),
    alter("ALTER TABLE t ALTER DISTSTYLE AUTO", BEFORE, &ROWS),
    alter("ALTER TABLE t ALTER DISTKEY b", BEFORE, &ROWS),
    alter("ALTER TABLE t ALTER SORTKEY (b, a)", BEFORE, &ROWS),
    alter("ALTER TABLE t ALTER SORTKEY NONE", BEFORE, &ROWS),
    alter("ALTER TABLE t ALTER SORTKEY AUTO", BEFORE, &ROWS),
    alter(
        "ALTER TABLE t ALTER DISTKEY b, ALTER SORTKEY (b)",
        BEFORE,
        &ROWS,
    ),
    alter("ALTER TABLE t ALTER COLUMN c ENCODE lzo", BEFORE, &ROWS),
    alter("ALTER TABLE t ALTER ENCODE AUTO", BEFORE, &ROWS),
    alter("ALTER TABLE t ADD PRIMARY KEY (a)", BEFORE, &ROWS),
    alter(
        "ALTER TABLE t APPEND FROM more",
        BEFORE,
        &["1|10|one", "2|20|two", "4|40|four", "5|50|five"],
    ),
    alter(
        "ALTER TABLE t RENAME TO u",
        "SELECT * FROM u ORDER BY a",
        &ROWS,
    ),
    alter("ALTER TABLE t OWNER TO somebody", BEFORE, &ROWS),
];

/// Makes the table: two rows of a file, one of the log, and one deleted of each.
const SETUP: &str = "
    DROP TABLE IF EXISTS t, u, more;
    CREATE TABLE t (a INTEGER NOT NULL, b INTEGER, c VARCHAR(10)) DISTKEY(a) SORTKEY(a);
    CREATE TABLE more (a INTEGER NOT NULL, b INTEGER, c VARCHAR(10)) DISTKEY(a) SORTKEY(a);
    INSERT INTO t VALUES (1, 10, 'one'), (2, 20, 'two'), (3, 30, 'three');
    INSERT INTO more VALUES (5, 50, 'five')";

async fn set_up(writer: &Script) {
    writer.run(SETUP).await;
    // Gives the rows a file.
    writer.run("VACUUM t").await;
    writer
        .run("INSERT INTO t VALUES (4, 40, 'four'), (6, 60, 'six')")
        .await;
    writer.run("DELETE FROM t WHERE a IN (3, 6)").await;
}

async fn start() -> (Server, Script, Script) {
    let server = Server::start(ServerOptions {
        slices: Some(2),
        ..ServerOptions::default()
    })
    .await;
    let (writer, reader) = (
        Script::begin(server.port).await,
        Script::begin(server.port).await,
    );
    writer
        .run("CREATE USER somebody PASSWORD 'Somebody-1'")
        .await;
    // A statement that waits for a lock at all fails.
    for session in [&writer, &reader] {
        session.run("SET lock_timeout TO 1").await;
    }
    (server, writer, reader)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_goes_on_with_the_table_as_it_was() {
    let (_server, writer, reader) = start().await;
    for alter in &ALTERS {
        let sql = alter.sql;
        set_up(&writer).await;
        reader
            .run(&format!(
                "BEGIN; DECLARE c CURSOR FOR {BEFORE}; FETCH 1 FROM c"
            ))
            .await;
        writer.run(sql).await;
        assert_eq!(reader.rows("FETCH ALL FROM c").await, ROWS[1..], "{sql}");
        assert_eq!(reader.rows(BEFORE).await, ROWS, "{sql}");
        assert_eq!(
            reader
                .rows("SELECT sum(b), max(c) FROM t WHERE a < 4")
                .await,
            ["30|two"],
            "{sql}"
        );
        assert_eq!(writer.rows(alter.query).await, alter.answer, "{sql}");
        assert_eq!(reader.rows(BEFORE).await, ROWS, "{sql}");
        reader.run("COMMIT").await;
        assert_eq!(reader.rows(alter.query).await, alter.answer, "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alter_that_is_not_committed_keeps_no_reader_waiting() {
    let (_server, writer, reader) = start().await;
    for alter in &ALTERS {
        let sql = alter.sql;
        // Each is a transaction of its own.
        if sql.contains("APPEND") || sql.contains("TYPE") {
            continue;
        }
        for (end, query, answer) in [
            ("ROLLBACK", BEFORE, &ROWS[..]),
            ("COMMIT", alter.query, alter.answer),
        ] {
            set_up(&writer).await;
            writer.run(&format!("BEGIN; {sql}")).await;
            assert_eq!(writer.rows(alter.query).await, alter.answer, "{sql}");
            assert_eq!(reader.rows(BEFORE).await, ROWS, "{sql}");
            writer.run(end).await;
            assert_eq!(reader.rows(query).await, answer, "{sql} {end}");
            assert_eq!(writer.rows(query).await, answer, "{sql} {end}");
        }
    }
}
