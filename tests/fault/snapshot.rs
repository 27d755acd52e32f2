//! Snapshots and restores: through the admin commands, under write load, under kills, at every durable step.

use super::site::{Pass, Sites, passes, scratch};
use blueshift_tests::server::{PASSWORD, binary};
use blueshift_tests::{Client, Server, ServerOptions, connect, full};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tempfile::TempDir;

/// A server that may keep snapshots in `place`.
async fn serve(place: &TempDir, slices: u32) -> Server {
    Server::start(ServerOptions {
        slices: Some(slices),
        arguments: vec!["--snapshot-root".into(), place.path().display().to_string()],
        ..ServerOptions::default()
    })
    .await
}

async fn serve_on(data: &Path) -> Server {
    Server::start(ServerOptions {
        data: Some(data.to_owned()),
        ..ServerOptions::default()
    })
    .await
}

fn blueshift(arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.args(arguments).env("PGPASSWORD", PASSWORD);
    command
}

fn json(output: &Output) -> serde_json::Value {
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}{errors}"))
}

fn run(arguments: &[&str]) -> serde_json::Value {
    let arguments = [arguments, &["--output", "json"]].concat();
    json(&blueshift(&arguments).output().expect("the command runs"))
}

fn text_of(place: &TempDir) -> String {
    place.path().join("backups").display().to_string()
}

fn create(server: &Server, name: &str, place: &str) -> serde_json::Value {
    let port = server.port.to_string();
    run(&["snapshot", "create", name, "--to", place, "--port", &port])
}

fn restore(place: &str, name: &str, data: &Path, more: &[&str]) -> serde_json::Value {
    let data = data.display().to_string();
    let whole = [
        "restore",
        "--from",
        place,
        "--snapshot",
        name,
        "--data",
        &data,
    ];
    run(&[&whole, more].concat())
}

/// What the test data is, as one row.
const SUMS: &str = "SELECT (SELECT count(*) FROM keyed), (SELECT sum(id) FROM keyed), \
    (SELECT count(DISTINCT label) FROM keyed), (SELECT count(*) FROM spread), (SELECT sum(n) FROM everywhere), \
    (SELECT count(*) FROM staging)";

