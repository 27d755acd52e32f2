//! COPY ... SSH against an sshd on loopback: what commands print is loaded, and only from hosts that may be reached and are
//! who they should be.

use blueshift_tests::server::free_port;
use blueshift_tests::{Client, Server, ServerOptions, connect};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A running sshd; killed when dropped.
struct Sshd {
    child: Child,
    folder: TempDir,
    port: u16,
    user: String,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .expect(program);
    assert!(output.status.success(), "{program}: {output:?}");
    String::from_utf8(output.stdout)
        .expect("text")
        .trim()
        .to_owned()
}

fn key(folder: &Path, name: &str) -> String {
    let path = folder.join(name).display().to_string();
    output(
        "ssh-keygen",
        &["-q", "-t", "ed25519", "-N", "", "-f", &path],
    );
    std::fs::read_to_string(format!("{path}.pub")).expect("a key")
}

impl Sshd {
    async fn start() -> Self {
        let folder = TempDir::new().expect("a folder");
        let at = |name: &str| folder.path().join(name).display().to_string();
        key(folder.path(), "host");
        key(folder.path(), "other");
        std::fs::write(at("authorized"), key(folder.path(), "user")).expect("write");
        let port = free_port();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nUsePAM no\n\
             StrictModes no\nPasswordAuthentication no\nMaxStartups 100\nPermitRootLogin prohibit-password\n",
            at("host"),
            at("authorized")
        );
        std::fs::write(at("config"), config).expect("write");
        // Where sshd of root keeps nothing, and wants to.
        let _ = std::fs::create_dir("/run/sshd");
        let child = Command::new("/usr/sbin/sshd")
            .args(["-D", "-e", "-f", &at("config")])
            .stdin(Stdio::null())
            .stderr(std::fs::File::create(at("log")).expect("a log"))
            .spawn()
            .expect("sshd: run `bash tests/run.sh`");
        let sshd = Self {
            child,
            port,
            user: output("id", &["-un"]),
            folder,
        };
        let begun = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            let log = std::fs::read_to_string(sshd.at("log")).unwrap_or_default();
            assert!(begun.elapsed() < Duration::from_secs(20), "{log}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        sshd
    }

