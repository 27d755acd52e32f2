//! Starts, kills and stops server processes.

use std::net::TcpListener;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The password every test server is given.
pub const PASSWORD: &str = "Test-password-1";

/// How long a server may take to be ready before the test fails.
const READY_MAX: Duration = Duration::from_secs(60);

/// How to start a server.
#[derive(Clone, Default)]
pub struct ServerOptions {
    /// `--slices`; the server's own default if absent.
    pub slices: Option<u32>,
    /// The data directory; a fresh temporary one if absent.
    pub data: Option<PathBuf>,
    /// Further arguments.
    pub arguments: Vec<String>,
    /// Environment.
    pub environment: Vec<(String, String)>,
}

/// A running server; killed when dropped.
pub struct Server {
    child: Child,
    /// Where it listens, on loopback.
    pub port: u16,
    /// Its data directory.
    pub data: PathBuf,
    /// What it printed.
    pub log: PathBuf,
    options: ServerOptions,
    directory: Arc<TempDir>,
}

/// Finds the binary of this build. `cargo test` builds it next to the test binaries' folder.
pub fn binary() -> PathBuf {
    let test = std::env::current_exe().expect("the path of the test binary");
    let profile = test
        .parent()
        .and_then(Path::parent)
        .expect("target/<profile>/deps/<test>");
    let binary = profile.join("blueshift");
    assert!(
        binary.exists(),
        "{} is missing: run `cargo build -p blueshift-leader` first",
        binary.display()
    );
    binary
}

/// Ports that the kernel gives to nobody by itself.
const PORTS: Range<u16> = 15_000..32_000;

/// Gives a port nobody listens on, and that no other test of this process is given soon. One that the kernel chooses may
/// be given to another server before ours listens there, or to another's connection, and then a test talks to a server
/// that is not its own.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Processes begin at different ones.
    let first = std::process::id().wrapping_mul(97);
    let count = PORTS.len() as u32;
    let numbers = (0..count).map(|_| NEXT.fetch_add(1, Ordering::Relaxed));
    let mut ports = numbers.map(|number| PORTS.start + (first.wrapping_add(number) % count) as u16);
    ports
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a free port")
}

impl Server {
    /// Starts a server and waits until it answers.
    pub async fn start(options: ServerOptions) -> Server {
        let directory = Arc::new(TempDir::new().expect("a temporary directory"));
        let data = options
            .data
            .clone()
            .unwrap_or_else(|| directory.path().join("data"));
        Self::launch(options, data, directory)
            .await
            .unwrap_or_else(|text| panic!("{text}"))
    }

    /// Starts a server on `data` that may end before it is ready; then gives what it printed.
    pub async fn try_start(options: ServerOptions, data: PathBuf) -> Result<Server, String> {
        let directory = Arc::new(TempDir::new().expect("a temporary directory"));
        Self::launch(options, data, directory).await
    }

    /// Starts a server that is expected to refuse to start, and gives what it printed.
    pub async fn start_refused(options: ServerOptions) -> String {
        let directory = Arc::new(TempDir::new().expect("a temporary directory"));
        let data = options
            .data
            .clone()
            .unwrap_or_else(|| directory.path().join("data"));
        match Self::launch(options, data, directory).await {
            Ok(_) => panic!("the server started, but should have refused"),
            Err(text) => text,
        }
    }

    async fn launch(
        options: ServerOptions,
        data: PathBuf,
        directory: Arc<TempDir>,
    ) -> Result<Server, String> {
        let port = free_port();
        let log = directory.path().join(format!("server-{port}.log"));
        let output = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .expect("log file");
        let mut command = Command::new(binary());
        command
            .arg("serve")
            .arg("--data")
            .arg(&data)
            .arg("--listen")
            .arg(format!("127.0.0.1:{port}"))
            .env("BLUESHIFT_ADMIN_PASSWORD", PASSWORD)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            // What happens by itself would be in the way of tests that look at every row of a log.
            .env("BLUESHIFT_AUTO_ANALYZE", "false")
            .env("BLUESHIFT_AUTO_VACUUM", "false")
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("log file"))
            .stderr(output);
        if let Some(slices) = options.slices {
            command.arg("--slices").arg(slices.to_string());
        }
        command
            .args(&options.arguments)
            .envs(options.environment.iter().cloned());
        let child = command.spawn().expect("the server process");
        let mut server = Server {
            child,
            port,
            data,
            log,
            options,
            directory,
        };
        let begun = Instant::now();
        loop {
            if let Ok(Some(status)) = server.child.try_wait() {
                return Err(format!(
                    "the server ended with {status}:\n{}",
                    server.log_text()
                ));
            }
            if crate::client::try_connect(port).await.is_ok() {
                return Ok(server);
            }
            assert!(
                begun.elapsed() < READY_MAX,
                "the server is not ready:\n{}",
                server.log_text()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Gives what the server printed so far.
    pub fn log_text(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Kills it as `kill -9` does.
    pub fn kill(&mut self) {
        self.child.kill().expect("kill");
        self.child.wait().expect("wait");
    }

    /// Tells whether the process lives.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits until the process has ended by itself, and tells whether it did before `stop_waiting` says so.
    pub async fn has_ended(&mut self, mut stop_waiting: impl FnMut() -> bool) -> bool {
        while self.is_alive() {
            if stop_waiting() {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        true
    }

    /// Gives its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to stop (SIGTERM) and gives its exit code.
    pub fn stop(&mut self) -> Option<i32> {
        let status = Command::new("kill")
            .arg(self.pid().to_string())
            .status()
            .expect("kill");
        assert!(status.success());
        self.child.wait().expect("wait").code()
    }

    /// Starts it again on the same data directory, after a kill or stop.
    pub async fn restart(mut self) -> Server {
        let options = self.options.clone();
        let data = self.data.clone();
        let directory = Arc::clone(&self.directory);
        if self.is_alive() {
            self.kill();
        }
        Self::launch(options, data, directory)
            .await
            .unwrap_or_else(|text| panic!("{text}"))
    }

    /// Gives a directory of this test, removed at its end.
    pub fn scratch(&self) -> &Path {
        self.directory.path()
    }

    /// Reads the peak resident memory of the process, in bytes.
    pub fn peak_memory_bytes(&self) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmHWM:"))
            .unwrap_or("VmHWM: 0 kB");
        line.split_whitespace()
            .nth(1)
            .and_then(|text| text.parse::<u64>().ok())
            .unwrap_or(0)
            * 1024
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The process may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