async fn fill(client: &Client) {
    for sql in [
        "CREATE TABLE keyed (id BIGINT NOT NULL, label VARCHAR(40)) DISTKEY(id) SORTKEY(id)",
        "CREATE TABLE spread (id INTEGER, price DECIMAL(12,2)) DISTSTYLE EVEN",
        "CREATE TABLE everywhere (n INTEGER) DISTSTYLE ALL",
        "CREATE TABLE staging (n INTEGER) BACKUP NO",
        "CREATE VIEW cheap AS SELECT id FROM spread WHERE price < 10",
        "INSERT INTO everywhere VALUES (1), (2), (3)",
        "INSERT INTO staging VALUES (1), (2), (3)",
    ] {
        client.run(sql).await;
    }
    let rows: Vec<String> = (0..20_000)
        .map(|n| format!("({n}, 'label {}')", n % 977))
        .collect();
    client
        .run(&format!("INSERT INTO keyed VALUES {}", rows.join(",")))
        .await;
    client
        .run("INSERT INTO spread SELECT id, id % 50 FROM keyed")
        .await;
    client.run("DELETE FROM keyed WHERE id % 7 = 3").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_comes_back_in_as_many_slices_in_others_and_by_table() {
    let place = scratch();
    let backups = text_of(&place);
    let server = serve(&place, 3).await;
    let client = connect(server.port).await;
    fill(&client).await;
    let before = client.value(SUMS).await;
    let taken = create(&server, "first", &backups);
    assert_eq!(taken[0]["status"], "available", "{taken}");
    client.run("UPDATE keyed SET label = 'gone'").await;
    client.run("DROP TABLE spread CASCADE").await;
    client.run("INSERT INTO everywhere VALUES (4)").await;
    create(&server, "second", &backups);

    let listed = run(&["snapshot", "list", "--from", &backups]);
    assert_eq!(listed[0]["snapshot"], "first", "{listed}");
    assert_eq!(listed[1]["snapshot"], "second", "{listed}");
    let described = run(&["snapshot", "describe", "first", "--from", &backups]);
    let tables: Vec<_> = (0..4).map(|row| described[row]["table"].as_str()).collect();
    let expected = ["everywhere", "keyed", "spread", "staging"];
    assert_eq!(
        tables,
        expected
            .map(|name| format!("public.{name}"))
            .iter()
            .map(|name| Some(name.as_str()))
            .collect::<Vec<_>>()
    );
    assert_eq!(described[3]["backup"], "false");

    // The rows of a table with BACKUP NO are not kept; all else is.
    let expected = before
        .rsplit_once('|')
        .map(|(kept, _)| format!("{kept}|0"))
        .expect("sums");
    for (slices, more) in [
        ("3", &[] as &[&str]),
        ("1", &["--slices", "1"]),
        ("5", &["--slices", "5"]),
    ] {
        let data = place.path().join(format!("restored-{slices}"));
        restore(&backups, "first", &data, more);
        let checked = run(&["check", "--data", &data.display().to_string()]);
        assert_eq!(checked["slices"].to_string(), slices, "{checked}");
        let restored = serve_on(&data).await;
        let client = connect(restored.port).await;
        assert_eq!(client.value(SUMS).await, expected, "{slices} slices");
        let joined =
            "SELECT count(*) FROM keyed JOIN spread ON keyed.id = spread.id WHERE keyed.id = 5";
        assert_eq!(client.value(joined).await, "1");
        assert_eq!(client.value("SELECT count(*) > 0 FROM cheap").await, "t");
        client
            .run("INSERT INTO keyed VALUES (1000000, 'new')")
            .await;
        client.run("CREATE TABLE later (a INTEGER)").await;
        // A directory that is not empty is left alone.
        let path = data.display().to_string();
        let refused = blueshift(&[
            "restore",
            "--from",
            &backups,
            "--snapshot",
            "first",
            "--data",
            &path,
        ])
        .output();
        let refused = refused.expect("the command runs");
        assert_eq!(refused.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&refused.stderr).contains("is not empty"));
        // One table of the snapshot, beside what became of it.
        if slices == "5" {
            drop(restored);
            let server = serve_with(&data, &place).await;
            let client = connect(server.port).await;
            let port = server.port.to_string();
            let sql = format!(
                "RESTORE TABLE public.keyed FROM SNAPSHOT first AT '{backups}' AS keyed_then"
            );
            client.run(&sql).await;
            let sums = "SELECT count(*), sum(id), count(DISTINCT label) FROM keyed_then";
            assert!(expected.starts_with(&client.value(sums).await));
            let restored = run(&[
                "restore",
                "--from",
                &backups,
                "--snapshot",
                "first",
                "--table",
                "public.spread",
                "--as",
                "spread_then",
                "--port",
                &port,
            ]);
            assert_eq!(restored[0]["rows"], 20_000, "{restored}");
            let (code, text) = client.failure(&sql).await;
            assert_eq!(code, "42P07", "{text}");
            let missing = sql.replace("public.keyed", "nothing");
            assert_eq!(client.failure(&missing).await.0, "42P01");
        }
    }
    let removed = run(&["snapshot", "delete", "first", "--from", &backups]);
    assert_eq!(removed[0]["put_off"], "false", "{removed}");
    let data = place.path().join("second");
    restore(&backups, "second", &data, &[]);
    let restored = serve_on(&data).await;
    let client = connect(restored.port).await;
    assert_eq!(client.value("SELECT sum(n) FROM everywhere").await, "10");
}

