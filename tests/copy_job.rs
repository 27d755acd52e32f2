//! Copy jobs: they run by themselves, with their owner's rights, over restarts and kills; each file's rows are there once.

use blueshift_tests::client::try_connect;
use blueshift_tests::server::binary;
use blueshift_tests::{Client, Server, ServerOptions, connect, full, python};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};
use tempfile::TempDir;

/// How long something may take that happens by itself.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder that files come to.
struct Inbox {
    folder: TempDir,
}

impl Inbox {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("in")).expect("a folder");
        Self { folder }
    }

    fn url(&self) -> String {
        format!("file://{}/in/", self.folder.path().display())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("in").join(name)
    }

    /// Puts a file there at once, as who writes it elsewhere and renames it. It looks old enough to be whole.
    fn put(&self, name: &str, text: &str) {
        let elsewhere = self.folder.path().join(format!("{name}.part"));
        std::fs::write(&elsewhere, text).expect("write");
        let file = std::fs::File::options().write(true).open(&elsewhere);
        let past = SystemTime::now() - Duration::from_secs(60);
        file.expect("open").set_modified(past).expect("set time");
        std::fs::rename(elsewhere, self.path(name)).expect("rename");
    }

    fn options(&self, interval_ms: u32) -> ServerOptions {
        let root = self.folder.path().display().to_string();
        let interval = interval_ms.to_string();
        let arguments = ["--copy-root", &root, "--copy-job-interval-ms", &interval];
        ServerOptions {
            slices: Some(2),
            arguments: arguments.map(str::to_owned).into(),
            ..ServerOptions::default()
        }
    }
}

/// The rows of a file: its number and the numbers of its rows.
fn rows_of(file: u64, rows: u64) -> String {
    let mut text = String::new();
    for row in 0..rows {
        let _ = writeln!(text, "{file}|{row}");
    }
    text
}

