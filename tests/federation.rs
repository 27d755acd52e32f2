//! External schemas over catalogs elsewhere: a live PostgreSQL database, a Hive metastore.

mod hive;

use blueshift_tests::postgres::PASSWORD;
use blueshift_tests::{Client, Postgres, Server, ServerOptions, connect};
use rand::prelude::*;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio_postgres::SimpleQueryMessage;

/// A server that knows the login of a PostgreSQL server, and may reach it.
struct Federation {
    server: Server,
    _secrets: TempDir,
}

const SECRET: &str = "arn:aws:secretsmanager:us-east-1:123456789012:secret:pg";

async fn federation(ports: &[u16], slices: u32, more: &str) -> Federation {
    let secrets = TempDir::new().expect("a directory");
    let file = secrets.path().join("secrets.toml");
    let entry = |name: &str, password: &str, host: &str, more: &str| {
        format!(
            "[\"{name}\"]\nusername = \"reader\"\npassword = \"{password}\"\nhost = \"{host}\"\n{more}\n"
        )
    };
    let text = entry(SECRET, PASSWORD, "127.0.0.1", "")
        + &entry("arn:wrong", "not the password", "127.0.0.1", "")
        + &entry("arn:named", PASSWORD, "localhost", more);
    std::fs::write(&file, text).expect("a file");
    let mut arguments = vec!["--secret-file".into(), file.display().to_string()];
    for port in ports {
        arguments.extend(["--reach".into(), format!("127.0.0.1:{port}")]);
    }
    let server = Server::start(ServerOptions {
        slices: Some(slices),
        arguments,
        ..ServerOptions::default()
    })
    .await;
    Federation {
        server,
        _secrets: secrets,
    }
}

fn schema(name: &str, remote: &str, port: u16) -> String {
    format!(
        "CREATE EXTERNAL SCHEMA {name} FROM POSTGRES DATABASE 'postgres' SCHEMA '{remote}' URI '127.0.0.1' PORT {port} \
         IAM_ROLE default SECRET_ARN '{SECRET}'"
    )
}