async fn serve_with(data: &Path, place: &TempDir) -> Server {
    Server::start(ServerOptions {
        data: Some(data.to_owned()),
        arguments: vec!["--snapshot-root".into(), place.path().display().to_string()],
        ..ServerOptions::default()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshots_are_for_superusers_under_a_root_and_outside_blocks() {
    let place = scratch();
    let backups = text_of(&place);
    let server = serve(&place, 2).await;
    let client = connect(server.port).await;
    let sql = format!("CREATE SNAPSHOT first TO '{backups}'");
    client.run(&sql).await;
    assert_eq!(client.failure(&sql).await.0, "42710");
    let outside = client
        .failure("CREATE SNAPSHOT first TO '/tmp/elsewhere'")
        .await;
    assert_eq!(outside.0, "42501");
    assert!(outside.1.contains("--snapshot-root"), "{}", outside.1);
    let named = format!("CREATE SNAPSHOT 'a/b' TO '{backups}'");
    assert_eq!(client.failure(&named).await.0, "42602");
    client.run("BEGIN").await;
    assert_eq!(
        client.failure(&sql.replace("first", "second")).await.0,
        "25001"
    );
    client.run("ROLLBACK").await;
    client
        .run("CREATE USER plain PASSWORD 'Plain-password-1'")
        .await;
    let plain =
        blueshift_tests::client::try_connect_as(server.port, "plain", "Plain-password-1", "dev")
            .await;
    let plain = plain.expect("log in");
    assert_eq!(plain.failure(&sql).await.0, "42501");
    assert_eq!(
        plain
            .value("SELECT count(*) FROM blueshift_snapshots")
            .await,
        "0"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_takes_snapshots_and_keeps_as_many_as_told() {
    let place = scratch();
    let backups = text_of(&place);
    let server = serve(&place, 2).await;
    let client = connect(server.port).await;
    client.run("CREATE TABLE t AS SELECT 1 AS a").await;
    for round in 1..=3 {
        // Made anew, the schedule takes its first snapshot at once.
        client
            .run(&format!(
                "CREATE SNAPSHOT SCHEDULE TO '{backups}' EVERY 1 HOUR KEEP 2"
            ))
            .await;
        let taken = "SELECT count(*) FROM blueshift_snapshots WHERE type = 'automatic' AND status = 'available'";
        while client.value(taken).await != round.to_string() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let due = "SELECT count(*) FROM blueshift_snapshot_schedule WHERE last_time IS NOT NULL";
        while client.value(due).await != "1" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let count = || {
        run(&["snapshot", "list", "--from", &backups])
            .as_array()
            .map_or(0, Vec::len)
    };
    while count() != 2 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let server = server.restart().await;
    let client = connect(server.port).await;
    let schedule = "SELECT interval_minutes, keep_count, last_time IS NOT NULL FROM blueshift_snapshot_schedule";
    assert_eq!(client.value(schedule).await, "60|2|t");
    client.run("DROP SNAPSHOT SCHEDULE").await;
    assert_eq!(client.failure("DROP SNAPSHOT SCHEDULE").await.0, "42704");
    assert_eq!(
        client
            .value("SELECT count(*) FROM blueshift_snapshot_schedule")
            .await,
        "0"
    );
}

/// Adds a row to two tables in one transaction, again and again, until told to stop or the server is gone.
async fn write_pairs(port: u16, writer: u64, stop: Arc<AtomicBool>) {
    let Ok(client) = blueshift_tests::client::try_connect(port).await else {
        return;
    };
    for number in 0_u64.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let id = writer * 1_000_000 + number;
        let sql = format!(
            "BEGIN; INSERT INTO debit VALUES ({id}); INSERT INTO credit VALUES ({id}); \
             DELETE FROM debit WHERE id = {id} - 3; DELETE FROM credit WHERE id = {id} - 3; COMMIT"
        );
        match client.try_rows(&sql).await {
            Ok(_) => {}
            // Two writers delete from one table: one of them may have to give way.
            Err(error)
                if error
                    .as_db_error()
                    .is_some_and(|db| db.code().code() == "40001") =>
            {
                if client.try_rows("ROLLBACK").await.is_err() {
                    return;
                }
            }
            Err(_) => return,
        }
    }
}

async fn pairs(client: &Client) {
    client
        .run("CREATE TABLE debit (id BIGINT) DISTKEY(id)")
        .await;
    client
        .run("CREATE TABLE credit (id BIGINT) DISTSTYLE EVEN")
        .await;
}

async fn assert_pairs(data: &Path) {
    let server = serve_on(data).await;
    let client = connect(server.port).await;
    let sums = |table: &str| format!("SELECT count(*), coalesce(sum(id), 0) FROM {table}");
    let (debit, credit) = (
        client.value(&sums("debit")).await,
        client.value(&sums("credit")).await,
    );
    assert_eq!(debit, credit);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_under_writes_is_one_commit() {
    let place = scratch();
    let backups = text_of(&place);
    let server = serve(&place, 2).await;
    pairs(&connect(server.port).await).await;
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..3)
        .map(|writer| tokio::spawn(write_pairs(server.port, writer, Arc::clone(&stop))))
        .collect();
    for number in 0..4 {
        tokio::time::sleep(Duration::from_millis(150)).await;
        create(&server, &format!("s{number}"), &backups);
    }
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.expect("a writer");
    }
    for (number, more) in [(0, &[] as &[&str]), (2, &["--slices", "3"]), (3, &[])] {
        let data = place.path().join(format!("restored-{number}"));
        restore(&backups, &format!("s{number}"), &data, more);
        assert_pairs(&data).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_leave_whole_snapshots_or_none() {
    let place = scratch();
    let backups = text_of(&place);
    let seed = 20_261_121;
    let mut random = StdRng::seed_from_u64(seed);
    let mut server = serve(&place, 2).await;
    pairs(&connect(server.port).await).await;
    let rounds = if full() { 100 } else { 12 };
    for round in 0..rounds {
        let stop = Arc::new(AtomicBool::new(false));
        let writer = tokio::spawn(write_pairs(server.port, round, stop));
        let port = server.port.to_string();
        let name = format!("s{round}");
        let mut taking = blueshift(&[
            "snapshot", "create", &name, "--to", &backups, "--port", &port,
        ]);
        let mut taking = taking
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("the command runs");
        // The moment of the kill is the point of the test.
        tokio::time::sleep(Duration::from_millis(random.random_range(3..250))).await;
        server.kill();
        taking.wait().expect("it ends");
        writer.await.expect("a writer");
        server = server.restart().await;
    }
    create(&server, "last", &backups);
    let listed = run(&["snapshot", "list", "--from", &backups]);
    let listed = listed.as_array().expect("a list");
    println!(
        "{} of {rounds} snapshots were finished, seed {seed}",
        listed.len() - 1
    );
    for snapshot in listed {
        assert_eq!(snapshot["error"], serde_json::Value::Null);
        let name = snapshot["snapshot"].as_str().expect("a name");
        let data = place.path().join("restored");
        restore(&backups, name, &data, &[]);
        if name == "last" || listed.first() == Some(snapshot) {
            assert_pairs(&data).await;
        }
        std::fs::remove_dir_all(&data).expect("remove");
        run(&["snapshot", "delete", name, "--from", &backups]);
    }
    // What the kills left goes with the snapshots.
    let objects = place.path().join("backups/objects");
    let files: Vec<PathBuf> = std::fs::read_dir(objects)
        .into_iter()
        .flatten()
        .flatten()
        .flat_map(|folder| std::fs::read_dir(folder.path()).expect("read").flatten())
        .map(|file| file.path())
        .collect();
    assert_eq!(files, [] as [PathBuf; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_stopped_at_any_durable_step_opens_whole_or_not_at_all() {
    let place = scratch();
    let backups = text_of(&place);
    let server = serve(&place, 2).await;
    let client = connect(server.port).await;
    client.run("CREATE TABLE t (id BIGINT) DISTKEY(id)").await;
    client
        .run("INSERT INTO t SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3")
        .await;
    client.run("VACUUM t").await;
    client.run("DELETE FROM t WHERE id = 2").await;
    create(&server, "first", &backups);
    drop(server);
    let data = place.path().join("new");
    let path = data.display().to_string();
    let (sites, mut stops, mut unmarked) = (Sites::new(), 0, 0);
    let mut is_told = BTreeSet::new();
    for more in [&[] as &[&str], &["--slices", "3"]] {
        let whole = [
            "restore",
            "--from",
            &backups,
            "--snapshot",
            "first",
            "--data",
            &path,
        ];
        let attempt = || {
            let mut command = blueshift(&[&whole, more].concat());
            let (name, value) = sites.environment();
            command.env(name, value).output().expect("the command runs")
        };
        sites.clear();
        sites.trace();
        assert!(attempt().status.success());
        let passes = passes(&sites.traced());
        assert!(passes.len() > 10, "{passes:?}");
        std::fs::remove_dir_all(&data).expect("remove");
        // The first of each site, and the last of those that end something; in the long suite all.
        let is_last = |pass: &Pass| !passes.contains(&(pass.0.clone(), pass.1 + 1));
        let picked = |pass: &&Pass| full() || pass.1 == 0 || is_last(pass);
        for (pass, action) in passes
            .iter()
            .filter(picked)
            .flat_map(|pass| ["stop-before", "stop-after"].map(|action| (pass, action)))
        {
            stops += 1;
            sites.plan(stops, action, pass);
            let stopped = attempt();
            assert!(!stopped.status.success(), "{action} {pass:?}");
            sites.clear();
            let marked = data.join("RESTORE").exists();
            let finished = data.join("FORMAT").exists() && !marked;
            let begun = data.join("log").exists() || data.join("slice-0000").exists();
            assert!(finished || !begun || marked, "{action} {pass:?}");
            if finished {
                run(&["check", "--data", &path]);
            } else if marked {
                // Nobody serves it, and nobody restores over it.
                if is_told.insert(pass.0.clone()) {
                    let options = ServerOptions {
                        data: Some(data.clone()),
                        ..ServerOptions::default()
                    };
                    let text = Server::start_refused(options).await;
                    assert!(text.contains("a restore that has not finished"), "{text}");
                }
                let again = attempt();
                assert!(!again.status.success());
                let text = String::from_utf8_lossy(&again.stderr);
                assert!(text.contains("a restore that has not finished"), "{text}");
            } else {
                // Stopped before the mark: as if nothing had been.
                unmarked += 1;
                assert!(attempt().status.success(), "{action} {pass:?}");
                run(&["check", "--data", &path]);
            }
            if data.exists() {
                std::fs::remove_dir_all(&data).expect("remove");
            }
        }
        // A full device is told, and nothing is left.
        let full = passes
            .iter()
            .find(|(site, _)| site.starts_with("write "))
            .expect("a write");
        stops += 1;
        sites.plan(stops, "full", full);
        let failed = attempt();
        assert!(!failed.status.success());
        assert!(String::from_utf8_lossy(&failed.stderr).contains("no space left"));
        assert!(!data.exists());
        sites.clear();
    }
    println!("{stops} stops, {unmarked} of them before the mark");
    assert!(unmarked >= 2, "{unmarked}");
    restore(&backups, "first", &data, &[]);
    let server = serve_on(&data).await;
    assert_eq!(
        connect(server.port)
            .await
            .value("SELECT sum(id) FROM t")
            .await,
        "4"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_table_is_protected_as_it_was() {
    let place = scratch();
    let backups = text_of(&place);
    let server = serve(&place, 2).await;
    let client = connect(server.port).await;
    for sql in [
        "CREATE USER reader PASSWORD 'Reader-password-1'",
        "CREATE TABLE guarded (id INTEGER, card VARCHAR(20))",
        "INSERT INTO guarded VALUES (1, 'one'), (2, 'two')",
        "CREATE RLS POLICY own WITH (id INTEGER) USING (id = 1)",
        "ATTACH RLS POLICY own ON guarded TO reader",
        "ALTER TABLE guarded ROW LEVEL SECURITY ON",
        "CREATE MASKING POLICY hidden WITH (card VARCHAR(20)) USING ('x'::VARCHAR(20))",
        "ATTACH MASKING POLICY hidden ON guarded(card) TO reader",
    ] {
        client.run(sql).await;
    }
    client
        .run(&format!("CREATE SNAPSHOT first TO '{backups}'"))
        .await;
    let restore = async |name: &str| {
        let sql = format!("RESTORE TABLE guarded FROM SNAPSHOT first AT '{backups}' AS {name}");
        client.run(&sql).await;
        client
            .run(&format!("GRANT SELECT ON {name} TO reader"))
            .await;
        client.run("SET SESSION AUTHORIZATION reader").await;
        let sql = format!("SELECT count(*), min(card) FROM {name}");
        let seen = client.value(&sql).await;
        client.run("RESET SESSION AUTHORIZATION").await;
        seen
    };
    assert_eq!(restore("guarded_then").await, "1|x");
    // A policy that is gone is not attached; the rows stay hidden.
    for sql in [
        "DETACH RLS POLICY own ON guarded FROM reader",
        "DETACH RLS POLICY own ON guarded_then FROM reader",
        "DROP RLS POLICY own",
    ] {
        client.run(sql).await;
    }
    assert!(restore("guarded_later").await.starts_with('0'));
}
