//! What the tests of single durable steps run: one entry per statement. A new statement that writes is one entry more.

use super::site::{REMOVED_MAX, Sites, copy_directory, scratch};
use blueshift_tests::server::binary;
use blueshift_tests::{Client, Server, ServerOptions, connect};
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tokio::task::JoinSet;

/// Tries that run at the same time.
const PARALLEL: usize = 2;

/// A statement, or a transaction, on the tables of [`SETUP`].
pub(super) struct Case {
    /// What messages call it.
    pub(super) name: &'static str,
    /// Run in order on one connection. `{files}` is the directory COPY may read, `{kept}` a place with a snapshot,
    /// `{own}` one for snapshots of this try.
    pub(super) statements: &'static [&'static str],
}

const fn case(name: &'static str, statements: &'static [&'static str]) -> Case {
    Case { name, statements }
}

/// Every statement that makes something durable.
pub(super) const CASES: &[Case] = &[
    case(
        "COPY",
        &["COPY base FROM 'file://{files}/batch.csv' DELIMITER ','"],
    ),
    case(
        "INSERT",
        &["INSERT INTO base VALUES (901, 1, 'new'), (902, 2, NULL), (903, 3, 'x')"],
    ),
    case(
        "INSERT SELECT",
        &["INSERT INTO base SELECT id + 1000, amount, note FROM base"],
    ),
    case(
        "CREATE TABLE AS",
        &["CREATE TABLE made DISTSTYLE EVEN AS SELECT id, amount FROM base"],
    ),
    case("DELETE", &["DELETE FROM base WHERE id % 3 = 0"]),
    // So many rows that their mask has a file.
    case("DELETE many", &["DELETE FROM many WHERE id % 4 = 1"]),
    case(
        "UPDATE one",
        &["UPDATE more SET amount = 9 WHERE id = 5002"],
    ),
    case("DELETE all", &["DELETE FROM base"]),
    case(
        "UPDATE",
        &["UPDATE base SET amount = amount + 7 WHERE id % 4 < 2"],
    ),
    case(
        "MERGE",
        &["MERGE INTO base USING changes ON base.id = changes.id \
           WHEN MATCHED THEN UPDATE SET amount = changes.amount \
           WHEN NOT MATCHED THEN INSERT VALUES (changes.id, changes.amount, 'merged')"],
    ),
    case(
        "transaction",
        &[
            "BEGIN",
            "INSERT INTO base SELECT id + 2000, amount, note FROM base",
            "DELETE FROM base WHERE id % 5 = 1",
            "CREATE TABLE within (a INTEGER)",
            "INSERT INTO within VALUES (1), (2)",
            "ALTER TABLE base ADD COLUMN more INTEGER DEFAULT 5",
            "COMMIT",
        ],
    ),
    case(
        "CREATE TABLE",
        &["CREATE TABLE made (a INTEGER, b VARCHAR(10))"],
    ),
    case(
        "CREATE DATABASE",
        &["CREATE DATABASE made CONNECTION LIMIT 5"],
    ),
    case("DROP DATABASE", &["DROP DATABASE aside"]),
    case("CREATE VIEW", &["CREATE VIEW seen AS SELECT id FROM base"]),
    case("DROP TABLE", &["DROP TABLE base CASCADE"]),
    case("TRUNCATE", &["TRUNCATE base"]),
    case(
        "ALTER TABLE ADD COLUMN",
        &["ALTER TABLE base ADD COLUMN more VARCHAR(5) DEFAULT 'd' NOT NULL"],
    ),
    case(
        "ALTER TABLE DROP COLUMN",
        &["ALTER TABLE base DROP COLUMN note"],
    ),
    case(
        "ALTER TABLE RENAME COLUMN",
        &["ALTER TABLE base RENAME COLUMN note TO remark"],
    ),
    case(
        "ALTER TABLE RENAME",
        &["ALTER TABLE base RENAME TO foundation"],
    ),
    case(
        "ALTER TABLE ALTER DISTKEY",
        &["ALTER TABLE base ALTER DISTKEY amount"],
    ),
    case(
        "ALTER TABLE APPEND",
        &["ALTER TABLE base APPEND FROM more FILLTARGET"],
    ),
    case("VACUUM", &["VACUUM FULL base TO 100 PERCENT"]),
    case(
        "VACUUM DELETE ONLY",
        &["VACUUM DELETE ONLY base TO 100 PERCENT"],
    ),
    case("ANALYZE", &["ANALYZE base"]),
    case("GRANT", &["CREATE USER somebody PASSWORD 'Somebody-1'"]),
    case("SNAPSHOT", &["CREATE SNAPSHOT first TO '{own}'"]),
    case(
        "RESTORE TABLE",
        &["RESTORE TABLE public.base FROM SNAPSHOT first AT '{kept}' AS base_then"],
    ),
];

/// Part of it is in a checkpoint, and part in the log after it.
const SETUP: [&[&str]; 2] = [
    &[
        "CREATE TABLE kept (a INTEGER)",
        "INSERT INTO kept VALUES (1), (2), (3)",
        "CREATE TABLE base (id INTEGER, amount BIGINT, note VARCHAR(40)) DISTKEY(id) SORTKEY(id)",
        "COPY base FROM 'file://{files}/batch.csv' DELIMITER ','",
        "CREATE TABLE more (id INTEGER, amount BIGINT, note VARCHAR(40)) DISTKEY(id) SORTKEY(id)",
        "INSERT INTO more VALUES (5001, 1, 'm'), (5002, 2, 'n')",
        "CREATE TABLE many (id INTEGER) DISTSTYLE EVEN",
        "COPY many FROM 'file://{files}/many.csv'",
    ],
    &[
        "CREATE TABLE changes (id INTEGER, amount BIGINT) DISTSTYLE ALL",
        "INSERT INTO changes VALUES (3, 333), (4, 444), (7001, 1), (7002, 2)",
        "COPY base FROM 'file://{files}/later.csv' DELIMITER ','",
        "DELETE FROM base WHERE id % 7 = 2",
        "DELETE FROM many WHERE id % 2 = 0",
        "CREATE DATABASE aside",
        "USE aside",
        "CREATE TABLE inside (id INTEGER, amount BIGINT, note VARCHAR(40))",
        "COPY inside FROM 'file://{files}/batch.csv' DELIMITER ','",
        "RESET USE",
    ],
];

/// A data directory to begin each try with, and the files COPY reads.
pub(super) struct Template {
    directory: TempDir,
}

impl Template {
    pub(super) async fn make() -> Template {
        let template = Template {
            directory: scratch(),
        };
        let files = template.files();
        std::fs::create_dir_all(&files).expect("create");
        for (name, numbers) in [("batch.csv", 0..40), ("later.csv", 20..50)] {
            let lines = numbers.map(|n| format!("{n},{},note {}\n", n * 31 % 17, n % 5));
            std::fs::write(files.join(name), lines.collect::<String>()).expect("write");
        }
        let lines: String = (0..1_200).map(|n| format!("{n}\n")).collect();
        std::fs::write(files.join("many.csv"), lines).expect("write");
        for statements in SETUP {
            let mut server = template.start(&template.data(), None).await.expect("start");
            let client = connect(server.port).await;
            for statement in statements {
                client.run(&template.with_files(statement)).await;
            }
            drop(client);
            assert_eq!(server.stop(), Some(0));
        }
        // The stop wrote a checkpoint; what follows is in the log alone.
        let mut server = template.start(&template.data(), None).await.expect("start");
        let client = connect(server.port).await;
        client.run("INSERT INTO kept VALUES (4)").await;
        // No mask is replaced, for its file would be removed some time later only.
        client.run("DELETE FROM more WHERE id = 5001").await;
        server.kill();
        // A snapshot of it. The template itself never took one, so that the first is a case of its own.
        let copy = template.copy();
        let mut server = template.start(&copy.data, None).await.expect("start");
        let client = connect(server.port).await;
        let take = template.sql("CREATE SNAPSHOT first TO '{kept}'", &copy);
        client.run(&take).await;
        server.kill();
        template
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn files(&self) -> PathBuf {
        self.directory.path().join("files")
    }

    fn with_files(&self, statement: &str) -> String {
        statement.replace("{files}", &self.files().display().to_string())
    }

    /// Completes the text of a statement.
    pub(super) fn sql(&self, statement: &str, copy: &Copied) -> String {
        let kept = self.directory.path().join("snapshots");
        self.with_files(statement)
            .replace("{kept}", &kept.display().to_string())
            .replace("{own}", &copy.snapshots().display().to_string())
    }

    /// Copies the data directory.
    pub(super) fn copy(&self) -> Copied {
        let directory = scratch();
        let data = directory.path().join("data");
        copy_directory(&self.data(), &data);
        Copied { directory, data }
    }

    /// Starts a server.
    pub(super) async fn start(&self, data: &Path, sites: Option<&Sites>) -> Result<Server, String> {
        self.start_with(data, sites, &[]).await
    }

    /// Starts a server with more environment.
    pub(super) async fn start_with(
        &self,
        data: &Path,
        sites: Option<&Sites>,
        environment: &[(&str, &str)],
    ) -> Result<Server, String> {
        let scratch = self.directory.path().parent().expect("a directory above");
        let argument = |path: &Path| path.display().to_string();
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let environment = environment.iter().map(owned);
        let options = ServerOptions {
            slices: Some(2),
            arguments: vec![
                "--copy-root".into(),
                argument(&self.files()),
                "--snapshot-root".into(),
                argument(scratch),
            ],
            environment: environment.chain(sites.map(Sites::environment)).collect(),
            ..ServerOptions::default()
        };
        Server::try_start(options, data.to_path_buf()).await
    }
}

/// A copy of the template, removed when dropped.
pub(super) struct Copied {
    pub(super) data: PathBuf,
    directory: TempDir,
}

impl Copied {
    /// Gives the place for snapshots of this copy.
    pub(super) fn snapshots(&self) -> PathBuf {
        self.directory.path().join("snapshots")
    }

    /// Runs an admin command on that place, or `None` if there is no such place.
    fn on_snapshots(&self, arguments: &[&str]) -> Option<String> {
        let place = self.snapshots();
        place.is_dir().then(|| {
            let mut command = std::process::Command::new(binary());
            command.args(arguments).arg("--from").arg(&place);
            let output = command.output().expect("the command runs");
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(output.status.success(), "{arguments:?}: {output:?}");
            text
        })
    }

    /// Restores each snapshot into a directory of its own, and gives the directories.
    pub(super) fn restore_all(&self) -> Vec<PathBuf> {
        let listed = self.snapshot_names();
        let restore = |name: &String| {
            let data = self.directory.path().join(format!("restored-{name}"));
            let path = data.display().to_string();
            self.on_snapshots(&["restore", "--snapshot", name, "--data", &path]);
            data
        };
        listed.iter().map(restore).collect()
    }

    /// Removes all snapshots, and says what else is left in their place.
    pub(super) fn delete_all(&self) -> Vec<PathBuf> {
        for name in self.snapshot_names() {
            self.on_snapshots(&["snapshot", "delete", &name]);
        }
        let (mut left, mut folders) = (Vec::new(), vec![self.snapshots()]);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("list").flatten() {
                match entry.path().is_dir() {
                    true => folders.push(entry.path()),
                    false => left.push(entry.path()),
                }
            }
        }
        left
    }

    fn snapshot_names(&self) -> Vec<String> {
        let listed = self.on_snapshots(&["snapshot", "list", "--output", "json"]);
        let listed: Vec<serde_json::Value> =
            serde_json::from_str(&listed.unwrap_or("[]".to_owned())).expect("a list");
        let name = |snapshot: &serde_json::Value| {
            assert_eq!(snapshot["error"], serde_json::Value::Null, "{snapshot}");
            snapshot["snapshot"].as_str().expect("a name").to_owned()
        };
        listed.iter().map(name).collect()
    }
}

/// Waits until the number of row groups and masks is as it should be.
pub(super) async fn await_files(data: &Path, wanted: usize, what: &str) {
    let begun = std::time::Instant::now();
    loop {
        let files = super::site::data_files(data);
        if files.len() == wanted {
            return;
        }
        assert!(
            begun.elapsed() < REMOVED_MAX,
            "{what}: not {wanted} files: {files:#?}"
        );
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

/// Everything a user sees: the database, and the snapshots taken of it.
pub(super) async fn observe(client: &Client, copy: &Copied) -> String {
    let names = copy.snapshot_names();
    match names.is_empty() {
        true => observe_database(client).await,
        false => format!("{}\nsnapshots: {names:?}", observe_database(client).await),
    }
}

/// Tables with their columns, users, and all rows, also of other databases.
pub(super) async fn observe_database(client: &Client) -> String {
    let mut seen = client
        .rows(
            "SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns \
             WHERE table_schema = 'public' ORDER BY table_name, ordinal_position",
        )
        .await;
    seen.extend(client.rows("SELECT usename FROM pg_user ORDER BY 1").await);
    let tables = client
        .rows("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1")
        .await;
    for table in tables {
        let mut rows = client.rows(&format!("SELECT * FROM {table}")).await;
        rows.sort();
        seen.push(format!("{table}: {} rows", rows.len()));
        seen.extend(rows);
    }
    let databases = "SELECT datname FROM pg_database WHERE datname <> 'dev' ORDER BY 1";
    for database in client.rows(databases).await {
        let tables = format!(
            "SELECT table_name FROM svv_redshift_tables WHERE database_name = '{database}' \
             AND schema_name = 'public' ORDER BY 1"
        );
        for table in client.rows(&tables).await {
            let sql = format!("SELECT * FROM {database}.public.{table}");
            let mut rows = client.rows(&sql).await;
            rows.sort();
            seen.push(format!("{database}.{table}: {} rows", rows.len()));
            seen.extend(rows);
        }
        seen.push(format!("database {database}"));
    }
    seen.join("\n")
}

/// Reads in the log of a server how many files it found that no commit names.
pub(super) fn swept(log: &str) -> usize {
    let mut lines = log
        .lines()
        .filter(|line| line.contains("removing files of unfinished"));
    let files = lines.next().and_then(|line| line.rsplit_once("files="));
    files.map_or(0, |(_, count)| count.trim().parse().expect("a count"))
}

/// Runs `work` on each of `items`, a few at a time, and gives the results in no order.
pub(super) async fn each<T, R, F>(items: Vec<T>, work: impl Fn(T) -> F) -> Vec<R>
where
    R: Send + 'static,
    F: Future<Output = R> + Send + 'static,
{
    let mut running = JoinSet::new();
    let mut results = Vec::new();
    for item in items {
        if running.len() == PARALLEL
            && let Some(result) = running.join_next().await
        {
            results.push(result.expect("a task"));
        }
        running.spawn(work(item));
    }
    results.extend(running.join_all().await);
    results
}
