//! A PostgreSQL server of a test's own, as Debian's packages install it; it logs every statement.

use crate::server::free_port;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

/// The account Debian makes for it; the server refuses to run as root.
const ACCOUNT: &str = "postgres";
/// The password of its users.
pub const PASSWORD: &str = "pg-secret-that-must-not-show";

/// A running cluster; stopped when dropped.
pub struct Postgres {
    directory: TempDir,
    programs: PathBuf,
    /// Where it listens, on loopback.
    pub port: u16,
}

impl Postgres {
    /// Makes a cluster and starts it, with a certificate for `localhost` if asked. Its superuser is `admin`, and `reader`
    /// logs in with [`PASSWORD`].
    ///
    /// # Panics
    /// Without PostgreSQL: run `bash tests/run.sh`.
    pub async fn start(with_tls: bool) -> Postgres {
        let directory = TempDir::new().expect("a directory");
        let postgres = Postgres {
            programs: programs().expect("PostgreSQL is installed by `bash tests/run.sh`"),
            port: free_port(),
            directory,
        };
        let folder = postgres.directory.path();
        if is_root() {
            run(Command::new("chown").arg(ACCOUNT).arg(folder));
        }
        let password = folder.join("password");
        std::fs::write(&password, PASSWORD).expect("a file");
        let password = format!("--pwfile={}", password.display());
        postgres.program(
            "initdb",
            &[
                "--auth=scram-sha-256",
                "--username=admin",
                "--encoding=UTF8",
                // Texts in an order that is not that of their bytes.
                "--locale=C.UTF-8",
                "--locale-provider=icu",
                "--icu-locale=en-US",
                &password,
            ],
        );
        if with_tls {
            postgres.certify();
        }
        postgres.launch(with_tls);
        postgres
            .run(&format!(
                "CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'; GRANT pg_read_all_data TO reader"
            ))
            .await;
        postgres
    }

    fn launch(&self, with_tls: bool) {
        let tls = if with_tls { "on" } else { "off" };
        let options = format!(
            "-p {} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off -c log_statement=all -c ssl={tls}",
            self.port
        );
        let log = self.log_file();
        let log = log.to_str().expect("a path");
        self.program("pg_ctl", &["start", "-w", "-l", log, "-o", &options]);
    }

    /// Makes a certificate for `localhost` that signs itself.
    fn certify(&self) {
        let (data, certificate) = (self.data(), self.certificate());
        let key = data.join("server.key");
        let subject = [
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
        ];
        let mut command = Command::new("openssl");
        command
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
            ])
            .args([
                "-nodes",
                "-days",
                "2",
                "-addext",
                "basicConstraints=critical,CA:FALSE",
            ])
            .args(subject)
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&certificate)
            .stderr(Stdio::null());
        run(&mut command);
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&key, permissions).expect("permissions");
        if is_root() {
            run(Command::new("chown")
                .arg(ACCOUNT)
                .arg(&key)
                .arg(&certificate));
        }
    }

    /// The certificate, in PEM.
    pub fn certificate(&self) -> PathBuf {
        self.data().join("server.crt")
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn log_file(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    /// Gives what it logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// Stops it as a power cut would.
    pub fn kill(&self) {
        self.program("pg_ctl", &["stop", "-m", "immediate"]);
    }

    /// Connects as its superuser.
    pub async fn connect(&self) -> Client {
        let mut config = tokio_postgres::Config::new();
        config
            .host("127.0.0.1")
            .port(self.port)
            .user("admin")
            .password(PASSWORD)
            .dbname("postgres");
        let (client, connection) = config.connect(NoTls).await.expect("connect to PostgreSQL");
        tokio::spawn(connection);
        client
    }

    /// Runs statements as its superuser.
    pub async fn run(&self, sql: &str) {
        let done = self.connect().await.batch_execute(sql).await;
        done.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }

    /// Waits until a query of one number gives it, for a few seconds.
    pub async fn wait_for(&self, sql: &str, expected: i64) {
        let client = self.connect().await;
        let begun = Instant::now();
        loop {
            let found: i64 = client.query_one(sql, &[]).await.expect(sql).get(0);
            if found == expected {
                return;
            }
            let waited = begun.elapsed();
            assert!(waited < Duration::from_secs(10), "{sql} is {found}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn program(&self, name: &str, arguments: &[&str]) {
        let path = self.programs.join(name);
        let mut command = match is_root() {
            true => {
                let mut command = Command::new("runuser");
                command.args(["-u", ACCOUNT, "--"]).arg(&path);
                command
            }
            false => Command::new(&path),
        };
        command.arg("-D").arg(self.data());
        command.args(arguments).stdout(Stdio::null());
        command.current_dir(self.directory.path());
        run(&mut command);
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if self.data().join("postmaster.pid").exists() {
            self.kill();
        }
    }
}

fn run(command: &mut Command) {
    let status = command.status().expect("a program");
    assert!(status.success(), "{command:?} failed");
}

/// Finds the programs of the newest version installed.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir(Path::new("/usr/lib/postgresql")).ok()?;
    let versions = versions.filter_map(|version| Some(version.ok()?.path().join("bin")));
    versions.filter(|bin| bin.join("initdb").exists()).max()
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