async fn until(client: &Client, sql: &str, expected: &str) {
    let begun = Instant::now();
    loop {
        let found = client.rows(sql).await.join(";");
        if found == expected {
            return;
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "{sql}: {found}, not {expected}; told: {:?}; files: {:?}",
            client.rows("SELECT message FROM sys_copy_job_info").await,
            client
                .rows("SELECT status, count(*), min(error_message) FROM sys_copy_job_detail GROUP BY 1")
                .await
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_runs_by_itself_and_over_restarts() {
    let inbox = Inbox::new();
    inbox.put("before", &rows_of(0, 10));
    let mut server = Server::start(inbox.options(50)).await;
    let client = connect(server.port).await;
    client.run("CREATE TABLE t (file INT, n INT)").await;
    let url = inbox.url();
    client
        .run(&format!("COPY t FROM '{url}' JOB CREATE j"))
        .await;
    inbox.put("a", &rows_of(1, 100));
    inbox.put("b", &rows_of(2, 100));
    let count = "SELECT count(*), count(DISTINCT file) FROM t";
    until(&client, count, "200|2").await;
    inbox.put("bad", "1|x\n");
    inbox.put("c", &rows_of(3, 100));
    until(&client, count, "300|3").await;
    let states = "SELECT status, count(*) FROM sys_copy_job_detail GROUP BY 1 ORDER BY 1";
    until(&client, states, "E|1;I|3").await;
    // A removed file stays loaded, and one that is brought back as it was is not loaded again.
    std::fs::rename(inbox.path("a"), inbox.path("../a")).expect("rename");
    assert_eq!(server.stop(), Some(0));
    let server = server.restart().await;
    let client = connect(server.port).await;
    std::fs::rename(inbox.path("../a"), inbox.path("a")).expect("rename");
    inbox.put("d", &rows_of(4, 100));
    until(&client, count, "400|4").await;
    until(&client, states, "E|1;I|4").await;
    let attempts = "SELECT attempts FROM sys_copy_job_detail WHERE status = 'E'";
    assert_eq!(client.value(attempts).await, "1", "parked files rest");
    let history = "SELECT sum(loaded_rows) FROM sys_load_history h JOIN sys_copy_job j ON j.job_id = h.copy_job_id";
    assert_eq!(client.value(history).await, "400");
    let texts = "SELECT count(*) > 0 FROM stl_query WHERE label = 'copy job' AND querytxt LIKE 'COPY t FROM%'";
    assert_eq!(client.value(texts).await, "t");
    // Off is off.
    client.run("COPY JOB ALTER j AUTO OFF").await;
    inbox.put("e", &rows_of(5, 100));
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(client.value(count).await, "400|4");
    client.run("COPY JOB ALTER j AUTO ON").await;
    until(&client, count, "500|5").await;
    let shown = client.inner.prepare("COPY JOB SHOW j").await.expect("SHOW");
    let names: Vec<_> = shown.columns().iter().map(|one| one.name()).collect();
    assert!(names.starts_with(&["job_id", "job_name"]), "{names:?}");
    assert!(names.ends_with(&["files_ingested", "files_pending", "files_error"]));
    let row = client.value("COPY JOB SHOW j").await;
    assert!(
        row.contains("|dev|admin|") && row.ends_with("|5|0|1"),
        "{row}"
    );
    let row = client.value("COPY JOB LIST").await;
    assert!(
        row.contains("|j|dev|admin|") && row.contains("public.t|1|"),
        "{row}"
    );
}

/// Gives how many descriptors the server holds, and the CPU time it used, in ticks.
fn held(server: &Server) -> (usize, u64) {
    let folder = PathBuf::from(format!("/proc/{}", server.pid()));
    let descriptors = std::fs::read_dir(folder.join("fd")).expect("fd").count();
    let stat = std::fs::read_to_string(folder.join("stat")).expect("stat");
    let fields: Vec<_> = stat.rsplit(") ").next().unwrap_or("").split(' ').collect();
    let ticks = |at: usize| {
        fields
            .get(at)
            .and_then(|text| text.parse().ok())
            .unwrap_or(0)
    };
    (descriptors, ticks(11) + ticks(12))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_waits_costs_next_to_nothing() {
    let inbox = Inbox::new();
    let server = Server::start(inbox.options(100)).await;
    let client = connect(server.port).await;
    client.run("CREATE TABLE t (file INT, n INT)").await;
    for job in 0..5 {
        let url = inbox.url();
        client
            .run(&format!("COPY t FROM '{url}' JOB CREATE j{job} AUTO OFF"))
            .await;
    }
    for file in 0..50 {
        inbox.put(&format!("f{file}"), &rows_of(file, 1));
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (before, _) = held(&server);
    for job in 0..5 {
        client.run(&format!("COPY JOB ALTER j{job} AUTO ON")).await;
    }
    until(&client, "SELECT count(*) FROM t", "250").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (_, begun) = held(&server);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let (after, ended) = held(&server);
    // 5 jobs looked 150 times at 50 files: a fifth of a core at most, and that in a build without optimization.
    assert!(ended - begun < 60, "{} ticks in 3 s", ended - begun);
    // Blocks of the table may be open; listings and sockets are not.
    assert!(after <= before + 8, "{before} descriptors, then {after}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_jobs_load_one_prefix_into_two_tables() {
    let inbox = Inbox::new();
    let server = Server::start(inbox.options(20)).await;
    let client = connect(server.port).await;
    client
        .run("CREATE TABLE one (file INT, n INT); CREATE TABLE two (file INT, n VARCHAR(9))")
        .await;
    let url = inbox.url();
    for table in ["one", "two"] {
        client
            .run(&format!(
                "COPY {table} FROM '{url}' JOB CREATE into_{table}"
            ))
            .await;
    }
    for file in 0..20 {
        inbox.put(&format!("f{file}"), &rows_of(file, 50));
    }
    // Bad for one alone.
    inbox.put("odd", "20|x\n");
    until(&client, "SELECT count(*) FROM one", "1000").await;
    until(&client, "SELECT count(*) FROM two", "1001").await;
    let states =
        "SELECT job_name, status, count(*) FROM sys_copy_job_detail GROUP BY 1, 2 ORDER BY 1, 2";
    until(&client, states, "into_one|E|1;into_one|I|20;into_two|I|21").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_files_come_while_a_job_runs() {
    let inbox = Inbox::new();
    let server = Server::start(inbox.options(20)).await;
    let client = connect(server.port).await;
    client.run("CREATE TABLE t (file INT, n INT)").await;
    let url = inbox.url();
    client
        .run(&format!("COPY t FROM '{url}' JOB CREATE j"))
        .await;
    for file in 0..1_000 {
        let bad = file % 100 == 99;
        let text = if bad {
            "x|y\n".to_owned()
        } else {
            rows_of(file, 20)
        };
        inbox.put(&format!("f{file:04}"), &text);
        if file % 20 == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    let states =
        "SELECT status, count(*), max(attempts) FROM sys_copy_job_detail GROUP BY 1 ORDER BY 1";
    until(&client, states, "E|10|1;I|990|1").await;
    let exact = "SELECT count(*), count(DISTINCT file) FROM t";
    assert_eq!(client.value(exact).await, "19800|990");
    let twice = "SELECT count(*) FROM (SELECT file FROM t GROUP BY file HAVING count(*) <> 20) d";
    assert_eq!(client.value(twice).await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_runs_with_its_owners_rights_of_that_time() {
    let inbox = Inbox::new();
    let server = Server::start(inbox.options(50)).await;
    let admin = connect(server.port).await;
    admin
        .run("CREATE USER u PASSWORD 'Secret-pass-1'; CREATE USER other PASSWORD 'Secret-pass-1'; CREATE TABLE t (file INT, n INT)")
        .await;
    let as_user = |name: &'static str| {
        blueshift_tests::client::try_connect_as(server.port, name, "Secret-pass-1", "dev")
    };
    let user = as_user("u").await.expect("connect");
    let other = as_user("other").await.expect("connect");
    let url = inbox.url();
    let create = format!("COPY t FROM '{url}' JOB CREATE j");
    assert_eq!(user.failure(&create).await.0, "42501");
    admin.run("GRANT INSERT ON t TO u").await;
    user.run(&create).await;
    for command in [
        "COPY JOB RUN j",
        "COPY JOB ALTER j AUTO OFF",
        "COPY JOB DROP j",
    ] {
        assert_eq!(other.failure(command).await.0, "42501", "{command}");
    }
    assert_eq!(other.failure("COPY JOB SHOW j").await.0, "42704");
    assert_eq!(other.rows("COPY JOB LIST").await.len(), 0);
    assert_eq!(other.rows("SELECT 1 FROM sys_copy_job").await.len(), 0);
    assert_eq!(user.rows("SELECT 1 FROM sys_copy_job").await.len(), 1);
    inbox.put("a", &rows_of(1, 10));
    until(&admin, "SELECT count(*) FROM t", "10").await;
    let who = "SELECT DISTINCT u.usename FROM sys_load_history h JOIN pg_user u ON u.usesysid = h.user_id";
    assert_eq!(admin.value(who).await, "u");
    admin.run("REVOKE INSERT ON t FROM u").await;
    inbox.put("b", &rows_of(2, 10));
    let told = "SELECT count(*) FROM sys_copy_job_info WHERE message LIKE '%permission denied for relation t%'";
    until(&admin, told, "1").await;
    let states = "SELECT status, count(*) FROM sys_copy_job_detail GROUP BY 1";
    assert_eq!(user.value(states).await, "I|1");
    assert_eq!(user.failure("COPY JOB RUN j").await.0, "42501");
    // Also who asks for it must not lend their own rights.
    assert_eq!(admin.failure("COPY JOB RUN j").await.0, "42501");
    let (code, message) = admin.failure("DROP USER u").await;
    assert_eq!(code, "55006");
    assert!(message.contains("copy job j"), "{message}");
    admin.run("GRANT INSERT ON t TO u").await;
    until(&admin, "SELECT count(*) FROM t", "20").await;
    admin.run("DROP TABLE t").await;
    assert_eq!(admin.rows("SELECT 1 FROM sys_copy_job").await.len(), 0);
    admin.run("DROP USER u").await;
}

/// Writes a file that takes a while to load.
fn put_large(inbox: &Inbox, name: &str) -> u64 {
    let rows = 1_500_000;
    inbox.put(name, &rows_of(1, rows));
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_can_be_canceled_and_dropped_while_it_loads() {
    let inbox = Inbox::new();
    let server = Server::start(inbox.options(100_000)).await;
    let client = connect(server.port).await;
    client.run("CREATE TABLE t (file INT, n INT)").await;
    let url = inbox.url();
    client
        .run(&format!("COPY t FROM '{url}' JOB CREATE j AUTO OFF"))
        .await;
    let rows = put_large(&inbox, "large");
    let second = connect(server.port).await;
    let run = || {
        let port = server.port;
        tokio::spawn(async move {
            let third = connect(port).await;
            third.try_rows("COPY JOB RUN j").await.map(drop)
        })
    };
    let loading =
        "SELECT pid FROM stv_recents WHERE status = 'Running' AND query LIKE 'COPY t FROM%'";
    // CANCEL of what loads.
    let running = run();
    let pid = loop {
        if let Some(pid) = second.rows(loading).await.pop() {
            break pid;
        }
        assert!(!running.is_finished(), "it was too fast");
    };
    let pending = "SELECT status, count(*) FROM sys_copy_job_detail GROUP BY 1";
    assert_eq!(second.value(pending).await, "P|1");
    second.run(&format!("CANCEL {pid}")).await;
    let error = running.await.expect("task").expect_err("canceled");
    let error = blueshift_tests::client::explain(&error);
    assert!(error.starts_with("57014"), "{error}");
    assert_eq!(client.value("SELECT count(*) FROM t").await, "0");
    assert_eq!(client.rows(pending).await.len(), 0, "nobody is blamed");
    // CANCEL of who asked.
    let running = run();
    while second.rows(loading).await.is_empty() {
        assert!(!running.is_finished(), "it was too fast");
    }
    let asked =
        "SELECT pid FROM stv_recents WHERE status = 'Running' AND query LIKE 'COPY JOB RUN%'";
    let pid = second.value(asked).await;
    second.run(&format!("CANCEL {pid}")).await;
    assert!(running.await.expect("task").is_err());
    assert_eq!(client.value("SELECT count(*) FROM t").await, "0");
    client.run("COPY JOB RUN j").await;
    let count = client.value("SELECT count(*) FROM t").await;
    assert_eq!(count, rows.to_string());
    // DROP while it loads.
    put_large(&inbox, "larger");
    let running = run();
    while second.rows(loading).await.is_empty() {
        assert!(!running.is_finished(), "it was too fast");
    }
    let begun = Instant::now();
    second.run("COPY JOB DROP j").await;
    assert!(begun.elapsed() < Duration::from_secs(5), "DROP waited");
    assert!(running.await.expect("task").is_err());
    assert_eq!(client.value("SELECT count(*) FROM t").await, count);
    assert_eq!(client.rows("SELECT 1 FROM sys_copy_job").await.len(), 0);
    // DROP TABLE waits for what is being loaded, and the job goes with it.
    client
        .run(&format!("COPY t FROM '{url}' JOB CREATE j AUTO OFF"))
        .await;
    put_large(&inbox, "largest");
    let running = run();
    while second.rows(loading).await.is_empty() {
        assert!(!running.is_finished(), "it was too fast");
    }
    second.run("DROP TABLE t").await;
    // Loaded before, or stopped.
    let _either = running.await.expect("task");
    assert_eq!(client.rows("SELECT 1 FROM sys_copy_job").await.len(), 0);
    assert_eq!(
        client.rows("SELECT 1 FROM sys_copy_job_detail").await.len(),
        0
    );
}

/// Puts files until told to stop; gives how many.
async fn feed(inbox: Arc<Inbox>, next: Arc<AtomicU64>, last: u64) {
    while next.load(Ordering::Relaxed) < last {
        let file = next.fetch_add(1, Ordering::Relaxed);
        let bad = file % 17 == 16;
        let text = if bad {
            "x|y\n".to_owned()
        } else {
            rows_of(file, FILE_ROWS)
        };
        inbox.put(&format!("f{file:06}"), &text);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Rows of a file under kills.
const FILE_ROWS: u64 = 500;

/// What is loaded is what the ledger says, and each file is loaded whole or not at all.
async fn ensure_exact(client: &Client, what: &str) {
    let odd = format!(
        "SELECT file, count(*) FROM t GROUP BY file HAVING count(*) <> {FILE_ROWS} OR count(DISTINCT n) <> {FILE_ROWS}"
    );
    assert_eq!(client.rows(&odd).await, [] as [String; 0], "{what}");
    // One statement, so that both are of the same moment.
    let both = "SELECT (SELECT count(DISTINCT file) FROM t), (SELECT count(*) FROM sys_copy_job_detail WHERE status = 'I')";
    let found = client.value(both).await;
    let (rows, ledger) = found.split_once('|').expect("two counts");
    assert_eq!(rows, ledger, "{what}");
}

/// `kill -9` at any moment of the runs of a job that files keep coming to.
#[tokio::test(flavor = "multi_thread")]
async fn each_file_is_loaded_once_whenever_the_server_is_killed() {
    let kills = if full() { 100 } else { 8 };
    let seed = std::env::var("BLUESHIFT_TEST_SEED")
        .ok()
        .and_then(|text| text.parse().ok());
    let seed: u64 = seed.unwrap_or_else(rand::random);
    println!("BLUESHIFT_TEST_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let inbox = Arc::new(Inbox::new());
    let mut server = Server::start(inbox.options(10)).await;
    let client = connect(server.port).await;
    client.run("CREATE TABLE t (file INT, n INT)").await;
    let url = inbox.url();
    client
        .run(&format!("COPY t FROM '{url}' JOB CREATE j"))
        .await;
    let next = Arc::new(AtomicU64::new(0));
    let mut progressed = 0;
    let mut before = String::new();
    for kill in 0..kills {
        let last = next.load(Ordering::Relaxed) + 40;
        let feeding = tokio::spawn(feed(Arc::clone(&inbox), Arc::clone(&next), last));
        let pause = random.random_range(5..400);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        server.kill();
        server = server.restart().await;
        feeding.await.expect("files");
        let client = connect(server.port).await;
        ensure_exact(
            &client,
            &format!("seed {seed}, kill {kill} after {pause} ms"),
        )
        .await;
        let now = client.value("SELECT count(*) FROM t").await;
        progressed += u32::from(now != before);
        before = now;
    }
    assert!(
        progressed > kills / 4,
        "the kills hit nothing: {progressed} of {kills}"
    );
    let files = next.load(Ordering::Relaxed);
    let bad = (0..files).filter(|file| file % 17 == 16).count() as u64;
    let client = try_connect(server.port).await.expect("connect");
    let states = "SELECT status, count(*) FROM sys_copy_job_detail GROUP BY 1 ORDER BY 1";
    until(&client, states, &format!("E|{bad};I|{}", files - bad)).await;
    ensure_exact(&client, &format!("seed {seed}, at the end")).await;
    let sum = client.value("SELECT count(*) FROM t").await;
    assert_eq!(sum, ((files - bad) * FILE_ROWS).to_string());
    // Checked from outside too: the directory is whole.
    assert_eq!(server.stop(), Some(0));
    let check = Command::new(binary())
        .args(["check", "--data"])
        .arg(&server.data)
        .output()
        .expect("check");
    assert!(check.status.success(), "{check:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_cluster_loads_what_its_rows_lack() {
    let inbox = Inbox::new();
    let mut options = inbox.options(100_000);
    let place = inbox.folder.path().join("snapshots");
    std::fs::create_dir(&place).expect("a folder");
    let root = place.display().to_string();
    options.arguments.extend(["--snapshot-root".into(), root]);
    let mut server = Server::start(options.clone()).await;
    let client = connect(server.port).await;
    client.run("CREATE TABLE t (file INT, n INT)").await;
    let url = inbox.url();
    client
        .run(&format!("COPY t FROM '{url}' JOB CREATE j AUTO OFF"))
        .await;
    inbox.put("a", &rows_of(1, 10));
    client.run("COPY JOB RUN j").await;
    client
        .run(&format!("CREATE SNAPSHOT s TO '{}'", place.display()))
        .await;
    inbox.put("b", &rows_of(2, 10));
    client.run("COPY JOB RUN j").await;
    assert_eq!(client.value("SELECT count(*) FROM t").await, "20");
    assert_eq!(server.stop(), Some(0));
    let data = inbox.folder.path().join("restored");
    restore(&place, &data);
    let restored = Server::try_start(options, data).await.expect("start");
    let client = connect(restored.port).await;
    assert_eq!(client.value("SELECT count(*) FROM t").await, "10");
    client.run("COPY JOB RUN j").await;
    let files = "SELECT file, count(*) FROM t GROUP BY 1 ORDER BY 1";
    assert_eq!(client.rows(files).await, ["1|10", "2|10"]);
}

fn restore(place: &Path, data: &Path) {
    let output = Command::new(binary())
        .args(["restore", "--snapshot", "s", "--from"])
        .arg(place)
        .arg("--data")
        .arg(data)
        .output()
        .expect("restore");
    assert!(output.status.success(), "{output:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_load_what_comes_to_an_s3_bucket() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("client/s3_copy_job.py");
    let output = Command::new(python())
        .arg(script)
        .env("BLUESHIFT_BINARY", binary())
        .output()
        .expect("python runs");
    let text = String::from_utf8_lossy(&output.stdout).to_string()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("ok"), "{text}");
}
