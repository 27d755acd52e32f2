//! psql's backslash commands: PostgreSQL's own client asks the catalogs in its own words.

use blueshift_tests::server::PASSWORD;
use blueshift_tests::{Server, ServerOptions, connect};
use std::process::Command;

/// Runs commands in one psql and gives what it shows; an error fails the test.
fn shown(port: u16, commands: &[&str]) -> String {
    let mut command = Command::new("psql");
    command
        .args(["-X", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1"])
        .args(["-U", "admin", "-d", "dev", "-p", &port.to_string()])
        .env("PGPASSWORD", PASSWORD)
        .env("PGSSLMODE", "require");
    for text in commands {
        command.args(["-c", text]);
    }
    let output = command.output().expect("psql runs");
    let text = String::from_utf8_lossy(&output.stdout).to_string()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && !text.contains("ERROR"),
        "{commands:?}: {text}"
    );
    text
}

async fn server() -> Server {
    let server = Server::start(ServerOptions::default()).await;
    let client = connect(server.port).await;
    for text in [
        "CREATE TABLE region (id INTEGER PRIMARY KEY, name VARCHAR(20) NOT NULL)",
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, label VARCHAR(30) DEFAULT 'x', price DECIMAL(12,2), \
         region INTEGER REFERENCES region(id), UNIQUE(label)) DISTKEY(id) SORTKEY(price)",
        "CREATE VIEW cheap AS SELECT id, price FROM orders WHERE price < 10",
        "COMMENT ON TABLE orders IS 'the orders'",
        "COMMENT ON COLUMN orders.price IS 'the price'",
        "CREATE USER bob PASSWORD 'Abcdef12'",
    ] {
        client.run(text).await;
    }
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn psql_describes_tables_with_their_keys() {
    let server = server().await;
    let orders = shown(server.port, &["\\d+ orders"]);
    for part in [
        "\"orders_pkey\" PRIMARY KEY, btree (id)",
        "\"orders_label_key\" UNIQUE CONSTRAINT, btree (label)",
        "\"orders_region_fkey\" FOREIGN KEY (region) REFERENCES region(id)",
        "the price",
        "'x'",
    ] {
        assert!(orders.contains(part), "{part} in {orders}");
    }
    let statement = shown(server.port, &["SHOW TABLE orders"]);
    for part in [
        "CREATE TABLE public.orders (",
        "label character varying(30) DEFAULT 'x',",
        "FOREIGN KEY (region) REFERENCES public.region(id)",
        "DISTSTYLE KEY DISTKEY (id)",
        "SORTKEY (price);",
    ] {
        assert!(statement.contains(part), "{part} in {statement}");
    }
    let region = shown(server.port, &["\\d region"]);
    assert!(region.contains("TABLE \"orders\" CONSTRAINT"), "{region}");
    let view = shown(server.port, &["\\d+ cheap", "\\sv cheap"]);
    assert!(view.contains("View definition:"), "{view}");
    assert!(
        view.contains("CREATE OR REPLACE VIEW public.cheap AS"),
        "{view}"
    );
    let tables = shown(server.port, &["\\dt+"]);
    assert!(tables.contains("the orders"), "{tables}");
    let users = shown(server.port, &["\\du"]);
    assert!(
        users.contains("Superuser, Create role, Create DB"),
        "{users}"
    );
    let functions = shown(server.port, &["\\df pg_catalog.version"]);
    assert!(functions.contains("character varying"), "{functions}");
}

#[tokio::test(flavor = "multi_thread")]
async fn psql_runs_every_backslash_command() {
    let server = server().await;
    shown(
        server.port,
        &[
            "\\d",
            "\\d+",
            "\\d public.*",
            "\\dt *.*",
            "\\dS+",
            "\\di+",
            "\\dv+",
            "\\ds",
            "\\dm",
            "\\dE",
            "\\dP",
            "\\dg",
            "\\du+",
            "\\dp",
            "\\z orders",
            "\\ddp",
            "\\drds",
            "\\dn+",
            "\\l+",
            "\\db+",
            "\\dT+",
            "\\dT varchar",
            "\\dD",
            "\\dC",
            "\\dc",
            "\\do",
            "\\dO",
            "\\df",
            "\\df+ pg_catalog.s*",
            "\\da pg_catalog.*",
            "\\sf version",
            "\\dL",
            "\\dd",
            "\\dA+",
            "\\dx",
            "\\det",
            "\\des",
            "\\dew",
            "\\deu",
            "\\dF",
            "\\dFd",
            "\\dFp",
            "\\dFt",
            "\\dl",
            "\\dy",
            "\\dX",
            "\\dRp",
            "\\dRs",
            "\\dconfig",
            "\\conninfo",
            "\\encoding",
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn psql_knows_that_a_backslash_escapes_a_quote() {
    let server = Server::start(ServerOptions::default()).await;
    let script = server.scratch().join("quote.sql");
    std::fs::write(&script, "SELECT 'it\\'s; here' AS a;\nSELECT 2 AS b;\n").expect("script");
    let shown = shown(server.port, &[&format!("\\i {}", script.display())]);
    assert!(
        shown.contains("it's; here") && shown.contains("(1 row)"),
        "{shown}"
    );
}
