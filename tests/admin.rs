//! The scripts of `admin/`: an administrator's queries over system tables, in a warehouse that has something to see.

use blueshift_tests::client::{explain, try_connect_as};
use blueshift_tests::{Client, Server, ServerOptions, connect};
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("admin")
}

/// The name and the text of each script.
fn scripts() -> Vec<(String, String)> {
    let files = std::fs::read_dir(folder()).expect("the folder");
    let paths = files.map(|file| file.expect("a file").path());
    let scripts = paths.filter(|path| path.extension().is_some_and(|kind| kind == "sql"));
    let mut scripts: Vec<_> = scripts
        .map(|path| {
            let name = path.file_stem().expect("a name").to_string_lossy();
            let text = std::fs::read_to_string(&path).expect("text");
            (name.into_owned(), text)
        })
        .collect();
    scripts.sort();
    scripts
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
}

#[test]
fn every_object_that_admin_scripts_read_is_read_here() {
    let objects = std::fs::read_to_string(folder().join("objects.txt")).expect("the list");
    let scripts = scripts();
    let is_read = |object: &str| {
        let mut texts = scripts.iter();
        texts.any(|(_, text)| words(text).any(|word| word == object))
    };
    let unread: Vec<_> = objects.lines().filter(|object| !is_read(object)).collect();
    assert!(unread.is_empty(), "{unread:?}");
}

/// Makes tables, queries, users and accidents.
async fn fill(admin: &Client, port: u16, files: &Path) {
    for statement in [
        "CREATE SCHEMA shop",
        "CREATE TABLE shop.sales (id INTEGER NOT NULL PRIMARY KEY, item INTEGER DEFAULT 7, price DECIMAL(8,2), note VARCHAR(40)) \
         DISTKEY (id) SORTKEY (id)",
        "CREATE TABLE shop.line (id INTEGER REFERENCES shop.sales (id), quantity INTEGER) DISTSTYLE EVEN",
        "CREATE TABLE shop.item (item INTEGER, name VARCHAR(20)) DISTSTYLE EVEN",
        "COMMENT ON TABLE shop.sales IS 'what was sold'",
        "INSERT INTO shop.item VALUES (0, 'a'), (1, 'b'), (2, 'c'), (3, 'd'), (4, 'e'), (5, 'f'), (6, 'g'), (7, 'h')",
        "INSERT INTO shop.sales SELECT a.item * 64 + b.item * 8 + c.item, c.item, a.item * 1.5, b.name FROM shop.item a, shop.item b, shop.item c",
        "INSERT INTO shop.line SELECT id, item + 1 FROM shop.sales",
        "INSERT INTO shop.line SELECT id, item + 2 FROM shop.sales",
        "SELECT count(*) FROM shop.sales WHERE price > 2",
        "SELECT i.name, sum(l.quantity) FROM shop.sales s JOIN shop.line l ON l.id = s.id JOIN shop.item i ON i.item = s.item GROUP BY 1",
        "SELECT count(*) FROM shop.item a JOIN shop.line b ON b.quantity = a.item",
        "DELETE FROM shop.line WHERE quantity = 3",
        "ANALYZE shop.sales",
        "VACUUM shop.line TO 100 PERCENT",
        "CREATE VIEW shop.dear AS SELECT id, price FROM shop.sales WHERE price > 5",
        "CREATE FUNCTION shop.twice(integer) RETURNS integer IMMUTABLE AS $$ SELECT $1 * 2 $$ LANGUAGE sql",
        "CREATE USER clerk PASSWORD 'Clerk-pass-1'",
        "CREATE GROUP staff WITH USER clerk",
        "GRANT USAGE ON SCHEMA shop TO clerk",
        "GRANT SELECT (id) ON shop.sales TO clerk",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA shop GRANT SELECT ON TABLES TO GROUP staff",
    ] {
        admin.run(statement).await;
    }
    std::fs::write(files.join("bad.txt"), "1|2\nx|3\n").expect("a file");
    let copy = format!(
        "COPY shop.line FROM 'file://{}/bad.txt' DELIMITER '|'",
        files.display()
    );
    admin.failure(&copy).await;
    assert!(try_connect_as(port, "clerk", "wrong", "dev").await.is_err());
    // One of two that change the same row is refused.
    let (one, two) = (connect(port).await, connect(port).await);
    one.run("BEGIN").await;
    one.run("SELECT count(*) FROM shop.sales").await;
    two.run("UPDATE shop.sales SET price = 3 WHERE id = 1")
        .await;
    let update = "UPDATE shop.sales SET price = 4 WHERE id = 1";
    assert_eq!(one.failure(update).await.0, "40001");
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_run_and_show_sensible_rows() {
    let files = tempfile::tempdir().expect("a folder");
    let server = Server::start(ServerOptions {
        slices: Some(2),
        arguments: vec!["--copy-root".into(), files.path().display().to_string()],
        ..ServerOptions::default()
    })
    .await;
    let admin = connect(server.port).await;
    fill(&admin, server.port, files.path()).await;
    // What is only there while it happens: a lock, who waits for it, and a cursor.
    let (holder, waiter) = (connect(server.port).await, connect(server.port).await);
    holder.run("BEGIN").await;
    holder.run("DELETE FROM shop.sales WHERE id = 2").await;
    holder
        .run("DECLARE shown CURSOR FOR SELECT id FROM shop.line")
        .await;
    holder.run("FETCH 2 FROM shown").await;
    let waits = tokio::spawn(async move { waiter.run("TRUNCATE shop.sales").await });
    let is_waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted";
    while admin.value(is_waiting).await == "0" {}
    let mut wrong = Vec::new();
    for (name, text) in scripts() {
        if let Err(reason) = judge(&admin, &text).await {
            wrong.push(format!("{name}: {reason}"));
        }
    }
    holder.run("ROLLBACK").await;
    waits.await.expect("the waiter");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Runs a script and looks at its rows.
async fn judge(admin: &Client, text: &str) -> Result<(), String> {
    use tokio_postgres::SimpleQueryMessage::Row;
    let answer = admin.inner.simple_query(text).await;
    let answer = answer.map_err(|error| explain(&error))?;
    let mut rows = 0;
    for message in answer {
        let Row(row) = message else { continue };
        rows += 1;
        for (index, column) in row.columns().iter().enumerate() {
            let is_verdict = column.name() == "ok" || column.name().starts_with("ok_");
            if is_verdict && row.get(index) != Some("t") {
                let cells: Vec<_> = (0..row.len()).map(|at| row.get(at)).collect();
                return Err(format!("{cells:?}"));
            }
        }
    }
    match rows {
        0 if !text.starts_with("-- May be empty:") => Err("no rows".to_owned()),
        _ => Ok(()),
    }
}