/// Gives the statements that copy rows out, as PostgreSQL logged them since `from`.
fn copies(postgres: &Postgres, from: usize) -> Vec<String> {
    let log = postgres.log();
    let lines = log.get(from..).unwrap_or_default().lines();
    let copies = lines.filter_map(|line| line.split_once("COPY (").map(|(_, rest)| rest));
    copies
        .filter_map(|rest| rest.split_once(") TO STDOUT"))
        .map(|(query, _)| query.to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_database_is_joined_with_a_table_here() {
    let postgres = Postgres::start(false).await;
    postgres
        .run(
            "CREATE SCHEMA shop; CREATE TABLE shop.customer (id integer PRIMARY KEY, name varchar(20), region text, since date);
             INSERT INTO shop.customer SELECT n, 'customer ' || n, CASE n % 4 WHEN 0 THEN 'north' WHEN 1 THEN 'south' WHEN 2 THEN 'east' END,
                date '2020-01-01' + n % 1000 FROM generate_series(1, 20000) n;
             CREATE VIEW shop.north AS SELECT id FROM shop.customer WHERE region = 'north';
             CREATE TABLE shop.\"Mixed\" (\"Case\" integer); INSERT INTO shop.\"Mixed\" VALUES (7); ANALYZE",
        )
        .await;
    for slices in [1, 4] {
        let federation = federation(&[postgres.port], slices, "").await;
        let client = connect(federation.server.port).await;
        client.run(&schema("shop", "shop", postgres.port)).await;
        client
            .run("CREATE TABLE sale (customer INTEGER, amount DECIMAL(10,2)) DISTKEY(customer)")
            .await;
        client
            .run(
                "CREATE TABLE digit (d BIGINT) DISTSTYLE ALL; INSERT INTO digit VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9);
                 INSERT INTO sale SELECT (a.d + 10 * b.d + 100 * c.d + 1000 * e.d + 10000 * f.d + 100000 * g.d) % 20000 + 1, 1.5
                 FROM digit a, digit b, digit c, digit e, digit f, digit g",
            )
            .await;
        assert_eq!(client.value("SELECT count(*) FROM sale").await, "1000000");
        let tables =
            "SELECT tablename FROM svv_external_tables WHERE schemaname = 'shop' ORDER BY 1";
        assert_eq!(client.rows(tables).await, ["Mixed", "customer", "north"]);
        let columns = "SELECT columnname, external_type, is_nullable FROM svv_external_columns WHERE tablename = 'customer' ORDER BY columnnum";
        assert_eq!(
            client.rows(columns).await,
            [
                "id|integer|false",
                "name|character varying(20)|true",
                "region|text|true",
                "since|date|true"
            ]
        );
        let schemas = "SELECT eskind, databasename, esoptions LIKE '%\"SCHEMA\":\"shop\"%' FROM svv_external_schemas";
        assert_eq!(client.rows(schemas).await, ["3|postgres|t"]);
        let begun = postgres.log().len();
        let joined = "SELECT c.region, count(*), sum(s.amount) FROM sale s JOIN shop.customer c ON c.id = s.customer \
                      WHERE c.since = '2020-01-05' AND c.id > 100 GROUP BY 1 ORDER BY 1";
        let rows = client.rows(joined).await;
        assert_eq!(rows, ["north|950|1425.00"]);
        let sent = copies(&postgres, begun);
        assert_eq!(
            sent,
            [
                r#"SELECT "id", "region" FROM "shop"."customer" WHERE ("since" = DATE '2020-01-05') AND ("id" > 100)"#
            ]
        );
        let told = "SELECT trim(sourcetype), trim(querytext), num_rows, num_bytes > 0, duration > 0 FROM svl_federated_query WHERE query = pg_last_query_id()";
        assert_eq!(client.rows(told).await, [format!("PG|{}|19|t|t", sent[0])]);
        client.run(joined).await;
        let told = "SELECT trim(source_type), returned_rows, external_query_text, trim(table_name) FROM sys_external_query_detail WHERE query_id = pg_last_query_id()";
        assert_eq!(
            client.rows(told).await,
            [format!("PG|19|{}|shop.customer", sent[0])]
        );
        let plan = client.rows(&format!("EXPLAIN {joined}")).await.join("\n");
        for part in [
            "XN PG Query Scan customer",
            "->  Remote PG Seq Scan shop.customer",
            "Remote SQL: SELECT \"id\", \"region\" FROM \"shop\".\"customer\" WHERE",
        ] {
            assert!(plan.contains(part), "{part} is not in\n{plan}");
        }
        // Aggregates, limits and columns that nobody asked for.
        let begun = postgres.log().len();
        assert_eq!(
            client
                .rows("SELECT region, count(*), min(since), max(id), sum(id), avg(id) FROM shop.customer WHERE id <= 10 GROUP BY region ORDER BY region")
                .await,
            [
                "east|3|2020-01-03|10|18|6",
                "north|2|2020-01-05|8|12|6",
                "south|3|2020-01-02|9|15|5",
                "NULL|2|2020-01-04|7|10|5"
            ]
        );
        assert_eq!(
            client.value("SELECT count(*) FROM shop.north").await,
            "5000"
        );
        assert_eq!(
            client
                .rows("SELECT id FROM shop.customer LIMIT 3")
                .await
                .len(),
            3
        );
        assert_eq!(
            client
                .value("SELECT count(DISTINCT region) FROM shop.customer")
                .await,
            "3"
        );
        let sent = copies(&postgres, begun);
        assert!(
            sent[0].contains("GROUP BY rtrim(\"region\", ' ')"),
            "{sent:?}"
        );
        assert_eq!(sent[1], r#"SELECT count(*) FROM "shop"."north""#);
        assert_eq!(sent[2], r#"SELECT "id" FROM "shop"."customer" LIMIT 3"#);
        client
            .run("SET enable_case_sensitive_identifier TO true")
            .await;
        assert_eq!(
            client.rows("SELECT \"Case\" FROM shop.\"Mixed\"").await,
            ["7"]
        );
        // With parameters, which are bound before anything is asked; in views; into a table.
        let prepared = client
            .inner
            .query("SELECT name FROM shop.customer WHERE id = $1", &[&42_i32])
            .await
            .expect("a prepared query");
        assert_eq!(prepared[0].get::<_, &str>(0), "customer 42");
        client
            .run("CREATE VIEW late AS SELECT id, name FROM shop.customer WHERE id < 4 WITH NO SCHEMA BINDING")
            .await;
        assert_eq!(
            client.value("SELECT max(name) FROM late").await,
            "customer 3"
        );
        assert_eq!(
            client
                .failure("CREATE VIEW v AS SELECT id FROM shop.customer")
                .await
                .0,
            "0A000"
        );
        client
            .run("CREATE TABLE kept AS SELECT * FROM shop.customer WHERE id <= 100")
            .await;
        assert_eq!(client.value("SELECT count(region) FROM kept").await, "75");
        // Read only.
        for refused in [
            "INSERT INTO shop.customer VALUES (1)",
            "UPDATE shop.customer SET id = 1",
            "DELETE FROM shop.customer",
            "DROP TABLE shop.customer",
            "CREATE TABLE shop.x (a INTEGER)",
            "CREATE EXTERNAL TABLE shop.x (a INTEGER) STORED AS PARQUET LOCATION 's3://b/x/'",
            "ALTER TABLE shop.customer ADD COLUMN a INTEGER",
            "GRANT SELECT ON shop.customer TO PUBLIC",
        ] {
            let (code, text) = client.failure(refused).await;
            assert_eq!(code, "0A000", "{refused}: {text}");
        }
        assert_eq!(client.failure("SELECT * FROM shop.gone").await.0, "42P01");
        // What changes there is seen soon, and never wrongly.
        postgres
            .run("ALTER TABLE shop.\"Mixed\" RENAME COLUMN \"Case\" TO other")
            .await;
        let (code, text) = client.failure("SELECT \"Case\" FROM shop.\"Mixed\"").await;
        assert_eq!(code, "42P01", "{text}");
        assert_eq!(client.rows("SELECT other FROM shop.\"Mixed\"").await, ["7"]);
        postgres
            .run("ALTER TABLE shop.\"Mixed\" RENAME COLUMN other TO \"Case\"")
            .await;
        ensure_hidden(&client, &federation.server).await;
    }
}

/// The password is in no table that tells of statements, and not in the log.
async fn ensure_hidden(client: &Client, server: &Server) {
    for table in [
        "stl_query",
        "svv_external_schemas",
        "pg_external_schema",
        "svl_federated_query",
        "sys_query_history",
    ] {
        let rows = client.rows(&format!("SELECT * FROM {table}")).await;
        assert!(!rows.join("\n").contains(PASSWORD), "{table}");
    }
    let log = std::fs::read_to_string(&server.log).expect("a log");
    assert!(!log.contains(PASSWORD));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_comes_as_documented() {
    let postgres = Postgres::start(false).await;
    postgres
        .run(
            "CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN price AS numeric(8,2); CREATE TYPE pair AS (a integer, b text);
             CREATE TABLE types (i2 smallint, i4 integer, i8 bigint, f4 real, f8 double precision, n82 numeric(8,2), n numeric,
                n50 numeric(50,5), ok boolean, c char(5), vc varchar(10), t text, d date, ts timestamp, tz timestamptz, tm time, ttz timetz,
                iv interval, u uuid, j json, jb jsonb, arr integer[], b bytea, bits bit(4), e mood, dom price, m money, ip inet,
                p pair, r int4range, x xml, o oid, name name, ch \"char\", bp bpchar);
             INSERT INTO types VALUES (-32768, 2147483647, -9223372036854775808, 1.5, 1e300, -123456.78, 12345678901234567890.123456789012345,
                1234567890.12345, true, 'ab', 'grüße', 'a\\b''c', '0044-03-15 BC', '2020-02-29 23:59:59.123456', '2020-02-29 23:59:59.5+02',
                '12:34:56.789', '12:34:56+02', '1 year 2 mons 3 days 04:05:06', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{\"a\": 1}',
                '{\"b\":[1,2]}', '{1,2,NULL}', '\\xdeadbeef', '1010', 'ok', 12.5, '12.34', '10.0.0.1/8', '(1,x)', '[1,5)', '<a/>', 42,
                'nm', 'z', 'trail  ');
             INSERT INTO types (i2) VALUES (NULL);
             CREATE TABLE odd (id integer, n numeric(5,1), d date, ts timestamp, t text);
             INSERT INTO odd VALUES (1, 'NaN', NULL, NULL, NULL), (2, NULL, 'infinity', NULL, NULL), (3, NULL, NULL, '-infinity', NULL),
                (4, NULL, NULL, NULL, repeat('x', 65536)), (5, 1.5, '2020-01-01', '2020-01-01', repeat('x', 65535));
             CREATE TABLE nothing (); INSERT INTO nothing DEFAULT VALUES",
        )
        .await;
    let federation = federation(&[postgres.port], 2, "").await;
    let client = connect(federation.server.port).await;
    client.run(&schema("pg", "public", postgres.port)).await;
    let columns = [
        ("i2", "-32768"),
        ("i4", "2147483647"),
        ("i8", "-9223372036854775808"),
        ("f4", "1.5"),
        ("f8", "1e+300"),
        ("n82", "-123456.78"),
        ("n", "12345678901234567890.1234567890"),
        ("n50", "1234567890.1234500000"),
        ("ok", "t"),
        ("len(c)::varchar || c", "2ab"),
        ("vc", "grüße"),
        ("t", "a\\b'c"),
        ("d", "0044-03-15 BC"),
        ("ts", "2020-02-29 23:59:59.123456"),
        ("tz", "2020-02-29 21:59:59.5+00"),
        ("tm", "12:34:56.789"),
        ("ttz", "12:34:56+02"),
        ("iv", "1 year 2 mons 3 days 04:05:06"),
        ("u", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        ("j", "{\"a\": 1}"),
        ("jb", "{\"b\": [1, 2]}"),
        ("arr", "{1,2,NULL}"),
        ("b", "\\xdeadbeef"),
        ("bits", "1010"),
        ("e", "ok"),
        ("dom", "12.50"),
        ("m", "$12.34"),
        ("ip", "10.0.0.1/8"),
        ("p", "(1,x)"),
        ("r", "[1,5)"),
        ("x", "<a/>"),
        ("o", "42"),
        ("name", "nm"),
        ("ch", "z"),
        ("bp", "trail"),
    ];
    for (column, expected) in columns {
        let found = client
            .rows(&format!(
                "SELECT {column} FROM pg.types WHERE i4 IS NOT NULL"
            ))
            .await;
        assert_eq!(found, [expected], "{column}");
        let found = client
            .rows(&format!("SELECT {column} FROM pg.types WHERE i4 IS NULL"))
            .await;
        assert_eq!(found, ["NULL"], "{column}");
    }
    let types = "SELECT \"column\", type FROM pg_get_late_binding_view_cols() cols(view_schema name, view_name name, \"column\" name, type varchar, n int) \
                 WHERE \"column\" IN ('n82', 'n', 'vc', 't', 'c', 'iv') ORDER BY 1";
    client
        .run("CREATE VIEW shown AS SELECT * FROM pg.types WITH NO SCHEMA BINDING")
        .await;
    assert_eq!(
        client.rows(types).await,
        [
            "c|character(5)",
            "iv|character varying(65535)",
            "n|numeric(38,10)",
            "n82|numeric(8,2)",
            "t|character varying(65535)",
            "vc|character varying(40)"
        ]
    );
    for (id, code) in [(1, "22003"), (2, "22008"), (3, "22008"), (4, "22001")] {
        let (found, text) = client
            .failure(&format!("SELECT * FROM pg.odd WHERE id = {id}"))
            .await;
        assert_eq!(found, code, "{text}");
    }
    assert_eq!(
        client
            .rows("SELECT n, d, ts, len(t) FROM pg.odd WHERE id = 5")
            .await,
        ["1.5|2020-01-01|2020-01-01 00:00:00|65535"]
    );
    assert_eq!(client.value("SELECT count(*) FROM pg.nothing").await, "1");
    // Numbers that are rounded on the way are compared here.
    assert_eq!(
        client
            .rows("SELECT i2 FROM pg.types WHERE n = 12345678901234567890.1234567890")
            .await,
        ["-32768"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_compare_as_here() {
    let postgres = Postgres::start(false).await;
    postgres
        .run(
            "CREATE COLLATION folded (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
             CREATE TABLE words (id integer, v varchar(10), c char(4), f varchar(10) COLLATE folded);
             INSERT INTO words VALUES (1, 'a', 'a', 'a'), (2, 'a  ', 'a', 'A'), (3, 'B', 'B', 'b'), (4, 'b', 'b', 'B'), (5, '', '', ''),
                (6, ' ', ' ', ' '), (7, NULL, NULL, NULL), (8, 'é', 'é', 'é')",
        )
        .await;
    let federation = federation(&[postgres.port], 2, "").await;
    let client = connect(federation.server.port).await;
    client.run(&schema("pg", "public", postgres.port)).await;
    // CHAR holds bytes here, and what does not fit is told.
    assert_eq!(client.value("SELECT count(c) FROM pg.words").await, "7");
    for (condition, expected) in [
        ("v = 'a'", "1,2"),
        ("v = 'a   '", "1,2"),
        ("v IN ('a', 'B')", "1,2,3"),
        ("v < 'a'", "3,5,6"),
        ("v LIKE 'a'", "1"),
        ("v LIKE 'a%'", "1,2"),
        ("v = ''", "5,6"),
        ("v > 'b'", "8"),
        ("c = 'a'", "1,2"),
        ("c < 'a'", "3,5,6"),
        ("f = 'a'", "1"),
        ("f <> 'b'", "1,2,4,5,6,8"),
        ("v = f", "1,5,6,8"),
        ("v IS NULL", "7"),
        ("NOT (v = 'a')", "3,4,5,6,8"),
        ("v BETWEEN 'A' AND 'Z'", "3"),
    ] {
        let query = format!("SELECT id FROM pg.words WHERE {condition} ORDER BY id");
        assert_eq!(client.rows(&query).await.join(","), expected, "{condition}");
        // The same of a table here.
    }
    client
        .run("CREATE TABLE words AS SELECT * FROM pg.words")
        .await;
    for query in [
        "SELECT min(v), max(v), min(c), max(c), min(f), max(f) FROM {}",
        "SELECT v, count(*) FROM {} GROUP BY v ORDER BY 2, 1",
        "SELECT c, count(*) FROM {} GROUP BY c ORDER BY 2, 1",
        "SELECT f, count(*) FROM {} GROUP BY f ORDER BY 2, 1",
        "SELECT DISTINCT v FROM {} ORDER BY 1",
        "SELECT count(DISTINCT v) FROM {}",
        "SELECT v FROM {} ORDER BY v, id",
    ] {
        let there = client.rows(&query.replace("{}", "pg.words")).await;
        let here = client.rows(&query.replace("{}", "words")).await;
        assert_eq!(there, here, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_source_fails_soon() {
    let postgres = Postgres::start(false).await;
    postgres
        .run("CREATE TABLE t (a integer); INSERT INTO t VALUES (1)")
        .await;
    // It takes connections, and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let silent_port = silent.local_addr().expect("an address").port();
    let federation = federation(&[postgres.port, silent_port], 2, "").await;
    let client = connect(federation.server.port).await;
    client.run(&schema("pg", "public", postgres.port)).await;
    client.run(&schema("gone", "gone", postgres.port)).await;
    client.run(&schema("silent", "public", silent_port)).await;
    client.run(&schema("far", "public", 9)).await;
    assert_eq!(client.value("SELECT a FROM pg.t").await, "1");
    let soon = async |query: &str, code: &str| {
        let begun = Instant::now();
        let (found, text) = client.failure(query).await;
        assert_eq!(found, code, "{text}");
        assert!(
            begun.elapsed() < Duration::from_secs(5),
            "{:?}",
            begun.elapsed()
        );
        assert!(!text.contains(PASSWORD), "{text}");
        text
    };
    soon("SELECT a FROM gone.t", "3F000").await;
    soon("SELECT a FROM silent.t", "08006").await;
    // Not listed, so it may not be reached, whether anybody is there or not.
    let text = soon("SELECT * FROM far.t", "42501").await;
    assert!(text.contains("--reach 127.0.0.1:9"), "{text}");
    // The login is for one host, and is known by its name alone.
    let wrong = schema("wrong", "public", postgres.port).replace(SECRET, "arn:wrong");
    client.run(&wrong).await;
    let text = soon("SELECT * FROM wrong.t", "28000").await;
    assert!(
        !text.contains("reader") && !text.contains("not the password"),
        "{text}"
    );
    let unknown = schema("unknown", "public", postgres.port).replace(SECRET, "arn:none");
    soon(&unknown, "28000").await;
    let elsewhere = schema("elsewhere", "public", 80).replace("127.0.0.1", "169.254.169.254");
    soon(&elsewhere, "28000").await;
    postgres.run("REVOKE pg_read_all_data FROM reader").await;
    soon("SELECT a FROM pg.t", "42501").await;
    // One dead source hides no other, and those that are alive are shown.
    let tables = "SELECT schemaname, tablename FROM svv_external_tables";
    assert_eq!(client.rows(tables).await, ["pg|t"]);
    postgres.kill();
    soon("SELECT a FROM pg.t", "08006").await;
    drop(silent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_ends_here_ends_there() {
    let postgres = Postgres::start(false).await;
    postgres
        .run("CREATE VIEW slow AS SELECT n, pg_sleep(60)::text FROM generate_series(1, 3) n; CREATE TABLE t (a integer);
              CREATE VIEW many AS SELECT n FROM generate_series(1, 100000000) n")
        .await;
    let federation = federation(&[postgres.port], 2, "").await;
    let client = connect(federation.server.port).await;
    client.run(&schema("pg", "public", postgres.port)).await;
    let running = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'blueshift' AND state = 'active'";
    client.run("SET statement_timeout TO 1500").await;
    let (code, _) = client.failure("SELECT * FROM pg.slow").await;
    assert_eq!(code, "57014");
    postgres.wait_for(running, 0).await;
    client.run("SET statement_timeout TO 0").await;
    let cancel = client.inner.cancel_token();
    let canceled = async {
        postgres.wait_for(running, 1).await;
        let asked = cancel.cancel_query(blueshift_tests::client::tls()).await;
        asked.expect("cancel");
    };
    let ((code, _), ()) = tokio::join!(client.failure("SELECT * FROM pg.slow"), canceled);
    assert_eq!(code, "57014");
    postgres.wait_for(running, 0).await;
    // What is not wanted any more is not read to its end.
    let some = "SELECT * FROM pg.many WHERE n % 2 = 0 LIMIT 5";
    assert_eq!(client.rows(some).await.len(), 5);
    postgres.wait_for(running, 0).await;
    let open = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'blueshift'";
    postgres.wait_for(open, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_scans_of_a_statement_see_one_moment() {
    let postgres = Postgres::start(false).await;
    postgres
        .run(
            "CREATE TABLE t (a integer); INSERT INTO t VALUES (1);
              CREATE VIEW slow AS SELECT count(*) AS n, pg_sleep(2)::text AS s FROM t",
        )
        .await;
    let federation = federation(&[postgres.port], 2, "").await;
    let client = connect(federation.server.port).await;
    client.run(&schema("pg", "public", postgres.port)).await;
    let both = "SELECT (SELECT max(n) FROM pg.slow), (SELECT count(*) FROM pg.t)";
    let running = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'blueshift' AND wait_event = 'PgSleep'";
    for (repeatable, expected) in [("true", "1|1"), ("false", "2|3")] {
        client
            .run(&format!(
                "SET pg_federation_repeatable_read TO {repeatable}"
            ))
            .await;
        let more = async {
            postgres.wait_for(running, 1).await;
            postgres.run("INSERT INTO t VALUES (2)").await;
        };
        let (rows, ()) = tokio::join!(client.rows(both), more);
        assert_eq!(rows, [expected]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_verified_where_asked() {
    let postgres = Postgres::start(true).await;
    postgres
        .run("CREATE TABLE t (a integer); INSERT INTO t VALUES (1)")
        .await;
    let named = |secret: &str| {
        schema("pg", "public", postgres.port)
            .replace(SECRET, secret)
            .replace("127.0.0.1", "localhost")
    };
    let certificate = postgres.certificate();
    let verified = format!("tls = \"verify\"\ntls_ca = \"{}\"", certificate.display());
    let copy = TempDir::new().expect("a directory");
    let other = copy.path().join("other.pem");
    std::fs::copy(&certificate, &other).expect("a copy");
    let trusted = federation(&[postgres.port], 1, &verified).await;
    let client = connect(trusted.server.port).await;
    client.run(&named("arn:named")).await;
    assert_eq!(client.value("SELECT a FROM pg.t").await, "1");
    let protected = "SELECT count(*) FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) WHERE s.ssl AND a.application_name = 'blueshift'";
    let slow = "CREATE VIEW slow AS SELECT pg_sleep(2)::text AS s";
    postgres.run(slow).await;
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let (_, ()) = tokio::join!(
        client.rows("SELECT s FROM pg.slow"),
        postgres.wait_for(protected, 1)
    );
    // Another certificate than that of the server.
    let stranger = Postgres::start(true).await;
    let unknown = format!(
        "tls = \"verify\"\ntls_ca = \"{}\"",
        stranger.certificate().display()
    );
    let distrusting = federation(&[postgres.port], 1, &unknown).await;
    let client = connect(distrusting.server.port).await;
    client.run(&named("arn:named")).await;
    let (code, text) = client.failure("SELECT a FROM pg.t").await;
    assert_eq!(code, "08006", "{text}");
    assert!(text.contains("certificate"), "{text}");
    let believing = federation(&[postgres.port], 1, "tls = \"on\"").await;
    let client = connect(believing.server.port).await;
    client.run(&named("arn:named")).await;
    assert_eq!(client.value("SELECT a FROM pg.t").await, "1");
}

/// Rows of a query as text, without blanks at the end of a `character`.
async fn there(client: &tokio_postgres::Client, sql: &str) -> Vec<String> {
    let messages = client.simple_query(sql).await;
    let messages = messages.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    let rows = messages.into_iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => {
            let cells = (0..row.len()).map(|at| row.get(at).unwrap_or("NULL").trim_end());
            Some(cells.collect::<Vec<_>>().join("|"))
        }
        _ => None,
    });
    rows.collect()
}

/// Makes conditions over the columns of the table of the differential test.
struct Conditions(StdRng);

impl Conditions {
    fn one_of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all.choose(&mut self.0).copied().expect("one")
    }

    fn simple(&mut self) -> String {
        let operator = self.one_of(&["=", "<>", "<", "<=", ">", ">="]);
        let number = self.0.random_range(-5..25);
        match self.0.random_range(0..14) {
            0 => format!("i {operator} {number}"),
            1 => format!("b {operator} {number}"),
            2 => format!("s {operator} {number}"),
            3 => format!("n {operator} {number}.5"),
            4 => format!("n {operator} {number}"),
            5 => format!("d {operator} DATE '2020-01-{:02}'", number.clamp(1, 28)),
            6 => format!(
                "ts {operator} TIMESTAMP '2020-01-{:02} 12:00:00'",
                number.clamp(1, 28)
            ),
            7 => {
                let word = self.one_of(&["a", "b", "word 3", "Word 4", "", "zz"]);
                let operator = self.one_of(&["=", "<>"]);
                format!("v {operator} '{word}'")
            }
            8 => {
                let word = self.one_of(&["ab", "x", "c3"]);
                let operator = self.one_of(&["=", "<>"]);
                format!("c {operator} '{word}'")
            }
            9 => {
                let column = self.one_of(&["i", "v", "c", "d", "ok", "n", "f", "tz"]);
                let not = self.one_of(&["", "NOT "]);
                format!("{column} IS {not}NULL")
            }
            10 => {
                let not = self.one_of(&["", "NOT "]);
                format!("i {not}IN ({number}, 3, 7)")
            }
            11 => {
                let not = self.one_of(&["", "NOT "]);
                let pattern = self.one_of(&["w%", "%3", "W_rd%", "%", "a"]);
                format!("v {not}LIKE '{pattern}'")
            }
            12 => format!("f {operator} {number}.25"),
            _ => self
                .one_of(&["ok", "NOT ok", "ok IS TRUE", "i = b", "s < i", "d < ts"])
                .to_owned(),
        }
    }

    fn make(&mut self, depth: usize) -> String {
        if depth == 0 || self.0.random_bool(0.4) {
            return self.simple();
        }
        let (left, right) = (self.make(depth - 1), self.make(depth - 1));
        match self.0.random_range(0..4) {
            0 => format!("({left} OR {right})"),
            1 => format!("NOT ({left} AND {right})"),
            _ => format!("({left} AND {right})"),
        }
    }

    /// A query, and what PostgreSQL is asked for the same: AVG of whole numbers is cut here.
    fn query(&mut self) -> (String, String) {
        let condition = self.make(3);
        let group = self.one_of(&["i", "ok", "d", "c", "v", "s, ok", "n"]);
        let shape = self.0.random_range(0..6);
        let pair = |here: String| (here.clone(), here);
        match shape {
            0 => pair(format!(
                "SELECT id, i, b, s, n, v, c, d, ts, tz, ok, f FROM t WHERE {condition} ORDER BY id"
            )),
            1 => pair(format!(
                "SELECT count(*), count(i), count(v), sum(i), sum(b), sum(n), min(d), max(ts), min(n), max(b) FROM t WHERE {condition}"
            )),
            2 => pair(format!(
                "SELECT {group}, count(*), sum(i), min(id), max(n) FROM t WHERE {condition} GROUP BY {group}"
            )),
            3 => {
                let made = |avg: &str| {
                    format!("SELECT {group}, {avg} FROM t WHERE {condition} GROUP BY {group}")
                };
                (
                    made("avg(i), avg(b), avg(n)"),
                    made("trunc(avg(i)), trunc(avg(b)), round(avg(n), 2)"),
                )
            }
            4 => pair(format!("SELECT DISTINCT {group} FROM t WHERE {condition}")),
            _ => pair(format!(
                "SELECT x.id, y.v FROM t x JOIN t y ON x.i = y.b WHERE x.{} AND y.id < 20 AND x.id < 50",
                self.one_of(&[
                    "i > 3",
                    "n < 4.5",
                    "ok",
                    "d = DATE '2020-01-07'",
                    "v = 'word 3'"
                ])
            )),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn generated_queries_answer_as_there() {
    let postgres = Postgres::start(false).await;
    postgres
        .run(
            "CREATE TABLE t (id integer, i integer, b bigint, s smallint, n numeric(10,2), v varchar(20), c char(4), d date, ts timestamp,
                tz timestamptz, ok boolean, f double precision);
             INSERT INTO t SELECT k, nullif(k % 23, 5), nullif(k * 7919 % 29, 3), nullif(k % 11, 2), nullif((k % 37) / 4.0, 1.5),
                CASE k % 7 WHEN 0 THEN NULL WHEN 1 THEN '' WHEN 2 THEN 'Word ' || k % 5 ELSE 'word ' || k % 5 END,
                CASE k % 5 WHEN 0 THEN NULL WHEN 1 THEN 'ab' ELSE 'c' || k % 5 END, nullif(date '2020-01-01' + k % 28, date '2020-01-09'),
                nullif(timestamp '2020-01-01' + k % 53 * interval '13 hours', timestamp '2020-01-01'),
                timestamptz '2020-01-01 00:00:00+01' + k * interval '1 minute', nullif(k % 4, 3) = 1, nullif(k % 19, 4) / 4.0
             FROM generate_series(1, 600) k; ANALYZE",
        )
        .await;
    let direct = postgres.connect().await;
    direct
        .batch_execute("SET timezone TO 'UTC'")
        .await
        .expect("a setting");
    let federation = federation(&[postgres.port], 4, "").await;
    let client = connect(federation.server.port).await;
    client.run(&schema("pg", "public", postgres.port)).await;
    client
        .run("CREATE VIEW t AS SELECT * FROM pg.t WITH NO SCHEMA BINDING")
        .await;
    let begun = postgres.log().len();
    let seed: u64 = match std::env::var("BLUESHIFT_TEST_SEED") {
        Ok(seed) => seed.parse().expect("a seed"),
        Err(_) => 20_260,
    };
    let mut conditions = Conditions(StdRng::seed_from_u64(seed));
    let count = 400;
    for number in 0..count {
        let (here, remote) = conditions.query();
        let found = client.rows(&here).await;
        let mut found: Vec<String> = found.iter().map(|row| cells(row)).collect();
        let expected = there(&direct, &remote).await;
        let mut expected: Vec<String> = expected.iter().map(|row| cells(row)).collect();
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "query {number} of seed {seed}: {here}");
    }
    let sent = copies(&postgres, begun);
    assert!(sent.len() * 10 > count * 9, "{}", sent.len());
    // Most of it was done there.
    let with_condition = sent
        .iter()
        .filter(|query| query.contains(" WHERE "))
        .count();
    assert!(
        with_condition * 10 > sent.len() * 9,
        "{with_condition} of {}",
        sent.len()
    );
    assert!(
        sent.iter()
            .filter(|query| query.contains(" GROUP BY "))
            .count()
            > count / 5
    );
}

/// A row without blanks at the end of its cells.
fn cells(row: &str) -> String {
    let cells = row.split('|').map(str::trim_end);
    cells.collect::<Vec<_>>().join("|")
}