    fn at(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Gives the text of a host's key as a manifest has it.
    fn key(&self, name: &str) -> String {
        let line = std::fs::read_to_string(self.at(&format!("{name}.pub"))).expect("a key");
        line.split_whitespace().nth(1).expect("the text").to_owned()
    }

    fn entry(&self, command: &str, more: &str) -> String {
        let command = serde_json::to_string(command).expect("JSON");
        format!(
            "{{\"endpoint\":\"127.0.0.1:{}\",\"username\":\"{}\",\"command\":{command}{more}}}",
            self.port, self.user
        )
    }

    /// Writes a manifest and gives the COPY of it.
    fn copy(&self, entries: &[String]) -> String {
        let path = self.at("manifest");
        let text = format!("{{\"entries\":[{}]}}", entries.join(","));
        std::fs::write(&path, text).expect("write");
        format!("COPY t FROM 'file://{path}' SSH")
    }

    async fn server(&self, arguments: &[&str]) -> (Server, Client) {
        let mut all = vec![
            "--copy-root".to_owned(),
            self.folder.path().display().to_string(),
        ];
        all.extend(arguments.iter().map(|one| (*one).to_owned()));
        let server = Server::start(ServerOptions {
            slices: Some(2),
            arguments: all,
            ..ServerOptions::default()
        })
        .await;
        let client = connect(server.port).await;
        client
            .run("CREATE TABLE t (id BIGINT, name VARCHAR(20))")
            .await;
        (server, client)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_commands_print_is_loaded() {
    let sshd = Sshd::start().await;
    let reach = format!("127.0.0.1:{}", sshd.port);
    let (_server, client) = sshd
        .server(&["--ssh-key", &sshd.at("user"), "--reach", &reach])
        .await;
    let right = format!(",\"mandatory\":true,\"publickey\":\"{}\"", sshd.key("host"));
    let wrong = format!(
        ",\"mandatory\":true,\"publickey\":\"{}\"",
        sshd.key("other")
    );
    let maybe = format!(",\"publickey\":\"{}\"", sshd.key("other"));
    let found = "SELECT count(*), sum(id) FROM t";

    // Several commands, one of them long.
    let copy = sshd.copy(&[
        sshd.entry("printf '1|a\\n2|b\\n'", &right),
        sshd.entry("seq 1 1000000 | sed 's/$/|x/'", ""),
        sshd.entry("true", &right),
    ]);
    client.run(&copy).await;
    assert_eq!(client.value(found).await, "1000002|500000500003");
    let files =
        "SELECT trim(name), lines FROM stl_file_scan WHERE query = pg_last_copy_id() ORDER BY 1";
    let host = format!("ssh://{}@127.0.0.1:{}", sshd.user, sshd.port);
    assert_eq!(
        client.rows(files).await,
        [
            format!("{host}/1|2"),
            format!("{host}/2|1000000"),
            format!("{host}/3|0")
        ]
    );

    client.run("TRUNCATE t").await;
    let copy = sshd.copy(&[sshd.entry("printf '3,c\\n' | gzip -c", &right)]);
    client.run(&format!("{copy} CSV GZIP")).await;
    assert_eq!(client.value(found).await, "1|3");

    // A host with another key is not who it should be. One that is not mandatory is left out.
    client.run("TRUNCATE t").await;
    let (code, error) = client
        .failure(&sshd.copy(&[sshd.entry("echo '1|a'", &wrong)]))
        .await;
    assert!(
        code == "58030" && error.contains("Host key verification failed"),
        "{error}"
    );
    client
        .run(&sshd.copy(&[
            sshd.entry("echo '1|a'", &maybe),
            sshd.entry("echo '2|b'", &right),
        ]))
        .await;
    assert_eq!(client.value(found).await, "1|2");
    let (_, error) = client
        .failure(&sshd.copy(&[sshd.entry("echo '1|a'", &maybe)]))
        .await;
    assert!(error.contains("No connection"), "{error}");

    // What breaks off loads nothing, and the command is not told.
    client.run("TRUNCATE t").await;
    let failing = sshd.entry("echo '7|g'; echo why >&2; exit 3 # hunter2", &right);
    let (_, error) = client
        .failure(&sshd.copy(&[failing, sshd.entry("echo '2|b'", "")]))
        .await;
    assert!(
        error.contains("status 3: why") && !error.contains("hunter2"),
        "{error}"
    );
    assert_eq!(client.value("SELECT count(*) FROM t").await, "0");

    // Rows that are refused name the host.
    let copy = sshd.copy(&[sshd.entry("printf 'x|a\\n5|b\\n'", &right)]);
    client.run(&format!("{copy} MAXERROR 2")).await;
    let refused = "SELECT trim(filename), line_number, err_code FROM stl_load_errors WHERE query = pg_last_copy_id()";
    assert_eq!(client.rows(refused).await, [format!("{host}/1|1|1207")]);

    let (code, _) = client
        .failure("COPY t FROM 's3://bucket/m' SSH MANIFEST")
        .await;
    assert_eq!(code, "42601");
    for entries in [
        "{\"endpoint\":\"-oProxyCommand=id\",\"command\":\"x\"}",
        "{\"endpoint\":\"h\",\"command\":\"x\",\"username\":\"-oProxyCommand=id\"}",
        "{\"endpoint\":\"h\"}",
        "",
    ] {
        let (_, error) = client.failure(&sshd.copy(&[entries.to_owned()])).await;
        assert!(error.contains("not a manifest of hosts"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_never_ends_is_canceled_with_the_statement() {
    let sshd = Sshd::start().await;
    let (server, client) = sshd
        .server(&["--ssh-key", &sshd.at("user"), "--reach", "127.0.0.0/8"])
        .await;
    let copy = sshd.copy(&[sshd.entry("echo '1|a'; sleep 1000", "")]);
    let token = client.inner.cancel_token();
    let running = tokio::spawn(async move { client.failure(&copy).await });
    let clients = || {
        let output = Command::new("pgrep")
            .args(["-P", &server.pid().to_string(), "-x", "ssh"])
            .output();
        output.expect("pgrep").stdout.len()
    };
    let begun = Instant::now();
    while clients() == 0 {
        assert!(begun.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    token
        .cancel_query(blueshift_tests::client::tls())
        .await
        .expect("cancel");
    let (code, _) = running.await.expect("an error");
    assert_eq!(code, "57014");
    while clients() > 0 {
        assert!(
            begun.elapsed() < Duration::from_secs(40),
            "the client still runs"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_are_reached_only_where_the_operator_says_so() {
    let sshd = Sshd::start().await;
    let copy = sshd.copy(&[sshd.entry("echo '1|a'", "")]);
    let (_server, client) = sshd.server(&[]).await;
    let (code, error) = client.failure(&copy).await;
    assert!(code == "42501" && error.contains("--ssh-key"), "{error}");
    let (_server, client) = sshd.server(&["--ssh-key", &sshd.at("user")]).await;
    let (code, error) = client.failure(&copy).await;
    assert!(code == "42501" && error.contains("--reach"), "{error}");
}
