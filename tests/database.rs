//! Several databases of one cluster: each has objects of its own, all share users, and others can be read.

use blueshift_tests::client::{explain, try_connect_as};
use blueshift_tests::server::PASSWORD;
use blueshift_tests::{Client, Server, ServerOptions, connect};

async fn start(slices: u32) -> Server {
    Server::start(ServerOptions {
        slices: Some(slices),
        ..ServerOptions::default()
    })
    .await
}

async fn connect_to(port: u16, database: &str) -> Client {
    let connected = try_connect_as(port, "admin", PASSWORD, database).await;
    connected.unwrap_or_else(|error| panic!("{database}: {}", explain(&error)))
}

async fn refused(port: u16, user: &str, password: &str, database: &str) -> String {
    match try_connect_as(port, user, password, database).await {
        Ok(_) => panic!("connected to {database}"),
        Err(error) => explain(&error),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_database_has_objects_of_its_own() {
    for slices in [1, 4] {
        let server = start(slices).await;
        let dev = connect(server.port).await;
        dev.run(
            "CREATE DATABASE sales; CREATE DATABASE other WITH OWNER = admin CONNECTION LIMIT 7",
        )
        .await;
        dev.run("CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1), (2); CREATE SCHEMA s")
            .await;
        let sales = connect_to(server.port, "sales").await;
        assert_eq!(sales.value("SELECT current_database()").await, "sales");
        assert_eq!(sales.failure("SELECT * FROM t").await.0, "42P01");
        assert_eq!(sales.failure("SELECT * FROM s.t").await.0, "3F000");
        // The same names again.
        sales
            .run("CREATE SCHEMA s; CREATE TABLE t (b VARCHAR(9), c INTEGER) DISTKEY(c); INSERT INTO t VALUES ('x', 10), ('y', 20)")
            .await;
        sales
            .run("CREATE VIEW v AS SELECT c FROM t WHERE b = 'y'")
            .await;
        sales.run("CREATE TEMP TABLE aside AS SELECT 7 AS n").await;
        assert_eq!(sales.value("SELECT sum(c) FROM t").await, "30");
        assert_eq!(dev.value("SELECT sum(a) FROM t").await, "3");
        assert_eq!(dev.failure("SELECT * FROM v").await.0, "42P01");
        for (client, tables) in [(&dev, "t"), (&sales, "t|v")] {
            let names = "SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                         WHERE nspname = 'public' ORDER BY 1";
            assert_eq!(client.rows(names).await.join("|"), tables);
        }
        let databases = "SELECT datname, datdba, datconnlimit FROM pg_database ORDER BY 1";
        let all = ["dev|100|-1", "other|100|7", "sales|100|-1"];
        assert_eq!(dev.rows(databases).await, all);
        assert_eq!(sales.rows(databases).await, all);
        assert_eq!(
            dev.rows("SELECT database_name FROM svv_redshift_databases ORDER BY 1")
                .await,
            ["dev", "other", "sales"]
        );
        assert_eq!(dev.rows("SHOW DATABASES LIKE 's%'").await.len(), 1);
        let tables = "SELECT database_name, table_name FROM svv_redshift_tables \
                      WHERE schema_name = 'public' ORDER BY 1, 2";
        let all = ["dev|t", "sales|t", "sales|v"];
        assert_eq!(dev.rows(tables).await, all);
        assert_eq!(sales.rows(tables).await, all);
        assert_eq!(
            sales
                .rows("SELECT trim(db_name) FROM stv_sessions ORDER BY 1")
                .await,
            ["dev", "sales"]
        );
        let check = std::process::Command::new(blueshift_tests::server::binary())
            .args(["check", "--output", "json", "--data"])
            .arg(&server.data)
            .output();
        let check = check.expect("the check runs");
        let report = String::from_utf8_lossy(&check.stdout);
        assert!(check.status.success(), "{report}");
        assert!(
            report.contains("\"tables\": 3") || report.contains("\"tables\":3"),
            "{report}"
        );
        // It is all there after a restart, from the log and from a checkpoint.
        drop((dev, sales));
        let mut server = server;
        for _ in 0..2 {
            server = server.restart().await;
            let sales = connect_to(server.port, "sales").await;
            assert_eq!(sales.value("SELECT c FROM v").await, "20");
            assert_eq!(sales.failure("SELECT * FROM aside").await.0, "42P01");
            let dev = connect(server.port).await;
            assert_eq!(dev.value("SELECT sum(a) FROM t").await, "3");
            assert_eq!(dev.value("SELECT c FROM sales.public.v").await, "20");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_databases_can_be_read_and_not_changed() {
    let server = start(4).await;
    let dev = connect(server.port).await;
    dev.run("CREATE DATABASE sales; CREATE DATABASE third")
        .await;
    let sales = connect_to(server.port, "sales").await;
    sales
        .run(
            "CREATE TABLE t (a INTEGER, b INTEGER); INSERT INTO t VALUES (1, 10), (2, 20), (3, 30); \
             CREATE SCHEMA s; CREATE TABLE s.u (a INTEGER); INSERT INTO s.u VALUES (2); \
             CREATE VIEW v AS SELECT a, b FROM t JOIN s.u USING (a)",
        )
        .await;
    dev.run("CREATE TABLE t (a INTEGER, c INTEGER); INSERT INTO t VALUES (1, 100), (3, 300)")
        .await;
    assert_eq!(
        dev.rows("SELECT a, b, c FROM sales.public.t x JOIN public.t y USING (a) ORDER BY 1")
            .await,
        ["1|10|100", "3|30|300"]
    );
    assert_eq!(
        dev.rows("SELECT sales.public.t.b FROM sales.public.t WHERE sales.public.t.a = 2")
            .await,
        ["20"]
    );
    assert_eq!(dev.rows("SELECT * FROM sales.public.v").await, ["2|20"]);
    assert_eq!(dev.value("SELECT count(*) FROM dev.public.t").await, "2");
    // A copy of it is one's own.
    dev.run("CREATE TABLE copied AS SELECT * FROM sales.public.t; INSERT INTO t SELECT a, b FROM sales.s.u JOIN copied USING (a)")
        .await;
    assert_eq!(dev.value("SELECT sum(c) FROM t").await, "420");
    // One view of all databases, as of the beginning of the transaction.
    dev.run("BEGIN").await;
    assert_eq!(dev.value("SELECT count(*) FROM sales.public.t").await, "3");
    sales.run("INSERT INTO t VALUES (4, 40)").await;
    assert_eq!(dev.value("SELECT count(*) FROM sales.public.t").await, "3");
    dev.run("COMMIT").await;
    assert_eq!(dev.value("SELECT count(*) FROM sales.public.t").await, "4");
    for (sql, code) in [
        ("INSERT INTO sales.public.t VALUES (9, 9)", "0A000"),
        ("UPDATE sales.public.t SET a = 1", "0A000"),
        ("DELETE FROM sales.public.t", "0A000"),
        ("TRUNCATE sales.public.t", "0A000"),
        ("DROP TABLE sales.public.t", "0A000"),
        ("ALTER TABLE sales.public.t ADD COLUMN z INTEGER", "0A000"),
        ("CREATE TABLE sales.public.z (a INTEGER)", "0A000"),
        ("CREATE TABLE sales.public.z AS SELECT 1 AS a", "0A000"),
        ("CREATE VIEW w AS SELECT a FROM sales.public.t", "0A000"),
        ("SELECT * FROM sales.pg_catalog.pg_class", "0A000"),
        ("SELECT * FROM nowhere.public.t", "3D000"),
        ("SELECT * FROM sales.nowhere.t", "3F000"),
        ("SELECT * FROM sales.public.nothing", "42P01"),
        ("INSERT INTO nowhere.public.t VALUES (1)", "3D000"),
    ] {
        let (found, text) = dev.failure(sql).await;
        assert_eq!(found, code, "{sql}: {text}");
    }
    assert_eq!(sales.value("SELECT count(*) FROM t").await, "4");
    dev.run("CREATE VIEW late AS SELECT a FROM sales.public.t WITH NO SCHEMA BINDING")
        .await;
    assert_eq!(dev.value("SELECT count(*) FROM late").await, "4");
    let third = connect_to(server.port, "third").await;
    assert_eq!(
        third.failure("SELECT * FROM dev.public.late").await.0,
        "0A000"
    );
    // Rights are those of the other database's objects.
    dev.run("CREATE USER reader PASSWORD 'Reader-of-1'").await;
    let reader = try_connect_as(server.port, "reader", "Reader-of-1", "third").await;
    let reader = reader.unwrap_or_else(|error| panic!("{}", explain(&error)));
    assert_eq!(
        reader.failure("SELECT * FROM sales.public.t").await.0,
        "42501"
    );
    sales
        .run("GRANT SELECT ON t TO reader; GRANT SELECT ON v TO reader")
        .await;
    assert_eq!(
        reader.value("SELECT count(*) FROM sales.public.t").await,
        "4"
    );
    assert_eq!(reader.rows("SELECT * FROM sales.public.v").await, ["2|20"]);
    assert_eq!(reader.failure("SELECT * FROM sales.s.u").await.0, "42501");
}

#[tokio::test(flavor = "multi_thread")]
async fn databases_are_altered_and_dropped_while_nobody_is_in_them() {
    let server = start(2).await;
    let dev = connect(server.port).await;
    dev.run("CREATE USER maker PASSWORD 'Maker-of-1' CREATEDB; CREATE USER other PASSWORD 'Other-one-1'")
        .await;
    for (sql, code) in [
        ("BEGIN; CREATE DATABASE d", "25001"),
        ("CREATE DATABASE dev", "42P04"),
        ("CREATE DATABASE d OWNER nobody", "42704"),
        ("DROP DATABASE d", "3D000"),
        ("DROP DATABASE dev", "42809"),
        ("ALTER DATABASE dev RENAME TO e", "0A000"),
        ("ALTER DATABASE d RENAME TO e", "3D000"),
    ] {
        let (found, text) = dev.failure(sql).await;
        assert_eq!(found, code, "{sql}: {text}");
        dev.run("ROLLBACK").await;
    }
    let maker = try_connect_as(server.port, "maker", "Maker-of-1", "dev").await;
    let maker = maker.unwrap_or_else(|error| panic!("{}", explain(&error)));
    maker.run("CREATE DATABASE mine CONNECTION LIMIT 1").await;
    let other = try_connect_as(server.port, "other", "Other-one-1", "dev").await;
    let other = other.unwrap_or_else(|error| panic!("{}", explain(&error)));
    for sql in [
        "CREATE DATABASE d",
        "DROP DATABASE mine",
        "ALTER DATABASE mine RENAME TO yours",
        "ALTER DATABASE mine CONNECTION LIMIT 5",
        "ALTER DATABASE mine OWNER TO other",
        "COMMENT ON DATABASE mine IS 'no'",
    ] {
        assert_eq!(other.failure(sql).await.0, "42501", "{sql}");
    }
    assert_eq!(dev.failure("DROP USER maker").await.0, "55006");
    // The limit is not for superusers.
    let inside = try_connect_as(server.port, "maker", "Maker-of-1", "mine").await;
    let inside = inside.unwrap_or_else(|error| panic!("{}", explain(&error)));
    inside
        .run("CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (5)")
        .await;
    let text = refused(server.port, "other", "Other-one-1", "mine").await;
    assert!(text.starts_with("53300"), "{text}");
    drop(connect_to(server.port, "mine").await);
    assert_eq!(inside.failure("DROP DATABASE mine").await.0, "55006");
    assert_eq!(maker.failure("DROP DATABASE mine").await.0, "55006");
    assert_eq!(inside.value("SELECT a FROM t").await, "5");
    drop(inside);
    maker
        .run("ALTER DATABASE mine RENAME TO yours; ALTER DATABASE yours CONNECTION LIMIT UNLIMITED")
        .await;
    let text = refused(server.port, "admin", PASSWORD, "mine").await;
    assert!(text.starts_with("3D000"), "{text}");
    assert_eq!(maker.value("SELECT a FROM yours.public.t").await, "5");
    dev.run("ALTER DATABASE yours OWNER TO other; COMMENT ON DATABASE yours IS 'theirs'")
        .await;
    assert_eq!(maker.failure("DROP DATABASE yours").await.0, "42501");
    // FORCE ends who is in it.
    let inside = connect_to(server.port, "yours").await;
    inside.run("BEGIN; INSERT INTO t VALUES (6)").await;
    assert_eq!(dev.failure("DROP DATABASE yours").await.0, "55006");
    dev.run("DROP DATABASE yours FORCE").await;
    assert!(inside.try_rows("SELECT 1").await.is_err());
    assert_eq!(dev.failure("SELECT * FROM yours.public.t").await.0, "3D000");
    let left = "SELECT count(*) FROM pg_database WHERE datname = 'yours'";
    assert_eq!(dev.value(left).await, "0");
    dev.run("DROP USER maker").await;
    // Its name is free, and nothing of it comes back.
    dev.run("CREATE DATABASE yours").await;
    let again = connect_to(server.port, "yours").await;
    assert_eq!(again.failure("SELECT * FROM t").await.0, "42P01");
    drop(again);
    let server = server.restart().await;
    let again = connect_to(server.port, "yours").await;
    assert_eq!(again.failure("SELECT * FROM t").await.0, "42P01");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_isolation_level_is_that_of_the_database() {
    let server = start(1).await;
    let dev = connect(server.port).await;
    dev.run("CREATE DATABASE strict ISOLATION LEVEL SERIALIZABLE")
        .await;
    let level = "SHOW transaction_isolation";
    assert_eq!(dev.value(level).await, "snapshot");
    let (one, two) = (
        connect_to(server.port, "strict").await,
        connect_to(server.port, "strict").await,
    );
    assert_eq!(one.value(level).await, "serializable");
    // The write skew of the manual.
    let skew = async |one: &Client, two: &Client| {
        one.run("CREATE TABLE n (d INTEGER); INSERT INTO n VALUES (0), (1)")
            .await;
        one.run("BEGIN; SELECT * FROM n").await;
        two.run("BEGIN; SELECT * FROM n").await;
        one.run("UPDATE n SET d = 0 WHERE d = 1").await;
        one.run("COMMIT").await;
        let second = two.try_rows("UPDATE n SET d = 1 WHERE d = 0; COMMIT").await;
        second.map(drop).map_err(|error| explain(&error))
    };
    let refused = skew(&one, &two).await;
    assert!(refused.is_err(), "{refused:?}");
    let more = connect(server.port).await;
    assert_eq!(skew(&dev, &more).await, Ok(()));
    assert_eq!(
        dev.failure("ALTER DATABASE strict ISOLATION LEVEL SNAPSHOT")
            .await
            .0,
        "55006"
    );
    drop((one, two));
    dev.run("ALTER DATABASE strict ISOLATION LEVEL SNAPSHOT")
        .await;
    let one = connect_to(server.port, "strict").await;
    assert_eq!(one.value(level).await, "snapshot");
    let levels = "SELECT * FROM stv_db_isolation_level ORDER BY 1";
    assert_eq!(
        dev.rows(levels).await,
        ["dev|Snapshot Isolation", "strict|Snapshot Isolation"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn use_moves_where_names_are_looked_for() {
    let server = start(2).await;
    let dev = connect(server.port).await;
    dev.run("CREATE DATABASE sales; CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1)")
        .await;
    let sales = connect_to(server.port, "sales").await;
    sales
        .run("CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (10)")
        .await;
    dev.run("CREATE TEMP TABLE own AS SELECT 5 AS n").await;
    dev.run("USE sales").await;
    assert_eq!(dev.value("SELECT a FROM t").await, "10");
    assert_eq!(dev.value("SELECT a FROM dev.public.t").await, "1");
    assert_eq!(dev.value("SELECT n FROM own").await, "5");
    assert_eq!(sales.failure("DROP DATABASE dev").await.0, "42809");
    dev.run("RESET USE").await;
    assert_eq!(dev.value("SELECT a FROM t").await, "1");
    assert_eq!(dev.failure("USE nowhere").await.0, "3D000");
    assert_eq!(dev.failure("BEGIN; USE sales").await.0, "25001");
}

/// Texts of a database of COLLATE CASE_INSENSITIVE have no case, unless their column says otherwise.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_has_a_collation() {
    let server = start(1).await;
    let dev = connect(server.port).await;
    dev.run("CREATE DATABASE folds COLLATE CASE_INSENSITIVE")
        .await;
    assert_eq!(dev.value("SELECT db_collation()").await, "case_sensitive");
    let folds = connect_to(server.port, "folds").await;
    assert_eq!(
        folds.value("SELECT db_collation()").await,
        "case_insensitive"
    );
    folds
        .run("CREATE TABLE t (a VARCHAR(5), b VARCHAR(5) COLLATE CASE_SENSITIVE, c INTEGER)")
        .await;
    folds
        .run("INSERT INTO t VALUES ('x', 'x', 1), ('X', 'X', 2)")
        .await;
    folds.run("CREATE TABLE copied AS SELECT a FROM t").await;
    folds.run("ALTER TABLE t ADD d CHAR(3) DEFAULT 'q'").await;
    for (query, count) in [
        ("SELECT count(*) FROM t WHERE a = 'X'", "2"),
        ("SELECT count(*) FROM t WHERE b = 'X'", "1"),
        ("SELECT count(*) FROM t WHERE d = 'Q'", "2"),
        ("SELECT count(DISTINCT a) FROM copied", "1"),
    ] {
        assert_eq!(folds.value(query).await, count, "{query}");
    }
    let change = "ALTER DATABASE folds COLLATE CASE_SENSITIVE";
    assert_eq!(folds.failure(change).await.0, "55000");
    folds.run("DROP TABLE t; DROP TABLE copied").await;
    folds.run(change).await;
    folds.run("CREATE TABLE t (a VARCHAR(5))").await;
    folds.run("INSERT INTO t VALUES ('x')").await;
    assert_eq!(
        folds.value("SELECT count(*) FROM t WHERE a = 'X'").await,
        "0"
    );
}
